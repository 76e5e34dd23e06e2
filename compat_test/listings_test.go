package compat_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// retrieved fetches a listing over a passive data connection.
func (p *peer) retrieved(t *testing.T, command string) string {
	t.Helper()
	reply := p.command("EPSV")
	port := regexp.MustCompile(`\|\|\|(\d+)\|`).FindStringSubmatch(reply)
	if port == nil {
		t.Fatalf("EPSV: %s", reply)
	}
	host, _, _ := net.SplitHostPort(p.addr)
	data, err := net.Dial("tcp", net.JoinHostPort(host, port[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if reply := p.command("%s", command); reply[0] != '1' {
		t.Fatalf("%s: %s", command, reply)
	}
	data.SetDeadline(time.Now().Add(replyTime))
	text, err := io.ReadAll(data)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if reply := p.reply(replyTime); !strings.HasPrefix(reply, "226 ") {
		t.Fatalf("%s: %s", command, reply)
	}
	return string(text)
}

// loggedIn is a raw connection of user0.
func loggedIn(t *testing.T, gate *gateway) *peer {
	t.Helper()
	p := &peer{addr: gate.addr}
	if err := p.connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	p.reply(replyTime)
	for _, command := range []string{"USER user0", "PASS pass0", "TYPE I"} {
		p.command("%s", command)
	}
	return p
}

// TestListMetadataInListings: a time and a mode that a client set stand in every listing, which costs one HEAD per file
// once, and none where only names are told.
func TestListMetadataInListings(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	const others = 40
	stored := costest.Modified(time.Now().Add(-time.Hour)) // what is younger than two seconds is asked about again
	for i := range others {
		store.Put(bucketName(0), fmt.Sprintf("d/f%02d", i), nil, stored)
	}
	store.Put(bucketName(0), "d/x", []byte("data"), stored, costest.Meta("mtime", "981173106"), costest.Meta("mode", fmt.Sprint(0o100640)))
	store.Put(bucketName(0), "d/sub/y", nil, stored)
	gate := startGateway(t, store, map[string]string{"list_metadata": "true", "list_style": "unix"})
	p := loggedIn(t, gate)
	if err := p.want("200", "OPTS MLST modify;unix.mode;"); err != nil {
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
			got = p.command("%s", test.command)
		} else {
			got = p.retrieved(t, test.command)
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
	if err := errors.Join(p.want("213", "MFMT 20020304050607 d/x"), p.want("200", "SITE CHMOD 600 d/x")); err != nil {
		t.Fatal(err)
	}
	if got := p.retrieved(t, "MLSD d"); !strings.Contains(got, "modify=20020304050607;unix.mode=0600; x\r\n") {
		t.Errorf("after MFMT and SITE CHMOD: %q", got)
	}
}

// TestPatternsReachBeyondMaxListFile: what a pattern begins with is asked of COS, so a directory may be as large as it
// likes.
func TestPatternsReachBeyondMaxListFile(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	for i := range 5000 {
		store.Put(bucketName(0), fmt.Sprintf("cam/IMG_%04d.jpg", i), nil)
	}
	gate := startGateway(t, store, map[string]string{"max_list_file": "1000"})
	p := loggedIn(t, gate)
	store.ResetRequests()
	got := strings.Fields(p.retrieved(t, "NLST cam/IMG_499?.jpg"))
	var want []string
	for i := 4990; i < 5000; i++ {
		want = append(want, fmt.Sprintf("cam/IMG_%04d.jpg", i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if n := len(store.Requests()); n != 3 {
		t.Errorf("%d requests, want 3: %s", n, operations(store))
	}
}

// TestRecursiveListingCostsOneRequestPerDirectory: and one more for each further page.
func TestRecursiveListingCostsOneRequestPerDirectory(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	files := 0
	for dir := range 30 {
		for i := range []int{1, 50, 1200}[dir%3] {
			store.Put(bucketName(0), fmt.Sprintf("tree/d%02d/deep/f%04d", dir, i), nil, costest.Modified(time.Now()))
			files++
		}
	}
	gate := startGateway(t, store, map[string]string{"max_list_file": "100000"})
	p := loggedIn(t, gate)
	store.ResetRequests()
	got := p.retrieved(t, "LIST -lR tree")
	const dirs = 1 + 30 + 30
	pages := dirs + 10
	if n := strings.Count(got, ":\r\n"); n != dirs || strings.Count(got, "\tf") != files {
		t.Errorf("%d blocks and %d files, want %d and %d", n, strings.Count(got, "\tf"), dirs, files)
	}
	if n := len(store.Requests()); n != pages {
		t.Errorf("%d requests, want %d: %s", n, pages, operations(store))
	}
	t.Logf("%d files in %d directories: %d requests", files, dirs, len(store.Requests()))
}
