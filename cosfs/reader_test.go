package cosfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func (tr *transfers) open(name string, offset int64) fs.File {
	tr.t.Helper()
	file, err := tr.Open(tr.t.Context(), name, offset)
	if err != nil {
		tr.t.Fatal(err)
	}
	return file
}

func TestDownloadSizesAndOffsets(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	for _, size := range []int{0, 1, blockSize, minRange - 1, minRange, minRange + 1, 5<<20 + 12345, 30 << 20} {
		data := noise(size)
		key := fmt.Sprint(size)
		tr.store.Put(treeBucket, key, data, costest.Meta("mtime", "1700000000"))
		for _, offset := range []int{0, 1, size / 2, size - 1, size, size + 5} {
			if offset < 0 {
				continue
			}
			want := data[min(offset, size):]
			for _, way := range []string{"WriteTo", "Read"} {
				file := tr.open("/"+key, int64(offset))
				info, err := file.Stat()
				if err != nil || info.Size() != int64(size) || info.ModTime().Unix() != 1700000000 || info.Name() != key {
					t.Errorf("Stat: %+v, %v", info, err)
				}
				var got bytes.Buffer
				if way == "WriteTo" {
					_, err = file.(io.WriterTo).WriteTo(&got)
				} else {
					_, err = got.ReadFrom(only{file})
				}
				if err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Errorf("%s of %d bytes from %d: %d bytes, %v", way, size, offset, got.Len(), err)
				}
				if err := file.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestDownloadFarBehindTheEnd: an offset that no object has is past the end of this one, and asks COS for no such range.
func TestDownloadFarBehindTheEnd(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Put(treeBucket, "f", noise(3000))
	for _, offset := range []int64{3000, 1 << 50, math.MaxInt64} {
		file := tr.open("/f", offset)
		info, err := file.Stat()
		if err != nil || info.Size() != 3000 {
			t.Errorf("from %d: %+v, %v", offset, info, err)
		}
		if n, err := file.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("from %d: %d bytes, %v", offset, n, err)
		}
		file.Close()
	}
}

func TestDownloadIsAReader(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	data := noise(3000)
	tr.store.Put(treeBucket, "f", data)
	file := tr.open("/f", 0)
	if err := iotest.TestReader(only{file}, data); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if _, err := file.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if err := file.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
}

// A small file costs one request, and its connection is used again.
func TestSmallDownloadCostsOneRequest(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Put(treeBucket, "f", noise(minRange))
	ops := tr.ops(func() {
		for range 3 {
			file := tr.open("/f", 0)
			if n, err := io.Copy(io.Discard, file); n != minRange || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
			file.Close()
		}
	})
	if len(ops) != 3 {
		t.Errorf("three small downloads took %q", ops)
	}
	from := map[string]bool{}
	for _, r := range tr.store.Requests() {
		from[r.Remote] = true
	}
	if len(from) != 1 {
		t.Errorf("three small downloads took %d connections", len(from))
	}
	if peak := tr.engine.memory.peak; peak != 1 {
		t.Errorf("a small download held %d blocks", peak)
	}
}

func TestOpenErrors(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.put("dir/file")
	for name, want := range map[string]error{"/none": fs.ErrNotExist, "/dir": syscall.EISDIR, "/dir/fil": fs.ErrNotExist} {
		if _, err := tr.Open(t.Context(), name, 0); !errors.Is(err, want) {
			t.Errorf("Open(%q): %v, want %v", name, err, want)
		}
	}
	if _, err := tr.Open(t.Context(), "/dir/file", -1); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("negative offset: %v", err)
	}
}

// Connections that break or hang anywhere are replaced where they stopped.
func TestBrokenDownloadResumes(t *testing.T) {
	const size = 20 << 20
	for name, faults := range map[string][]costest.Fault{
		"every answer cut": {{CutBody: true, CutAt: 300000}},
		"cut at once":      {{CutBody: true, CutAt: 0, Times: 3}},
		"503":              {{Status: 503, From: 2, Times: 3}},
		"hang":             {{Hang: true, From: 2, Times: 2}},
		"drop":             {{Drop: "during", From: 1, Times: 4}},
		"no answer":        {{Drop: "before", From: 3, Times: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransfers(t, EngineOptions{})
			tr.engine.downloads.move, tr.engine.downloads.answer = 100*time.Millisecond, 100*time.Millisecond
			data := noise(size)
			tr.store.Put(treeBucket, "f", data)
			for i := range faults {
				faults[i].Op = "GetObject"
			}
			tr.store.Inject(faults...)
			file := tr.open("/f", 7)
			defer file.Close()
			got, err := io.ReadAll(file)
			if err != nil || !bytes.Equal(got, data[7:]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// A download that cannot be brought to its end is an error, wherever it stops.
func TestShortDownloadIsAnError(t *testing.T) {
	for _, read := range []string{"WriteTo", "Read"} {
		tr := newTransfers(t, EngineOptions{})
		tr.giveUpSoon()
		tr.store.Put(treeBucket, "f", noise(6<<20))
		tr.store.Inject(costest.Fault{Op: "GetObject", CutBody: true, CutAt: 1000, Times: 1},
			costest.Fault{Op: "GetObject", CutBody: true, CutAt: 0, From: 2})
		file := tr.open("/f", 0)
		var n int64
		var err error
		if read == "Read" {
			n, err = io.Copy(io.Discard, only{file})
		} else {
			n, err = io.Copy(io.Discard, file)
		}
		if n != 1000 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes, %v", read, n, err)
		}
		file.Close()
	}
}

func TestChangedFileIsStale(t *testing.T) {
	for what, change := range map[string]func(tr *transfers){
		"replaced": func(tr *transfers) { tr.store.Put(treeBucket, "f", noise(9<<20)) },
		"shorter":  func(tr *transfers) { tr.store.Put(treeBucket, "f", noise(5)) },
		"removed":  func(tr *transfers) { tr.store.Remove(treeBucket, "f") },
	} {
		tr := newTransfers(t, EngineOptions{})
		tr.store.Put(treeBucket, "f", noise(8<<20))
		file := tr.open("/f", 0)
		change(tr)
		if _, err := io.Copy(io.Discard, file); !errors.Is(err, syscall.ESTALE) {
			t.Errorf("file %s while it is read: %v", what, err)
		}
		file.Close()
	}
}

// slowly takes one piece for each permission.
type slowly struct {
	pace chan struct{}
	got  bytes.Buffer
}

func (s *slowly) Write(p []byte) (int, error) {
	if _, more := <-s.pace; !more {
		return 0, io.ErrClosedPipe
	}
	return s.got.Write(p)
}

// A client that was fast and becomes slow, or was slow from the start, holds hardly any memory.
func TestSlowClientHoldsOneBlock(t *testing.T) {
	tr := newTransfers(t, EngineOptions{}, costest.WithBandwidth(16<<20)) // slower than the client while that is fast
	data := noise(40 << 20)
	tr.store.Put(treeBucket, "f", data)
	file := tr.open("/f", 0)
	s := &slowly{pace: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := file.(io.WriterTo).WriteTo(s)
		done <- err
	}()
	for tr.used() < 8 { // fast, until much is read ahead
		select {
		case s.pace <- struct{}{}:
		case err := <-done:
			t.Fatalf("nothing was read ahead of a fast client: %v", err)
		}
	}
	tick := time.NewTicker(120 * time.Millisecond)
	defer tick.Stop()
	for range 4 {
		<-tick.C
		s.pace <- struct{}{}
	}
	waitFor(t, "memory to be given up", func() bool { return tr.used() <= 2 })
	close(s.pace)
	if err := <-done; err != io.ErrClosedPipe {
		t.Errorf("WriteTo: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if !bytes.HasPrefix(data, s.got.Bytes()) {
		t.Error("the data is wrong")
	}
}

// Read-ahead is given up when uploads need the memory, and the download still is right.
func TestReadAheadYields(t *testing.T) {
	tr := newTransfers(t, EngineOptions{Memory: 8 << 20}, costest.WithBandwidth(16<<20)) // slower than the client
	data := noise(40 << 20)
	tr.store.Put(treeBucket, "f", data)
	file := tr.open("/f", 0)
	defer file.Close()
	s := &slowly{pace: make(chan struct{}, 1)}
	stop := sync.OnceFunc(func() { close(s.pace) })
	defer stop() // or Close would wait for ever where the test fails
	done := make(chan error, 1)
	go func() {
		_, err := file.(io.WriterTo).WriteTo(s)
		done <- err
	}()
	for tr.used() <= 8 { // until much is read ahead
		select {
		case s.pace <- struct{}{}:
		case err := <-done:
			t.Fatalf("nothing was read ahead of a fast client: %v", err)
		}
	}
	file.(*reader).yield()
	waitFor(t, "memory to come back", func() bool { return tr.used() < 48 })
	var uploads sync.WaitGroup
	for i := range 30 {
		uploads.Go(func() {
			if err := tr.upload(t.Context(), fmt.Sprintf("/u%d", i), bytes.NewReader(noise(2<<20))); err != nil {
				t.Error(err)
			}
		})
	}
	uploads.Wait()
	stop()
	if err := <-done; err != io.ErrClosedPipe {
		t.Errorf("WriteTo: %v", err)
	}
	if !bytes.HasPrefix(data, s.got.Bytes()) {
		t.Error("the data is wrong")
	}
}

func TestDownloadEndsWithItsContext(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Put(treeBucket, "f", noise(20<<20))
	tr.store.Inject(costest.Fault{Op: "GetObject", From: 2, Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	file, err := tr.Open(ctx, "/f", 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, file)
		done <- err
	}()
	waitFor(t, "a request to hang", func() bool { return tr.store.Count("GetObject") >= 2 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled download: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	if _, err := tr.Open(ctx, "/f", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context: %v", err)
	}
}

// With the least memory, many downloads go on with one block each.
func TestManyDownloadsWithLittleMemory(t *testing.T) {
	tr := newTransfers(t, EngineOptions{Memory: 2 << 20, UploadThreads: 2, DownloadThreads: 2})
	data := noise(3 << 20)
	tr.store.Put(treeBucket, "f", data)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			file, err := tr.Open(t.Context(), "/f", 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer file.Close()
			if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	all.Wait()
}

func TestContentRange(t *testing.T) {
	for value, want := range map[string]string{
		"bytes 0-0/1": "0 1 1 true", "bytes 5-9/100": "5 10 100 true", "": "0 1 0 false", "bytes */5": "0 1 5 false",
		"bytes 1-2/*": "1 3 0 false",
	} {
		first, end, size, ok := parseContentRange(value)
		if got := fmt.Sprint(first, end, size, ok); got != want && (ok || strings.HasSuffix(want, "true")) {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
