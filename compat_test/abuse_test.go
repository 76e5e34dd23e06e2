package compat_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// abuse is something a client, or the storage, may do to an engine. Its run returns an error where the engine
// shows the defect.
type abuse struct {
	name   string
	files  map[string]string
	limits abuseLimits
	hook   func(*memFS)
	cos    func(*store) // the storage is COS, prepared so, in place of a memFS
	fixes  string       // the defects that it is about, see defects_test.go
	alone  bool         // measures what others beside it would spoil
	run    func(a *abused) error
}

// abused is an engine under one abuse.
type abused struct {
	t      *testing.T
	addr   string
	files  *memFS
	store  *store
	limits abuseLimits
}

// login opens a session; the test fails where even that does not work.
func (a *abused) login() *peer {
	a.t.Helper()
	return a.loginAs("user", "pass")
}

func (a *abused) loginAs(user, password string) *peer {
	a.t.Helper()
	p := &peer{addr: a.addr}
	if err := p.connect(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(p.close)
	for _, err := range []error{
		p.wantReply("220"), p.want("331", "USER %s", user), p.want("230", "PASS %s", password), p.want("200", "TYPE I"),
	} {
		if err != nil {
			a.t.Fatal(err)
		}
	}
	return p
}

// transfer logs in, opens a passive data connection and starts a command on it.
func (a *abused) transfer(command string) (*peer, error) {
	p := a.login()
	if err := p.pasv(); err != nil {
		return p, err
	}
	return p, p.want("1", "%s", command)
}

// pasv opens a data connection.
func (p *peer) pasv() error {
	if err := p.want("227", "PASV"); err != nil {
		return err
	}
	return p.open("")
}

// want sends a command and checks the beginning of its reply.
func (p *peer) want(code, format string, args ...any) error {
	if reply := p.command(format, args...); !strings.HasPrefix(reply, code) {
		return fmt.Errorf("%s is answered %q, want %s", fmt.Sprintf(format, args...), reply, code)
	}
	return nil
}

// wantReply checks the next reply without sending anything.
func (p *peer) wantReply(code string) error {
	if reply := p.reply(replyTime); !strings.HasPrefix(reply, code) {
		return fmt.Errorf("got %q, want %s", reply, code)
	}
	return nil
}

func (x *abuse) try(t *testing.T, e engineUnderAbuse) error {
	if x.cos != nil {
		s := newStore(t)
		x.cos(s)
		account := storeAccounts(t, s, t.TempDir())["user0 pass0"]
		return x.run(&abused{t: t, addr: e.start(t, account.FS, x.limits), store: s, limits: x.limits})
	}
	files := newMemFS(x.files)
	if x.hook != nil {
		x.hook(files)
	}
	return x.run(&abused{t: t, addr: e.start(t, files, x.limits), files: files, limits: x.limits})
}

// TestAbuse holds that our engine withstands everything that was found to break the library.
func TestAbuse(t *testing.T) {
	for _, x := range abuses {
		t.Run(x.name, func(t *testing.T) {
			if !x.alone {
				t.Parallel()
			}
			if err := x.try(t, engines[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLibraryUnderAbuse runs the same against ftpserverlib.
func TestLibraryUnderAbuse(t *testing.T) {
	if os.Getenv(libraryProcess) != "" {
		tryLibrary(t)
		return
	}
	t.Parallel()
	var all []string
	for _, x := range abuses {
		all = append(all, x.name)
	}
	compareWithKnown(t, all)
}

func tryLibrary(t *testing.T) {
	for _, x := range abuses {
		t.Run(x.name, func(t *testing.T) {
			if !x.alone {
				t.Parallel()
			}
			why := ""
			if err := x.try(t, engines[1]); err != nil {
				why = err.Error()
			}
			tellOfLibrary(x.name, why)
		})
	}
}
