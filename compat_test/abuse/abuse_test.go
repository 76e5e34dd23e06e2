package abuse

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// abuse is something a client, or the storage, may do to an engine. Its run returns an error where the engine
// shows the defect.
type abuse struct {
	name   string
	files  map[string]string
	limits rig.AbuseLimits
	hook   func(*rig.MemFS)
	cos    func(*rig.Store) // the storage is COS, prepared so, in place of a MemFS
	fixes  string           // the defects that it is about, see defects_test.go
	alone  bool             // measures what others beside it would spoil
	run    func(a *rig.Abused) error
}

func (x *abuse) try(t *testing.T, e rig.EngineUnderAbuse) error {
	if x.cos != nil {
		s := rig.NewStore(t)
		x.cos(s)
		account := rig.StoreAccounts(t, s, t.TempDir())["user0 pass0"]
		return x.run(&rig.Abused{T: t, Addr: e.Start(t, account.FS, x.limits), Store: s, Limits: x.limits})
	}
	files := newMemFS(x.files)
	if x.hook != nil {
		x.hook(files)
	}
	return x.run(&rig.Abused{T: t, Addr: e.Start(t, files, x.limits), Files: files, Limits: x.limits})
}

// TestAbuse holds that our engine withstands everything that was found to break the library.
func TestAbuse(t *testing.T) {
	for _, x := range abuses {
		t.Run(x.name, func(t *testing.T) {
			if !x.alone {
				t.Parallel()
			}
			if err := x.try(t, rig.Engines[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLibraryUnderAbuse runs the same against ftpserverlib.
func TestLibraryUnderAbuse(t *testing.T) {
	if os.Getenv(rig.LibraryProcess) != "" {
		tryLibrary(t)
		return
	}
	t.Parallel()
	var all []string
	for _, x := range abuses {
		all = append(all, x.name)
	}
	rig.CompareWithKnown(t, all)
}

func tryLibrary(t *testing.T) {
	for _, x := range abuses {
		t.Run(x.name, func(t *testing.T) {
			if !x.alone {
				t.Parallel()
			}
			why := ""
			if err := x.try(t, rig.Engines[1]); err != nil {
				why = err.Error()
			}
			rig.TellOfLibrary(x.name, why)
		})
	}
}
