package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"
)

// Stat tells about a file, or else a directory, of exactly this name: one HEAD, and one list request where there is
// no such file. A name that is both is told as the file.
func (f *FS) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	if isRoot(name) {
		return f.dirInfo("/", f.opts.Prefix), nil
	}
	key, err := f.keyOf(name)
	if err != nil {
		return nil, err
	}
	o, err := f.file(ctx, key)
	switch {
	case errors.Is(err, syscall.EISDIR):
		return f.dirInfo(lastElement(key), key+"/"), nil
	case err != nil:
		return nil, err
	}
	return o.info(), nil
}

// StatDir tells about a directory with one list request: fs.ErrNotExist if there is none of this name, whether or not
// there is a file.
func (f *FS) StatDir(ctx context.Context, name string) (fs.FileInfo, error) {
	if isRoot(name) {
		return f.dirInfo("/", f.opts.Prefix), nil
	}
	key, err := f.keyOf(name)
	if err != nil {
		return nil, err
	}
	is, err := f.isDir(ctx, key)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, fmt.Errorf("directory %q: %w", key, fs.ErrNotExist)
	}
	return f.dirInfo(lastElement(key), key+"/"), nil
}

// file is head for callers that need a file: syscall.EISDIR if the name is a directory only. Since COS tells a
// missing bucket from a missing key only in answers with a body, the list request for it also keeps a missing bucket
// from looking like a missing file.
func (f *FS) file(ctx context.Context, key string) (object, error) {
	o, err := f.head(ctx, key)
	if !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	is, listErr := f.isDir(ctx, key)
	switch {
	case listErr != nil:
		return object{}, listErr
	case is:
		return object{}, fmt.Errorf("%q: %w", key, syscall.EISDIR)
	}
	return object{}, err
}

// head asks COS about one key; fs.ErrNotExist if there is none.
func (f *FS) head(ctx context.Context, key string) (object, error) {
	var o object
	err := f.call(ctx, "head "+strconv.Quote(key), func(ctx context.Context) error {
		resp, err := f.client.Object.Head(ctx, key, nil)
		if err != nil {
			return err
		}
		o, err = headed(key, resp)
		return err
	})
	return o, presumed(ctx, err)
}

// isDir reports whether key is a directory: there is a marker "key/" or any key below it, or it is remembered, see
// keptDirs. One list request.
func (f *FS) isDir(ctx context.Context, key string) (bool, error) {
	marker, others, err := f.below(ctx, key+"/", 1)
	return marker || others || err == nil && f.recent.kept.has(key+"/"), err
}
