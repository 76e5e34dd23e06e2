package cosfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestUploadSizes(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	for _, size := range []int{
		0, 1, probeSize, blockSize - 1, blockSize, blockSize + 1, testPart - 1, testPart, testPart + 1,
		2 * testPart, 3*testPart + 12345, 7 * testPart,
	} {
		data := noise(size)
		for _, way := range []struct {
			name  string
			write func(w io.Writer) (int64, error)
		}{
			{"ReadFrom", func(w io.Writer) (int64, error) { return w.(io.ReaderFrom).ReadFrom(bytes.NewReader(data)) }},
			{"Write", func(w io.Writer) (int64, error) {
				n := 0
				for piece := range slices.Chunk(data, 99991) {
					m, err := w.Write(piece)
					n += m
					if err != nil {
						return int64(n), err
					}
				}
				return int64(n), nil
			}},
		} {
			name := fmt.Sprintf("/%s/%d", way.name, size)
			ops := tr.ops(func() {
				w, err := tr.Create(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := way.write(w); err != nil || n != int64(size) {
					t.Fatalf("%s: %d bytes, %v", name, n, err)
				}
				if _, ok := tr.store.Get(treeBucket, name[1:]); ok {
					t.Errorf("%s is there before Close", name)
				}
				if err := w.Close(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := w.Close(); err != nil {
					t.Errorf("%s: second Close: %v", name, err)
				}
			})
			tr.wantObject(name[1:], data)
			want := 2 // list, put
			if size > testPart {
				want = 3 + (size+testPart-1)/testPart
			}
			if len(ops) != want {
				t.Errorf("%s took %d requests, want %d: %q", name, len(ops), want, ops)
			}
		}
	}
}

func TestCreateRefusesNames(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	for name, want := range map[string]error{"/": syscall.EISDIR, "/a//b": fs.ErrInvalid, "a": fs.ErrInvalid} {
		if _, err := tr.Create(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("Create(%q): %v, want %v", name, err, want)
		}
		if _, err := tr.Append(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("Append(%q): %v, want %v", name, err, want)
		}
		if _, err := tr.Open(t.Context(), name, 0); !errors.Is(err, want) {
			t.Errorf("Open(%q): %v, want %v", name, err, want)
		}
	}
	if n := len(tr.store.Requests()); n != 0 {
		t.Errorf("%d requests were made for names that cannot be", n)
	}
}

func TestUploadOntoDirectory(t *testing.T) {
	for _, size := range []int{10, 5 * testPart} {
		tr := newTransfers(t, EngineOptions{})
		tr.put("dir/file")
		err := tr.upload(t.Context(), "/dir", bytes.NewReader(noise(size)))
		if !errors.Is(err, syscall.EISDIR) {
			t.Errorf("%d bytes onto a directory: %v", size, err)
		}
		tr.wantKeys("dir/file")
	}
}

func TestUploadLimitIsExact(t *testing.T) {
	for _, past := range []int{0, 1} {
		for _, write := range []bool{false, true} {
			tr := newTransfers(t, EngineOptions{})
			tr.opts.MaxFileSize = 3*testPart + 100
			tr.put("f")
			data := noise(3*testPart + 100 + past)
			var src io.Reader = bytes.NewReader(data)
			w, err := tr.Create(t.Context(), "/f")
			if err != nil {
				t.Fatal(err)
			}
			if write {
				_, err = io.Copy(struct{ io.Writer }{w}, only{src})
			} else {
				_, err = io.Copy(w, only{src})
			}
			closeErr := w.Close()
			if past == 0 {
				if err != nil || closeErr != nil {
					t.Errorf("a file of the greatest size: %v, %v", err, closeErr)
				}
				tr.wantObject("f", data)
				continue
			}
			if !errors.Is(err, syscall.EFBIG) || !errors.Is(closeErr, syscall.EFBIG) {
				t.Errorf("one byte too many: %v, Close %v", err, closeErr)
			}
			tr.wantObject("f", []byte("f"))
		}
	}
}

// Every request of an upload fails for good, in every way; the old object stays and no parts do.
func TestUploadFailures(t *testing.T) {
	for _, size := range []int{100, 3*testPart + 5} {
		points := []costest.Fault{{Op: "PutObject"}}
		if size > testPart {
			points = []costest.Fault{
				{Op: "InitiateMultipartUpload"}, {Op: "UploadPart", Part: 1}, {Op: "UploadPart", Part: 2},
				{Op: "UploadPart", Part: 4}, {Op: "CompleteMultipartUpload"},
			}
		}
		for _, point := range points {
			for way, fault := range map[string]costest.Fault{
				"503":         {Status: 503, Code: "SlowDown"},
				"503 late":    {Status: 503, ReadBody: true},
				"403":         {Status: 403, Code: "AccessDenied", ReadBody: true},
				"drop before": {Drop: "before"},
				"drop during": {Drop: "during"},
				"empty 200":   {EmptyBody: true},
				"error 200":   {BodyAs200: true, Code: "InternalError"},
			} {
				if way == "drop during" && point.Op != "UploadPart" && point.Op != "PutObject" ||
					(way == "empty 200" || way == "error 200") && point.Op != "CompleteMultipartUpload" {
					continue // takes effect, or cannot be
				}
				fault.Op, fault.Part = point.Op, point.Part
				t.Run(fmt.Sprintf("%s %d %s", point.Op, point.Part, way), func(t *testing.T) {
					tr := newTransfers(t, EngineOptions{})
					tr.giveUpSoon()
					tr.put("f")
					tr.store.Inject(fault)
					err := tr.upload(t.Context(), "/f", bytes.NewReader(noise(size)))
					if err == nil {
						t.Error("the upload succeeded")
					}
					if way == "403" && !errors.Is(err, fs.ErrPermission) {
						t.Errorf("AccessDenied came out as %v", err)
					}
					tr.wantObject("f", []byte("f"))
				})
			}
		}
	}
}

// Each request fails a few times, also with a lost answer, and is repeated.
func TestUploadSurvives(t *testing.T) {
	for _, size := range []int{100, 3*testPart + 5} {
		ops := []string{"PutObject", "ListObjects"}
		if size > testPart {
			ops = []string{"InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
		}
		for _, op := range ops {
			for way, fault := range map[string]costest.Fault{
				"503":         {Status: 503},
				"503 late":    {Status: 503, ReadBody: true},
				"drop before": {Drop: "before"},
				"drop during": {Drop: "during"},
				"drop after":  {Drop: "after"},
				"error 200":   {BodyAs200: true, Code: "InternalError"},
				"empty 200":   {EmptyBody: true},
				"wrong CRC":   {WrongCRC: true},
			} {
				if (way == "error 200" || way == "empty 200") && op != "CompleteMultipartUpload" {
					continue
				}
				fault.Op, fault.Times = op, 2
				t.Run(op+" "+way, func(t *testing.T) {
					tr := newTransfers(t, EngineOptions{})
					tr.store.Inject(fault)
					data := noise(size)
					if err := tr.upload(t.Context(), "/f", bytes.NewReader(data)); err != nil {
						t.Fatal(err)
					}
					tr.wantObject("f", data)
				})
			}
		}
	}
}

func TestUploadFailsOnLastingCRCMismatch(t *testing.T) {
	for _, size := range []int{100, 3*testPart + 5} {
		tr := newTransfers(t, EngineOptions{})
		tr.giveUpSoon()
		tr.store.Inject(costest.Fault{Op: "PutObject", WrongCRC: true}, costest.Fault{Op: "UploadPart", Part: 2, WrongCRC: true})
		err := tr.upload(t.Context(), "/f", bytes.NewReader(noise(size)))
		var wrong mismatch
		if !errors.As(err, &wrong) {
			t.Errorf("%d bytes, all answers with a wrong checksum: %v", size, err)
		}
		if _, ok := tr.store.Get(treeBucket, "f"); ok && size > testPart {
			t.Error("parts of a wrong checksum became an object")
		}
	}
}

func TestFailedPartIsTheNextWritesError(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Inject(costest.Fault{Op: "UploadPart", Part: 1, Status: 403, Code: "AccessDenied", ReadBody: true})
	w, err := tr.Create(t.Context(), "/f")
	if err != nil {
		t.Fatal(err)
	}
	_, failed := w.Write(noise(2 * testPart))
	waitFor(t, "a Write to fail", func() bool {
		if failed == nil {
			_, failed = w.Write([]byte("x"))
		}
		return failed != nil
	})
	if !errors.Is(failed, fs.ErrPermission) {
		t.Errorf("Write: %v", failed)
	}
	if err := w.Close(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Close: %v", err)
	}
}

func TestCancelledUploadLeavesNothing(t *testing.T) {
	for _, size := range []int{0, 100, 3*testPart + 5} {
		for _, hang := range []string{"", "UploadPart", "InitiateMultipartUpload", "CompleteMultipartUpload", "PutObject", "ListObjects"} {
			t.Run(fmt.Sprintf("%d %s", size, hang), func(t *testing.T) {
				tr := newTransfers(t, EngineOptions{})
				tr.put("f")
				if hang == "InitiateMultipartUpload" {
					tr.store.Inject(costest.Fault{Op: hang, Delay: 20 * time.Millisecond})
				} else if hang != "" {
					tr.store.Inject(costest.Fault{Op: hang, Hang: true})
				}
				ctx, cancel := context.WithCancel(t.Context())
				w, err := tr.Create(ctx, "/f")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(noise(size)); err != nil {
					t.Fatal(err)
				}
				cancel()
				if err := w.Close(); !errors.Is(err, context.Canceled) {
					t.Errorf("Close after cancel: %v", err)
				}
				tr.wantObject("f", []byte("f"))
			})
		}
	}
}

// ReadFrom hands the source's error on, and what came before it is committed by Close.
func TestBrokenSourceCommits(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	broken := errors.New("connection reset")
	data := noise(2*testPart + 77)
	w, err := tr.Create(t.Context(), "/f")
	if err != nil {
		t.Fatal(err)
	}
	n, err := w.(io.ReaderFrom).ReadFrom(io.MultiReader(bytes.NewReader(data), failing{broken}))
	if n != int64(len(data)) || err != broken {
		t.Errorf("ReadFrom: %d, %v", n, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tr.wantObject("f", data)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestSourceThatGivesNothingEnds(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	err := tr.upload(t.Context(), "/f", failing{nil})
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("ReadFrom of a source that answers 0, nil: %v", err)
	}
}

func TestSmallUploadHoldsOneBlock(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 2)
	go func() { done <- tr.upload(ctx, "/none", &stalling{ctx, bytes.NewReader(nil)}) }()
	go func() { done <- tr.upload(ctx, "/some", &stalling{ctx, bytes.NewReader(noise(1024))}) }()
	waitFor(t, "1 KiB to arrive", func() bool { return tr.used() == 1 })
	cancel()
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled upload: %v", err)
		}
	}
	if peak := tr.engine.memory.peak; peak != 1 {
		t.Errorf("two uploads of 0 and 1 KiB held %d blocks", peak)
	}
}

// A part that stops moving, or whose answer does not come, is sent again.
func TestStalledPartIsSentAgain(t *testing.T) {
	for _, op := range []string{"PutObject", "UploadPart"} {
		size := 100
		if op == "UploadPart" {
			size = 2 * testPart
		}
		tr := newTransfers(t, EngineOptions{})
		tr.engine.uploads.move, tr.engine.uploads.answer = 100*time.Millisecond, 100*time.Millisecond
		tr.store.Inject(costest.Fault{Op: op, Hang: true, Times: 1})
		data := noise(size)
		if err := tr.upload(t.Context(), "/f", bytes.NewReader(data)); err != nil {
			t.Errorf("%s hangs once: %v", op, err)
		}
		tr.wantObject("f", data)
	}
}

// An answer to Initiate that is lost leaves an upload whose ID nobody knows. It has no part, which would be billed.
func TestLostInitiateLeavesNoPart(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Inject(costest.Fault{Op: "InitiateMultipartUpload", Drop: "after", Times: 2})
	if err := tr.upload(t.Context(), "/f", bytes.NewReader(noise(2*testPart))); err != nil {
		t.Fatal(err)
	}
	for _, left := range tr.store.Uploads(treeBucket) {
		if left.Parts != 0 {
			t.Errorf("left behind: %+v", left)
		}
	}
}

// One upload with many parts waiting must not hold up a small one.
func TestSlotsAreSharedFairly(t *testing.T) {
	tr := newTransfers(t, EngineOptions{UploadThreads: 1, DownloadThreads: 1})
	s := tr.engine.uploads
	if err := s.acquire(t.Context(), tr.endpoint, t); err != nil {
		t.Fatal(err)
	}
	waiting := func(n int) func() bool {
		return func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			all := 0
			for _, line := range s.hosts[tr.endpoint].lines {
				all += line.queue.Len()
			}
			return all == n
		}
	}
	done := make(chan error, 2)
	go func() { done <- tr.upload(t.Context(), "/big", bytes.NewReader(noise(10*testPart))) }()
	waitFor(t, "parts to wait", waiting(2))
	go func() { done <- tr.upload(t.Context(), "/small", bytes.NewReader(noise(1000))) }()
	waitFor(t, "the small upload to wait", waiting(3))
	tr.store.ResetRequests()
	s.release(tr.endpoint)
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	before := 0
	for _, r := range tr.store.Requests() {
		if r.Op == "PutObject" {
			break
		}
		if r.Op == "UploadPart" {
			before++
		}
	}
	if before > 1 {
		t.Errorf("%d parts of the big upload went before the small one", before)
	}
}

// No more parts are held than can be sent at once, and one to go on with.
func TestUploadHoldsWhatCanBeSent(t *testing.T) {
	tr := newTransfers(t, EngineOptions{UploadThreads: 2, DownloadThreads: 2})
	if err := tr.upload(t.Context(), "/f", bytes.NewReader(noise(20*testPart))); err != nil {
		t.Fatal(err)
	}
	if peak := tr.engine.memory.peak; peak > 4*minPartBlocks {
		t.Errorf("an upload with two slots held %d blocks, four parts have %d", peak, 4*minPartBlocks)
	}
}
