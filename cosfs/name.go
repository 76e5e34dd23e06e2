package cosfs

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

// maxKey is the greatest length of a key in bytes of UTF-8 (COS document 436/13324).
const maxKey = 850

// nameError is fs.ErrInvalid for a name.
type nameError struct{ name, reason string }

func badName(name, reason string) error { return &nameError{name, reason} }

func (e *nameError) Error() string {
	shown := strconv.Quote(e.name)
	if len(e.name) > maxKey {
		shown = fmt.Sprintf("%.40q…", e.name)
	}
	return shown + " " + e.reason + ": " + fs.ErrInvalid.Error()
}

func (e *nameError) Unwrap() error { return fs.ErrInvalid }

// Reason is why COS cannot hold the name, to be read behind "it"; nothing of the name is in it.
func (e *nameError) Reason() string { return e.reason }

// bareKeyOf turns an absolute, clean name ("/a/b") into a key ("a/b"). The root has no key and gives syscall.EISDIR:
// a request for the empty key would be one for the bucket. Names that COS cannot hold, or that would be another
// name on the way to it, give fs.ErrInvalid.
func bareKeyOf(name string) (string, error) {
	if isRoot(name) {
		return "", fmt.Errorf("%q: %w", name, syscall.EISDIR)
	}
	key, ok := strings.CutPrefix(name, "/")
	if !ok {
		return "", badName(name, "does not begin with a slash")
	}
	if len(key) > maxKey {
		return "", badName(name, fmt.Sprintf("is %d bytes long, COS holds names up to %d", len(key), maxKey))
	}
	if key[0] == '\\' {
		return "", badName(name, "begins with a backslash")
	}
	for element := range strings.SplitSeq(key, "/") {
		if reason := badElement(element); reason != "" {
			return "", badName(name, reason)
		}
	}
	return key, nil
}

// bareDirKeyOf turns a name into the key of its directory marker, which is also the prefix of everything in it: "" for
// the root, else the key with a slash at its end.
func bareDirKeyOf(name string) (string, error) {
	if isRoot(name) {
		return "", nil
	}
	key, err := bareKeyOf(name)
	if err != nil {
		return "", err
	}
	if len(key) == maxKey {
		return "", badName(name, fmt.Sprintf("is %d bytes long, COS holds directories up to %d", len(key), maxKey-1))
	}
	return key + "/", nil
}

// keyOf is bareKeyOf with the account's prefix before the key. The prefix ends in a slash and a clean name has no way
// up, so no name leads out of it.
func (f *FS) keyOf(name string) (string, error) {
	key, err := bareKeyOf(name)
	if err != nil {
		return "", err
	}
	return f.prefixed(name, key)
}

// dirKeyOf is bareDirKeyOf with the account's prefix before the key; of the root it is the prefix.
func (f *FS) dirKeyOf(name string) (string, error) {
	dir, err := bareDirKeyOf(name)
	if err != nil {
		return "", err
	}
	return f.prefixed(name, dir)
}

func (f *FS) prefixed(name, key string) (string, error) {
	if n := len(f.opts.Prefix) + len(key); n > maxKey {
		return "", badName(name, fmt.Sprintf("is %d bytes long with the account's prefix, COS holds names up to %d", n, maxKey))
	}
	return f.opts.Prefix + key, nil
}

// nameOf is the name of a key of the account.
func (f *FS) nameOf(key string) string { return nameOf(strings.TrimPrefix(key, f.opts.Prefix)) }

// checkPrefix says why a prefix will not do: "" is none, any other is the key of a directory.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if dir, err := bareDirKeyOf("/" + strings.TrimSuffix(prefix, "/")); err != nil || dir != prefix || prefix == "/" {
		return fmt.Errorf("prefix %q is not a clean directory with a slash at its end: %w", prefix, fs.ErrInvalid)
	}
	return nil
}

// nameOf is the name of a key, or of a prefix with its slash at the end.
func nameOf(key string) string {
	return "/" + strings.TrimSuffix(key, "/")
}

func isRoot(name string) bool { return name == "/" }

// lastElement is what follows the last slash of a key.
func lastElement(key string) string {
	return key[strings.LastIndexByte(key, '/')+1:]
}

// badElement says why no part of a name between slashes can be s, or "". COS refuses the control characters; the
// rest would change its meaning on the way, in a path or in a listing.
func badElement(s string) string {
	switch {
	case s == "":
		return "has an empty element"
	case s == "." || s == "..":
		return "has the element " + s
	case !utf8.ValidString(s):
		return "is not UTF-8"
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == 0, c == '\r', c == '\n', c >= 0x18 && c <= 0x1b:
			return fmt.Sprintf("has the control character %#02x", c)
		}
	}
	return ""
}

func (f *FS) place(key string) place { return place{f.opts.Bucket, key} }
