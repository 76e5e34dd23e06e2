package cosfs

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestStatIsExact(t *testing.T) {
	tr := newTree(t)
	tr.put("abc", "abc.txt", "dir/", "implied/x", "both", "both/x", "q!1", "q!2", "q/x")
	for _, test := range []struct {
		name  string
		dir   bool
		want  error
		as    string
		stats int // requests
	}{
		{name: "/", dir: true, as: "/", stats: 0},
		{name: "/abc", as: "abc", stats: 1},
		{name: "/ab", want: fs.ErrNotExist, stats: 2},
		{name: "/abcd", want: fs.ErrNotExist, stats: 2},
		{name: "/dir", dir: true, as: "dir", stats: 2},
		{name: "/di", want: fs.ErrNotExist, stats: 2},
		{name: "/implied", dir: true, as: "implied", stats: 2},
		{name: "/implied/x", as: "x", stats: 1},
		{name: "/both", as: "both", stats: 1},
		{name: "/q", dir: true, as: "q", stats: 2},
		{name: "/a/../b", want: fs.ErrInvalid, stats: 0},
	} {
		var i fs.FileInfo
		var err error
		ops := tr.ops(func() { i, err = tr.Stat(t.Context(), test.name) })
		if len(ops) != test.stats {
			t.Errorf("Stat(%q) made %v, want %d requests", test.name, ops, test.stats)
		}
		if !errors.Is(err, test.want) {
			t.Errorf("Stat(%q): %v, want %v", test.name, err, test.want)
		}
		if err == nil && (i.Name() != test.as || i.IsDir() != test.dir) {
			t.Errorf("Stat(%q) = %q, directory %t", test.name, i.Name(), i.IsDir())
		}
	}
}

func TestStatDirCostsOneRequest(t *testing.T) {
	tr := newTree(t)
	tr.put("file", "dir/", "implied/x", "both", "both/x")
	for name, want := range map[string]error{
		"/dir": nil, "/implied": nil, "/both": nil,
		"/file": fs.ErrNotExist, "/fil": fs.ErrNotExist, "/di": fs.ErrNotExist, "/none": fs.ErrNotExist,
	} {
		var i fs.FileInfo
		var err error
		ops := tr.ops(func() { i, err = tr.StatDir(t.Context(), name) })
		if !errors.Is(err, want) || err == nil && !i.IsDir() {
			t.Errorf("StatDir(%q) = %v, %v; want %v", name, i, err, want)
		}
		if !slices.Equal(ops, []string{"ListObjects"}) {
			t.Errorf("StatDir(%q) made %v", name, ops)
		}
	}
	if ops := tr.ops(func() {
		if i, err := tr.StatDir(t.Context(), "/"); err != nil || !i.IsDir() {
			t.Errorf("root: %v, %v", i, err)
		}
	}); len(ops) != 0 {
		t.Errorf("the root costs %v", ops)
	}
}

func TestStatReadsTimeAndModeOfOtherTools(t *testing.T) {
	tr := newTree(t)
	stored := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, test := range []struct {
		mtime, mode string
		time        time.Time
		perm        fs.FileMode
	}{
		{"", "", stored, 0o555},
		{"1700000000", "33188", time.Unix(1700000000, 0), 0o644},
		{"1700000000.123456789", "33261", time.Unix(1700000000, 123456789), 0o755},
		{"1700000000.5", "nonsense", time.Unix(1700000000, 500000000), 0o555},
		{"17%30%30000000", "%333188", time.Unix(1700000000, 0), 0o644},
		{"yesterday", "", stored, 0o555},
		{"99999999999999999", "", stored, 0o555},
		{"1700000000.x", "", stored, 0o555},
	} {
		opts := []costest.PutOption{costest.Modified(stored)}
		if test.mtime != "" {
			opts = append(opts, costest.Meta("mtime", test.mtime))
		}
		if test.mode != "" {
			opts = append(opts, costest.Meta("mode", test.mode))
		}
		tr.store.Put(treeBucket, "f", []byte("12345"), opts...)
		i, err := tr.Stat(t.Context(), "/f")
		if err != nil {
			t.Fatal(err)
		}
		if !i.ModTime().Equal(test.time) || i.Mode() != test.perm || i.Size() != 5 {
			t.Errorf("mtime %q, mode %q: %v %v %d; want %v %v 5", test.mtime, test.mode,
				i.ModTime(), i.Mode(), i.Size(), test.time, test.perm)
		}
	}
}

func TestHeadTellsAllThatLaterStepsNeed(t *testing.T) {
	tr := newTree(t)
	tr.store.Put(treeBucket, "f", []byte("123456789"), costest.StorageClass("STANDARD_IA"),
		costest.ContentType("text/x-odd"), costest.Meta("owner", "me"))
	o, err := tr.head(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	// 0x995dc9bbdf1939fa is the published check value of CRC-64/XZ.
	if o.key != "f" || o.size != 9 || !o.hasCRC || o.crc64 != 0x995dc9bbdf1939fa || o.storageClass != "STANDARD_IA" ||
		o.contentType != "text/x-odd" || o.meta["x-cos-meta-owner"] != "me" || o.etag[0] != '"' || o.stored.IsZero() {
		t.Errorf("%+v", o)
	}
}

func TestMissingBucketIsNoMissingFile(t *testing.T) {
	tr := newTree(t)
	other, err := New(Options{
		SecretID: "id", SecretKey: treeSecret, Bucket: "gone-1250000000", Host: costest.Host("gone-1250000000"),
		Scheme: "http", Address: tr.opts.Address,
	}, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, statErr := other.Stat(ctx, "/f")
	_, dirErr := other.StatDir(ctx, "/d")
	_, listErr := (&tree{FS: other, t: t}).listErr(ctx, "/d")
	for what, err := range map[string]error{
		"Stat": statErr, "StatDir": dirErr, "List": listErr,
		"Mkdir": other.Mkdir(ctx, "/d"), "Remove": other.Remove(ctx, "/f"), "RemoveDir": other.RemoveDir(ctx, "/d"),
		"Rename": other.Rename(ctx, "/f", "/g"), "SetModTime": other.SetModTime(ctx, "/f", time.Now()),
	} {
		if err == nil || errors.Is(err, fs.ErrNotExist) || codeOf(err) != "NoSuchBucket" || statusOf(err) != http.StatusNotFound {
			t.Errorf("%s: %v, want an error with NoSuchBucket that is no fs.ErrNotExist", what, err)
		}
	}
}

func TestFileWhereADirectoryIs(t *testing.T) {
	tr := newTree(t)
	tr.put("dir/x")
	ctx := t.Context()
	for what, err := range map[string]error{
		"Remove":         tr.Remove(ctx, "/dir"),
		"Remove of root": tr.Remove(ctx, "/"),
		"Rename to root": tr.Rename(ctx, "/dir/x", "/"),
	} {
		if !errors.Is(err, syscall.EISDIR) {
			t.Errorf("%s: %v, want syscall.EISDIR", what, err)
		}
	}
	if err := tr.Rename(ctx, "/dir", "/other"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Rename of a directory: %v, want errors.ErrUnsupported", err)
	}
	tr.wantKeys("dir/x")
}
