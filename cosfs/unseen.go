package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// A key pair may write and not look: it is refused HEAD, or it is refused HEAD of names that do not exist because it may
// not list. Then nobody knows what stands at a name, and what is stored there must replace nothing.

// unseenKey is the key of a context in whose requests a name that may not be looked at counts as free.
type unseenKey struct{}

// presumed turns a refusal to look at a name into fs.ErrNotExist, where the context says so.
func presumed(ctx context.Context, err error) error {
	if err != nil && errors.Is(err, fs.ErrPermission) && ctx.Value(unseenKey{}) != nil {
		return fmt.Errorf("%w, as far as can be seen: %v", fs.ErrNotExist, err)
	}
	return err
}

// isListed reports whether a listing shows a key: then it is not the name that is missing, but the right to look at it,
// and where there are versions COS would replace the file in spite of being told not to.
func (f *FS) isListed(ctx context.Context, key string) bool {
	p, err := f.page(ctx, key, "", "", 1)
	return err == nil && len(p.objects) > 0 && p.objects[0].key == key
}

// appendUnseen begins a new file at a name that may not be looked at.
func (f *FS) appendUnseen(ctx context.Context, key string) io.WriteCloser {
	f.engine.remains.forget(f.place(key))
	return unseen{f.newWriter(context.WithValue(ctx, unseenKey{}, true), key, true)}
}

// unseen is an upload that replaces nothing.
type unseen struct{ *writer }

// Close says of a file that is there after all what keeps it from being appended to.
func (u unseen) Close() error {
	err := u.writer.Close()
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("append to %q: there is a file, and the key pair may not look at it: %w", u.key, fs.ErrPermission)
	}
	return err
}
