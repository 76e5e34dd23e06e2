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
//
// syscall.EBUSY while an upload of this process is about to replace the file; an error with a method NotResumable() if
// the last one that was to replace it has failed, so that what is there is none of the file that is to be continued.
//
// A key pair that may not look at the name can only begin a new file: where there is one already Close returns
// fs.ErrPermission and replaces nothing, but in a bucket with versions, where the old file becomes an earlier version.
func (f *FS) Append(ctx context.Context, name string) (io.WriteCloser, error) {
	key, err := f.keyOf(name)
	if err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	old, err := f.file(ctx, key)
	if errors.Is(err, fs.ErrNotExist) && !f.engine.rivals.isReplaced(f.place(key)) {
		f.engine.remains.forget(f.place(key))
		return f.newWriter(ctx, key, true), nil
	}
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
	case f.engine.rivals.isReplaced(f.place(key)):
		err = fmt.Errorf("an upload is about to replace it: %w", syscall.EBUSY)
	case f.engine.remains.isForeign(f.place(key), old, f.opts.ClientOf(ctx)):
		err = notResumable("the last upload of the file failed, so this is none of it")
	}
	if errors.Is(err, fs.ErrPermission) && !f.isListed(ctx, key) {
		return f.appendUnseen(ctx, key), nil
	}
	var w *writer
	if err == nil {
		w, err = f.continueAt(ctx, name, old, old.size)
	}
	if err != nil {
		return nil, fmt.Errorf("append to %q: %w", key, err)
	}
	return w, nil
}

// CreateAt starts an upload that keeps the first offset bytes of name, and its metadata, and replaces what follows
// them. All else is as with Append: COS copies what stays, at once and from the version that is there now; only less
// than 5 MiB of it are read and sent again. An offset of 0 is Create. A missing file is fs.ErrNotExist; for an offset
// past the end the error has a method FileSize() int64.
//
// Unless Options.ResumeAny is set, an error with a method NotResumable() if the object is not known to be what an interrupted upload of this
// client (Options.ClientOf) has left: it may be the beginning of any other file.
func (f *FS) CreateAt(ctx context.Context, name string, offset int64) (io.WriteCloser, error) {
	if offset == 0 {
		return f.Create(ctx, name)
	}
	key, err := f.keyOf(name)
	if err != nil {
		return nil, fmt.Errorf("create at %d: %w", offset, err)
	}
	if offset < 0 {
		return nil, fmt.Errorf("create %q at %d: %w", key, offset, fs.ErrInvalid)
	}
	old, err := f.file(ctx, key)
	if err == nil {
		err = f.checkResume(ctx, old, offset)
	}
	var w *writer
	if err == nil {
		w, err = f.continueAt(ctx, name, old, offset)
	}
	if err != nil {
		return nil, fmt.Errorf("create %q at %d: %w", key, offset, err)
	}
	return w, nil
}

// checkResume says why an upload cannot go on at an offset of an object.
func (f *FS) checkResume(ctx context.Context, old object, offset int64) error {
	if offset > old.size {
		return pastEnd{old.size}
	}
	if f.opts.ResumeAny || f.engine.remains.isBeginning(f.place(old.key), old, f.opts.ClientOf(ctx)) {
		return nil
	}
	return notResumable("it is not known to be the beginning of the file")
}

// notResumable is why a file cannot be gone on with, though nothing is wrong with it.
type notResumable string

func (e notResumable) Error() string        { return string(e) }
func (e notResumable) NotResumable()        {}
func (e notResumable) Is(target error) bool { return target == syscall.ESTALE }

// pastEnd is the error of an offset beyond a file of so many bytes.
type pastEnd struct{ size int64 }

func (e pastEnd) Error() string   { return fmt.Sprintf("the file has only %d bytes", e.size) }
func (e pastEnd) FileSize() int64 { return e.size }

// continueAt makes a writer that begins with the first n bytes of what is there.
func (f *FS) continueAt(ctx context.Context, name string, old object, n int64) (*writer, error) {
	w := f.newWriter(ctx, old.key, true)
	w.kept = &old
	var err error
	switch {
	case n > w.limits.maxSize:
		err = fmt.Errorf("%d bytes are more than %d: %w", n, w.limits.maxSize, syscall.EFBIG)
	case n < minCopied || strings.Contains(old.key, "?versionId="): // the SDK misreads such a key
		err = w.sendAgain(ctx, name, n)
	default:
		err = w.copyOld(n)
	}
	if err != nil {
		w.fail(err)
		_ = w.Close() // tells the same
		return nil, err
	}
	return w, nil
}

// sendAgain makes the first n bytes of the old data the beginning of the new.
func (w *writer) sendAgain(ctx context.Context, name string, n int64) error {
	if n == 0 {
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
	sent, err := w.ReadFrom(io.LimitReader(r, n))
	if err == nil && (sent != n || info.Size() != w.kept.size || r.(*reader).object.etag != w.kept.etag) {
		err = syscall.ESTALE
	}
	return err
}

// copyOld makes the first n bytes of the old object the first parts of the new one, copied by COS while new data
// already arrives.
func (w *writer) copyOld(n int64) error {
	source, err := w.f.copySource(w.key)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size, w.sent = n, n
	count := (n + copiedRange - 1) / copiedRange
	if count > maxParts/10 { // the rest is for new data
		count = (n + maxPart - 1) / maxPart
	}
	w.copied = int(count)
	// Equal ranges, so that the last is not too small to be copied.
	for i := range count {
		first, end := n*i/count, n*(i+1)/count
		p := &part{number: int(i) + 1, size: end - first}
		w.parts = append(w.parts, p)
		w.begin()
		w.background(func() { w.copyPart(p, source, first) })
	}
	return nil
}

// copyPart has COS copy one range. It takes a slot as a part that is sent does.
func (w *writer) copyPart(p *part, source string, first int64) {
	select {
	case <-w.ready:
	case <-w.ctx.Done():
	}
	if w.ctx.Err() != nil || w.upload.id == "" {
		return
	}
	op := "copy part " + strconv.Itoa(p.number) + " of " + strconv.Quote(w.key)
	copyRange := func(ctx context.Context, condition string) error {
		if err := w.f.engine.uploads.acquire(ctx, w.f.endpoint, w); err != nil {
			return err
		}
		defer w.f.engine.uploads.release(w.f.endpoint)
		ctx, cancel := context.WithTimeout(ctx, w.f.engine.opts.CopyTimeout)
		defer cancel()
		made, err := w.upload.copyPart(ctx, p.number, source, first, p.size, condition)
		p.etag, p.crc, p.noCRC = made.etag, made.crc64, !made.hasCRC
		return err
	}
	err := w.f.ifUnchanged(w.ctx, *w.kept, func(condition string) error {
		return w.f.try(w.ctx, op, func(ctx context.Context) error { return copyRange(ctx, condition) })
	})
	if err != nil {
		w.fail(err)
	}
}
