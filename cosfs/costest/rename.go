package costest

import (
	"net/http"
	"net/url"
	"strings"
)

// renameObject is the renaming of accelerated buckets; see Accelerated for what is known of it.
func (x *exchange) renameObject() error {
	if !x.store.kind.accelerated {
		return errNotImplemented.because("Only a bucket with metadata acceleration can rename.")
	}
	from, err := x.renameSource()
	if err != nil {
		return err
	}
	if err := x.store.rename(from, x.key, x.forbidsOverwrite()); err != nil {
		return err
	}
	x.status(http.StatusOK)
	return nil
}

// renameSource reads the key that x-cos-rename-source names.
func (x *exchange) renameSource() (string, error) {
	text := x.r.Header.Get("X-Cos-Rename-Source")
	encoded, slash := strings.CutPrefix(text, "/")
	key, err := url.PathUnescape(encoded)
	if !slash || err != nil || key == "" {
		return "", errInvalidArgument.because("x-cos-rename-source is %q, want a slash and a URL-encoded key.", text)
	}
	return key, x.checkKey(key)
}

// rename moves a file, or a directory with all that is in it. Both may be named with or without a slash at the end.
func (b *bucketStore) rename(from, to string, forbidOverwrite bool) error {
	from, to = strings.TrimSuffix(from, "/"), strings.TrimSuffix(to, "/")
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.objectAt(from) != nil:
		return b.renameFile(from, to, forbidOverwrite)
	case b.objectAt(from+"/") != nil:
		return b.renameDirectory(from+"/", to+"/")
	}
	return errNoSuchKey.because("The source %q does not exist.", from)
}

func (b *bucketStore) renameFile(from, to string, forbidOverwrite bool) error {
	switch {
	case forbidOverwrite && b.objectAt(to) != nil:
		return errFileExists
	case from == to:
		return nil
	}
	if err := b.checkPath(to); err != nil {
		return err
	}
	b.makeParents(to, false)
	b.move(from, to)
	return nil
}

func (b *bucketStore) renameDirectory(from, to string) error {
	switch {
	case from == to:
		return nil
	case strings.HasPrefix(to, from):
		return errPathConflict.because("%q is inside of %q.", to, from)
	case b.objectAt(to) != nil:
		return errPathConflict.because("The directory %q exists.", to)
	}
	if err := b.checkPath(to); err != nil {
		return err
	}
	b.makeParents(to, false)
	for _, key := range b.under(from) {
		b.move(key, to+strings.TrimPrefix(key, from))
	}
	return nil
}

// move gives an object another key, and its body with it. The object that had that key is replaced.
func (b *bucketStore) move(from, to string) {
	source, target := b.index.at(from), b.index.at(to)
	if target.current != nil {
		target.current.body.release()
	}
	moved := *source.current
	moved.key = to
	source.current, target.current = nil, &moved
	b.list(target, &moved, false)
	b.list(source, nil, false)
}
