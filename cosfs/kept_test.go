package cosfs

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// A tree without markers is removed as clients do it: its files, then its directories, the deepest first. That a directory
// is remembered costs no request.
func TestTreeWithoutMarkersIsRemoved(t *testing.T) {
	for name, opts := range map[string][]costest.Option{"": nil, "late listings": {costest.WithListDelay(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, opts...)
			ctx := t.Context()
			tr.put("top/t/a/1", "top/t/a/2", "top/t/b/c/3", "top/other")
			do := func(err error, ops []string, want ...string) {
				t.Helper()
				if err != nil || opts == nil && !slices.Equal(ops, want) { // late listings are looked at twice
					t.Errorf("%v by %v, want %v", err, ops, want)
				}
			}
			remove := func(name string) {
				t.Helper()
				var err error
				ops := tr.ops(func() { err = tr.Remove(ctx, name) })
				do(err, ops, "HeadObject", "DeleteObject")
			}
			removeDir := func(name string) {
				t.Helper()
				var err error
				ops := tr.ops(func() { err = tr.RemoveDir(ctx, name) })
				do(err, ops, "ListObjects")
			}
			remove("/top/t/a/1")
			remove("/top/t/a/2")
			if names := tr.names("/top/t"); !slices.Equal(names, []string{"a/", "b/"}) {
				t.Errorf("the emptied directory is not listed in the one above: %q", names)
			}
			if ops := tr.ops(func() {
				if names := tr.names("/top/t/a"); len(names) != 0 {
					t.Errorf("it lists %q", names)
				}
			}); !slices.Equal(ops, []string{"ListObjects"}) {
				t.Errorf("listing it costs %v", ops)
			}
			if _, err := tr.StatDir(ctx, "/top/t/a"); err != nil {
				t.Errorf("StatDir: %v", err)
			}
			if i, err := tr.Stat(ctx, "/top/t/a"); err != nil || !i.IsDir() {
				t.Errorf("Stat: %v", err)
			}
			if err := tr.RemoveDir(ctx, "/top/t"); !errors.Is(err, syscall.ENOTEMPTY) {
				t.Errorf("the directory above: %v, want syscall.ENOTEMPTY", err)
			}
			removeDir("/top/t/a")
			if err := tr.RemoveDir(ctx, "/top/t/a"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("removed twice: %v, want fs.ErrNotExist", err)
			}
			if names := tr.names("/top/t"); !slices.Equal(names, []string{"b/"}) {
				t.Errorf("the removed directory is listed: %q", names)
			}
			remove("/top/t/b/c/3")
			if err := tr.RemoveDir(ctx, "/top/t/b"); !errors.Is(err, syscall.ENOTEMPTY) {
				t.Errorf("a directory with an emptied one in it: %v, want syscall.ENOTEMPTY", err)
			}
			removeDir("/top/t/b/c")
			removeDir("/top/t/b")
			removeDir("/top/t")
			tr.wantKeys("top/other")
			if names := tr.names("/top"); !slices.Equal(names, []string{"other"}) {
				t.Errorf("at the end: %q", names)
			}
		})
	}
}

// What never was is not there, and what is stored past the emptied directory counts as ever.
func TestOnlyWhatWasThereIsKept(t *testing.T) {
	tr := newTree(t)
	ctx := t.Context()
	tr.put("d/x", "file")
	if err := tr.Remove(ctx, "/d/x"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/none", "/d/none", "/d/x", "/dd", "/d2"} {
		if err := tr.RemoveDir(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("RemoveDir(%q): %v, want fs.ErrNotExist", name, err)
		}
	}
	tr.put("d/y")
	if err := tr.RemoveDir(ctx, "/d"); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("with a new file in it: %v, want syscall.ENOTEMPTY", err)
	}
	if names := tr.names("/d"); !slices.Equal(names, []string{"y"}) {
		t.Errorf("lists %q", names)
	}
}

// A name is a file or a directory, as on a disk, and MKD makes an emptied directory lasting.
func TestKeptDirectoryIsADirectory(t *testing.T) {
	tr := newTransfers(t, EngineOptions{})
	ctx := t.Context()
	tr.store.Put(treeBucket, "d/x", nil)
	tr.store.Put(treeBucket, "file", nil)
	if err := tr.Remove(ctx, "/d/x"); err != nil {
		t.Fatal(err)
	}
	if err := tr.upload(ctx, "/d", strings.NewReader("data")); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("an upload with its name: %v, want syscall.EISDIR", err)
	}
	if err := tr.Rename(ctx, "/file", "/d"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file renamed to it: %v, want fs.ErrExist", err)
	}
	if err := tr.Mkdir(ctx, "/d"); err != nil {
		t.Errorf("Mkdir: %v", err)
	}
	if _, there := tr.store.Get(treeBucket, "d/"); !there {
		t.Error("Mkdir made no marker")
	}
	if err := tr.RemoveDir(ctx, "/d"); err != nil {
		t.Errorf("RemoveDir: %v", err)
	}
	if _, err := tr.StatDir(ctx, "/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after RemoveDir: %v, want fs.ErrNotExist", err)
	}
}

// The last file may also leave by another name.
func TestDirectoryStaysWhenItsLastFileIsRenamed(t *testing.T) {
	tr := newMovable(t)
	ctx := t.Context()
	tr.put("a/b/x")
	if err := tr.Rename(ctx, "/a/b/x", "/y"); err != nil {
		t.Fatal(err)
	}
	if names := tr.names("/a"); !slices.Equal(names, []string{"b/"}) {
		t.Errorf("lists %q", names)
	}
	// Neither old name of a directory stays, what was emptied in it goes with it, and what it was in stays.
	tr.put("a/b/c/z")
	if err := tr.Remove(ctx, "/a/b/c/z"); err != nil {
		t.Fatal(err)
	}
	for _, rename := range [][2]string{{"/a/b", "/n"}, {"/n", "/m/n"}} { // empty, then too
		if err := tr.Rename(ctx, rename[0], rename[1]); err != nil {
			t.Fatalf("rename of an emptied directory: %v", err)
		}
		if _, err := tr.StatDir(ctx, rename[0]); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s after its renaming: %v, want fs.ErrNotExist", rename[0], err)
		}
	}
	if names := tr.names("/m/n"); !slices.Equal(names, []string{"c/"}) {
		t.Errorf("the new name lists %q", names)
	}
	tr.put("full/1", "full/sub/2")
	if err := tr.Rename(ctx, "/full", "/filled"); err != nil {
		t.Fatal(err)
	}
	if names := tr.names("/"); !slices.Equal(names, []string{"a/", "filled/", "m/", "y"}) {
		t.Errorf("the root lists %q", names)
	}
	if err := tr.Rename(ctx, "/a", "/filled"); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("an emptied directory renamed to one that holds something: %v", err)
	}
}

// Accounts on one bucket see the same.
func TestKeptDirectoriesAreShared(t *testing.T) {
	tr := newTree(t)
	tr.put("team/in/x")
	options := tr.opts
	options.Prefix = "team/"
	team, err := New(options, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	if err := team.Remove(t.Context(), "/in/x"); err != nil {
		t.Fatal(err)
	}
	if names := tr.names("/team"); !slices.Equal(names, []string{"in/"}) {
		t.Errorf("the other account lists %q", names)
	}
	if err := tr.RemoveDir(t.Context(), "/team/in"); err != nil {
		t.Error(err)
	}
	if names := (&tree{FS: team, t: t}).names("/"); len(names) != 0 {
		t.Errorf("the first account lists %q", names)
	}
}

func TestKeptDirectoriesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeptDirs()
		k.keepAbove("a/b/old")
		time.Sleep(keptWindow - time.Second)
		k.keepAbove("a/c/new")
		if !k.has("a/b/") || len(k.in("a/")) != 2 {
			t.Error("forgotten within the window, which must be ten minutes at least")
		}
		time.Sleep(2 * time.Second)
		if k.has("a/b/") || !k.has("a/") || !slices.Equal(k.in("a/"), []string{"a/c/"}) || !slices.Equal(k.in(""), []string{"a/"}) {
			t.Errorf("after the window of the first: %q in a/", k.in("a/"))
		}
		time.Sleep(keptWindow)
		if k.in("") != nil || k.dirs.Len() != 0 || len(k.below) != 0 {
			t.Errorf("after all windows %d are held", k.dirs.Len())
		}
		for i := range 3 * keptLimit {
			k.keepAbove(fmt.Sprintf("d/%d/file", i))
		}
		if n := k.dirs.Len(); n != keptLimit || !k.has("d/") || len(k.in("d/")) != keptLimit-1 {
			t.Errorf("%d are held, want %d", n, keptLimit)
		}
	})
	if keptWindow != 15*time.Minute {
		t.Error("README says 15 minutes")
	}
}
