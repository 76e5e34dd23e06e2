package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// describedAt is the time that files of these tests were given.
var describedAt = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// putDescribed stores a file with a time and a mode of its own.
func (tr *tree) putDescribed(key string) {
	tr.store.Put(treeBucket, key, []byte("data"),
		costest.Meta("mtime", fmt.Sprint(describedAt.Unix())), costest.Meta("mode", fmt.Sprint(0o100640)))
}

// isDescribed says whether an entry has the time and mode of putDescribed.
func isDescribed(i fs.FileInfo) bool {
	return i.ModTime().Equal(describedAt) && i.Mode() == 0o640 && i.(*info).HasMode()
}

// counting counts requests by operation, and those under way at once.
type counting struct {
	next             http.RoundTripper
	heads, now, most atomic.Int64
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodHead {
		return c.next.RoundTrip(req)
	}
	c.heads.Add(1)
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	return c.next.RoundTrip(req)
}

func TestListMetadataCostsOneHeadPerFile(t *testing.T) {
	for _, files := range []int{0, 1, describers, describedBatch - 1, describedBatch, describedBatch + 1, 1000, 1500} {
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			tr := newTree(t)
			tr.put("dir/", "dir/a/x", "dir/m/y", "dir/z/")
			for i := range files {
				tr.putDescribed(fmt.Sprintf("dir/f%04d", i))
			}
			plain := tr.names("/dir")
			tr.opts.ListMetadata = true
			count := &counting{next: tr.http.Transport}
			tr.http.Transport = count
			described := 0
			var names []string
			tr.store.ResetRequests()
			for i, err := range tr.List(t.Context(), "/dir") {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, slashed(i))
				if !i.IsDir() && isDescribed(i) {
					described++
				}
			}
			if !slices.Equal(names, plain) {
				t.Error("the entries or their order differ from a listing without metadata")
			}
			pages := (files + 4 + pageSize - 1) / pageSize
			if heads := int(count.heads.Load()); described != files || heads != files || len(tr.store.Requests()) != heads+pages {
				t.Errorf("%d files: %d described by %d HEADs of %d requests", files, described, heads, len(tr.store.Requests()))
			}
			if most := count.most.Load(); most > describers {
				t.Errorf("%d HEADs at once, want at most %d", most, describers)
			}
			t.Logf("%d files: %d HEADs, %d pages, at most %d at once", files, count.heads.Load(), pages, count.most.Load())
		})
	}
}

// The bound holds for all listings of the process together.
func TestListMetadataOfManySessions(t *testing.T) {
	tr := newTree(t, costest.WithLatency(time.Millisecond))
	for i := range 200 {
		tr.putDescribed(fmt.Sprintf("f%04d", i))
	}
	tr.opts.ListMetadata = true
	count := &counting{next: tr.http.Transport}
	tr.http.Transport = count
	done := make(chan int)
	for range 8 {
		go func() {
			n, _ := tr.listErr(t.Context(), "/")
			done <- n
		}()
	}
	for range 8 {
		if n := <-done; n != 200 {
			t.Errorf("%d entries", n)
		}
	}
	if most, heads := count.most.Load(), count.heads.Load(); most > describers || heads < 200 || heads > 8*200 {
		t.Errorf("%d HEADs, %d at once; want 200 to %d, at most %d", heads, most, 8*200, describers)
	}
}

// Entries are yielded while later files have not been asked about, and a consumer that stops ends the asking.
func TestListMetadataStreams(t *testing.T) {
	tr := newTree(t)
	for i := range 1000 {
		tr.putDescribed(fmt.Sprintf("f%04d", i))
	}
	tr.opts.ListMetadata = true
	count := &counting{next: tr.http.Transport}
	tr.http.Transport = count
	for _, err := range tr.List(t.Context(), "/") {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if n := count.heads.Load(); n != describedBatch {
		t.Errorf("%d HEADs for the first entry, want %d", n, describedBatch)
	}
}

// A file that does not answer is shown as COS lists it, one that is gone is not shown, and neither is asked about twice.
func TestListMetadataOfFilesThatDoNotAnswer(t *testing.T) {
	tr := newTree(t)
	for _, key := range []string{"a", "away", "b", "denied", "c", "cut", "d", "gone", "e"} {
		tr.putDescribed(key)
	}
	tr.opts.ListMetadata = true
	tr.store.Inject(costest.Fault{Op: "HeadObject", Key: "away", Status: 503})
	tr.store.Inject(costest.Fault{Op: "HeadObject", Key: "denied", Status: 403})
	tr.store.Inject(costest.Fault{Op: "HeadObject", Key: "cut", Drop: "before"})
	tr.store.Inject(costest.Fault{Op: "HeadObject", Key: "gone", Status: 404})
	var shown, plain []string
	tr.store.ResetRequests()
	for i, err := range tr.List(t.Context(), "/") {
		if err != nil {
			t.Fatal(err)
		}
		if shown = append(shown, i.Name()); !isDescribed(i) {
			plain = append(plain, i.Name())
			if i.Size() != 4 || i.Mode() != fileMode || time.Since(i.ModTime()) > time.Hour {
				t.Errorf("%s: %d bytes, %v, %v", i.Name(), i.Size(), i.Mode(), i.ModTime())
			}
		}
	}
	if want := []string{"a", "away", "b", "c", "cut", "d", "denied", "e"}; !slices.Equal(shown, want) {
		t.Errorf("shown %q, want %q", shown, want)
	}
	if want := []string{"away", "cut", "denied"}; !slices.Equal(plain, want) {
		t.Errorf("shown without metadata: %q, want %q", plain, want)
	}
	heads := map[string]int{}
	for _, r := range tr.store.Requests() {
		if r.Op == "HeadObject" {
			heads[r.Key]++
		}
	}
	delete(heads, "cut") // net/http repeats a HEAD whose connection it had used before
	for key, n := range heads {
		if n != 1 {
			t.Errorf("%s: %d HEADs", key, n)
		}
	}
	if len(heads) != 8 {
		t.Errorf("HEADs of %d files and one more, want 8", len(heads))
	}
	if log := tr.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "files=3") {
		t.Errorf("want one warning about 3 files:\n%s", log)
	}
}

// Where COS answers none, a listing soon stops asking, and is whole all the same.
func TestListMetadataGivesUp(t *testing.T) {
	tr := newTree(t)
	for i := range 1000 {
		tr.putDescribed(fmt.Sprintf("f%04d", i))
	}
	tr.opts.ListMetadata = true
	tr.store.Inject(costest.Fault{Op: "HeadObject", Status: 403})
	var n int
	ops := tr.ops(func() { n = len(tr.names("/")) })
	heads := len(slices.DeleteFunc(ops, func(op string) bool { return op != "HeadObject" }))
	if n != 1000 || heads < blindAfter || heads > blindAfter+describers {
		t.Errorf("%d entries and %d HEADs, want 1000 and %d to %d", n, heads, blindAfter, blindAfter+describers)
	}
	if log := tr.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "files=1000") {
		t.Errorf("want one warning about 1000 files:\n%s", log)
	}
	t.Logf("1000 files, COS refuses: %d HEADs", heads)
}

func TestListMetadataEndsWithItsContext(t *testing.T) {
	tr := newTree(t)
	tr.putDescribed("f")
	tr.opts.ListMetadata = true
	tr.store.Inject(costest.Fault{Op: "HeadObject", Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if n, err := tr.listErr(ctx, "/"); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d entries, %v", n, err)
	}
}

func TestSelectAsksForWhatBeginsSo(t *testing.T) {
	tr := newTree(t)
	for i := range 3000 {
		tr.put(fmt.Sprintf("dir/f%04d", i))
	}
	tr.put("dir/", "dir/g/x", "dir/gone", "other/f1")
	if err := tr.Remove(t.Context(), "/dir/gone"); err != nil {
		t.Fatal(err)
	}
	tr.upload("/dir/g2", "data")
	tr.opts.MaxList, tr.opts.ListMetadata = 1000, true
	all := func(string) bool { return true }
	for _, test := range []struct {
		dir, prefix string
		keep        func(string) bool
		want        []string
		requests    int
	}{
		{"/dir", "f299", all, []string{"f2990", "f2991", "f2992", "f2993", "f2994", "f2995", "f2996", "f2997", "f2998", "f2999"}, 11},
		{"/dir", "f29", func(name string) bool { return name == "f2950" }, []string{"f2950"}, 2},
		{"/dir", "g", all, []string{"g/", "g2"}, 2},
		{"/dir", "none", all, nil, 1},
		{"/missing", "", all, nil, 1},
		{"/dir/f0001", "", all, nil, 1},
		{"/", "o", all, []string{"other/"}, 1},
		{"/dir", strings.Repeat("x", maxKey-3), all, nil, 0},
	} {
		var got []string
		ops := tr.ops(func() {
			for i, err := range tr.Select(t.Context(), test.dir, test.prefix, test.keep, false) {
				if err != nil {
					t.Errorf("%s %q: %v", test.dir, test.prefix, err)
					break
				}
				got = append(got, slashed(i))
			}
		})
		if !slices.Equal(got, test.want) || len(ops) != test.requests {
			t.Errorf("%s %q: %q by %d requests, want %q by %d", test.dir, test.prefix, got, len(ops), test.want, test.requests)
		}
	}
	ops := tr.ops(func() {
		for range tr.Select(t.Context(), "/dir", "", nil, true) {
		}
	})
	if len(ops) != 2 || slices.Contains(ops, "HeadObject") { // the first page has the marker and 999 entries
		t.Errorf("a bare listing made the requests %q, want 2 for its pages", ops)
	}
	for _, err := range tr.Select(t.Context(), "/missing", "", nil, true) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, want fs.ErrNotExist", err)
		}
	}
	tr.store.Inject(costest.Fault{Op: "ListObjects", Status: 403})
	for _, err := range tr.Select(t.Context(), "/dir", "f", all, false) {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v, want fs.ErrPermission", err)
		}
	}
}
