package ftpserver

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestListTimes(t *testing.T) {
	t.Parallel()
	shanghai := time.FixedZone("CST", 8*3600)
	now := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		modified, now time.Time
		want          string
	}{
		{time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC), now, "Nov 20 01:02"},
		{time.Date(2019, 3, 4, 5, 6, 7, 0, time.UTC), now, "Mar 04 2019"},
		{time.Date(2026, 5, 20, 11, 0, 0, 0, time.UTC), now, "May 20 2026"},
		{now.Add(-180*24*time.Hour + time.Second), now, "May 25 01:00"},
		{now.Add(-180 * 24 * time.Hour), now, "May 25 2026"},
		{now.Add(time.Hour), now, "Nov 21 02:00"},
		{now, now.In(shanghai), "Nov 21 01:00"}, // always UTC
		{now.In(shanghai), now, "Nov 21 01:00"},
		// Eight hours older by the wall clock in Shanghai.
		{now.Add(-180*24*time.Hour + 7*time.Hour), now.In(shanghai), "May 25 2026"},
	} {
		line := string(appendListLine(nil, memInfo{name: "n", file: memFile{modified: test.modified}}, test.now))
		if want := "-r-xr-xr-x\t1\towner\tgroup\t0\t" + test.want + "\tn\r\n"; line != want {
			t.Errorf("got %q, want %q", line, want)
		}
	}
}

func TestSmallListingsAreSorted(t *testing.T) {
	t.Parallel()
	files := map[string]string{"/b": "1", "/a": "22", "/c": "1", "/z/x": "", "/y/x": ""}
	ts := start(t, files)
	at := memTime.Add(-time.Hour)
	ts.fs.SetModTime(context.Background(), "/c", at)
	got := ts.user(t).retr("LIST")
	var order []string
	for line := range strings.Lines(got) {
		order = append(order, strings.TrimSpace(line[strings.LastIndex(line, "\t")+1:]))
	}
	if want := []string{"y", "z", "c", "b", "a"}; !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
}

// endless yields as many entries as are asked for and remembers how many that were.
type endless struct {
	FileSystem
	count   int
	yielded chan int
}

func (e endless) List(context.Context, string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		n := 0
		defer func() { e.yielded <- n }()
		for ; n < e.count; n++ {
			if !yield(memInfo{name: fmt.Sprintf("f%08d.txt", n), file: memFile{modified: memTime}}, nil) {
				return
			}
		}
	}
}

// TestLongListingsStream: the first lines leave while the storage still lists, and a client that leaves stops
// the listing.
func TestLongListingsStream(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	yielded := make(chan int, 1)
	ts.setWrap(func(fs FileSystem) FileSystem { return endless{fs, math.MaxInt, yielded} })
	c := ts.user(t)
	for _, command := range []string{"LIST", "NLST", "MLSD"} {
		c.open("PASV")
		c.ask(command, "1*")
		if _, err := io.ReadFull(c.data, make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		c.resetData()
		c.want("426 Transfer aborted; * bytes transmitted.")
		if n := <-yielded; n < sortedListing {
			t.Errorf("%s: %d entries", command, n)
		}
	}
}

func TestListingOfThousands(t *testing.T) {
	t.Parallel()
	for _, count := range []int{998, 999, 1000, 1001, 12_345} {
		ts := start(t, nil)
		ts.setWrap(func(fs FileSystem) FileSystem { return endless{fs, count, make(chan int, 3)} })
		c := ts.user(t)
		for _, command := range []string{"LIST", "NLST", "MLSD"} {
			if n := strings.Count(c.retr(command), "\r\n"); n != count {
				t.Errorf("%s: %d of %d entries", command, n, count)
			}
		}
	}
}

func TestFailingListing(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 3000 {
		files[fmt.Sprintf("/f%04d", i)] = ""
	}
	for _, fails := range []int{1, 500, 2500} {
		ts := start(t, files)
		ts.fs.listFails = fails
		c := ts.user(t)
		for _, command := range []string{"LIST", "NLST", "MLSD"} {
			c.open("PASV")
			c.ask(command, "1*")
			if _, err := io.ReadAll(c.data); err == nil {
				t.Errorf("%s: clean end of a cut listing", command)
			}
			c.want("426 Internal error; transfer aborted.")
		}
		if fails <= sortedListing { // nothing was sent yet
			c.ask("STAT /", "550 list dir:/ failed..")
			continue
		}
		c.send("STAT /")
		for line := c.line(); !strings.HasPrefix(line, "213 "); line = c.line() {
		}
		c.ask("NOOP", "200 *")
	}
}

// TestOutageIsNoMissingDirectory: the original answers "No such file or directory" when COS is away.
func TestOutageIsNoMissingDirectory(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/dir/a": "A"})
	ts.fs.setFault(func(context.Context, string, string) error { return errOutage })
	c := ts.user(t)
	for _, command := range []string{
		"CWD dir", "LIST", "NLST", "MLSD", "MLST", "STAT dir", "SIZE dir/a", "MDTM dir/a", "DELE dir/a", "RMD dir",
		"MKD new", "RNFR dir/a", "RETR dir/a", "STOU", "MFMT 20200101000000 dir/a", "SITE CHMOD 644 dir/a",
	} {
		c.ask(command, "451 *")
	}
	if !ts.log.has("ERROR *-[user0] CWD /dir failed: storage is away") {
		t.Error("the cause is not in the log")
	}
	ts.fs.setFault(nil)
	c.ask("RNFR dir/a", "350 *")
	ts.fs.setFault(func(context.Context, string, string) error { return errOutage })
	c.ask("RNTO b", "451 *")
}

func TestFaultsOfTheStorage(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/dir/a": "A"})
	c := ts.user(t)
	fails := func(context.Context, string, string) error { return errStorage }
	for command, want := range map[string]string{
		"CWD dir":    "550 Can't change to directory /dir.",
		"LIST dir":   "550 list dir:/dir failed..",
		"STAT dir":   "550 list dir:/dir failed..",
		"SIZE dir/a": "550 Failed to retrieve the file dir/a attribute information.",
		"DELE dir/a": "550 Remove file:/home/user0/dir/a occurs error..",
		"MKD new":    "550 Make dir:/new failed..",
		"RETR dir/a": "451 Requested action aborted: local error in processing.",
		"RNTO b":     "550 Rename /home/user0/dir/a to /home/user0/b failed..",
		"RNFR dir/a": "451 *",
		"STOR x":     "426 Internal error; transfer aborted.",
		"MDTM dir/a": "550 Can't determine file's last modification time.",
		"MLST dir/a": "451 *",
		"XRMD dir":   "550 Remove dir:/home/user0/dir occurs error..",
		"XMKD new":   "550 Make dir:/new failed..",
		"XCWD dir":   "550 Can't change to directory /dir.",
		"NLST dir":   "550 list dir:/dir failed..",
		"MLSD dir":   "550 list dir:/dir failed..",
	} {
		ts.fs.setFault(nil)
		c.ask("RNFR dir/a", "350 *")
		ts.fs.setFault(fails)
		c.ask(command, want)
	}
}

// wide is a tree of directories in directories: each has the given number of them down to a depth, and a file.
type wide struct {
	FileSystem
	dirs, depth int
	nameLength  int
	asked       *atomic.Int64
	gone        string // a directory that is listed and not there
}

func (w wide) List(_ context.Context, name string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		w.asked.Add(1)
		if name == w.gone {
			yield(nil, fs.ErrNotExist)
			return
		}
		for i := range w.dirs {
			if strings.Count(strings.TrimSuffix(name, "/"), "/") == w.depth {
				break
			}
			dir := fmt.Sprintf("d%0*d", w.nameLength-1, i)
			if !yield(memInfo{name: dir, dir: true}, nil) {
				return
			}
		}
		yield(memInfo{name: "file", file: memFile{modified: memTime}}, nil)
	}
}

// TestRecursiveListing: a tree is told whole, each directory asked for once, and one that vanished meanwhile is left
// out.
func TestRecursiveListing(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	asked := new(atomic.Int64)
	ts.setWrap(func(fs FileSystem) FileSystem {
		return wide{FileSystem: fs, dirs: 6, depth: 4, nameLength: 3, asked: asked, gone: "/d03/d02"}
	})
	// 1 + 6 + 36 + 216 + 1296 directories; the one that is gone had 1 + 6 + 36 in and below it.
	const dirs, gone = 1 + 6 + 36 + 216 + 1296, 1 + 6 + 36
	got := ts.user(t).retr("LIST -lR")
	headings, files := strings.Count(got, ":\r\n"), strings.Count(got, "\tfile\r\n")
	if headings != dirs-gone || files != dirs-gone || asked.Load() != dirs-gone+1 {
		t.Errorf("%d blocks, %d files, %d directories asked for; want %d, %d, %d",
			headings, files, asked.Load(), dirs-gone, dirs-gone, dirs-gone+1)
	}
	t.Logf("%d directories in %d requests, %d bytes", headings, asked.Load(), len(got))
	if strings.Contains(got, "./d03/d02") || !strings.Contains(got, "\r\n\r\n./d03/d01/d00:\r\n") {
		t.Error("wrong blocks")
	}
}

// TestWideTreeIsRefused: the directories that a recursive listing has to remember are bounded, and what does not fit is
// no silent loss.
func TestWideTreeIsRefused(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	fits := widestTree / (20 + nameCost)
	for _, count := range []int{fits, fits + 1} {
		asked := new(atomic.Int64)
		ts.setWrap(func(fs FileSystem) FileSystem {
			return wide{FileSystem: fs, dirs: count, depth: 1, nameLength: 20, asked: asked}
		})
		c := ts.user(t)
		c.open("PASV")
		c.ask("NLST -R", "1*")
		got, err := io.ReadAll(c.data)
		if count == fits {
			c.want("226 *")
			if n := strings.Count(string(got), ":\r\n"); err != nil || n != count+1 {
				t.Errorf("%d directories: %d blocks, %v", count, n, err)
			}
			continue
		}
		c.want("451 Too many directories for one listing; list them one by one.")
		if err == nil || asked.Load() != 1 {
			t.Errorf("%d directories: %v after %d requests, want a reset after 1", count, err, asked.Load())
		}
		if !ts.log.has("ERROR *more directories than a recursive listing can remember") {
			t.Error("the log does not say why")
		}
	}
}

// TestSortedOptionsHaveABound: -t, -S and -r sort what is sorted without them, and a longer listing streams.
func TestSortedOptionsHaveABound(t *testing.T) {
	t.Parallel()
	for _, count := range []int{sortedListing - 1, sortedListing} {
		ts := start(t, nil)
		ts.setWrap(func(fs FileSystem) FileSystem { return endless{fs, count, make(chan int, 1)} })
		lines := strings.Split(ts.user(t).retr("NLST -r"), "\r\n")
		if sorted := lines[0] > lines[1]; sorted != (count < sortedListing) || len(lines) != count+1 {
			t.Errorf("%d entries: %d lines, in reverse %v", count, len(lines), sorted)
		}
	}
}

// TestUnixLines: each form of a line.
func TestUnixLines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		modified time.Time
		size     int
		want     string
	}{
		{memTime, 1234, "-rw-r--r--    1 owner    group        1234 Nov 20 01:02 a b"},
		{now.Add(-180 * 24 * time.Hour), 0, "-rw-r--r--    1 owner    group           0 May 25 01:00 a b"},
		{now.Add(-180*24*time.Hour - time.Second), 7, "-rw-r--r--    1 owner    group           7 May 25  2026 a b"},
		{now.Add(23 * time.Hour), 1, "-rw-r--r--    1 owner    group           1 Nov 22 00:00 a b"},
		{now.Add(25 * time.Hour), 1, "-rw-r--r--    1 owner    group           1 Nov 22  2026 a b"}, // a client would take it for last year's
		{time.Unix(0, 0), 123456, "-rw-r--r--    1 owner    group      123456 Jan 01  1970 a b"},
	} {
		info := memInfo{name: "a b", file: memFile{modified: test.modified, data: make([]byte, test.size)}}
		if line := string(appendUnixLine(nil, info, 0o644, now)); line != test.want+"\r\n" {
			t.Errorf("got  %q\nwant %q", line, test.want)
		}
	}
}

// TestModesFollowFromRights: every account sees in the modes what it may do.
func TestModesFollowFromRights(t *testing.T) {
	t.Parallel()
	file, dir := memInfo{name: "f"}, memInfo{name: "d", dir: true}
	for perm, want := range map[string]string{
		"elradfmwMT": "-rw-r--r-- drwxr-xr-x", "elr": "-r--r--r-- dr-xr-xr-x", "elw": "--w------- drwxr-xr-x",
		"la": "--w------- dr--r--r--", "adfmwMT": "--w------- d-w-------", "": "---------- d---------",
	} {
		a := &Account{Perm: perm}
		if got := a.modeOf(file).String() + " " + a.modeOf(dir).String(); got != want {
			t.Errorf("%s: %s, want %s", perm, got, want)
		}
	}
	file.file.mode = 0o600
	if got := (&Account{Perm: "r"}).modeOf(file).String(); got != "-rw-------" {
		t.Errorf("kept mode: %s", got)
	}
}

// TestPermFact: each letter of RFC 3659 7.5.5 is there with its right and not without.
func TestPermFact(t *testing.T) {
	t.Parallel()
	file, dir := memInfo{name: "f"}, memInfo{name: "d", dir: true}
	for _, test := range []struct {
		perm            string
		deletes         bool
		file, dir, root string
	}{
		{"elradfmwMT", true, "adfrw", "cdeflmp", "celmp"},
		{"elradfmwMT", false, "afrw", "ceflm", "celm"},
		{"elr", true, "r", "el", "el"},
		{"a", true, "a", "", ""},
		{"d", true, "d", "dp", "p"},
		{"f", true, "f", "f", ""},
		{"w", true, "w", "c", "c"},
		{"m", true, "", "m", "m"},
		{"MT", true, "", "", ""},
	} {
		a := &Account{Perm: test.perm, Delete: test.deletes}
		got := [3]string{a.permOf(file, false), a.permOf(dir, false), a.permOf(dir, true)}
		if want := [3]string{test.file, test.dir, test.root}; got != want {
			t.Errorf("%s, delete %v: got %q, want %q", test.perm, test.deletes, got, want)
		}
	}
}

// TestRecursiveListingThatFails: a directory that cannot be listed ends the whole listing with an error, not in silence,
// and ABOR ends one that waits for the storage.
func TestRecursiveListingThatFails(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a/x": "", "/b/x": "", "/c/x": ""})
	c := ts.user(t)
	ts.fs.setFault(func(_ context.Context, op, name string) error {
		if op == "list" && name == "/b" {
			return errStorage
		}
		return nil
	})
	c.open("PASV")
	c.ask("LIST -R", "1*")
	if got, err := io.ReadAll(c.data); err == nil || !strings.Contains(string(got), "./a:\r\n") && len(got) > 0 {
		t.Errorf("clean end of a cut listing: %q", got)
	}
	c.want("426 Internal error; transfer aborted.")
	if !ts.log.has("ERROR *-[user0] LIST * failed: storage said no") {
		t.Errorf("the cause is not in the log: %q", ts.log.all())
	}

	waiting := make(chan struct{})
	ts.fs.setFault(func(ctx context.Context, op, name string) error {
		if op == "list" && name == "/b" {
			close(waiting)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	c.open("PASV")
	c.ask("NLST -R", "1*")
	<-waiting
	c.ask("ABOR", "426 Transfer aborted via ABOR.", "226 ABOR command successful.")
	c.ask("NOOP", "200 *")
}
