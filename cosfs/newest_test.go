package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// leave ends an upload as a client does that has sent all, and does not wait for the reply.
func leave(w *writer) error {
	w.Interrupted(true, true)
	return w.Close()
}

// TestLastOfThoseWhoLeftIsStored: a client comes again and again while COS lets it wait, and leaves each time. Its newest
// file is stored, be the older ones whole or beginnings; but a beginning replaces no whole file that was stored meanwhile.
func TestLastOfThoseWhoLeftIsStored(t *testing.T) {
	for _, test := range []struct {
		name string
		told []bool // of each upload, oldest first: whether its data ended
		want int    // which is stored
	}{
		{"all whole", []bool{true, true, true}, 2},
		{"after beginnings", []bool{false, false, true}, 2},
		{"a beginning last", []bool{true, true, false}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr, _, _ := newMeeting(t)
			tr.store.Put(treeBucket, "f", []byte("old"))
			tr.store.Inject(costest.Fault{Op: "PutObject", Hang: true})
			var work sync.WaitGroup
			for i, told := range test.told {
				w := begin(t, tr.FS, "/f", fmt.Appendf(nil, "file %d", i))
				<-w.checked
				w.Interrupted(told, told)
				work.Go(func() { w.Close() })
				waitFor(t, "the upload", func() bool { return tr.store.Count("PutObject") == 1 && tr.engine.claims.waits() == i })
			}
			tr.store.ClearFaults()
			work.Wait()
			tr.wantObject("f", fmt.Appendf(nil, "file %d", test.want))
		})
	}
}

// TestWholeFilesAndBeginnings: the uploads of one name whose clients left, in every order of their ends. The whole file is
// stored: a beginning does not replace it, and it replaces any beginning.
func TestWholeFilesAndBeginnings(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for whole := range order {
			tr, _, _ := newMeeting(t)
			var uploads []*writer
			for i := range order {
				uploads = append(uploads, begin(t, tr.FS, "/f", fmt.Appendf(nil, "file %d", i)))
				<-uploads[i].checked
			}
			for _, i := range order {
				if i == whole {
					_ = leave(uploads[i]) // what is stored tells
				} else {
					_ = interrupt(uploads[i])
				}
			}
			if o, _ := tr.store.Get(treeBucket, "f"); string(o.Data) != fmt.Sprint("file ", whole) {
				t.Errorf("they end as %v, number %d is whole: %q is stored", order, whole, o.Data)
			}
		}
	}
}

// TestWhoLeftReplacesWhatWasThere before the upload began, by whichever sign: it is known or not, of parts or not, stored
// by another gateway or deleted here.
func TestWhoLeftReplacesWhatWasThere(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, tr *transfers, gateway *FS) *writer{
		"of parts, COS is out of order": func(t *testing.T, tr *transfers, gateway *FS) *writer {
			put(t, gateway, "/f", noise(3*testPart))
			time.Sleep(clockGrain + time.Second)
			tr.store.Inject(costest.Fault{Op: "ListObjects", Status: 503, Code: "SlowDown"})
			w := begin(t, tr.FS, "/f", []byte("newest"))
			<-w.checked
			tr.store.ClearFaults()
			return w
		},
		"of parts, and another one is remembered": func(t *testing.T, tr *transfers, gateway *FS) *writer {
			put(t, tr.FS, "/f", []byte("x"))
			put(t, gateway, "/f", noise(3*testPart))
			time.Sleep(clockGrain + time.Second)
			return begin(t, tr.FS, "/f", []byte("newest"))
		},
		"deleted, and a listing lags": func(t *testing.T, tr *transfers, _ *FS) *writer {
			tr.store.FreezeListings()
			if err := tr.Remove(t.Context(), "/f"); err != nil {
				t.Fatal(err)
			}
			w := begin(t, tr.FS, "/f", []byte("newest"))
			<-w.checked
			tr.recent.forgetAll()
			return w
		},
		"deleted during the upload": func(t *testing.T, tr *transfers, _ *FS) *writer {
			w := begin(t, tr.FS, "/f", []byte("newest"))
			<-w.checked
			if err := tr.Remove(t.Context(), "/f"); err != nil {
				t.Fatal(err)
			}
			tr.recent.forgetAll()
			return w
		},
		"of an older upload that was answered, and then of one that left": func(t *testing.T, tr *transfers, gateway *FS) *writer {
			first, second := begin(t, tr.FS, "/f", []byte("first")), begin(t, tr.FS, "/f", []byte("second"))
			third := begin(t, tr.FS, "/f", []byte("newest"))
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			tr.store.Inject(costest.Fault{Op: "PutObject", Delay: time.Second, Times: 1})
			sent := tr.store.Count("PutObject")
			stored := make(chan error, 1)
			go func() { stored <- second.Close() }()
			waitFor(t, "the second", func() bool { return tr.store.Count("PutObject") > sent })
			second.Interrupted(true, true)
			if err := <-stored; err != nil {
				t.Fatal(err)
			}
			return third
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr, _, gateway := newMeeting(t)
			tr.store.Put(treeBucket, "f", []byte("old"), costest.Modified(time.Now().Add(-time.Minute)))
			w := before(t, tr, gateway)
			if err := leave(w); err != nil {
				t.Error(err)
			}
			tr.wantObject("f", []byte("newest"))
		})
	}
}

// forgetAll forgets all changes, as when they are older than the window.
func (o *overlay) forgetAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget(time.Now().Add(2 * o.window))
}

// TestWhoLeftReplacesNothingNewer: what somebody else has stored since the upload began stays, though the object looks as
// the one did that the upload might replace.
func TestWhoLeftReplacesNothingNewer(t *testing.T) {
	stored := func(t *testing.T, on *FS, content string) {
		time.Sleep(clockGrain + time.Second)
		put(t, on, "/f", []byte(content))
	}
	for name, meanwhile := range map[string]func(t *testing.T, tr *transfers, gateway *FS) (w *writer, end func() error){
		"the same as before": func(t *testing.T, tr *transfers, gateway *FS) (*writer, func() error) {
			put(t, gateway, "/f", []byte("newer"))
			w := begin(t, tr.FS, "/f", []byte("frag"))
			<-w.checked
			stored(t, gateway, "newer")
			return w, w.Close
		},
		"the same as an older upload left": func(t *testing.T, tr *transfers, gateway *FS) (*writer, func() error) {
			older, w := begin(t, tr.FS, "/f", []byte("newer")), begin(t, tr.FS, "/f", []byte("frag"))
			if err := leave(older); err != nil {
				t.Fatal(err)
			}
			stored(t, gateway, "newer")
			return w, w.Close
		},
		"whole, seen by a late check": func(t *testing.T, tr *transfers, _ *FS) (*writer, func() error) {
			whole := begin(t, tr.FS, "/f", []byte("newer"))
			<-whole.checked
			tr.store.Inject(costest.Fault{Op: "ListObjects", Times: 1, Delay: 500 * time.Millisecond})
			w := begin(t, tr.FS, "/f", []byte("frag"))
			<-w.looking
			if err := leave(whole); err != nil {
				t.Fatal(err)
			}
			<-w.checked
			return w, w.Close
		},
		"while a PUT is on its way that may not replace it": func(t *testing.T, tr *transfers, gateway *FS) (*writer, func() error) {
			tr.store.Inject(costest.Fault{Op: "ListObjects", Times: 1, Hang: true})
			tr.bestCheck.Store(int64(time.Second)) // COS is far, so the check is not waited for
			w := begin(t, tr.FS, "/f", []byte("frag"))
			<-w.looking
			tr.store.Inject(costest.Fault{Op: "PutObject", Times: 1, Delay: time.Second})
			ended := make(chan error, 1)
			go func() { ended <- w.Close() }()
			waitFor(t, "the PUT", func() bool { return tr.store.Count("PutObject") == 1 })
			put(t, gateway, "/f", []byte("newer"))
			return w, func() error { return <-ended }
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr, _, gateway := newMeeting(t)
			w, end := meanwhile(t, tr, gateway)
			w.Interrupted(false, false)
			if err := end(); !errors.Is(err, syscall.ESTALE) {
				t.Errorf("%v, want syscall.ESTALE", err)
			}
			tr.wantObject("f", []byte("newer"))
		})
	}
}

// TestAppendThatTookEffectIsTold: its answer is lost, and so are those to the first looks at the object. The client would
// send the data again.
func TestAppendThatTookEffectIsTold(t *testing.T) {
	for _, size := range []int{10, 2 * testPart} {
		for blind := range 4 {
			tr, _, _ := newMeeting(t)
			put(t, tr.FS, "/f", []byte("old,"))
			w, err := tr.Append(t.Context(), "/f")
			upload := started(t, w, err, noise(size))
			tr.store.Inject(costest.Fault{Op: "PutObject", Times: 1, Drop: "after"},
				costest.Fault{Op: "CompleteMultipartUpload", Times: 1, Drop: "after"})
			if blind > 0 {
				tr.store.Inject(costest.Fault{Op: "HeadObject", From: 2, Times: blind, Status: 503, Code: "SlowDown"})
			}
			if err := upload.Close(); err != nil {
				t.Errorf("%d bytes, %d looks fail: %v", size, blind, err)
			}
			tr.wantObject("f", append([]byte("old,"), noise(size)...))
		}
	}
}

// TestWhoLeavesDuringTheCommit: what another gateway has stored meanwhile is not replaced by the repetition.
func TestWhoLeavesDuringTheCommit(t *testing.T) {
	for _, size := range []int{10, 2 * testPart} {
		tr, _, _ := newMeeting(t)
		op := "PutObject"
		if size > testPart {
			op = "CompleteMultipartUpload"
		}
		w := begin(t, tr.FS, "/f", noise(size))
		<-w.checked
		tr.store.Inject(costest.Fault{Op: op, Status: 503, Code: "SlowDown"})
		ended := make(chan error, 1)
		go func() { ended <- w.Close() }()
		waitFor(t, "the commit", func() bool { return tr.store.Count(op) > 0 })
		w.Interrupted(true, true)
		time.Sleep(clockGrain + time.Second)
		tr.store.Put(treeBucket, "f", []byte("newer"))
		tried := tr.store.Count("HeadObject")
		waitFor(t, "another look", func() bool { return len(ended) > 0 || tr.store.Count("HeadObject") > tried+3 })
		tr.store.ClearFaults()
		if err := <-ended; !errors.Is(err, syscall.ESTALE) {
			t.Errorf("%d bytes: %v, want syscall.ESTALE", size, err)
		}
		tr.wantObject("f", []byte("newer"))
	}
}

// TestUnsureFilesEndNoSureOnes: what may be the beginning of a file, because its client left with the end of its data, is
// stored first; then the whole file is whose client left later, or is still there.
func TestUnsureFilesEndNoSureOnes(t *testing.T) {
	for _, stays := range []bool{false, true} {
		tr, _, _ := newMeeting(t)
		older, newer := begin(t, tr.FS, "/f", []byte("a whole file")), begin(t, tr.FS, "/f", []byte("a whole"))
		<-newer.checked
		newer.Interrupted(true, false)
		if !stays {
			older.Interrupted(true, true)
		}
		if err := errors.Join(newer.Close(), older.Close()); err != nil {
			t.Errorf("the older client stays: %t: %v", stays, err)
		}
		tr.wantObject("f", []byte("a whole file"))
	}
}

// TestBrokenOffReplacesNothingThatEnded, though its client may have died at that moment.
func TestBrokenOffReplacesNothingThatEnded(t *testing.T) {
	tr, _, _ := newMeeting(t)
	older, newer := begin(t, tr.FS, "/f", []byte("a whole file")), begin(t, tr.FS, "/f", []byte("frag"))
	<-newer.checked
	older.Interrupted(true, false)
	if err := older.Close(); err != nil {
		t.Error(err)
	}
	if err := interrupt(newer); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("%v, want syscall.ESTALE", err)
	}
	tr.wantObject("f", []byte("a whole file"))
}

// TestWhoLeftReplacesWhatWasTouched: MFMT and SITE CHMOD make no other file of an object, whoever stored it.
func TestWhoLeftReplacesWhatWasTouched(t *testing.T) {
	for _, byAnother := range []bool{false, true} {
		tr, account, _ := newMeeting(t)
		put(t, tr.FS, "/f", []byte("old"))
		older, newer := begin(t, tr.FS, "/f", []byte("older")), begin(t, tr.FS, "/f", []byte("newest"))
		<-newer.checked
		if byAnother {
			if err := leave(older); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(clockGrain + time.Second)
		if err := account.SetModTime(t.Context(), "/f", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := leave(newer); err != nil {
			t.Errorf("another one left before: %t: %v", byAnother, err)
		}
		tr.wantObject("f", []byte("newest"))
	}
}

// TestBeginningBehindADeletion is known as one: who deleted the old file meanwhile has not made it a whole one.
func TestBeginningBehindADeletion(t *testing.T) {
	tr, account, _ := newMeeting(t)
	put(t, tr.FS, "/f", []byte("old"))
	w := begin(t, tr.FS, "/f", []byte("half of one"))
	<-w.checked
	if err := account.Remove(t.Context(), "/f"); err != nil {
		t.Fatal(err)
	}
	if err := interrupt(w); err != nil {
		t.Fatal(err)
	}
	tr.opts.ClientOf = func(context.Context) string { return "another" }
	if _, err := tr.Append(t.Context(), "/f"); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("the rest of another file: %v, want syscall.ESTALE", err)
	}
	tr.wantObject("f", []byte("half of one"))
}

// TestAcceleratedRenameIsNotReplaced: in a bucket with metadata acceleration a file keeps its time when it is renamed.
func TestAcceleratedRenameIsNotReplaced(t *testing.T) {
	tr, _, _ := newMeeting(t, costest.WithBucket(treeBucket, costest.Accelerated()))
	if is, err := tr.isAccelerated(t.Context()); !is || err != nil {
		t.Fatal(is, err)
	}
	w := begin(t, tr.FS, "/f", []byte("older"))
	<-w.checked
	tr.store.Put(treeBucket, "f", []byte("newer"), costest.Modified(time.Now().Add(-time.Minute)))
	if err := leave(w); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("%v, want syscall.ESTALE", err)
	}
	tr.wantObject("f", []byte("newer"))
}

// TestDeletionSparesTheSameDataStoredAnew by another gateway, where the answer to a deletion is lost.
func TestDeletionSparesTheSameDataStoredAnew(t *testing.T) {
	tr, _, gateway := newMeeting(t)
	tr.store.Put(treeBucket, "f", []byte("same"), costest.Modified(time.Now().Add(-time.Minute)))
	tr.store.Inject(costest.Fault{Op: "DeleteObject", Times: 1, Drop: "after"},
		costest.Fault{Op: "HeadObject", From: 2, Status: 503, Code: "SlowDown"})
	removed := make(chan error, 1)
	go func() { removed <- tr.Remove(t.Context(), "/f") }()
	waitFor(t, "the deletion", func() bool { _, there := tr.store.Get(treeBucket, "f"); return !there })
	put(t, gateway, "/f", []byte("same"))
	tr.store.ClearFaults()
	if err := <-removed; err != nil {
		t.Error(err)
	}
	tr.wantObject("f", []byte("same"))
}

// TestAppendBehindUploadsThatMet: a file that was told to be stored can be added to, though an older upload of the name had
// broken off; one that an upload was to replace and has not cannot, though it has got a new time meanwhile.
func TestAppendBehindUploadsThatMet(t *testing.T) {
	tr, _, _ := newMeeting(t)
	older, newer := begin(t, tr.FS, "/f", []byte("older")), begin(t, tr.FS, "/f", []byte("newer"))
	if err := errors.Join(leave(older), newer.Close()); err != nil {
		t.Fatal(err)
	}
	w, err := tr.Append(t.Context(), "/f")
	if err := started(t, w, err, []byte(" and more")).Close(); err != nil {
		t.Fatal(err)
	}
	failed := begin(t, tr.FS, "/f", []byte("another file"))
	failed.fail(fs.ErrInvalid)
	failed.Close()
	time.Sleep(clockGrain + time.Second)
	if err := tr.SetModTime(t.Context(), "/f", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Append(t.Context(), "/f"); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("the rest of another file: %v, want syscall.ESTALE", err)
	}
	tr.wantObject("f", []byte("newer and more"))
}

// TestTimeOfAnUploadThatWaited: however long COS let it wait, a listing shows no time in the future.
func TestTimeOfAnUploadThatWaited(t *testing.T) {
	tr, _, _ := newMeeting(t)
	tr.store.Inject(costest.Fault{Op: "PutObject", Status: 503, Code: "SlowDown"})
	w := begin(t, tr.FS, "/f", []byte("x"))
	ended := make(chan error, 1)
	go func() { ended <- w.Close() }()
	time.Sleep(2 * clockGrain) // the outage itself
	tr.store.ClearFaults()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if c, ours := tr.recent.last("f"); !ours || c.stored.After(time.Now()) {
		t.Errorf("stored at %v, known: %v; now it is %v", c.stored, ours, time.Now())
	}
}
