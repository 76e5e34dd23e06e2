package cosfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func (tr *transfers) add(ctx context.Context, name string, data []byte) error {
	w, err := tr.Append(ctx, name)
	if err != nil {
		return err
	}
	_, copyErr := io.Copy(w, only{bytes.NewReader(data)})
	return errors.Join(copyErr, w.Close())
}

func TestAppendSizes(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	for _, old := range []int{0, 1, blockSize + 1, testPart, minCopied - 1, minCopied, minCopied + 1, 11<<20 + 3} {
		for _, added := range []int{0, 1, testPart, 2*testPart + 5} {
			first, second := noise(old), noise(added)
			tr.store.PutObject(treeBucket, costest.Object{
				Key: "f", Data: first, ContentType: "text/x", StorageClass: "STANDARD_IA",
				Meta: map[string]string{"mode": "33188", "mtime": "1700000000"},
			})
			if err := tr.add(t.Context(), "/f", second); err != nil {
				t.Errorf("%d bytes to %d: %v", added, old, err)
			}
			tr.wantObject("f", append(first, second...))
			o, _ := tr.store.Get(treeBucket, "f")
			if o.ContentType != "text/x" || o.StorageClass != "STANDARD_IA" || o.Meta["mode"] != "33188" {
				t.Errorf("%d bytes to %d: attributes became %q, %q, %v", added, old, o.ContentType, o.StorageClass, o.Meta)
			}
			if o.Meta["mtime"] != "" {
				t.Error("the file kept the time of before it was appended to")
			}
		}
	}
}

func TestAppendToNothingAndToDirectory(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.put("dir/file")
	if err := tr.add(t.Context(), "/new", []byte("new")); err != nil {
		t.Error(err)
	}
	tr.wantObject("new", []byte("new"))
	if err := tr.add(t.Context(), "/dir", []byte("x")); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("append to a directory: %v", err)
	}
}

func TestAppendMovesBigDataInsideCOS(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	tr.store.Put(treeBucket, "f", noise(20<<20))
	if err := tr.add(t.Context(), "/f", noise(100)); err != nil {
		t.Fatal(err)
	}
	var moved int64
	for _, r := range tr.store.Requests() {
		moved += r.In + r.Out
	}
	if moved > 10<<10 {
		t.Errorf("%d bytes were moved to append 100 to 20 MiB", moved)
	}
}

func TestAppendFailures(t *testing.T) {
	for _, old := range []int{1000, 8 << 20} {
		for _, fault := range []costest.Fault{
			{Op: "HeadObject", Status: 503},
			{Op: "UploadPartCopy", Status: 403, Code: "AccessDenied"},
			{Op: "UploadPartCopy", Drop: "before"},
			{Op: "GetObject", Drop: "during"},
			{Op: "UploadPart", Status: 503, ReadBody: true},
			{Op: "InitiateMultipartUpload", Status: 503},
			{Op: "CompleteMultipartUpload", Status: 503},
			{Op: "CompleteMultipartUpload", BodyAs200: true},
			{Op: "PutObject", Status: 503, ReadBody: true},
		} {
			small := old < minCopied
			if small != (fault.Op == "GetObject" || fault.Op == "PutObject") && fault.Op != "HeadObject" {
				continue // not a request of such an append
			}
			tr := newTransfers(t, EngineOptions{})
			tr.giveUpSoon()
			data := noise(old)
			tr.store.Put(treeBucket, "f", data)
			tr.store.Inject(fault)
			if err := tr.add(t.Context(), "/f", noise(1000)); err == nil {
				t.Errorf("append to %d bytes with %+v succeeded", old, fault)
			}
			tr.wantObject("f", data)
		}
	}
}

func TestAppendToChangingFile(t *testing.T) {
	tr := newTransfers(t, EngineOptions{UploadThreads: 1, DownloadThreads: 1})
	tr.store.Put(treeBucket, "f", noise(8<<20))
	if err := tr.engine.uploads.acquire(t.Context(), tr.endpoint, t); err != nil {
		t.Fatal(err)
	}
	w, err := tr.Append(t.Context(), "/f")
	if err != nil {
		t.Fatal(err)
	}
	changed := noise(9 << 20)
	tr.store.Put(treeBucket, "f", changed)
	tr.engine.uploads.release(tr.endpoint)
	if err := w.Close(); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("append to a file that changes: %v", err)
	}
	tr.wantObject("f", changed)
}

func TestAppendKeepsTheLimit(t *testing.T) {
	for _, old := range []int{1000, 8 << 20} {
		tr := newTransfers(t, EngineOptions{})
		tr.opts.MaxFileSize = int64(old) + 10
		data := noise(old)
		tr.store.Put(treeBucket, "f", data)
		if err := tr.add(t.Context(), "/f", noise(11)); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("11 bytes where 10 are left: %v", err)
		}
		tr.wantObject("f", data)
		if err := tr.add(t.Context(), "/f", noise(10)); err != nil {
			t.Errorf("10 bytes where 10 are left: %v", err)
		}
	}
}

func TestCancelledAppendLeavesTheFile(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	data := noise(8 << 20)
	tr.store.Put(treeBucket, "f", data)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := tr.Append(ctx, "/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(noise(3 << 20)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("Close after cancel: %v", err)
	}
	tr.wantObject("f", data)
	if _, err := tr.Append(ctx, "/f"); !errors.Is(err, context.Canceled) && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Append with an ended context: %v", err)
	}
}
