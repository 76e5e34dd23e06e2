package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"
	"time"
)

// The types of files in st_mode (S_IFREG, S_IFDIR).
const (
	regularFile = 0o100000
	directory   = 0o040000
)

// SetModTime keeps a modification time for a file, in whole seconds, where cosfs and rclone keep it too. COS has no
// such operation: the file is copied onto itself with new metadata. errors.ErrUnsupported for a file too big for
// one copy request (5 GiB). The time of a directory is kept with its marker; where it has none there is no effect, and no
// error.
func (f *FS) SetModTime(ctx context.Context, name string, t time.Time) error {
	// No fraction: cosfs would read it as 1970.
	value := strconv.FormatInt(t.Unix(), 10)
	err := f.setMeta(ctx, name, metaTime, value)
	if errors.Is(err, syscall.EISDIR) {
		err = f.setDirMeta(ctx, name, metaTime, value)
	}
	return err
}

// SetMode keeps the permission bits of mode for a file, where cosfs keeps them too. COS does not act on them. The
// errors, and what becomes of a directory, are those of SetModTime.
func (f *FS) SetMode(ctx context.Context, name string, mode fs.FileMode) error {
	value := func(kind uint64) string { return strconv.FormatUint(kind|uint64(mode.Perm()), 10) }
	err := f.setMeta(ctx, name, metaMode, value(regularFile))
	if errors.Is(err, syscall.EISDIR) {
		err = f.setDirMeta(ctx, name, metaMode, value(directory))
	}
	return err
}

func (f *FS) setMeta(ctx context.Context, name, meta, value string) error {
	key, err := f.keyOf(name)
	if err != nil {
		return err
	}
	release, err := f.claim(ctx, []string{key}, nil)
	if err != nil {
		return err
	}
	defer release()
	o, err := f.file(ctx, key)
	if err != nil {
		return err
	}
	foreign := f.engine.remains.isForeign(f.place(key), o, f.opts.ClientOf(ctx))
	made, err := f.replaceMeta(ctx, o, meta, value)
	if foreign {
		f.engine.remains.touched(f.place(key)) // also after a failure: COS may have done it
	}
	if err == nil {
		f.engine.rivals.touched(f.place(key), o, made)
	}
	return err
}

// setDirMeta is setMeta for a directory, by its marker. The root is not changed: its marker may be outside the account's
// part of the bucket.
func (f *FS) setDirMeta(ctx context.Context, name, meta, value string) error {
	if isRoot(name) {
		return nil
	}
	dir, err := f.dirKeyOf(name)
	if err != nil {
		return err
	}
	release, err := f.claim(ctx, []string{dir}, nil)
	if err != nil {
		return err
	}
	defer release()
	marker, err := f.head(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	made, err := f.replaceMeta(ctx, marker, meta, value)
	if err != nil {
		return err
	}
	shown := marker.modified
	if t, ok := parseTime(value); ok && meta == metaTime {
		shown = t
	}
	f.recent.times.noteMarker(dir, shown, made.at)
	return nil
}

// replaceMeta copies an object onto itself with new metadata. The caller has claimed its key.
func (f *FS) replaceMeta(ctx context.Context, o object, meta, value string) (version, error) {
	if o.size > f.copyLimit {
		return version{}, fmt.Errorf("set %s of %q: %d bytes are too many for one copy: %w", meta, o.key, o.size, errors.ErrUnsupported)
	}
	header := restateAll(o)
	header.Set(meta, value)
	made, err := f.copyWhole(lasting.with(ctx), o, o.key, "Replaced", header)
	if errors.Is(err, syscall.ESTALE) {
		// Either somebody replaced the object, or an attempt whose answer was lost did it and changed the ETag.
		if now, headErr := f.head(ctx, o.key); headErr == nil && now.meta[meta] == value && sameData(o, now) {
			made, err = now.version(), nil
		}
	}
	if err != nil {
		return version{}, err
	}
	f.wrote(o.key, o.size, made)
	return made, nil
}

// sameData reports whether two answers about objects speak of the same bytes, as far as COS tells.
func sameData(a, b object) bool {
	return a.size == b.size && a.hasCRC == b.hasCRC && a.crc64 == b.crc64
}
