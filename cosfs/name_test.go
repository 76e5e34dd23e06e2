package cosfs

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestNameAndKey(t *testing.T) {
	long := strings.Repeat("x", maxKey)
	for _, name := range []string{
		"/a", "/a/b", "/a b/ c ", "/+", "/100%", "/%2F", "/what?", "/#1", `/"quoted"`, "/it's", "/中文/文件.txt",
		"/\x01\x17\x1c", "/\t", "/.hidden", "/...", "/a/..b", `/a\b`, `/a/\b`, "/?versionId=1", "/" + long,
	} {
		key, err := bareKeyOf(name)
		if err != nil {
			t.Errorf("bareKeyOf(%q): %v", name, err)
			continue
		}
		if back := nameOf(key); back != name {
			t.Errorf("bareKeyOf(%q) = %q, back it is %q", name, key, back)
		}
		if back := nameOf(key + "/"); back != name {
			t.Errorf("nameOf(%q) = %q, want %q", key+"/", back, name)
		}
	}
}

func TestNamesThatCOSCannotHold(t *testing.T) {
	for _, test := range []struct{ name, reason string }{
		{"", "slash"},
		{"a", "slash"},
		{"//", "empty element"},
		{"//a", "empty element"},
		{"/a//b", "empty element"},
		{"/a/", "empty element"},
		{"/.", "element ."},
		{"/..", "element .."},
		{"/a/../b", "element .."},
		{"/a/.", "element ."},
		{`/\a`, "backslash"},
		{"/a\x00", "0x00"},
		{"/a\rb", "0x0d"},
		{"/a\nb", "0x0a"},
		{"/\x18", "0x18"},
		{"/\x1b", "0x1b"},
		{"/\xff", "UTF-8"},
		{"/" + strings.Repeat("中", 284), "852 bytes"},
	} {
		key, err := bareKeyOf(test.name)
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), test.reason) {
			t.Errorf("bareKeyOf(%q) = %q, %v; want fs.ErrInvalid with %q", test.name, key, err, test.reason)
		}
	}
}

func TestRootHasNoKey(t *testing.T) {
	if key, err := bareKeyOf("/"); !errors.Is(err, syscall.EISDIR) {
		t.Errorf(`bareKeyOf("/") = %q, %v; a request for an empty key would be one for the bucket`, key, err)
	}
	if dir, err := bareDirKeyOf("/"); dir != "" || err != nil {
		t.Errorf(`bareDirKeyOf("/") = %q, %v`, dir, err)
	}
}

func TestDirectoryKeyNeedsRoomForItsSlash(t *testing.T) {
	fits := "/" + strings.Repeat("x", maxKey-1)
	if dir, err := bareDirKeyOf(fits); err != nil || len(dir) != maxKey {
		t.Errorf("dirKeyOf of %d bytes: %d bytes, %v", maxKey-1, len(dir), err)
	}
	if _, err := bareDirKeyOf(fits + "x"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("dirKeyOf of %d bytes: %v, want fs.ErrInvalid", maxKey, err)
	}
}
