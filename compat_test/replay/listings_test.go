package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// TestListMetadataInListings: a time and a mode that a client set stand in every listing, which costs one HEAD per file
// once, and none where only names are told.
func TestListMetadataInListings(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	const others = 40
	stored := costest.Modified(time.Now().Add(-time.Hour)) // what is younger than two seconds is asked about again
	for i := range others {
		store.Put(rig.BucketName(0), fmt.Sprintf("d/f%02d", i), nil, stored)
	}
	store.Put(rig.BucketName(0), "d/x", []byte("data"), stored, costest.Meta("mtime", "981173106"), costest.Meta("mode", fmt.Sprint(0o100640)))
	store.Put(rig.BucketName(0), "d/sub/y", nil, stored)
	gate := rig.StartGateway(t, store, map[string]string{"list_metadata": "true", "list_style": "unix"})
	p := rig.LoggedIn(t, gate)
	if err := p.Want("200", "OPTS MLST modify;unix.mode;"); err != nil {
		t.Fatal(err)
	}
	const line = "-rw-r-----    1 owner    group           4 Feb 03  2001 x"
	for _, test := range []struct {
		command, want string
		heads, lists  int
	}{
		{"LIST d", line + "\r\n", others + 1, 1},
		{"LIST -R d", line + "\r\n", 1, 2},
		{"MLSD d", "modify=20010203040506;unix.mode=0640; x\r\n", 0, 1},
		{"LIST d/[x]*", line + "\r\n", 1, 2}, // one HEAD and one list request whether there is something called [x]*
		{"NLST d", "x\r\n", 0, 1},
		{"NLST -t d", "x\r\n", 0, 1},
		{"LIST -1 d", "x\r\n", 0, 1},
		{"NLST d/x*", "d/x\r\n", 1, 2},
		{"STAT d", line + "\n", 0, 1},
	} {
		store.ResetRequests()
		var got string
		if strings.HasPrefix(test.command, "STAT") {
			got = p.Command("%s", test.command)
		} else {
			got = p.Retrieved(t, test.command)
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: %q lacks %q", test.command, got, test.want)
		}
		if n := strings.Count(got, "2001") + strings.Count(got, "20010203"); n > 2 {
			t.Errorf("%s: other files have the time, too: %q", test.command, got)
		}
		heads, lists := 0, 0
		for _, r := range store.Requests() {
			switch r.Op {
			case "HeadObject":
				heads++
			case "ListObjects":
				lists++
			default:
				t.Errorf("%s: a request %s", test.command, r.Op)
			}
		}
		if heads != test.heads || lists != test.lists {
			t.Errorf("%s: %d HEADs and %d list requests, want %d and %d", test.command, heads, lists, test.heads, test.lists)
		}
		t.Logf("%-12s %2d HEADs, %d list requests", test.command, heads, lists)
	}
	if err := errors.Join(p.Want("213", "MFMT 20020304050607 d/x"), p.Want("200", "SITE CHMOD 600 d/x")); err != nil {
		t.Fatal(err)
	}
	if got := p.Retrieved(t, "MLSD d"); !strings.Contains(got, "modify=20020304050607;unix.mode=0600; x\r\n") {
		t.Errorf("after MFMT and SITE CHMOD: %q", got)
	}
}

// TestPatternsReachBeyondMaxListFile: what a pattern begins with is asked of COS, so a directory may be as large as it
// likes.
func TestPatternsReachBeyondMaxListFile(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	for i := range 5000 {
		store.Put(rig.BucketName(0), fmt.Sprintf("cam/IMG_%04d.jpg", i), nil)
	}
	gate := rig.StartGateway(t, store, map[string]string{"max_list_file": "1000"})
	p := rig.LoggedIn(t, gate)
	store.ResetRequests()
	got := strings.Fields(p.Retrieved(t, "NLST cam/IMG_499?.jpg"))
	var want []string
	for i := 4990; i < 5000; i++ {
		want = append(want, fmt.Sprintf("cam/IMG_%04d.jpg", i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if n := len(store.Requests()); n != 3 {
		t.Errorf("%d requests, want 3: %s", n, rig.Operations(store))
	}
}

// TestRecursiveListingCostsOneRequestPerDirectory: and one more for each further page.
func TestRecursiveListingCostsOneRequestPerDirectory(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	files := 0
	for dir := range 30 {
		for i := range []int{1, 50, 1200}[dir%3] {
			store.Put(rig.BucketName(0), fmt.Sprintf("tree/d%02d/deep/f%04d", dir, i), nil, costest.Modified(time.Now()))
			files++
		}
	}
	gate := rig.StartGateway(t, store, map[string]string{"max_list_file": "100000"})
	p := rig.LoggedIn(t, gate)
	store.ResetRequests()
	got := p.Retrieved(t, "LIST -lR tree")
	const dirs = 1 + 30 + 30
	pages := dirs + 10
	if n := strings.Count(got, ":\r\n"); n != dirs || strings.Count(got, "\tf") != files {
		t.Errorf("%d blocks and %d files, want %d and %d", n, strings.Count(got, "\tf"), dirs, files)
	}
	if n := len(store.Requests()); n != pages {
		t.Errorf("%d requests, want %d: %s", n, pages, rig.Operations(store))
	}
	t.Logf("%d files in %d directories: %d requests", files, dirs, len(store.Requests()))
}
