package cosfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// A small upload is stored while its name is still being checked, so that it costs one round trip: what then turns
// out to be the name of a directory must leave everything as it was.
func TestSmallUploadToDirectoryIsUndone(t *testing.T) {
	for name, fault := range map[string]costest.Fault{
		"quick check":        {Op: "none"},
		"slow check":         {Op: "ListObjects", BytesPerSecond: 2000},
		"check of far store": {Op: "ListObjects", Delay: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransfers(t, EngineOptions{})
			if strings.Contains(name, "far") {
				tr.noteCheck(time.Second)
			}
			tr.store.Put(treeBucket, "dir/file", []byte("x"))
			tr.store.Inject(fault)
			err := tr.upload(t.Context(), "/dir", &afterList{tr: tr, data: strings.NewReader("data")})
			if !errors.Is(err, syscall.EISDIR) {
				t.Errorf("got %v, want EISDIR", err)
			}
			if _, there := tr.store.Get(treeBucket, "dir"); there {
				t.Error("an object with the name of the directory is left")
			}
		})
	}
}

// Where an object has the name of a directory too, the upload replaces the object, whenever the check looks.
func TestSmallUploadToNameOfBothReplacesFile(t *testing.T) {
	for name, fault := range map[string]costest.Fault{
		"check before": {Op: "none"},
		"check slower": {Op: "ListObjects", BytesPerSecond: 2000},
		"check after":  {Op: "ListObjects", Delay: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransfers(t, EngineOptions{})
			tr.store.Put(treeBucket, "both/file", []byte("x"))
			tr.store.Put(treeBucket, "both", []byte("old"))
			tr.store.Inject(fault)
			if err := tr.upload(t.Context(), "/both", strings.NewReader("new")); err != nil {
				t.Error(err)
			}
			if o, _ := tr.store.Get(treeBucket, "both"); string(o.Data) != "new" {
				t.Errorf("the object is %q", o.Data)
			}
		})
	}
}

// A PUT that fails at the name of both must not take the old object with it.
func TestFailedUploadToNameOfBothKeepsFile(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Put(treeBucket, "both/file", []byte("x"))
	tr.store.Put(treeBucket, "both", []byte("old"))
	tr.store.Inject(costest.Fault{Op: "PutObject", Status: 403, Code: "AccessDenied"})
	if err := tr.upload(t.Context(), "/both", strings.NewReader("new")); err == nil {
		t.Error("no error")
	}
	if o, _ := tr.store.Get(treeBucket, "both"); !bytes.Equal(o.Data, []byte("old")) {
		t.Errorf("the object is %q", o.Data)
	}
}

// Other names that begin alike, more than a page of them, do not hide the directory.
func TestDirectoryBehindLookAlikesIsFound(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	for i := range pageSize + 1 {
		tr.store.Put(treeBucket, fmt.Sprintf("q!%04d", i), nil)
	}
	tr.store.Put(treeBucket, "q/file", nil)
	if err := tr.upload(t.Context(), "/q", strings.NewReader("data")); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("got %v, want EISDIR", err)
	}
}

// An account that may not list can upload all the same.
func TestUploadGoesOnWithoutTheCheck(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Inject(costest.Fault{Op: "ListObjects", Status: 403, Code: "AccessDenied"})
	if err := tr.upload(t.Context(), "/f", strings.NewReader("data")); err != nil {
		t.Error(err)
	}
}

// afterList is data that comes when the check has reached the store, as it does where a client is not quicker than that.
type afterList struct {
	tr   *transfers
	data io.Reader
}

func (a *afterList) Read(p []byte) (int, error) {
	waitFor(a.tr.t, "the check to ask", func() bool { return a.tr.store.Count("ListObjects") > 0 })
	return a.data.Read(p)
}

// One check that is held up must not make a near store look far: small uploads would no longer wait for certainty.
func TestOneSlowCheckDoesNotMakeAStoreFar(t *testing.T) {
	f := newTransfers(t, EngineOptions{}).FS
	f.noteCheck(100 * time.Millisecond) // the first, which makes a connection
	f.noteCheck(3 * time.Millisecond)
	for range 10 {
		f.noteCheck(time.Second)
	}
	if f.checkGrace() < nearStore {
		t.Error("ten slow checks outweigh a quick one")
	}
	for range 100 {
		f.noteCheck(20 * time.Millisecond)
	}
	if f.checkGrace() >= nearStore {
		t.Error("a store that has become slow still counts as near")
	}
}
