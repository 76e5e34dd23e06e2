package ftpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"testing"
	"time"
)

func discard(o *Options) { o.KeepIncomplete = false }

// TestInterruptedUpload: what ABOR, a lost client or a stall leave is the object made of what came, or the old
// one, as the operator chose. The original commits without a choice, and answers 226 to a reset.
func TestInterruptedUpload(t *testing.T) {
	t.Parallel()
	const old, came = "the good old version", "what came"
	for _, test := range []struct {
		name      string
		interrupt func(*client)
	}{
		{"ABOR", func(c *client) { c.ask("ABOR", "426 Transfer aborted via ABOR.", "226 ABOR command successful.") }},
		{"data connection reset", func(c *client) { c.resetData(); c.want("426 Transfer aborted; 9 bytes transmitted.") }},
		{"stall", func(c *client) { c.want("421 Data connection timed out.", "(closed)") }},
		{"control closed", func(c *client) { c.conn.Close() }},
		{"control half-closed", func(c *client) { c.conn.(*net.TCPConn).CloseWrite(); c.want("426 *", "(closed)") }},
		{"control reset", func(c *client) { c.conn.(*net.TCPConn).SetLinger(0); c.conn.Close() }},
		{"both reset", func(c *client) { c.conn.(*net.TCPConn).SetLinger(0); c.conn.Close(); c.resetData() }},
	} {
		for _, keep := range []bool{true, false} {
			name := test.name + "/" + map[bool]string{true: "keep", false: "discard"}[keep]
			t.Run(name, func(t *testing.T) {
				ts := start(t, map[string]string{"/k": old}, func(o *Options) {
					o.KeepIncomplete = keep
					o.DataTimeout = lull
				})
				c := ts.user(t)
				c.begin("k", came)
				test.interrupt(c)
				waitFor(t, "the upload's end", func() bool { return ts.log.has("INFO *STOR k completed=0 bytes=9 *") })
				if keep {
					c.wantObject("/k", came)
				} else {
					c.wantObject("/k", old)
				}
			})
		}
	}
}

// TestHangingUpAfterTheData: a device that closes all at once when it has sent its file loses nothing while
// incomplete uploads are kept, however little of the data was read by then.
func TestHangingUpAfterTheData(t *testing.T) {
	t.Parallel()
	ts := startWith(t, nil, func(s *Server) { s.lostGrace = lull })
	reached, release := make(chan struct{}), make(chan struct{})
	ts.fs.setFault(func(_ context.Context, op, _ string) error {
		if op == "write" {
			select {
			case reached <- struct{}{}:
				<-release
			default:
			}
		}
		return nil
	})
	c := ts.user(t)
	c.open("PASV")
	c.ask("STOR up", "1*")
	content := strings.Repeat("0123456789", 30_000)
	go func() { <-reached; close(release) }()
	c.sendData(content)
	c.close()
	waitFor(t, "the upload's end", func() bool { return ts.log.has("INFO *STOR up completed=*") })
	c.wantObject("/up", content)
}

// TestClientGoneAtEndOfData: with interrupted uploads discarded, an end of data from a client whose control
// connection is gone is no end of file.
func TestClientGoneAtEndOfData(t *testing.T) {
	t.Parallel()
	ts := startWith(t, map[string]string{"/k": "old"}, func(s *Server) { s.lostGrace = patience }, discard)
	c := ts.user(t)
	c.begin("k", "new")
	c.conn.(*net.TCPConn).CloseWrite()
	waitFor(t, "the reader to see it", func() bool {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		for s := range ts.sessions {
			return s.controlGone.Load()
		}
		return false
	})
	c.data.Close()
	c.want("426 *", "(closed)")
	c.wantObject("/k", "old")
}

// TestKilledClientStoresNothing: the system closes both connections of a client that was killed, one after the other.
// With interrupted uploads discarded that is no end of file, whichever comes first.
func TestKilledClientStoresNothing(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/k": "old"}, discard)
	late := 0 // tries in which the end of the control connection was seen too late, as on a busy machine
	for n := range 30 {
		c := ts.user(t)
		c.begin("k", "new")
		began := time.Now()
		if n%2 == 0 {
			c.conn.Close()
			c.data.Close()
		} else {
			c.data.Close()
			<-time.After(deathLag / 10)
			c.conn.Close()
		}
		waitFor(t, "the upload's end", func() bool { return ts.log.count("INFO *STOR k completed=*") == n+1 })
		if stored := ts.log.count("INFO *STOR k completed=1 *"); stored > late {
			if late = stored; late > 5 || time.Since(began) < deathLag {
				t.Fatalf("try %d: the fragment was stored, after %v", n+1, time.Since(began))
			}
		}
	}
	if late == 0 {
		ts.user(t).wantObject("/k", "old")
	}
}

// TestClientKilledDuringTheCommit: where interrupted uploads are kept, the end of the control connection may also come
// while the storage is asked to store what came. The storage hears of it, for the client may come back to go on.
func TestClientKilledDuringTheCommit(t *testing.T) {
	t.Parallel()
	for _, quits := range []bool{false, true} {
		ts := start(t, nil)
		asked, goOn := make(chan struct{}), make(chan struct{})
		ts.fs.setFault(func(_ context.Context, op, _ string) error {
			if op == "close" {
				close(asked)
				<-goOn
			}
			return nil
		})
		c := ts.user(t)
		c.begin("k", "new")
		c.data.Close()
		<-asked
		if quits {
			c.send("QUIT")
		}
		c.conn.Close()
		waitFor(t, "the reader", func() bool {
			ts.mu.Lock()
			defer ts.mu.Unlock()
			for s := range ts.sessions {
				return s.controlGone.Load()
			}
			return false
		})
		if !quits {
			waitFor(t, "the storage to hear of it", func() bool { return ts.fs.called("interrupted /k") })
		}
		close(goOn)
		waitFor(t, "the commit", func() bool { return ts.fs.called("committed /k") })
		if ts.fs.called("interrupted /k") == quits {
			t.Errorf("with QUIT %v the upload was called interrupted: %v", quits, !quits)
		}
	}
}

// TestFailedUploadIsAnswered: the original says nothing when the last request of an upload fails, or stores
// the first part as the whole.
func TestFailedUploadIsAnswered(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		op   string
		err  error
		want string
		logs bool
	}{
		{"close", errStorage, "426 Internal error; transfer aborted.", true},
		{"write", errStorage, "426 Internal error; transfer aborted.", true},
		{"close", errOutage, "451 Storage not available; transfer aborted.", true},
		{"write", errOutage, "451 Storage not available; transfer aborted.", true},
		{"close", fs.ErrPermission, "550 Permission denied by the storage.", true},
		{"close", fs.ErrInvalid, "553 Requested action not taken: file name not allowed.", false},
	} {
		t.Run(test.op+" "+test.err.Error(), func(t *testing.T) {
			ts := start(t, map[string]string{"/k": "old"})
			ts.fs.setFault(func(_ context.Context, op, _ string) error {
				if op == test.op {
					return test.err
				}
				return nil
			})
			c := ts.user(t)
			if got := c.stor("STOR k", "new"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			c.ask("NOOP", "200 *")
			c.wantObject("/k", "old")
			if got := ts.log.has("ERROR *-[user0] STOR /k failed: *"); got != test.logs {
				t.Errorf("in the log: %v, want %v", got, test.logs)
			}
		})
	}
}

// TestTooBigUpload: refused, and the old object stays; the original replaces it by a fragment.
func TestTooBigUpload(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/k": "old"})
	ts.fs.maxSize = 1000
	c := ts.user(t)
	if got := c.stor("STOR k", strings.Repeat("x", 1001)); !matches("552 *", got) {
		t.Errorf("got %q", got)
	}
	c.wantObject("/k", "old")
	if !ts.log.has("ERROR *STOR /k failed: *") {
		t.Error("not in the log")
	}
	if got := c.stor("STOR k", strings.Repeat("x", 1000)); !matches("226 *", got) {
		t.Errorf("got %q", got)
	}
}

// TestAborDuringCommit: all bytes are there, so the upload is complete, and the client hears so.
func TestAborDuringCommit(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*Options){discard, func(*Options) {}} {
		ts := start(t, nil, edit)
		committing, release := make(chan struct{}), make(chan struct{})
		ts.fs.setFault(func(_ context.Context, op, _ string) error {
			if op == "close" {
				close(committing)
				<-release
			}
			return nil
		})
		c := ts.user(t)
		c.open("PASV")
		c.ask("STOR up", "1*")
		c.sendData("all of it")
		c.data.Close()
		<-committing
		c.sendRaw("ABOR\r\nNOOP\r\n")
		close(release)
		c.want("226 Transfer complete.", "225 No transfer to abort.", "200 *")
		c.wantObject("/up", "all of it")
	}
}

// TestAborBeforeDataConnection: ftpserverlib is deaf until the data connection is there or given up.
func TestAborBeforeDataConnection(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.user(t)
	for _, command := range []string{"RETR a", "STOR b", "LIST", "NLST", "MLSD"} {
		c.listen("PASV")
		c.ask(command, "150 *")
		c.ask("ABOR", "426 Transfer aborted via ABOR.", "226 ABOR command successful.")
		c.ask("NOOP", "200 *")
	}
	if _, there := ts.fs.content("/b"); there {
		t.Error("an upload that never began left an object")
	}
	if n := ts.open(); n != 2 {
		t.Errorf("%d sockets open, want 2", n)
	}
}

// TestAborRightBehindTransfer: each of the two commands is answered.
func TestAborRightBehindTransfer(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": strings.Repeat("A", 1<<20)})
	for range 20 {
		c := ts.user(t)
		c.open("PASV")
		c.sendRaw("RETR a\r\nABOR\r\nNOOP\r\n")
		c.want("1*")
		if first := c.line(); matches("426 *", first) {
			c.want("226 ABOR *", "200 *")
		} else if matches("226 Transfer complete.", first) {
			c.want("225 *", "200 *")
		} else {
			t.Fatalf("got %q", first)
		}
		c.close()
	}
}

func TestStouMakesUniqueNames(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/dir/x": "x"})
	c := ts.user(t)
	c.ask("CWD dir", "250 *")
	seen := map[string]bool{}
	for _, command := range []string{"STOU", "STOU", "STOU name.txt", "STOU /name.txt"} {
		c.open("PASV")
		c.send(command)
		_, name, found := strings.Cut(c.line(), "FILE: ")
		if !found || seen[name] {
			t.Fatalf("%s: name %q", command, name)
		}
		seen[name] = true
		c.sendData("body of " + command)
		c.data.Close()
		c.want("226 *")
		dir, prefix := "/dir/", "ftpd."
		if strings.Contains(command, "name.txt") {
			prefix = "name.txt."
		}
		if strings.Contains(command, "/") {
			dir = "/"
		}
		if !strings.HasPrefix(name, prefix) || len(name) != len(prefix)+6 {
			t.Errorf("%s: name %q", command, name)
		}
		c.wantObject(dir+name, "body of "+command)
	}
}

func TestStouGivesUpWhenAllNamesAreTaken(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	ts.fs.setFault(func(_ context.Context, op, name string) error {
		if op == "stat" {
			ts.fs.mu.Lock()
			defer ts.fs.mu.Unlock()
			ts.fs.files[name] = memFile{}
		}
		return nil
	})
	c.ask("STOU", "450 No usable unique file name found.")
}

// plainFS has none of the add-ons.
type plainFS struct{ FileSystem }

func TestFileSystemWithoutAddOns(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	ts.setWrap(func(fs FileSystem) FileSystem { return plainFS{fs} })
	c := ts.user(t)
	c.ask("APPE a", "502 *")
	c.ask("MFMT 20200101000000 a", "502 *")
	c.ask("SITE CHMOD 644 a", "502 *")
	c.wantObject("/a", "A")
}

// TestUploadsAreCopiedDirectly: the storage reads the data connection itself where it can.
func TestUploadsAreCopiedDirectly(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	src := strings.NewReader(strings.Repeat("x", 300_000))
	if err := copyInto(&got, src); err != nil || got.Len() != 300_000 {
		t.Fatalf("%d bytes, %v", got.Len(), err)
	}
	failing := errors.New("no")
	if err := copyInto(&got, iterErr{failing}); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
}

type iterErr struct{ err error }

func (r iterErr) Read([]byte) (int, error) { return 0, r.err }

// TestQuitAndHangUpAtOnce: who says QUIT has not died, so nothing is discarded, however fast he leaves.
func TestQuitAndHangUpAtOnce(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, discard)
	for i := range 20 {
		c := ts.user(t)
		name := fmt.Sprint("/up", i)
		c.begin(name, "all")
		c.data.Close()
		c.send("QUIT")
		c.conn.Close()
		waitFor(t, "the upload", func() bool { _, there := ts.fs.content(name); return there })
	}
}
