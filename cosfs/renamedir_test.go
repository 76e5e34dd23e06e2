package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// newMovable is a tree in which directories of up to 1000 objects can be renamed. At the end no request, goroutine or
// upload may be left.
func newMovable(t *testing.T, opts ...costest.Option) *tree {
	t.Helper()
	endsWithItsGoroutines(t)
	tr := newTree(t, opts...)
	tr.recent.kind.note(nil) // as after Check
	tr.opts.RenameDirLimit = 1000
	t.Cleanup(func() {
		tr.store.ClearFaults()
		eventually(t, "requests to end", func() bool { return tr.store.Running() == 0 })
		if left := tr.parts(); len(left) != 0 {
			t.Errorf("open uploads stay: %v", left)
		}
	})
	return tr
}

// contents is what the bucket holds below a directory: data by the rest of the key.
func (tr *tree) contents(dir string) map[string]string {
	found := map[string]string{}
	for _, o := range tr.store.Objects(treeBucket) {
		if rest, below := strings.CutPrefix(o.Key, dir); below {
			found[rest] = string(o.Data)
		}
	}
	return found
}

// fill stores objects below a directory whose data tells their names.
func (tr *tree) fill(dir string, rests ...string) {
	for _, rest := range rests {
		data := "data of " + rest
		if rest == "" || strings.HasSuffix(rest, "/") {
			data = ""
		}
		tr.store.Put(treeBucket, dir+rest, []byte(data))
	}
}

// many is the names of n files, some of them in directories.
func many(n int) []string {
	rests := make([]string, n)
	for i := range rests {
		rests[i] = fmt.Sprintf("%d/file %04d", i%7, i)
	}
	return rests
}

// wantMoved expects all of the source below the target and nothing below the source.
func (tr *tree) wantMoved(source map[string]string, from, to string) {
	tr.t.Helper()
	if left := tr.contents(from); len(left) != 0 {
		tr.t.Errorf("%q still holds %q", from, left)
	}
	if got := tr.contents(to); !maps.Equal(got, source) {
		tr.t.Errorf("%q holds %q, want %q", to, got, source)
	}
}

func TestRenameDirectory(t *testing.T) {
	for _, test := range []struct {
		name   string
		rests  []string
		before []string // below the target
	}{
		{"flat", []string{"", "x"}, nil},
		{"nested", []string{"", "x", "sub/", "sub/y", "sub/deep/z"}, nil},
		{"empty", []string{""}, nil},
		{"implied", []string{"x", "sub/y"}, nil},
		{"one file", []string{"x"}, nil},
		{"odd but nameable by nobody", []string{"", "/", "//x", "y"}, nil},
		{"onto an empty directory", []string{"", "x"}, []string{""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newMovable(t)
			tr.put("d-look-alike", "dx/y", "other")
			tr.fill("d/", test.rests...)
			tr.fill("new/place 中+%/", test.before...)
			source := tr.contents("d/")
			var err error
			ops := tr.ops(func() { err = tr.Rename(t.Context(), "/d", "/new/place 中+%") })
			if err != nil {
				t.Fatal(err)
			}
			tr.wantMoved(source, "d/", "new/place 中+%/")
			wantDirRename(t, ops, len(test.rests), len(test.before))
			if _, err := tr.Stat(t.Context(), "/d"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Stat of the old name: %v, want fs.ErrNotExist", err)
			}
			if got := tr.contents("d"); len(got) != 2 {
				t.Errorf("what only looks alike: %q", got)
			}
		})
	}
}

// wantDirRename expects the requests of the rename of a directory of n objects, of which some were copied before.
func wantDirRename(t *testing.T, ops []string, n, copied int) {
	t.Helper()
	head := []string{"HeadObject", "ListObjects", "ListObjects", "HeadObject", "ListObjects"}
	if !slices.Equal(ops[:len(head)], head) {
		t.Errorf("it begins with %v, want %v", ops[:len(head)], head)
	}
	want := map[string]int{"CopyObject": n - copied, "HeadObject": n + 2*copied, "DeleteObject": n}
	got := map[string]int{}
	for _, op := range ops[len(head):] {
		got[op]++
	}
	maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })
	if !maps.Equal(got, want) {
		t.Errorf("then come %v, want %v", got, want)
	}
}

func TestRenameOfAManyPagedDirectory(t *testing.T) {
	tr := newMovable(t, costest.WithoutMD5())
	tr.opts.RenameDirLimit = 2500
	tr.fill("d/", append(many(2499), "")...)
	source := tr.contents("d/")
	tr.store.ResetRequests()
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	tr.wantMoved(source, "d/", "e/")
	for op, want := range map[string]int{
		"HeadObject": 2 + 2500, "ListObjects": 1 + 3 + 1, "CopyObject": 2500, "DeleteObject": 2500,
	} {
		if got := tr.store.Count(op); got != want {
			t.Errorf("%d requests %s, want %d", got, op, want)
		}
	}
}

func TestRenameOfADirectoryIsRefused(t *testing.T) {
	long := strings.Repeat("n", 840)
	for _, test := range []struct {
		name     string
		limit    int
		from, to string
		want     error
		ops      []string // after those that find the directory
	}{
		{"switched off", 0, "/d", "/e", errors.ErrUnsupported, nil},
		{"too many", 2, "/d", "/e", errors.ErrUnsupported, []string{"ListObjects"}},
		{"into itself", 9, "/d", "/d/e", fs.ErrInvalid, nil},
		{"deep into itself", 9, "/d", "/d/sub/e", fs.ErrInvalid, nil},
		{"over its parent", 9, "/d/sub", "/d", syscall.ENOTEMPTY, nil},
		{"onto a file", 9, "/d", "/file", syscall.ENOTDIR, []string{"ListObjects", "HeadObject"}},
		{"onto a full directory", 9, "/d", "/full", syscall.ENOTEMPTY, []string{"ListObjects", "HeadObject", "ListObjects"}},
		{"onto an implied directory", 9, "/d", "/implied", syscall.ENOTEMPTY, []string{"ListObjects", "HeadObject", "ListObjects"}},
		{"onto one with the same and more", 9, "/d", "/mixed", syscall.ENOTEMPTY, []string{"ListObjects", "HeadObject", "ListObjects"}},
		{"empty onto a full one", 9, "/empty", "/full", syscall.ENOTEMPTY, []string{"ListObjects", "HeadObject", "ListObjects"}},
		{"onto one of too many", 1, "/empty", "/d", syscall.ENOTEMPTY, []string{"ListObjects", "HeadObject", "ListObjects"}},
		{"name too long", 9, "/d", "/" + long, fs.ErrInvalid, []string{"ListObjects"}},
		{"dots in it", 9, "/dots", "/e", fs.ErrInvalid, []string{"ListObjects"}},
		{"what the SDK misreads", 9, "/version", "/e", fs.ErrInvalid, []string{"ListObjects"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newMovable(t)
			tr.opts.RenameDirLimit = test.limit
			tr.fill("", "d/", "d/sub/0123456789", "d/x", "empty/", "file", "full/", "full/y", "implied/sub/y", "dots/a/../x",
				"version/a?versionId=1")
			tr.put("mixed/x", "mixed/y")
			tr.store.Put(treeBucket, "mixed/x", []byte("data of d/x"))
			keys := tr.keys()
			var err error
			ops := tr.ops(func() { err = tr.Rename(t.Context(), test.from, test.to) })
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if want := append([]string{"HeadObject", "ListObjects"}, test.ops...); !slices.Equal(ops, want) {
				t.Errorf("requests %v, want %v", ops, want)
			}
			tr.wantKeys(keys...)
			if told := strings.Contains(tr.log.String(), "rename_dir_limit=2"); told != (test.limit == 2) {
				t.Errorf("log %q", tr.log)
			}
		})
	}
}

func TestRenameOfADirectoryUpToTheLimit(t *testing.T) {
	tr := newMovable(t)
	tr.opts.RenameDirLimit = 3
	tr.fill("d/", "x", "y", "z")
	tr.fill("e/", "", "x", "y", "z") // copied before, and someone made a marker
	source := tr.contents("e/")
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	tr.wantMoved(source, "d/", "e/")
}

func TestRenameDoesNotReadAGreatTargetToItsEnd(t *testing.T) {
	tr := newMovable(t, costest.WithoutMD5())
	tr.opts.RenameDirLimit = 100
	tr.fill("d/", "0")
	tr.fill("e/", many(1500)...)
	err := tr.Rename(t.Context(), "/d", "/e")
	if lists := tr.store.Count("ListObjects"); !errors.Is(err, syscall.ENOTEMPTY) || lists != 3 {
		t.Errorf("%v after %d list requests, want syscall.ENOTEMPTY after 3", err, lists)
	}
}

func TestRenameOfADirectoryKeepsOddKeys(t *testing.T) {
	tr := newMovable(t)
	plain := []string{
		"&lt;", "a<b>&\"'", "%41%", "a+b c", "中文 ü", "x?y#z", "=;,:@", "\\back", "a\u2028b", "a\ufffdb", "🎉", "a//b", "]]>", "sub/",
	}
	odd := []string{" lead\u00a0", "trail ", "\x01control", "tab\tin", "\x7f", "\u0085", "not \xff\xfe UTF-8", "\ufffe", "\uffff"}
	tr.fill("from here/", append(slices.Clone(plain), odd...)...)
	source := tr.contents("from here/")
	tr.store.ResetRequests()
	if err := tr.Rename(t.Context(), "/from here", "/zu"); err != nil {
		t.Fatal(err)
	}
	tr.wantMoved(source, "from here/", "zu/")
}

func TestRenameOfADirectoryKeepsMetadataAndClass(t *testing.T) {
	const mib = 1 << 20
	tr := newMovable(t, costest.WithCopyLimit(3*mib))
	tr.copyLimit, tr.FS.copyPart = 3*mib, mib
	plain, parts, big := rich("d/plain", 1600), rich("d/of parts", 3200), rich("d/big", 4*mib)
	parts.ETag = "0123456789abcdef0123456789abcdef-2"
	parts.StorageClass, big.StorageClass = "INTELLIGENT_TIERING", "STANDARD"
	tr.put("d/")
	for _, o := range []costest.Object{plain, parts, big} {
		tr.store.PutObject(treeBucket, o)
	}
	marker, _ := tr.store.Get(treeBucket, "d/")
	tr.store.ResetRequests()
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	big.StorageClass = "" // the same
	for _, want := range []costest.Object{plain, parts, big, marker} {
		got, _ := tr.store.Get(treeBucket, "e"+strings.TrimPrefix(want.Key, "d"))
		wantSame(t, want.Key, got, want)
	}
	tr.wantKeys("e/", "e/big", "e/of parts", "e/plain")
	for _, r := range tr.store.Requests() {
		if o, _ := tr.store.Get(treeBucket, r.Key); strings.Contains(r.Op, "Copy") &&
			r.Header.Get("x-cos-copy-source-if-match") != `"`+o.ETag+`"` && r.Key != "e/big" {
			t.Errorf("%s of %q without the ETag %s: %v", r.Op, r.Key, o.ETag, r.Header)
		}
	}
	// HEAD: the old name, the new name, the two special objects, the big copy, and each source before it is deleted.
	for op, want := range map[string]int{"HeadObject": 5 + 4, "CopyObject": 3, "UploadPartCopy": 4} {
		if got := tr.store.Count(op); got != want {
			t.Errorf("%d requests %s, want %d", got, op, want)
		}
	}
}

// TestCopyWithAnotherETag: with some encryptions the ETag is none of the data.
func TestCopyWithAnotherETag(t *testing.T) {
	tr := newMovable(t)
	tr.fill("d/", "", "x", "y")
	source := tr.contents("d/")
	tr.store.Inject(costest.Fault{Op: "CopyObject", Key: "e/x", WrongETag: true})
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Error(err)
	}
	tr.wantMoved(source, "d/", "e/")
}

func TestRenameThatHasBegunToDeleteOutlivesItsSession(t *testing.T) {
	tr := newMovable(t)
	tr.fill("d/", append(many(40), "")...)
	source := tr.contents("d/")
	tr.store.Inject(costest.Fault{Op: "DeleteObject", Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		eventually(t, "the deletion is asked for", func() bool { return tr.store.Count("DeleteObject") > 0 })
		cancel()
		tr.store.ClearFaults()
	}()
	if err := tr.Rename(ctx, "/d", "/e"); err != nil {
		t.Errorf("Rename: %v", err)
	}
	tr.wantMoved(source, "d/", "e/")
}

// during runs fn in the middle of the rename of d to e, after everything but e/9 is copied.
func during(t *testing.T, tr *tree, fn func()) error {
	tr.store.Inject(costest.Fault{Op: "CopyObject", Key: "e/9", Hang: true})
	done := make(chan error, 1)
	go func() { done <- tr.Rename(t.Context(), "/d", "/e") }()
	eventually(t, "all but one are copied", func() bool { return len(tr.contents("e/")) == len(tr.contents("d/"))-1 })
	fn()
	tr.store.ClearFaults()
	return <-done
}

// TestWhatChangesDuringARenameIsNotLost: another gateway stores a file of the directory anew.
func TestWhatChangesDuringARenameIsNotLost(t *testing.T) {
	for _, name := range []string{"1", "9"} { // copied already, and not yet
		tr := newMovable(t)
		tr.fill("d/", "", "1", "2", "9")
		if err := during(t, tr, func() { tr.store.Put(treeBucket, "d/"+name, []byte("new")) }); err != nil {
			t.Error(err)
		}
		tr.wantKeys("e/", "e/1", "e/2", "e/9")
		if got := tr.contents("e/")[name]; got != "new" {
			t.Errorf("e/%s holds %q", name, got)
		}
	}
}

func TestWhatIsNewDuringARenameStays(t *testing.T) {
	tr := newMovable(t)
	tr.fill("d/", "", "1", "9")
	if err := during(t, tr, func() { tr.put("d/new") }); err != nil {
		t.Fatal(err)
	}
	tr.wantKeys("d/new", "e/", "e/1", "e/9")
}

func TestRenameOfADirectoryEndsWithItsContext(t *testing.T) {
	tr := newMovable(t)
	tr.fill("d/", append(many(40), "")...)
	source := tr.contents("d/")
	tr.store.Inject(costest.Fault{Op: "CopyObject", From: 20, Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		eventually(t, "as many copies as may be are under way", func() bool { return tr.store.Running() == dirCopies })
		cancel()
	}()
	start := time.Now()
	err := tr.Rename(ctx, "/d", "/e")
	if took := time.Since(start); !errors.Is(err, context.Canceled) || took > 30*time.Second {
		t.Errorf("%v after %v, want context.Canceled soon", err, took)
	}
	if got := tr.store.Count("CopyObject"); got != 19+dirCopies {
		t.Errorf("%d copies were begun, want %d", got, 19+dirCopies)
	}
	if !maps.Equal(tr.contents("d/"), source) {
		t.Errorf("the source holds %q", tr.contents("d/"))
	}
	tr.store.ClearFaults()
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Errorf("once more: %v", err)
	}
	tr.wantMoved(source, "d/", "e/")
}

func TestRenameOfADirectoryWaitsForItsTurn(t *testing.T) {
	tr := newMovable(t)
	tr.fill("d/", "x")
	moving := tr.FS.engine.moving
	for range dirMoves {
		if err := moving.acquire(t.Context(), tr.FS.endpoint, t); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := tr.Rename(ctx, "/d", "/e"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want context.DeadlineExceeded", err)
	}
	moving.release(tr.FS.endpoint)
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil || moving.used != dirMoves-1 {
		t.Errorf("%v; %d under way, want %d", err, moving.used, dirMoves-1)
	}
}
