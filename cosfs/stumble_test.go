package cosfs

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// TestConflictIsNoEnd: 409 on a request of an upload means that another one for the same is under way, the first try of
// it most likely. The upload goes on.
func TestConflictIsNoEnd(t *testing.T) {
	data := noise(2*testPart + 10)
	for _, op := range []string{"InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject", "CopyObject"} {
		for _, code := range []string{"", "UploadConflict", "OperationAborted"} {
			t.Run(op+" "+code, func(t *testing.T) {
				tr := newTransfers(t, EngineOptions{})
				tr.store.Inject(costest.Fault{Op: op, Status: 409, Code: code, Times: 3})
				small := []byte("small")
				if err := errors.Join(tr.upload(t.Context(), "/big", bytes.NewReader(data)),
					tr.upload(t.Context(), "/small", bytes.NewReader(small)), tr.Rename(t.Context(), "/small", "/new")); err != nil {
					t.Fatal(err)
				}
				tr.wantObject("big", data)
				tr.wantObject("new", small)
			})
		}
	}
}

// TestCompleteThatTookEffectIsTold, whatever COS says to the repetition: 503 to the first request, then that there is no
// such upload, that it is under way, or that its parts are not there. The look at the object may fail at first, too.
func TestCompleteThatTookEffectIsTold(t *testing.T) {
	data := noise(2*testPart + 10)
	for _, second := range []costest.Fault{
		{Status: 404, Code: "NoSuchUpload"}, {Status: 409, Code: "UploadConflict"}, {Status: 409},
		{Status: 400, Code: "InvalidPart"},
	} {
		for _, blind := range []int{0, 2} {
			tr := newTransfers(t, EngineOptions{})
			second.Op = "CompleteMultipartUpload"
			second.From = 2
			tr.store.Inject(costest.Fault{Op: second.Op, Times: 1, Drop: "after"}, second)
			if blind > 0 {
				tr.store.Inject(costest.Fault{Op: "HeadObject", Status: 503, Times: blind})
			}
			if err := tr.upload(t.Context(), "/f", bytes.NewReader(data)); err != nil {
				t.Errorf("%d %s, %d looks fail: %v", second.Status, second.Code, blind, err)
			}
			tr.wantObject("f", data)
		}
	}
}

// TestInvalidPartBehindADoubt: where COS has all parts in spite of its word the upload is completed; where it has not, that
// is the end.
func TestInvalidPartBehindADoubt(t *testing.T) {
	data := noise(2*testPart + 10)
	for _, listed := range []bool{true, false} {
		tr := newTransfers(t, EngineOptions{})
		tr.store.Inject(costest.Fault{Op: "CompleteMultipartUpload", Times: 1, Status: 503},
			costest.Fault{Op: "CompleteMultipartUpload", From: 2, Times: 2, Status: 400, Code: "InvalidPart"})
		if !listed {
			tr.store.Inject(costest.Fault{Op: "ListParts", Status: 404, Code: "NoSuchUpload"})
		}
		err := tr.upload(t.Context(), "/f", bytes.NewReader(data))
		if listed != (err == nil) {
			t.Errorf("parts are listed: %t; %v", listed, err)
		}
		if listed {
			tr.wantObject("f", data)
		}
	}
}

// TestCheckOfTheNameHoldsNothingUp: an upload whose LIST hangs, or is refused, is stored all the same after one LIST.
func TestCheckOfTheNameHoldsNothingUp(t *testing.T) {
	for _, size := range []int{1, 2*testPart + 10} {
		for name, fault := range map[string]costest.Fault{
			"hangs":   {Hang: true},
			"refused": {Status: 503, Code: "SlowDown"},
		} {
			tr := newTransfers(t, EngineOptions{})
			fault.Op = "ListObjects"
			tr.store.Inject(fault)
			if err := tr.upload(t.Context(), "/f", bytes.NewReader(noise(size))); err != nil {
				t.Errorf("%d bytes, LIST %s: %v", size, name, err)
			}
			tr.wantObject("f", noise(size))
			if n := tr.store.Count("ListObjects"); n != 1 {
				t.Errorf("%d bytes, LIST %s: %d list requests, want one", size, name, n)
			}
			tr.store.ClearFaults()
		}
	}
}

// TestHungRenamesBlockNoOtherBucket: as many directories as may be renamed at once hang in one bucket.
func TestHungRenamesBlockNoOtherBucket(t *testing.T) {
	tr, _, _ := newMeeting(t)
	const healthy = "healthy-1250000000"
	other := costest.New(costest.WithBucket(healthy), costest.WithCredentials("id", treeSecret))
	listener := httptest.NewServer(other)
	defer listener.Close()
	o := tr.opts
	o.Bucket, o.Host, o.Address = healthy, costest.Host(healthy), listener.Listener.Addr().String()
	f, err := New(o, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, dirMoves)
	for i := range dirMoves {
		dir := string(rune('a' + i))
		tr.fill(dir+"/", "x")
		tr.store.Inject(costest.Fault{Op: "CopyObject", Hang: true})
		go func() { done <- tr.Rename(ctx, "/"+dir, "/new-"+dir) }()
	}
	waitFor(t, "all to hang", func() bool { return tr.store.Count("CopyObject") == dirMoves })
	other.Put(healthy, "d/x", []byte("x"))
	if err := f.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Error(err)
	}
	cancel()
	tr.store.ClearFaults()
	for range dirMoves {
		<-done
	}
}

// TestLostNameIsTemporary: the host's name cannot be resolved in the middle of an upload. It goes on; one that begins at a
// host that never answered fails at once.
func TestLostNameIsTemporary(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	var lost atomic.Int32
	route := tr.engine.route(tr.opts.Address)
	route.quick.DisableKeepAlives = true
	dial := route.quick.DialContext
	route.quick.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if lost.Add(-1) >= 0 {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "cos.test", IsNotFound: true}}
		}
		return dial(ctx, network, address)
	}
	lost.Store(9)
	tr.endpoint.answered = false
	if err := tr.upload(t.Context(), "/f", strings.NewReader("x")); !isHopeless(err) {
		t.Errorf("a host that never answered: %v, want the unknown name", err)
	}
	lost.Store(0)
	if _, err := tr.Stat(t.Context(), "/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	w, err := tr.Create(t.Context(), "/f")
	if err != nil {
		t.Fatal(err)
	}
	data := noise(3 * testPart)
	_, first := w.Write(data[:2*testPart])
	lost.Store(8)
	_, second := w.Write(data[2*testPart:])
	if err := errors.Join(first, second, w.Close()); err != nil {
		t.Error(err)
	}
	tr.wantObject("f", data)
}

// TestOutageIsToldOnce for all who wait, and STAT can tell of it.
func TestOutageIsToldOnce(t *testing.T) {
	tr := newTransfers(t, EngineOptions{Patience: time.Minute})
	log, o := &logLines{}, tr.opts
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	f, err := New(o, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Stat(t.Context(), "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	tr.store.Inject(costest.Fault{Op: "PutObject", Status: 503, Code: "SlowDown"})
	done := make(chan error, 20)
	var writers []*writer
	for i := range cap(done) {
		w := begin(t, f, "/f"+string(rune('a'+i)), []byte("x"))
		writers = append(writers, w)
		go func() { done <- w.Close() }()
	}
	waitFor(t, "the outage to be told", func() bool { return strings.Contains(log.String(), "out of order") })
	// Not at any moment: what uploads ask besides is answered, and on a slow machine such an answer comes late.
	waitFor(t, "a writer to tell of the outage", func() bool {
		return slices.ContainsFunc(writers, func(w *writer) bool { return w.Outage() > 0 })
	})
	tr.store.ClearFaults()
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d lines, want one:\n%s", n, log.String())
	}
	if w := writers[0]; w.Outage() != 0 {
		t.Errorf("an outage of %v is told afterwards", w.Outage())
	}
}

// TestPartThatArrivedIsTaken: the answer to a part is lost, and COS says 409 to each repetition. The part is there.
func TestPartThatArrivedIsTaken(t *testing.T) {
	tr := newTransfers(t, EngineOptions{}, costest.WithRepeatedPartConflict())
	tr.copyLimit, tr.copyPart = 3<<20, 1<<20
	data := noise(6 << 20)
	tr.store.Inject(costest.Fault{Op: "UploadPart", Part: 2, Times: 1, Drop: "after"},
		costest.Fault{Op: "UploadPartCopy", Part: 2, Times: 1, Drop: "after"})
	if err := tr.upload(t.Context(), "/f", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	tr.wantObject("f", data)
	if err := tr.Rename(t.Context(), "/f", "/g"); err != nil {
		t.Fatal(err)
	}
	tr.wantObject("g", data)
}
