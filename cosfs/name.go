package cosfs

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"unicode/utf8"
)

// maxKey is the greatest length of a key in bytes of UTF-8 (COS document 436/13324).
const maxKey = 850

// keyOf turns an absolute, clean name ("/a/b") into a key ("a/b"). The root has no key and gives syscall.EISDIR:
// a request for the empty key would be one for the bucket. Names that COS cannot hold, or that would be another
// name on the way to it, give fs.ErrInvalid.
func keyOf(name string) (string, error) {
	if isRoot(name) {
		return "", fmt.Errorf("%q: %w", name, syscall.EISDIR)
	}
	key, ok := strings.CutPrefix(name, "/")
	if !ok {
		return "", fmt.Errorf("%q does not begin with a slash: %w", name, fs.ErrInvalid)
	}
	if len(key) > maxKey {
		return "", fmt.Errorf("%.40q… is %d bytes long, COS holds names up to %d: %w", name, len(key), maxKey, fs.ErrInvalid)
	}
	if key[0] == '\\' {
		return "", fmt.Errorf("%q begins with a backslash: %w", name, fs.ErrInvalid)
	}
	for element := range strings.SplitSeq(key, "/") {
		if reason := badElement(element); reason != "" {
			return "", fmt.Errorf("%q %s: %w", name, reason, fs.ErrInvalid)
		}
	}
	return key, nil
}

// dirKeyOf turns a name into the key of its directory marker, which is also the prefix of everything in it: "" for
// the root, else the key with a slash at its end.
func dirKeyOf(name string) (string, error) {
	if isRoot(name) {
		return "", nil
	}
	key, err := keyOf(name)
	if err != nil {
		return "", err
	}
	if len(key) == maxKey {
		return "", fmt.Errorf("%.40q… is %d bytes long, COS holds directories up to %d: %w", name, len(key), maxKey-1, fs.ErrInvalid)
	}
	return key + "/", nil
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
