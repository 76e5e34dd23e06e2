package ftpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCutDownloadIsNoWholeFile: when the storage fails in the middle the client gets 426 and a reset, never an
// orderly end. The original says 226 when COS closes the connection early.
func TestCutDownloadIsNoWholeFile(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"TYPE I", "TYPE A"} {
		ts := start(t, map[string]string{"/big": strings.Repeat("x", 1<<20)})
		ts.fs.readFails = 700_000
		c := ts.user(t)
		c.ask(typ, "200 *")
		c.open("PASV")
		c.ask("RETR big", "1*")
		got, err := io.ReadAll(c.data)
		if err == nil {
			t.Errorf("%s: clean end after %d bytes", typ, len(got))
		}
		c.want("426 Internal error; transfer aborted.")
		c.ask("NOOP", "200 *")
		if !ts.log.has("ERROR *-[user0] RETR /big failed: storage said no") || !ts.log.has("INFO *RETR big completed=0 *") {
			t.Errorf("log: %q", ts.log.all())
		}
	}
}

func TestClientLeavesDownload(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*client){
		"closed": func(c *client) { c.data.Close() },
		"reset":  (*client).resetData,
	} {
		t.Run(name, func(t *testing.T) {
			ts := start(t, map[string]string{"/big": strings.Repeat("x", 24<<20)})
			c := ts.user(t)
			c.open("PASV")
			c.ask("RETR big", "1*")
			if _, err := io.CopyN(io.Discard, c.data, 1<<20); err != nil {
				t.Fatal(err)
			}
			leave(c)
			c.want("426 Transfer aborted; * bytes transmitted.")
			c.ask("NOOP", "200 *")
		})
	}
}

func TestStalledDownload(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/big": strings.Repeat("x", 24<<20)},
		func(o *Options) { o.DataTimeout = 100 * time.Millisecond })
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR big", "1*", "421 Data connection timed out.", "(closed)")
	if !ts.log.has("INFO *-[user0] Data connection timed out.") || !ts.log.has("INFO *RETR big completed=0 *") {
		t.Errorf("log: %q", ts.log.all())
	}
}

// TestControlLossEndsStalledDownload: nobody reads, nobody listens.
func TestControlLossEndsStalledDownload(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/big": strings.Repeat("x", 24<<20)})
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR big", "1*")
	c.conn.Close()
	waitFor(t, "the download's end", func() bool { return ts.log.has("INFO *RETR big completed=0 *") })
}

func TestAborDuringDownload(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/big": strings.Repeat("x", 24<<20)})
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR big", "1*")
	c.ask("ABOR", "426 Transfer aborted via ABOR.", "226 ABOR command successful.")
	n, _ := io.Copy(io.Discard, c.data)
	if n >= 24<<20 {
		t.Error("all was sent")
	}
	c.ask("NOOP", "200 *")
}

// TestStorageIsCancelledOnAbor: a storage that hangs is told that nobody waits any more.
func TestStorageIsCancelledOnAbor(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	reading := make(chan struct{}, 1)
	ts.fs.setFault(func(ctx context.Context, op, _ string) error {
		if op != "read" {
			return nil
		}
		reading <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR a", "1*")
	<-reading
	c.ask("ABOR", "426 *", "226 *")
	c.ask("NOOP", "200 *")
}

func TestQuitDuringDownload(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789abcdef", 1<<20)
	ts := start(t, map[string]string{"/big": content})
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR big", "1*")
	c.ask("QUIT", "221 *")
	if got := c.receive(); got != content {
		t.Errorf("got %d of %d bytes", len(got), len(content))
	}
	c.want("226 *", "(closed)")
}

// direct is a file that writes itself.
type direct struct {
	fs.File
	used *bool
}

func (d direct) WriteTo(w io.Writer) (int64, error) {
	*d.used = true
	n, err := io.WriteString(w, "direct")
	return int64(n), err
}

type directFS struct {
	FileSystem
	used *bool
}

func (d directFS) Open(ctx context.Context, name string, offset int64) (fs.File, error) {
	f, err := d.FileSystem.Open(ctx, name, offset)
	return direct{f, d.used}, err
}

func TestDownloadsPreferWriterTo(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	var used bool
	ts.setWrap(func(fs FileSystem) FileSystem { return directFS{fs, &used} })
	c := ts.user(t)
	if got := c.retr("RETR a"); got != "direct" || !used {
		t.Errorf("got %q, used %v", got, used)
	}
}

// pieceConn notes what is written, and how often a deadline is set.
type pieceConn struct {
	net.Conn
	written, largest, deadlines int
}

func (c *pieceConn) Write(p []byte) (int, error) {
	c.written += len(p)
	c.largest = max(c.largest, len(p))
	return len(p), nil
}

func (c *pieceConn) SetDeadline(time.Time) error { c.deadlines++; return nil }

// TestSlowIsNotStalled: a big write gets its deadline renewed as it goes, so that a client which takes it
// slowly is not cut; small writes do not set a deadline each.
func TestSlowIsNotStalled(t *testing.T) {
	t.Parallel()
	conn := &pieceConn{}
	d := newDataConn(conn, time.Nanosecond, func() {})
	content := bytes.Repeat([]byte("x"), 5*writePiece+1)
	if n, err := d.Write(content); err != nil || n != len(content) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if conn.written != len(content) || conn.largest > writePiece || conn.deadlines != 6 {
		t.Errorf("%d bytes in pieces up to %d, %d deadlines", conn.written, conn.largest, conn.deadlines)
	}
	if d.sent.Load() != int64(len(content)) {
		t.Errorf("counted %d", d.sent.Load())
	}
	conn = &pieceConn{}
	d = newDataConn(conn, time.Hour, func() {})
	for range 1000 {
		d.Write([]byte("x"))
	}
	if conn.deadlines > 10 {
		t.Errorf("%d deadlines for 1000 small writes", conn.deadlines)
	}
}

func TestDataConnDeadlines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		end  func(*dataConn)
	}{
		{"timeout", func(*dataConn) {}},
		{"stop", func(d *dataConn) { d.timeout.Store(int64(time.Hour)); d.stop() }},
		{"hurry", func(d *dataConn) { d.timeout.Store(int64(time.Hour)); d.hurry(time.Millisecond) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, peer := net.Pipe()
			defer peer.Close()
			d := newDataConn(server, 30*time.Millisecond, func() {})
			defer d.Close()
			failed := make(chan error, 1)
			go func() {
				_, err := d.Read(make([]byte, 1))
				failed <- err
			}()
			test.end(d)
			select {
			case err := <-failed:
				if !d.failed(err) {
					t.Errorf("%v is not the connection's failure %v", err, d.failure)
				}
			case <-time.After(patience):
				t.Fatal("still reading")
			}
			d.stop()
			if _, err := d.Read(make([]byte, 1)); err == nil {
				t.Error("reads on after stop")
			}
		})
	}
}

func TestFailureOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want failure
	}{
		{errStorage, faultOfStorage},
		{errOutage, outage},
		{errors.Join(errors.New("list"), errOutage), outage},
		{&fs.PathError{Err: fs.ErrNotExist}, missing},
		{context.Canceled, ended},
		{context.DeadlineExceeded, outage},
		{io.ErrUnexpectedEOF, faultOfStorage},
	} {
		if got := failureOf(test.err); got != test.want {
			t.Errorf("%v: got %d, want %d", test.err, got, test.want)
		}
	}
}

// TestReplyOfDownloadWaitsForTheClient: aria2 takes a 226 that arrives together with the 125 for none. So it leaves after
// the client has ended the data connection. A client that does not is waited for once.
func TestReplyOfDownloadWaitsForTheClient(t *testing.T) {
	t.Parallel()
	ts := startWith(t, map[string]string{"/a": "A"}, func(s *Server) { s.readWait = time.Hour })
	c := ts.user(t)
	for _, early := range []bool{true, false} { // the data connection
		addr := c.listen("PASV")
		if early {
			c.dialData(addr)
			c.ask("NOOP", "200 *")
		}
		c.ask("RETR a", "1*")
		if !early {
			c.dialData(addr)
		}
		if got, err := io.ReadAll(c.data); string(got) != "A" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		c.ask("NOOP", "200 *") // before the 226
		c.data.Close()
		c.want("226 Transfer complete.")
	}

	keeps := make(chan bool, 1)
	ts = startWith(t, map[string]string{"/a": "A"}, func(srv *Server) {
		srv.readWait = time.Millisecond
		srv.observe = func(s *session, r request, _ reply) {
			if r.verb == "NOOP" {
				keeps <- s.keepsData
			}
		}
	})
	c = ts.user(t)
	c.open("PASV")
	c.ask("RETR a", "1*", "226 *")
	c.ask("NOOP", "200 *")
	c.data.Close()
	if !<-keeps {
		t.Error("a client that keeps the data connection open would be waited for again")
	}
}
