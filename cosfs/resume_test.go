package cosfs

import (
	"bytes"
	"context"
	"errors"
	"hash/crc64"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func (tr *transfers) resume(ctx context.Context, name string, offset int, data []byte) error {
	w, err := tr.CreateAt(ctx, name, int64(offset))
	if err != nil {
		return err
	}
	_, copyErr := io.Copy(w, only{bytes.NewReader(data)})
	return errors.Join(copyErr, w.Close())
}

func TestCreateAtSizes(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	for _, test := range []struct{ old, offset int }{
		{0, 0}, {1, 0}, {1, 1}, {3 * testPart, 0}, {3 * testPart, 1}, {3 * testPart, testPart + 7},
		{6 << 20, minCopied - 1}, {6 << 20, minCopied}, {6 << 20, minCopied + 1}, {11<<20 + 3, 11<<20 + 2}, {11 << 20, 11 << 20},
	} {
		for _, added := range []int{0, 1, testPart, 2*testPart + 5} {
			first, second := noise(test.old), noise(added)
			tr.store.PutObject(treeBucket, costest.Object{
				Key: "f", Data: first, StorageClass: "STANDARD_IA", Meta: map[string]string{"mtime": "1700000000"},
			})
			if err := tr.resume(t.Context(), "/f", test.offset, second); err != nil {
				t.Errorf("%d bytes at %d of %d: %v", added, test.offset, test.old, err)
			}
			tr.wantObject("f", append(first[:test.offset:test.offset], second...))
			o, _ := tr.store.Get(treeBucket, "f")
			if kept := o.StorageClass == "STANDARD_IA"; kept != (test.offset > 0) || o.Meta["mtime"] != "" {
				t.Errorf("%d bytes at %d of %d: storage class %q, meta %v", added, test.offset, test.old, o.StorageClass, o.Meta)
			}
		}
	}
}

func TestCreateAtWhereNothingCanBeKept(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.put("dir/file")
	tr.store.Put(treeBucket, "f", noise(10))
	if err := tr.resume(t.Context(), "/new", 1, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := tr.resume(t.Context(), "/dir", 1, nil); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a directory: %v", err)
	}
	if err := tr.resume(t.Context(), "/f", -1, nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("before the beginning: %v", err)
	}
	var past interface{ FileSize() int64 }
	if err := tr.resume(t.Context(), "/f", 11, nil); !errors.As(err, &past) || past.FileSize() != 10 {
		t.Errorf("past the end: %v", err)
	}
	tr.opts.MaxFileSize = 9
	if err := tr.resume(t.Context(), "/f", 10, nil); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("past the greatest size: %v", err)
	}
	if err := tr.resume(t.Context(), "/f", 5, noise(5)); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("over the greatest size: %v", err)
	}
	if err := tr.resume(t.Context(), "/f", 5, noise(4)); err != nil {
		t.Errorf("up to the greatest size: %v", err)
	}
}

func TestCreateAtMovesBigDataInsideCOS(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Put(treeBucket, "f", noise(20<<20))
	if err := tr.resume(t.Context(), "/f", 19<<20, noise(100)); err != nil {
		t.Fatal(err)
	}
	var moved int64
	for _, r := range tr.store.Requests() {
		moved += r.In + r.Out
	}
	if moved > 10<<10 {
		t.Errorf("%d bytes were moved to write 100 behind 19 MiB", moved)
	}
}

// TestCreateAtBeyondOneRequest keeps more than COS copies with one request, and compares the checksum of the whole.
func TestCreateAtBeyondOneRequest(t *testing.T) {
	const size, offset = 7 << 30, 6<<30 + 12345
	tr := newTransfers(t, EngineOptions{}, costest.WithDiscard())
	tr.opts.MaxFileSize = 40 << 30
	tr.store.PutSized(treeBucket, "f", size)
	added := make([]byte, 1000)
	costest.Fill(added, offset) // as the store would read it back
	if err := tr.resume(t.Context(), "/f", offset, added); err != nil {
		t.Fatal(err)
	}
	o, err := tr.head(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	costest.Fill(block, 0)
	var want uint64
	whole := crc64.Checksum(block, crcECMA)
	for left := int64(offset); left > 0; left -= int64(len(block)) {
		if left < int64(len(block)) {
			want = crcCombine(want, crc64.Checksum(block[:left], crcECMA), left)
			break
		}
		want = crcCombine(want, whole, int64(len(block)))
	}
	want = crcCombine(want, crc64.Checksum(added, crcECMA), 1000)
	if o.size != offset+1000 || o.crc64 != want {
		t.Errorf("%d bytes with CRC64 %d, want %d with %d", o.size, o.crc64, offset+1000, want)
	}
	copies := 0
	for _, r := range tr.store.Requests() {
		if r.Op == "UploadPartCopy" {
			copies++
		}
	}
	if copies != 13 {
		t.Errorf("%d copy requests, want 13 of at most 512 MiB", copies)
	}
}

func TestCreateAtFailures(t *testing.T) {
	for _, offset := range []int{1000, 6 << 20} {
		for _, fault := range []costest.Fault{
			{Op: "HeadObject", Status: 503},
			{Op: "UploadPartCopy", Status: 403, Code: "AccessDenied"},
			{Op: "UploadPartCopy", Drop: "before"},
			{Op: "GetObject", Drop: "before"},
			{Op: "UploadPart", Status: 503, ReadBody: true},
			{Op: "InitiateMultipartUpload", Status: 503},
			{Op: "CompleteMultipartUpload", Status: 503},
			{Op: "PutObject", Status: 503, ReadBody: true},
		} {
			small := offset < minCopied
			if small != (fault.Op == "GetObject" || fault.Op == "PutObject") && fault.Op != "HeadObject" {
				continue // not a request of such an upload
			}
			tr := newTransfers(t, EngineOptions{})
			tr.giveUpSoon()
			data := noise(offset + 1000)
			tr.store.Put(treeBucket, "f", data)
			tr.store.Inject(fault)
			if err := tr.resume(t.Context(), "/f", offset, noise(1000)); err == nil {
				t.Errorf("%d bytes kept with %+v: no error", offset, fault)
			}
			tr.wantObject("f", data)
		}
	}
}

func TestCreateAtOfChangingFile(t *testing.T) {
	tr := newTransfers(t, EngineOptions{UploadThreads: 1, DownloadThreads: 1})
	tr.store.Put(treeBucket, "f", noise(8<<20))
	if err := tr.engine.uploads.acquire(t.Context(), tr.endpoint, t); err != nil {
		t.Fatal(err)
	}
	w, err := tr.CreateAt(t.Context(), "/f", 6<<20)
	if err != nil {
		t.Fatal(err)
	}
	changed := noise(9 << 20)
	tr.store.Put(treeBucket, "f", changed)
	tr.engine.uploads.release(tr.endpoint)
	if err := w.Close(); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("a file that changes: %v", err)
	}
	tr.wantObject("f", changed)
}

func TestReadersSeeTheOldFileUntilAResumedUploadEnds(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	data := noise(8 << 20)
	tr.store.Put(treeBucket, "f", data)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := tr.CreateAt(ctx, "/f", 6<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(noise(3 << 20)); err != nil {
		t.Fatal(err)
	}
	tr.wantObject("f", data)
	cancel()
	if err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("Close after cancel: %v", err)
	}
	tr.wantObject("f", data)
}
