package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestListPagesCostOneRequestEach(t *testing.T) {
	for _, test := range []struct{ entries, requests int }{{1, 1}, {999, 1}, {1000, 1}, {1001, 2}, {2500, 3}} {
		t.Run(fmt.Sprint(test.entries), func(t *testing.T) {
			tr := newTree(t)
			var want []string
			for i := range test.entries {
				name := fmt.Sprintf("f%05d", i)
				if i%3 == 0 {
					tr.put("dir/" + name + "/below")
					want = append(want, name+"/")
					continue
				}
				tr.put("dir/" + name)
				want = append(want, name)
			}
			var got []string
			ops := tr.ops(func() { got = tr.names("/dir") })
			if !slices.Equal(got, want) {
				t.Errorf("%d entries, want %d in order", len(got), len(want))
			}
			if len(ops) != test.requests {
				t.Errorf("%d requests %v, want %d", len(ops), ops, test.requests)
			}
		})
	}
}

func TestListStopsAtMaxList(t *testing.T) {
	tr := newTree(t)
	for i := range 2500 {
		tr.put(fmt.Sprintf("dir/f%05d", i))
	}
	for _, test := range []struct {
		limit, shown, requests int
		cut                    bool
	}{
		{0, 2500, 3, false}, {1, 1000, 1, true}, {1000, 1000, 1, true}, {1001, 2000, 2, true}, {1500, 2000, 2, true},
		{2001, 2500, 3, false}, {2500, 2500, 3, false}, {9999, 2500, 3, false},
	} {
		t.Run(fmt.Sprint(test.limit), func(t *testing.T) {
			tr.opts.MaxList = test.limit
			tr.log.buf.Reset()
			var got []string
			ops := tr.ops(func() { got = tr.names("/dir") })
			if len(got) != test.shown || len(ops) != test.requests {
				t.Errorf("%d entries by %d requests, want %d by %d", len(got), len(ops), test.shown, test.requests)
			}
			line := tr.log.String()
			if warned := strings.Contains(line, "level=WARN"); warned != test.cut {
				t.Errorf("cut %t, log: %q", test.cut, line)
			}
			if test.cut && (!strings.Contains(line, fmt.Sprint("shown=", test.shown)) ||
				!strings.Contains(line, "directory=/dir") || !strings.Contains(line, "max_list_file")) {
				t.Errorf("the warning does not say which directory, how many and why: %q", line)
			}
		})
	}
}

func TestListSortsByNameWithinAPage(t *testing.T) {
	tr := newTree(t)
	// By key "a-b" comes before "a/", by name "a" before "a-b".
	tr.put("a-b", "a/x", "a.txt", "B", "中文", "z/")
	if got, want := tr.names("/"), []string{"B", "a/", "a-b", "a.txt", "z/", "中文"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestListTellsSizeTimeAndMode(t *testing.T) {
	tr := newTree(t)
	then := time.Date(2020, 2, 29, 12, 30, 59, 0, time.UTC)
	tr.store.Put(treeBucket, "d/f", make([]byte, 70000), costest.Modified(then))
	tr.put("d/sub/") // of which the listing does not tell when it was made
	for i, err := range tr.List(t.Context(), "/d") {
		switch {
		case err != nil:
			t.Fatal(err)
		case i.Name() == "f" && (i.Size() != 70000 || !i.ModTime().Equal(then) || i.Mode() != 0o555):
			t.Errorf("file: %d bytes, %v, %v", i.Size(), i.ModTime(), i.Mode())
		case i.Name() == "sub" && (i.Size() != 0 || !i.ModTime().Equal(then) || i.Mode() != fs.ModeDir|0o777):
			t.Errorf("directory: %d bytes, %v, %v", i.Size(), i.ModTime(), i.Mode())
		}
	}
}

func TestListOfWhatIsNoDirectory(t *testing.T) {
	tr := newTree(t)
	if names := tr.names("/"); names != nil {
		t.Errorf("empty bucket: %q", names)
	}
	tr.put("file", "marker/", "look-alike", "implied/x")
	for _, test := range []struct {
		name string
		want error
	}{
		{"/file", syscall.ENOTDIR},
		{"/look", fs.ErrNotExist},
		{"/none", fs.ErrNotExist},
		{"/bad//name", fs.ErrInvalid},
		{"/marker", nil},
		{"/implied", nil},
	} {
		pairs := 0
		var last error
		for _, err := range tr.List(t.Context(), test.name) {
			pairs++
			last = err
		}
		if !errors.Is(last, test.want) || test.want != nil && pairs != 1 {
			t.Errorf("%s: %d pairs, %v; want %v", test.name, pairs, last, test.want)
		}
	}
	if names := tr.names("/marker"); names != nil {
		t.Errorf("directory with its marker only: %q", names)
	}
}

func TestListHandlesOddKeys(t *testing.T) {
	tr := newTree(t)
	odd := []string{" lead", "+", "100%", "%2F", "a b", "a+b", "it's", `q"uote`, "what?", "#", "&=", "中文 文件", "\x01", "a\\b"}
	for _, key := range odd {
		tr.put("odd+ %2F中/" + key)
	}
	slices.Sort(odd)
	if got := tr.names("/odd+ %2F中"); !slices.Equal(got, odd) {
		t.Errorf("%q, want %q", got, odd)
	}
	for _, name := range odd {
		i, err := tr.Stat(t.Context(), "/odd+ %2F中/"+name)
		if err != nil || i.Name() != name {
			t.Errorf("Stat of %q: %v, %v", name, i, err)
		}
	}
}

func TestListLeavesOutNamesThatFTPCannotTell(t *testing.T) {
	tr := newTree(t)
	tr.put("d/", "d//empty", "d/./dot", "d/../up", "d/ok", "d/.", "d/..")
	if got, want := tr.names("/d"), []string{"ok"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if line := tr.log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "left_out=5") {
		t.Errorf("log: %q, want one line that counts 5", line)
	}
	tr.put("hidden//x")
	if got := tr.names("/hidden"); got != nil {
		t.Errorf("a directory of such names only: %q, want an empty directory", got)
	}
}

func TestListAsksAheadOnlyWhileConsumed(t *testing.T) {
	tr := newTree(t)
	for i := range 3000 {
		tr.put(fmt.Sprintf("d/%05d", i))
	}
	ops := tr.ops(func() {
		for range tr.List(t.Context(), "/d") {
			break
		}
	})
	if len(ops) != 1 {
		t.Errorf("a consumer of one entry caused %v", ops)
	}

	tr.store.ResetRequests()
	n := 0
	for _, err := range tr.List(t.Context(), "/d") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			eventually(t, "the second page is asked for while the first is consumed", func() bool {
				return tr.store.Count("ListObjects") == 2
			})
		}
	}
	if got := tr.store.Count("ListObjects"); n != 3000 || got != 3 {
		t.Errorf("%d entries by %d requests, want 3000 by 3", n, got)
	}
}

func TestListEndsAtOnce(t *testing.T) {
	tr := newTree(t)
	for i := range 1500 {
		tr.put(fmt.Sprintf("d/%05d", i))
	}
	hang := costest.Fault{Op: "ListObjects", From: 2, Hang: true}

	t.Run("consumer stops", func(t *testing.T) {
		tr.store.ClearFaults()
		tr.store.Inject(hang)
		start := time.Now()
		n := 0
		for range tr.List(t.Context(), "/d") {
			if n++; n == 500 {
				break
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v although the page under way hangs", took)
		}
	})
	t.Run("context ends", func(t *testing.T) {
		tr.store.ClearFaults()
		tr.store.Inject(hang)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tr.store.ResetRequests()
		go func() {
			eventually(t, "the second page is asked for", func() bool { return tr.store.Count("ListObjects") == 2 })
			cancel()
		}()
		if n, err := tr.listErr(ctx, "/d"); !errors.Is(err, context.Canceled) || n > 1000 {
			t.Errorf("%d entries, then %v; want context.Canceled", n, err)
		}
	})
}

func TestListFailsInTheMiddle(t *testing.T) {
	tr := newTree(t)
	for i := range 1500 {
		tr.put(fmt.Sprintf("d/%05d", i))
	}
	tr.store.Inject(costest.Fault{Op: "ListObjects", From: 2, Status: 403, Code: "AccessDenied"})
	if n, err := tr.listErr(t.Context(), "/d"); n != 1000 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%d entries, then %v; want 1000, then fs.ErrPermission", n, err)
	}
}

func TestOwnChangesAreListedAtOnce(t *testing.T) {
	tr := newTree(t, costest.WithListDelay(time.Hour))
	ctx := t.Context()
	tr.put("d/kept", "d/moved", "d/gone")
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(dir string, names ...string) {
		t.Helper()
		if got := tr.names(dir); !slices.Equal(got, names) {
			t.Errorf("List(%q) = %q, want %q", dir, got, names)
		}
	}
	do(tr.Remove(ctx, "/d/gone"))
	do(tr.Rename(ctx, "/d/moved", "/d/a/b/new"))
	do(tr.Mkdir(ctx, "/d/made"))
	want("/d", "a/", "kept", "made/")
	want("/d/a", "b/")
	want("/d/a/b", "new")
	want("/d/made")
	want("/", "d/")
	if err := tr.Mkdir(ctx, "/d/made"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Mkdir of what we have just made: %v", err)
	}

	do(tr.RemoveDir(ctx, "/d/made"))
	do(tr.Remove(ctx, "/d/kept"))
	do(tr.Remove(ctx, "/d/a/b/new"))
	want("/d/a/b")
	do(tr.RemoveDir(ctx, "/d/a/b"))
	do(tr.RemoveDir(ctx, "/d/a"))
	do(tr.RemoveDir(ctx, "/d"))
	if _, err := tr.listErr(ctx, "/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is removed, but List says %v", err)
	}
	if _, err := tr.StatDir(ctx, "/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is removed, but StatDir says %v", err)
	}
}

func TestEmptiedDirectoryCanBeRemovedThoughListingsLag(t *testing.T) {
	tr := newTree(t, costest.WithListDelay(time.Hour))
	tr.put("d/")
	for i := range 5 {
		tr.put(fmt.Sprint("d/f", i))
	}
	for i := range 5 {
		if err := tr.Remove(t.Context(), fmt.Sprint("/d/f", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.RemoveDir(t.Context(), "/d"); err != nil {
		t.Errorf("RemoveDir: %v", err)
	}
	tr.wantKeys()
}

func TestNewerListedObjectsWin(t *testing.T) {
	tr := newTree(t)
	now := time.Now()
	tr.put("d/")
	tr.wrote("d/f", 1, version{at: now.Add(-time.Minute)})
	tr.store.Put(treeBucket, "d/f", []byte("from elsewhere"), costest.Modified(now))
	tr.removed("d/g", now.Add(-time.Minute))
	tr.store.Put(treeBucket, "d/g", []byte("again"), costest.Modified(now))
	sizes := map[string]int64{}
	for i, err := range tr.List(t.Context(), "/d") {
		if err != nil {
			t.Fatal(err)
		}
		sizes[i.Name()] = i.Size()
	}
	if sizes["f"] != 14 || sizes["g"] != 5 {
		t.Errorf("sizes %v; what another client stored later is f with 14 and g with 5 bytes", sizes)
	}
}

func TestOwnChangesGoIntoTheirPage(t *testing.T) {
	tr := newTree(t)
	var want []string
	for i := range 2100 {
		name := fmt.Sprintf("%05d", i)
		want = append(want, name)
		if i%1000 == 999 || i%100 == 0 {
			tr.wrote("d/"+name, 1, version{at: time.Now()}) // on the edges of pages too
			continue
		}
		tr.put("d/" + name)
	}
	if got := tr.names("/d"); !slices.Equal(got, want) {
		t.Errorf("%d entries, sorted %t; want %d in order", len(got), slices.IsSorted(got), len(want))
	}
}

// eventually waits for something that happens soon.
func eventually(t testing.TB, what string, happened func() bool) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if happened() {
			return
		}
		timer := time.NewTimer(time.Millisecond)
		<-timer.C
	}
	t.Errorf("not within a minute: %s", what)
}

func BenchmarkList10000(b *testing.B) {
	tr := newTree(b, costest.WithRequestLog(0))
	for i := range 10000 {
		tr.put(fmt.Sprintf("d/some-file-name-%05d.bin", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		if n, err := tr.listErr(b.Context(), "/d"); n != 10000 || err != nil {
			b.Fatal(n, err)
		}
	}
}
