package cosfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// account is another account on the same bucket, as a second user of this gateway has it.
func (tr *transfers) account() *FS {
	tr.t.Helper()
	f, err := New(tr.opts, tr.engine)
	if err != nil {
		tr.t.Fatal(err)
	}
	return f
}

// gateway is the same account on another gateway.
func (tr *transfers) gateway() *FS {
	tr.t.Helper()
	e := NewEngine(EngineOptions{UploadThreads: 8, DownloadThreads: 8, Memory: 64 << 20, RetryBase: time.Millisecond, Patience: testPatience})
	tr.t.Cleanup(e.Close)
	f, err := New(tr.opts, e)
	if err != nil {
		tr.t.Fatal(err)
	}
	f.endpoint.works() // what fails from now on is an outage
	return f
}

// newMeeting is a tree on which several clients meet, and the other two by which they may come.
func newMeeting(t *testing.T, opts ...costest.Option) (tr *transfers, account, gateway *FS) {
	t.Helper()
	tr = newTransfers(t, EngineOptions{}, opts...)
	tr.opts.RenameDirLimit = 1000
	tr.opts.ResumeAny = false
	return tr, tr.account(), tr.gateway()
}

// begin starts an upload and writes data.
func begin(t *testing.T, f *FS, name string, data []byte) *writer {
	t.Helper()
	w, err := f.Create(t.Context(), name)
	return started(t, w, err, data)
}

func started(t *testing.T, w io.WriteCloser, err error, data []byte) *writer {
	t.Helper()
	if err == nil {
		t.Cleanup(func() { w.Close() })
		_, err = w.Write(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.(*writer)
}

// put stores a file in one step.
func put(t *testing.T, f *FS, name string, data []byte) {
	t.Helper()
	if err := begin(t, f, name, data).Close(); err != nil {
		t.Fatal(err)
	}
}

// interrupt ends an upload as a client does that breaks off.
func interrupt(w *writer) error {
	w.Interrupted(false, false)
	return w.Close()
}

// TestOlderUploadIsOutdated: an upload half open while another one stores the whole file. Whatever the end of the first
// looks like, nothing of it replaces that.
func TestOlderUploadIsOutdated(t *testing.T) {
	half, all := noise(3*testPart), noise(5*testPart)
	for _, size := range []int{len(half), 1000} {
		for _, test := range []struct {
			name  string
			other func(tr *transfers, account, gateway *FS) *FS
			end   func(*writer) error
		}{
			{"same account, end of data", func(tr *transfers, _, _ *FS) *FS { return tr.FS }, (*writer).Close},
			{"same account, interrupted", func(tr *transfers, _, _ *FS) *FS { return tr.FS }, interrupt},
			{"other account, end of data", func(_ *transfers, account, _ *FS) *FS { return account }, (*writer).Close},
			{"other account, interrupted", func(_ *transfers, account, _ *FS) *FS { return account }, interrupt},
			{"other gateway, interrupted", func(_ *transfers, _, gateway *FS) *FS { return gateway }, interrupt},
		} {
			t.Run(test.name, func(t *testing.T) {
				tr, account, gateway := newMeeting(t)
				w := begin(t, tr.FS, "/f", half[:size])
				put(t, test.other(tr, account, gateway), "/f", all)
				if err := test.end(w); !errors.Is(err, syscall.ESTALE) {
					t.Errorf("the older upload: %v, want syscall.ESTALE", err)
				}
				tr.wantObject("f", all)
			})
		}
	}
}

// TestNewerUploadReplacesAnOlderOne that has ended before it, as ever.
func TestNewerUploadReplacesAnOlderOne(t *testing.T) {
	tr, account, _ := newMeeting(t)
	older, newer := begin(t, tr.FS, "/f", []byte("older")), begin(t, account, "/f", []byte("newer"))
	for _, w := range []*writer{older, newer} {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	tr.wantObject("f", []byte("newer"))
}

// TestInterruptedUploadReplacesTheOldObject, which no listing has to show: it was there before the upload began.
func TestInterruptedUploadReplacesTheOldObject(t *testing.T) {
	for _, test := range []struct {
		name string
		old  costest.Object
		kept bool
	}{
		{"stored here before", costest.Object{}, true},
		{"listed, of parts", costest.Object{ETag: "abc-2"}, true},
		{"not listed, older", costest.Object{Modified: time.Now().Add(-time.Hour)}, true},
		{"deleted meanwhile", costest.Object{}, false},
		{"not listed, of parts, which prove no time", costest.Object{Modified: time.Now().Add(-time.Hour), ETag: "abc-2"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr, _, _ := newMeeting(t)
			test.old.Key, test.old.Data = "f", []byte("the old object")
			if test.name == "not listed, of parts, which prove no time" {
				tr.store.Inject(costest.Fault{Op: "ListObjects", Status: 403, Code: "AccessDenied"})
			}
			if test.name == "stored here before" || test.name == "deleted meanwhile" {
				put(t, tr.FS, "/f", test.old.Data)
			} else {
				tr.store.PutObject(treeBucket, test.old)
			}
			w := begin(t, tr.FS, "/f", []byte("a fragment"))
			<-w.checked
			if test.name == "deleted meanwhile" {
				tr.store.Remove(treeBucket, "f")
				test.old.Data = nil
			}
			err := interrupt(w)
			switch {
			case test.kept:
				tr.wantObject("f", []byte("a fragment"))
			case test.old.Data != nil:
				tr.wantObject("f", test.old.Data)
			default:
				tr.wantKeys()
			}
			if test.kept != (err == nil) || err != nil && !errors.Is(err, syscall.ESTALE) {
				t.Error(err)
			}
		})
	}
}

// TestAppendAndAppend at once: what is told to be appended is, and once.
func TestAppendAndAppend(t *testing.T) {
	for _, size := range []int{1000, 6 << 20} { // sent again, and copied by COS
		tr, account, gateway := newMeeting(t)
		old := noise(size)
		tr.store.Put(treeBucket, "f", old)
		var ws []*writer
		for _, f := range []*FS{tr.FS, account, gateway} {
			w, err := f.Append(t.Context(), "/f")
			ws = append(ws, started(t, w, err, []byte("tail")))
		}
		if err := ws[0].Close(); err != nil {
			t.Error(err)
		}
		for _, w := range ws[1:] {
			if err := w.Close(); !errors.Is(err, syscall.ESTALE) {
				t.Errorf("a second append to what is no longer there: %v, want syscall.ESTALE", err)
			}
		}
		tr.wantObject("f", append(bytes.Clone(old), "tail"...))
	}
}

// TestAppendWhileReplaced: an open append does not bring back what an upload has replaced.
func TestAppendWhileReplaced(t *testing.T) {
	tr, account, _ := newMeeting(t)
	tr.store.Put(treeBucket, "f", []byte("old"))
	w, err := tr.Append(t.Context(), "/f")
	appending := started(t, w, err, []byte("tail"))
	replacing := begin(t, account, "/f", []byte("new"))
	if _, err := tr.Append(t.Context(), "/f"); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("append while an upload is open: %v, want syscall.EBUSY", err)
	}
	if err := replacing.Close(); err != nil {
		t.Error(err)
	}
	if err := appending.Close(); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("append to what was replaced: %v, want syscall.ESTALE", err)
	}
	tr.wantObject("f", []byte("new"))
}

// TestStoreDuringRename: what is stored under a name of a rename, at any time of it, is there afterwards.
func TestStoreDuringRename(t *testing.T) {
	for _, test := range []struct {
		name     string
		hang     string // the request of the rename during which the other comes
		stored   string
		refuse   bool // the rename fails then
		from, to string
		want     map[string]string
	}{
		{"source of a file", "DeleteObject", "/a", false, "/a", "/b", map[string]string{"a": "new", "b": "old"}},
		{"target of a file", "CopyObject", "/b", false, "/a", "/b", map[string]string{"b": "new"}},
		{"target of a file, which fails", "CopyObject", "/b", true, "/a", "/b", map[string]string{"a": "old", "b": "new"}},
		{"source in a directory", "DeleteObject", "/d/x", false, "/d", "/e", map[string]string{"d/x": "new", "e/x": "old"}},
		{"target in a directory", "CopyObject", "/e/x", false, "/d", "/e", map[string]string{"e/x": "new"}},
		{"target in a directory, which fails", "CopyObject", "/e/x", true, "/d", "/e", map[string]string{"d/x": "old", "e/x": "new"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr, account, _ := newMeeting(t)
			key := strings.TrimPrefix(test.from, "/")
			if key == "d" {
				key = "d/x"
			}
			tr.store.Put(treeBucket, key, []byte("old"))
			tr.store.Inject(costest.Fault{Op: test.hang, Hang: true})
			renamed, stored := make(chan error, 1), make(chan error, 1)
			go func() { renamed <- tr.Rename(t.Context(), test.from, test.to) }()
			waitFor(t, "the rename", func() bool { return tr.store.Count(test.hang) > 0 })
			w := begin(t, account, test.stored, []byte("new"))
			go func() { stored <- w.Close() }()
			waitFor(t, "the upload to wait", func() bool { return tr.engine.claims.waits() == 1 })
			if test.refuse {
				tr.store.Inject(costest.Fault{Op: test.hang, Status: 403, Code: "AccessDenied"})
			}
			tr.store.ClearFaults()
			if test.refuse {
				tr.store.Inject(costest.Fault{Op: test.hang, Status: 403, Code: "AccessDenied"})
			}
			if err := <-renamed; test.refuse != (err != nil) {
				t.Errorf("the rename: %v", err)
			}
			if err := <-stored; err != nil {
				t.Errorf("the upload: %v", err)
			}
			for key, content := range test.want {
				tr.wantObject(key, []byte(content))
			}
			if got := len(tr.store.Objects(treeBucket)); got != len(test.want) {
				t.Errorf("there are %d objects, want %d", got, len(test.want))
			}
		})
	}
}

func (t *claims) waits() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waiting)
}

// TestOtherGatewayStoresTheSourceOfARename, and no listing shows it: it is not deleted, but moved too.
func TestOtherGatewayStoresTheSourceOfARename(t *testing.T) {
	for _, test := range []struct{ from, to, key, moved string }{
		{"/d", "/e", "d/x", "e/x"}, {"/a", "/b", "a", "b"},
	} {
		tr, _, gateway := newMeeting(t)
		tr.store.Put(treeBucket, test.key, []byte("old"))
		tr.store.FreezeListings()
		tr.store.Inject(costest.Fault{Op: "CopyObject", Times: 1, Drop: "after"}, costest.Fault{Op: "CopyObject", From: 2, Times: 1, Hang: true})
		renamed := make(chan error, 1)
		go func() { renamed <- tr.Rename(t.Context(), test.from, test.to) }()
		waitFor(t, "the copy", func() bool { return tr.store.Count("CopyObject") == 2 })
		put(t, gateway, "/"+test.key, []byte("new"))
		tr.store.ClearFaults()
		if err := <-renamed; err != nil {
			t.Error(err)
		}
		tr.wantObject(test.moved, []byte("new"))
	}
}

// TestOtherGatewayStoresTheTargetOfARename of a directory while it is under way: that file stays, and the old directory.
func TestOtherGatewayStoresTheTargetOfARename(t *testing.T) {
	tr, _, gateway := newMeeting(t)
	tr.fill("d/", "x", "y")
	tr.store.Inject(costest.Fault{Op: "CopyObject", Key: "e/x", Times: 1, Hang: true})
	renamed := make(chan error, 1)
	go func() { renamed <- tr.Rename(t.Context(), "/d", "/e") }()
	waitFor(t, "the copy", func() bool { return tr.store.Count("CopyObject") == 2 })
	put(t, gateway, "/e/x", []byte("new"))
	tr.store.ClearFaults()
	if err := <-renamed; !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("%v, want syscall.ENOTEMPTY", err)
	}
	tr.wantObject("e/x", []byte("new"))
	tr.wantObject("d/x", []byte("data of x"))
}

// TestSameRenameTwice: a client that timed out repeats the rename of a directory while the first is under way, on this
// gateway or another one, and may leave before the end. No file is lost, and repeating it ends the work.
func TestSameRenameTwice(t *testing.T) {
	const files = 200
	for _, test := range []struct {
		name  string
		leave bool // the first client leaves
		lag   bool // listings show nothing of it
		on    func(tr *transfers, account, gateway *FS) []*FS
	}{
		{"here", false, false, func(tr *transfers, account, _ *FS) []*FS { return []*FS{tr.FS, account} }},
		{"here, the first leaves", true, false, func(tr *transfers, account, _ *FS) []*FS { return []*FS{tr.FS, account} }},
		{"two gateways", false, false, func(tr *transfers, _, gateway *FS) []*FS { return []*FS{tr.FS, gateway} }},
		{"two gateways, the first leaves", true, false, func(tr *transfers, _, gateway *FS) []*FS { return []*FS{tr.FS, gateway} }},
		{"two gateways and a listing that lags", true, true, func(tr *transfers, _, gateway *FS) []*FS { return []*FS{tr.FS, gateway} }},
		{"all", true, false, func(tr *transfers, account, gateway *FS) []*FS { return []*FS{tr.FS, account, gateway} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr, account, gateway := newMeeting(t)
			tr.fill("d/", append(many(files), "")...)
			source := tr.contents("d/")
			if test.lag {
				tr.store.FreezeListings()
			}
			waits := test.name == "here"
			if waits { // the first must not end before the second has begun
				tr.store.Inject(costest.Fault{Op: "DeleteMultipleObjects", Hang: true})
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			var clients sync.WaitGroup
			errs := make([]error, 3)
			for i, f := range test.on(tr, account, gateway) {
				begun := tr.store.Count("CopyObject")
				of := t.Context()
				if i == 0 {
					of = ctx // only the first leaves
				}
				clients.Go(func() { errs[i] = f.Rename(of, "/d", "/e") })
				waitFor(t, "some copies", func() bool { return tr.store.Count("CopyObject") >= min(begun+20, files) })
			}
			if waits {
				waitFor(t, "the second to wait", func() bool { return tr.engine.claims.waits() == 1 })
				tr.store.ClearFaults()
			}
			if test.leave {
				leave()
			}
			clients.Wait()
			for rest, data := range source {
				old, _ := tr.store.Get(treeBucket, "d/"+rest)
				moved, _ := tr.store.Get(treeBucket, "e/"+rest)
				if string(old.Data) != data && string(moved.Data) != data {
					t.Fatalf("%q is under neither name; the renames: %v", rest, errs)
				}
			}
			tr.store.ThawListings()
			if err := tr.Rename(t.Context(), "/d", "/e"); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("once more: %v", err)
			}
			tr.tree.wantMoved(source, "d/", "e/")
			if waits && errors.Join(errs...) != nil {
				t.Errorf("the second waits and answers as if it had done it: %v", errs)
			}
		})
	}
}

// TestRefusedUploadDeletesNothing: another tool has put an object at the name of a directory, and no listing shows it yet.
func TestRefusedUploadDeletesNothing(t *testing.T) {
	for _, far := range []bool{false, true} {
		tr, _, _ := newMeeting(t)
		tr.store.Put(treeBucket, "dir/file", []byte("x"))
		tr.store.FreezeListings()
		if _, err := tr.client.Object.Put(t.Context(), "dir", bytes.NewReader(noise(2*testPart)), nil); err != nil {
			t.Fatal(err)
		}
		if far {
			tr.noteCheck(time.Second)
			tr.store.Inject(costest.Fault{Op: "ListObjects", Delay: 50 * time.Millisecond})
		}
		err := tr.upload(t.Context(), "/dir", bytes.NewReader([]byte("small")))
		if o, there := tr.store.Get(treeBucket, "dir"); !there || err != nil && o.Size != 2*testPart {
			t.Errorf("the upload: %v; the object is there: %v, with %d bytes", err, there, o.Size)
		}
	}
}

// TestLostInitiateSparesOtherGateways: the answer to a request for an upload is lost, while another gateway has a live
// upload of the same key.
func TestLostInitiateSparesOtherGateways(t *testing.T) {
	tr, _, gateway := newMeeting(t)
	theirs := begin(t, gateway, "/f", noise(3*testPart+1))
	<-theirs.ready
	tr.store.Inject(costest.Fault{Op: "InitiateMultipartUpload", Times: 1, Drop: "after"})
	if err := tr.upload(t.Context(), "/f", bytes.NewReader(noise(2*testPart))); err != nil {
		t.Error(err)
	}
	if err := theirs.Close(); err != nil {
		t.Errorf("the upload of the other gateway: %v", err)
	}
}

// TestRenameOntoADirectory: a file does not come to stand beside a directory of its name.
func TestRenameOntoADirectory(t *testing.T) {
	tr, _, _ := newMeeting(t)
	tr.store.Put(treeBucket, "file", []byte("x"))
	tr.store.Put(treeBucket, "dir/y", []byte("y"))
	if err := tr.Rename(t.Context(), "/file", "/dir"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want fs.ErrExist", err)
	}
	tr.wantKeys("dir/y", "file")
}

// TestAbortAnsweredByAProxy: after a crash, an empty 200 does not count as an abort.
func TestAbortAnsweredByAProxy(t *testing.T) {
	for name, answer := range map[string]costest.Fault{"200": {EmptyBody: true}, "404": {Status: 404}} {
		t.Run(name, func(t *testing.T) {
			c := newCrashable(t)
			dead, deadEngine := c.process()
			c.open(dead, "/dead")
			c.die(deadEngine)
			answer.Op, answer.Times = "AbortMultipartUpload", 1
			c.store.Inject(answer)
			_, engine := c.process()
			waitFor(t, "no upload in the journal", func() bool { return engine.journal.uploads() == 0 })
			if left := c.uploads(); len(left) != 0 {
				t.Errorf("the journal is empty, and %q stay", left)
			}
		})
	}
}

// TestConditionIsSpelledAsCOSWantsIt: whether x-cos-copy-source-If-Match takes quotes no document tells.
func TestConditionIsSpelledAsCOSWantsIt(t *testing.T) {
	for _, form := range []costest.ETagForm{costest.QuotedETag, costest.UnquotedETag, costest.AnyETag} {
		tr, _, _ := newMeeting(t, costest.WithCopySourceETag(form))
		tr.copyLimit, tr.FS.copyPart = 3<<20, 1<<20
		tr.fill("d/", "x", "y")
		tr.store.Put(treeBucket, "d/big", noise(4<<20))
		tr.store.Put(treeBucket, "f", noise(6<<20))
		if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
			t.Errorf("form %v: %v", form, err)
		}
		w, err := tr.Append(t.Context(), "/f")
		if err := started(t, w, err, []byte("tail")).Close(); err != nil {
			t.Errorf("form %v: %v", form, err)
		}
		tr.wantKeys("e/big", "e/x", "e/y", "f")
	}
}

// TestAcceleratedBuckets list one level only: a key pair that may not ask for the kind of the bucket renames no directory
// in part, nor is one removed with something in it.
func TestAcceleratedBuckets(t *testing.T) {
	tr, _, _ := newMeeting(t, costest.WithBucket(treeBucket, costest.Accelerated()), costest.WithDenied("id", "HeadBucket"))
	put(t, tr.FS, "/d/x", []byte("x"))
	put(t, tr.FS, "/d/sub/y", []byte("y"))
	put(t, tr.FS, "/only/sub/z", []byte("z"))
	for range 2 {
		if err := tr.Rename(t.Context(), "/d", "/e"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("rename: %v, want errors.ErrUnsupported", err)
		}
	}
	if n := tr.store.Count("HeadBucket"); n != 1 {
		t.Errorf("the kind was asked for %d times, want once", n)
	}
	if err := tr.RemoveDir(t.Context(), "/only"); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("remove: %v, want syscall.ENOTEMPTY", err)
	}
	for key, data := range map[string]string{"d/x": "x", "d/sub/y": "y", "only/sub/z": "z"} {
		tr.wantObject(key, []byte(data))
	}
}

// TestOnlyRemainsAreResumed, in the same process or the next one: an upload goes on with nothing but its own beginning.
func TestOnlyRemainsAreResumed(t *testing.T) {
	refused := costest.Fault{Op: "UploadPart", Status: 403, Code: "AccessDenied"}
	old, data := noise(6*testPart), noise(10*testPart+1)
	for _, test := range []struct {
		name     string
		end      func(c *crashable, w *writer) error
		resumes  bool
		appends  bool
		restarts bool
	}{
		{"interrupted", func(_ *crashable, w *writer) error { return interrupt(w) }, true, true, true},
		{"COS fails", func(c *crashable, w *writer) error {
			c.store.Inject(refused)
			defer c.store.ClearFaults()
			_, _ = w.Write(data[:2*testPart])
			return w.Close()
		}, false, false, true},
		{"killed", func(_ *crashable, w *writer) error { return errors.New("killed") }, false, false, true},
		{"stored", func(_ *crashable, w *writer) error { return w.Close() }, false, true, true},
	} {
		for _, restart := range []bool{false, true} {
			if test.name == "killed" && !restart {
				continue
			}
			t.Run(test.name+map[bool]string{true: ", restart"}[restart], func(t *testing.T) {
				c := newCrashable(t)
				c.store.PutObject(treeBucket, costest.Object{Key: "f", Data: old, Modified: time.Now().Add(-time.Hour)})
				f, engine := c.process()
				w := begin(t, f, "/f", data[:8*testPart])
				<-w.checked
				_ = test.end(c, w)
				if restart {
					c.die(engine)
					f, _ = c.process()
				}
				o, _ := c.store.Get(treeBucket, "f")
				resumed, err := f.CreateAt(t.Context(), "/f", int64(len(o.Data)))
				if test.resumes != (err == nil) || err != nil && !errors.Is(err, syscall.ESTALE) {
					t.Fatalf("resume: %v", err)
				}
				if !test.resumes {
					appended, err := f.Append(t.Context(), "/f")
					if test.appends != (err == nil) || err != nil && !errors.Is(err, syscall.ESTALE) {
						t.Fatalf("append: %v", err)
					}
					if err == nil {
						appended.(*writer).fail(context.Canceled)
						appended.Close()
					}
					return
				}
				if err := started(t, resumed, nil, data[len(o.Data):]).Close(); err != nil {
					t.Fatal(err)
				}
				if o, _ := c.store.Get(treeBucket, "f"); !bytes.Equal(o.Data, data) {
					t.Error("the resumed file is not what was sent")
				}
				if _, err := f.CreateAt(t.Context(), "/f", 5); !errors.Is(err, syscall.ESTALE) {
					t.Errorf("resume of the whole file: %v, want syscall.ESTALE", err)
				}
			})
		}
	}
}

// TestRemainsGoWithTheirObject: what another one has stored, moved here or begun to store is not gone on with.
func TestRemainsGoWithTheirObject(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, tr *transfers, account, gateway *FS){
		"other gateway stores": func(t *testing.T, _ *transfers, _, gateway *FS) { put(t, gateway, "/f", []byte("other data")) },
		"other account stores": func(t *testing.T, _ *transfers, account, _ *FS) { put(t, account, "/f", []byte("other data")) },
		"a new upload begins": func(t *testing.T, _ *transfers, account, _ *FS) {
			w := begin(t, account, "/f", []byte("other data"))
			w.fail(context.Canceled)
			w.Close()
		},
		"another client comes back": func(_ *testing.T, tr *transfers, _, _ *FS) {
			tr.opts.ClientOf = func(context.Context) string { return "another" }
		},
		"renamed here": func(t *testing.T, tr *transfers, _, _ *FS) {
			put(t, tr.FS, "/g", []byte("other data"))
			if err := tr.Rename(t.Context(), "/g", "/f"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr, account, gateway := newMeeting(t)
			if err := interrupt(begin(t, tr.FS, "/f", []byte("a fragment"))); err != nil {
				t.Fatal(err)
			}
			if !tr.remainsOf(t, "f") {
				t.Fatal("the fragment is not known")
			}
			change(t, tr, account, gateway)
			if _, err := tr.CreateAt(t.Context(), "/f", 4); !errors.Is(err, syscall.ESTALE) {
				t.Errorf("%v, want syscall.ESTALE", err)
			}
		})
	}
}

// TestRemainsOfUploadsThatMet: nobody can tell which of two a client comes back for.
func TestRemainsOfUploadsThatMet(t *testing.T) {
	tr, account, _ := newMeeting(t)
	first, second := begin(t, tr.FS, "/f", []byte("the first")), begin(t, account, "/f", []byte("second"))
	for _, w := range []*writer{second, first} {
		_ = interrupt(w)
	}
	if _, err := tr.CreateAt(t.Context(), "/f", 4); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("%v, want syscall.ESTALE", err)
	}
}

func (tr *transfers) remainsOf(t *testing.T, key string) bool {
	t.Helper()
	o, err := tr.head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tr.engine.remains.isBeginning(tr.place(key), o, "")
}

// TestRemainsAreBounded in memory and in the journal.
func TestRemainsAreBounded(t *testing.T) {
	r := newRemains()
	j := newJournal(t.TempDir(), slog.New(slog.DiscardHandler))
	defer j.close()
	r.keepIn(j, nil)
	for i := range int64(maxRemains + 100) {
		r.mu.Lock()
		r.set(&writer{f: &FS{opts: Options{Bucket: "b"}}, key: time.Duration(i).String(), order: i}, "etag")
		r.mu.Unlock()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.names.Len() != maxRemains || len(j.entries) != maxRemains {
		t.Errorf("%d names are remembered, %d in the journal, want %d", r.names.Len(), len(j.entries), maxRemains)
	}
}

// TestBeginningReplacesNothingStoredMeanwhile: the older upload stores its file while the newer one is open, and the
// newer one breaks off. Its check may come so late that it shows the file of the older one.
func TestBeginningReplacesNothingStoredMeanwhile(t *testing.T) {
	for name, other := range map[string]func(account, gateway *FS) *FS{
		"here":          func(account, _ *FS) *FS { return account },
		"other gateway": func(_, gateway *FS) *FS { return gateway },
	} {
		t.Run(name, func(t *testing.T) {
			tr, account, gateway := newMeeting(t)
			older := begin(t, other(account, gateway), "/f", noise(2*testPart+1))
			tr.store.Inject(costest.Fault{Op: "ListObjects", Times: 1, Delay: 300 * time.Millisecond})
			newer := begin(t, tr.FS, "/f", []byte("a fragment"))
			if err := older.Close(); err != nil {
				t.Fatal(err)
			}
			<-newer.checked
			if name != "here" {
				newer.opened = newer.opened.Add(-clockGrain) // as where the answer is later than that
				newer.before = version{}
			}
			if err := interrupt(newer); !errors.Is(err, syscall.ESTALE) {
				t.Errorf("%v, want syscall.ESTALE", err)
			}
			tr.wantObject("f", noise(2*testPart+1))
		})
	}
}

// TestRepeatedRequestsLookAgain: what another gateway stores between two tries of a request is neither deleted nor
// replaced by a fragment.
func TestRepeatedRequestsLookAgain(t *testing.T) {
	for _, test := range []struct {
		name, op string
		do       func(f *FS) error
		want     error
	}{
		{"delete", "DeleteObject", func(f *FS) error { return f.Remove(t.Context(), "/f") }, nil},
		{"fragment", "PutObject", func(f *FS) error { return interrupt(begin(t, f, "/f", []byte("a fragment"))) }, syscall.ESTALE},
		{"append", "PutObject", func(f *FS) error {
			w, err := f.Append(t.Context(), "/f")
			return started(t, w, err, []byte("tail")).Close()
		}, syscall.ESTALE},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr, _, _ := newMeeting(t)
			tr.store.Put(treeBucket, "f", []byte("old"), costest.Modified(time.Now().Add(-time.Hour)))
			drop := "after"
			if test.op == "PutObject" {
				drop = "before"
			}
			tr.store.Inject(costest.Fault{Op: test.op, Times: 1, Drop: drop, Delay: time.Second}) // for what comes below
			done := make(chan error, 1)
			go func() { done <- test.do(tr.FS) }()
			waitFor(t, "the first try", func() bool { return tr.store.Count(test.op) == 1 })
			if test.op == "DeleteObject" {
				waitFor(t, "its effect", func() bool { _, there := tr.store.Get(treeBucket, "f"); return !there })
			}
			tr.store.Put(treeBucket, "f", []byte("new"))
			if err := <-done; !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			tr.wantObject("f", []byte("new"))
		})
	}
}

// TestRenameOverCopiesOutdatesUploads: a rename that failed half way is repeated, and takes copies for its own that it
// made before; an upload that is open over one of them does not replace it.
func TestRenameOverCopiesOutdatesUploads(t *testing.T) {
	tr, account, _ := newMeeting(t)
	tr.fill("d/", "x", "y")
	tr.store.Put(treeBucket, "e/x", []byte("data of x"))
	w := begin(t, account, "/e/x", []byte("half"))
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("%v, want syscall.ESTALE", err)
	}
	tr.wantObject("e/x", []byte("data of x"))
}

// TestWaitingUploadHoldsNoMemory: an upload that waits for its name has sent its data.
func TestWaitingUploadHoldsNoMemory(t *testing.T) {
	tr, account, _ := newMeeting(t)
	release, err := tr.claim(t.Context(), nil, []string{"d/"})
	if err != nil {
		t.Fatal(err)
	}
	w := begin(t, account, "/d/f", noise(testPart/2))
	done := make(chan error, 1)
	go func() { done <- w.Close() }()
	waitFor(t, "the upload to wait", func() bool { return tr.engine.claims.waits() == 1 })
	if n := tr.used(); n != 0 {
		t.Errorf("it holds %d blocks", n)
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	tr.wantObject("d/f", noise(testPart/2))
}

// TestAppendBrokenOffIsNoBeginning: what is added to a whole file does not make it the beginning of one.
func TestAppendBrokenOffIsNoBeginning(t *testing.T) {
	tr, _, _ := newMeeting(t)
	tr.store.Put(treeBucket, "f", []byte("whole"))
	w, err := tr.Append(t.Context(), "/f")
	if err := interrupt(started(t, w, err, []byte("half a line"))); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.CreateAt(t.Context(), "/f", 16); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("%v, want syscall.ESTALE", err)
	}
}

// TestPanicAtTheCommitLeavesNothing: a name is free again, and the memory back.
func TestPanicAtTheCommitLeavesNothing(t *testing.T) {
	tr, _, _ := newMeeting(t)
	w, err := tr.Create(t.Context(), "/f")
	if err == nil {
		_, err = w.Write([]byte("data"))
	}
	if err != nil {
		t.Fatal(err)
	}
	<-w.(*writer).checked
	tr.http.Transport = panicking{}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		w.Close()
	}()
	// The checks of newTransfers look for claims, uploads and memory that are left.
}

// panicking is a way to COS with a defect.
type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a defect") }

// TestUploadBeginsWhileItsNameIsRemoved: an upload that begins as another command deletes its name does not expect what
// was there.
func TestUploadBeginsWhileItsNameIsRemoved(t *testing.T) {
	tr, account, _ := newMeeting(t)
	for range 200 {
		account.wrote("file", 3, version{etag: "old", at: time.Now()})
		var removing sync.WaitGroup
		removing.Go(func() { account.removed("file", time.Now()) })
		w := begin(t, tr.FS, "/file", nil)
		removing.Wait()
		w.mu.Lock()
		expected := w.before.etag
		w.mu.Unlock()
		if expected != "" {
			t.Fatalf("the upload expects %q, which is gone", expected)
		}
		w.giveUp(context.Canceled)
		w.Close()
	}
}
