package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	// minCopied is the least size in bytes of an object whose data COS copies into the new one. COS's documents
	// name 1 MB and 5 MB as the smallest range; less than that is read and sent again.
	minCopied = 5 << 20
	// copiedRange is the usual size of a range to copy, so that COS answers in seconds.
	copiedRange = 512 << 20
)

// Append starts an upload that adds to the end of name, keeping its metadata, or creates it. As with Create, readers
// see the old file until Close returns nil, and it stays when anything fails; syscall.ESTALE if it was changed in
// between. The greatest size is that of the whole file. COS copies what is there; a small file is sent again.
func (f *FS) Append(ctx context.Context, name string) (io.WriteCloser, error) {
	key, err := keyOf(name)
	if err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	old, err := f.file(ctx, key)
	w := f.newWriter(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return w, nil
	case err != nil:
	case old.size < minCopied || strings.Contains(key, "?versionId="): // the SDK misreads such a key
		w.kept = &old
		err = w.sendAgain(ctx, name, old)
	default:
		w.kept = &old
		err = w.copyOld(old)
	}
	if err != nil {
		w.fail(err)
		_ = w.Close() // tells the same
		return nil, fmt.Errorf("append to %q: %w", key, err)
	}
	return w, nil
}

// sendAgain makes the old data the beginning of the new.
func (w *writer) sendAgain(ctx context.Context, name string, old object) error {
	if old.size == 0 {
		return nil
	}
	r, err := w.f.Open(ctx, name, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	n, err := w.ReadFrom(r)
	if err == nil && (n != old.size || info.Size() != old.size) {
		err = syscall.ESTALE
	}
	return err
}

// copyOld makes the old object the first parts of the new one, copied by COS while new data already arrives.
func (w *writer) copyOld(old object) error {
	source, err := w.f.copySource(w.key)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size, w.sent = old.size, old.size
	count := (old.size + copiedRange - 1) / copiedRange
	if count > maxParts/10 { // the rest is for new data
		count = (old.size + maxPart - 1) / maxPart
	}
	w.copied = int(count)
	// Equal ranges, so that the last is not too small to be copied.
	for i := range count {
		first, end := old.size*i/count, old.size*(i+1)/count
		p := &part{number: int(i) + 1, size: end - first}
		w.parts = append(w.parts, p)
		w.begin()
		w.work.Go(func() { w.copyPart(p, source, first) })
	}
	return nil
}

// copyPart has COS copy one range. It takes a slot as a part that is sent does.
func (w *writer) copyPart(p *part, source string, first int64) {
	select {
	case <-w.ready:
	case <-w.ctx.Done():
	}
	if w.ctx.Err() != nil {
		return
	}
	opt := &cos.ObjectCopyPartOptions{
		XCosCopySourceRange:   fmt.Sprintf("bytes=%d-%d", first, first+p.size-1),
		XCosCopySourceIfMatch: w.kept.etag,
	}
	op := "copy part " + strconv.Itoa(p.number) + " of " + strconv.Quote(w.key)
	err := w.f.try(w.ctx, op, func(ctx context.Context) error {
		if err := w.f.engine.uploads.acquire(ctx, w); err != nil {
			return err
		}
		defer w.f.engine.uploads.release()
		ctx, cancel := context.WithTimeout(ctx, copyTimeout)
		defer cancel()
		res, _, err := w.f.client.Object.CopyPart(ctx, w.key, w.upload, p.number, source, opt)
		if err != nil {
			return err
		}
		if p.etag = res.ETag; p.etag == "" {
			return badAnswer("a copied part without an ETag")
		}
		return nil
	})
	if err != nil {
		w.fail(err)
	}
}
