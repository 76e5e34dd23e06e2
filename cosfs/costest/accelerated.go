package costest

import (
	"iter"
	"strings"
)

// A directory of an accelerated bucket is an empty object whose key ends with a slash. All functions in this file
// but removeTree want the bucket's lock held.

// parents yields the directories above a key, the outermost first: "a/" and "a/b/" for "a/b/c" and for "a/b/c/".
func parents(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(key) - 1 {
			if key[i] == '/' && !yield(key[:i+1]) {
				return
			}
		}
	}
}

// checkPath returns an error if a file is in the way of a directory above the key, or if the key is a directory
// in the place of a file, or the reverse.
func (b *bucketStore) checkPath(key string) error {
	if strings.Contains(key, "//") {
		return errInvalidName.because("The key %q has an empty segment.", key)
	}
	for dir := range parents(key) {
		if file := strings.TrimSuffix(dir, "/"); b.objectAt(file) != nil {
			return errPathConflict.because("%q is a file.", file)
		}
	}
	other, isDir := strings.CutSuffix(key, "/")
	if !isDir {
		other = key + "/"
	}
	if b.objectAt(other) != nil {
		return errPathConflict.because("There is a %q.", other)
	}
	return nil
}

// makeParents makes the directories above a key that do not exist.
func (b *bucketStore) makeParents(key string, listAtOnce bool) {
	const emptyMD5 = "d41d8cd98f00b204e9800998ecf8427e"
	for dir := range parents(key) {
		if b.objectAt(dir) == nil {
			e := b.index.at(dir)
			e.current = &object{key: dir, etag: emptyMD5, modified: b.server.now()}
			b.list(e, e.current, listAtOnce)
		}
	}
}

// removePath removes a file or an empty directory, which may be named without its slash.
func (b *bucketStore) removePath(key string, listAtOnce bool) error {
	if b.objectAt(key) == nil {
		key = directory(key)
	}
	if strings.HasSuffix(key, "/") && len(b.under(key)) > 1 {
		return errPathConflict.because("The directory %q is not empty.", key)
	}
	return b.removeLocked(key, listAtOnce)
}

// removeTree removes a file, or a directory with all that is in it.
func (b *bucketStore) removeTree(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range append(b.under(directory(key)), key) {
		_ = b.removeLocked(k, false) // fails only on a disk, which no accelerated bucket has
	}
}

// directory returns the key of the directory that key names, with or without its slash.
func directory(key string) string { return strings.TrimSuffix(key, "/") + "/" }

// under returns the keys of the objects that begin with prefix: the directory itself too, if prefix is one.
func (b *bucketStore) under(prefix string) []string {
	var keys []string
	for e := range b.index.from(prefix) {
		if !strings.HasPrefix(e.key, prefix) {
			break
		}
		if e.current != nil {
			keys = append(keys, e.key)
		}
	}
	return keys
}
