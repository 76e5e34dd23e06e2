package cosfs

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// newAccelerated is a bucket with metadata acceleration, whose kind is known, in which nothing can be copied.
func newAccelerated(t *testing.T, opts ...costest.Option) *tree {
	t.Helper()
	tr := newTree(t, append(opts, costest.WithBucket(treeBucket, costest.Accelerated(), costest.WithoutCopy()))...)
	tr.opts.RenameDirLimit = 1000
	if err := tr.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestKindRenameOfADirectory: in a bucket with metadata acceleration a directory is renamed with all that is in it, by one
// request after the checks.
func TestKindRenameOfADirectory(t *testing.T) {
	for _, name := range []string{"new", "new/place 中+"} {
		tr := newAccelerated(t)
		tr.fill("d d/", "x", "sub/y", "sub/deep/z", "odd %41 中+&=?#")
		ops := tr.ops(func() {
			if err := tr.Rename(t.Context(), "/d d", "/"+name); err != nil {
				t.Fatal(err)
			}
		})
		if want := []string{"HeadObject", "ListObjects", "HeadObject", "ListObjects", "RenameObject"}; !slices.Equal(ops, want) {
			t.Errorf("requests %v, want %v", ops, want)
		}
		if left := tr.contents("d d/"); len(left) > 0 {
			t.Errorf("%q is left", left)
		}
		got := tr.contents(name + "/")
		for _, rest := range []string{"x", "sub/y", "sub/deep/z", "odd %41 中+&=?#"} {
			if got[rest] != "data of "+rest {
				t.Errorf("the new one holds %q", got)
			}
		}
		if want := []string{"odd %41 中+&=?#", "sub/", "x"}; !slices.Equal(tr.names("/"+name), want) {
			t.Errorf("the new one lists %q, want %q", tr.names("/"+name), want)
		}
		if _, err := tr.Stat(t.Context(), "/d d"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the old one: %v, want fs.ErrNotExist", err)
		}
	}
}

// TestKindRenameIsSeenAtOnce: listings that lag show the new name all the same, and not the old.
func TestKindRenameIsSeenAtOnce(t *testing.T) {
	tr := newAccelerated(t)
	put(t, tr.FS, "/d/x", []byte("x"))
	put(t, tr.FS, "/f", []byte("f"))
	tr.store.FreezeListings()
	for from, to := range map[string]string{"/d": "/e", "/f": "/g"} {
		if err := tr.Rename(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
	}
	if got := tr.names("/"); !slices.Equal(got, []string{"e/", "g"}) {
		t.Errorf("the root lists %q", got)
	}
	if got := tr.names("/e"); !slices.Equal(got, []string{"x"}) {
		t.Errorf("the directory lists %q", got)
	}
}

// TestKindRenameOfAFile replaces a file of the new name, and needs no copy.
func TestKindRenameOfAFile(t *testing.T) {
	tr := newAccelerated(t)
	tr.put("f", "old", "dir/x")
	ops := tr.ops(func() {
		if err := tr.Rename(t.Context(), "/f", "/old"); err != nil {
			t.Fatal(err)
		}
	})
	if want := []string{"HeadObject", "ListObjects", "RenameObject"}; !slices.Equal(ops, want) {
		t.Errorf("requests %v, want %v", ops, want)
	}
	for to, want := range map[string]error{"/dir": fs.ErrExist, "/dir/x/y": fs.ErrExist} {
		if err := tr.Rename(t.Context(), "/old", to); !errors.Is(err, want) {
			t.Errorf("onto %s: %v, want %v", to, err, want)
		}
	}
	tr.wantKeys("dir/", "dir/x", "old")
	if o, _ := tr.store.Get(treeBucket, "old"); string(o.Data) != "f" {
		t.Errorf("the file holds %q", o.Data)
	}
}

// TestKindIsAskedOnce, with the first directory, where nobody has checked the bucket; all its accounts know it then.
func TestKindIsAskedOnce(t *testing.T) {
	tr := newTree(t, costest.WithBucket(treeBucket, costest.Accelerated()))
	tr.opts.RenameDirLimit = 1000
	tr.put("f", "d/x", "e/x")
	other, err := New(tr.opts, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	for _, rename := range []struct {
		f        *FS
		from, to string
		heads    int // of the bucket
		renames  int // in one step
	}{
		{tr.FS, "/f", "/g", 0, 0},
		{tr.FS, "/d", "/d2", 1, 1},
		{tr.FS, "/d2", "/d3", 0, 1},
		{other, "/e", "/e2", 0, 1},
		{other, "/g", "/h", 0, 1},
	} {
		tr.store.ResetRequests()
		if err := rename.f.Rename(t.Context(), rename.from, rename.to); err != nil {
			t.Errorf("%s: %v", rename.from, err)
		}
		if heads, renames := tr.store.Count("HeadBucket"), tr.store.Count("RenameObject"); heads != rename.heads || renames != rename.renames {
			t.Errorf("%s: %d heads of the bucket and %d renames, want %d and %d", rename.from, heads, renames, rename.heads, rename.renames)
		}
	}
	tr.wantKeys("d3/", "d3/x", "e2/", "e2/x", "h")
}

// TestKindUnknownInAnOutage: without an answer about the kind nothing is renamed, and the next try asks again.
func TestKindUnknownInAnOutage(t *testing.T) {
	tr := newTree(t, costest.WithBucket(treeBucket, costest.Accelerated()))
	tr.giveUpSoon()
	tr.opts.RenameDirLimit = 1000
	tr.put("d/x")
	tr.store.Inject(costest.Fault{Op: "HeadBucket", Status: 503})
	if err := tr.Rename(t.Context(), "/d", "/e"); !isTemporary(err) {
		t.Errorf("%v, want an outage", err)
	}
	tr.store.ClearFaults()
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Error(err)
	}
	tr.wantKeys("e/", "e/x")
}

// TestKindRenameIsRefused where the new name is not free, and nothing is changed.
func TestKindRenameIsRefused(t *testing.T) {
	for _, test := range []struct {
		to   string
		want error
	}{
		{"/file", syscall.ENOTDIR},
		{"/full", syscall.ENOTEMPTY},
		{"/empty", fs.ErrExist},
		{"/d/sub", fs.ErrInvalid},
		{"/file/below", fs.ErrExist},
	} {
		tr := newAccelerated(t)
		tr.put("d/x", "file", "full/y", "empty/")
		keys := tr.keys()
		if err := tr.Rename(t.Context(), "/d", test.to); !errors.Is(err, test.want) {
			t.Errorf("to %s: %v, want %v", test.to, err, test.want)
		}
		tr.wantKeys(keys...)
	}
}

// TestKindRenameWithoutAnswer: a rename whose answer is lost has been done, and is not done to what comes to the old name
// meanwhile.
func TestKindRenameWithoutAnswer(t *testing.T) {
	for _, times := range []int{1, 0} { // lost once, or each time
		for _, name := range []string{"/d", "/f"} {
			tr := newAccelerated(t)
			tr.put("d/x", "f")
			tr.store.Inject(costest.Fault{Op: "RenameObject", Drop: "after", Times: times})
			if err := tr.Rename(t.Context(), name, "/new"); err != nil {
				t.Errorf("%s, lost %d times: %v", name, times, err)
			}
			if n := tr.store.Count("RenameObject"); n != 1 {
				t.Errorf("%s, lost %d times: %d requests to rename, want one", name, times, n)
			}
			if got := strings.Join(tr.keys(), " "); got != "d/ d/x new" && got != "f new/ new/x" {
				t.Errorf("%s: the bucket holds %s", name, got)
			}
		}
	}
	tr := newAccelerated(t)
	tr.put("f")
	tr.store.Inject(costest.Fault{Op: "RenameObject", Drop: "after", Times: 1}, costest.Fault{Op: "HeadObject", Key: "f", From: 2, Delay: 300 * time.Millisecond})
	done := make(chan error, 1)
	go func() { done <- tr.Rename(t.Context(), "/f", "/new") }()
	eventually(t, "the rename", func() bool { _, there := tr.store.Get(treeBucket, "new"); return there })
	tr.store.Put(treeBucket, "f", []byte("newer"))
	if err := <-done; err != nil {
		t.Error(err)
	}
	for key, want := range map[string]string{"f": "newer", "new": "f"} {
		if o, _ := tr.store.Get(treeBucket, key); string(o.Data) != want {
			t.Errorf("%s holds %q, want %q", key, o.Data, want)
		}
	}
}

// TestKindRenameEndsUploads: an upload that is under way to a name below the new directory does not replace what came there.
func TestKindRenameEndsUploads(t *testing.T) {
	tr := newAccelerated(t)
	tr.put("d/x")
	w := begin(t, tr.FS, "/e/x", []byte("older"))
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("the upload: %v, want syscall.ESTALE", err)
	}
	if o, _ := tr.store.Get(treeBucket, "e/x"); string(o.Data) != "d/x" {
		t.Errorf("the file holds %q", o.Data)
	}
}

// TestKindLocked: what a retention period protects is refused, and it is no fault of the storage.
func TestKindLocked(t *testing.T) {
	tr := newTree(t, costest.WithBucket(treeBucket, costest.Locked()))
	tr.opts.MaxFileSize, tr.opts.PartSize = 10<<20, 1<<20
	put(t, tr.FS, "/f", []byte("data"))
	refused := map[string]error{
		"Remove":     tr.Remove(t.Context(), "/f"),
		"Create":     begin(t, tr.FS, "/f", []byte("other")).Close(),
		"SetModTime": tr.SetModTime(t.Context(), "/f", time.Now()),
		"Rename":     tr.Rename(t.Context(), "/f", "/g"),
	}
	for what, err := range refused {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v, want fs.ErrPermission", what, err)
		}
	}
	tr.wantKeys("f") // no copy, which could not be deleted
	if o, _ := tr.store.Get(treeBucket, "f"); string(o.Data) != "data" {
		t.Errorf("the file holds %q", o.Data)
	}
}

// TestKindsRename: files and directories are renamed, appended to and changed in buckets of all kinds, and keep their
// storage class.
func TestKindsRename(t *testing.T) {
	for _, test := range []struct {
		name  string
		kind  []costest.BucketOption
		class string
	}{
		{"versioned", []costest.BucketOption{costest.Versioned()}, ""},
		{"encrypted by KMS", []costest.BucketOption{costest.EncryptedByKMS()}, ""},
		{"of several zones", []costest.BucketOption{costest.MultiZone()}, "MAZ_STANDARD_IA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTree(t, costest.WithBucket(treeBucket, test.kind...))
			tr.opts.RenameDirLimit, tr.opts.MaxFileSize, tr.opts.PartSize = 1000, 20<<20, 1<<20
			tr.store.Put(treeBucket, "d/x", []byte("x"), costest.StorageClass(test.class))
			tr.store.Put(treeBucket, "big", noise(6<<20), costest.StorageClass(test.class))
			for _, rename := range [][2]string{{"/d", "/e"}, {"/e/x", "/y"}, {"/big", "/bigger"}} {
				if err := tr.Rename(t.Context(), rename[0], rename[1]); err != nil {
					t.Errorf("Rename(%q): %v", rename[0], err)
				}
			}
			w, err := tr.Append(t.Context(), "/bigger")
			if err := started(t, w, err, []byte("tail")).Close(); err != nil {
				t.Errorf("Append: %v", err)
			}
			if err := tr.SetMode(t.Context(), "/y", 0o600); err != nil {
				t.Errorf("SetMode: %v", err)
			}
			tr.wantKeys("bigger", "y")
			for _, o := range tr.store.Objects(treeBucket) {
				if o.StorageClass != test.class {
					t.Errorf("%s has the class %q, want %q", o.Key, o.StorageClass, test.class)
				}
			}
		})
	}
}

// TestKindRenameSource: a source is spelled in a way that cannot mean another key.
func TestKindRenameSource(t *testing.T) {
	for key, want := range map[string]string{
		"a/b.txt": "/a/b.txt", "a b": "/a%20b", "a+b": "/a%2Bb", "a%20b": "/a%2520b", "中": "/%E4%B8%AD", "a?x=1#y": "/a%3Fx%3D1%23y",
	} {
		if got := renameSource(key); got != want {
			t.Errorf("%q is spelled %q, want %q", key, got, want)
		}
	}
	for key, want := range map[string]bool{"a b": true, "中": true, "a+b": false, "a%20b": false, "a\x01": false} {
		if got := isPlain(key); got != want {
			t.Errorf("%q is plain: %v, want %v", key, got, want)
		}
	}
}

// TestKindSlowRename: COS takes longer for a rename than for an ordinary request. It is waited for, and asked for once.
func TestKindSlowRename(t *testing.T) {
	for _, name := range []string{"/d", "/f"} {
		tr := newAccelerated(t)
		tr.put("d/x", "f")
		tr.FS.engine.opts.StallTimeout = 800 * time.Millisecond
		tr.store.Inject(costest.Fault{Op: "RenameObject", Delay: time.Second})
		if err := tr.Rename(t.Context(), name, "/new"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := tr.store.Count("RenameObject"); n != 1 {
			t.Errorf("%s: %d requests to rename, want one", name, n)
		}
	}
}
