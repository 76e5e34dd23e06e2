package ftpserver

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCutOffLineIsNotExecuted: ftpserverlib runs "DELE /b.txt" when the connection breaks inside
// "DELE /b.txt.bak".
func TestCutOffLineIsNotExecuted(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*client){
		"end of stream": func(c *client) { c.conn.(*net.TCPConn).CloseWrite(); c.want("(closed)") },
		"reset":         func(c *client) { c.conn.(*net.TCPConn).SetLinger(0); c.conn.Close() },
		"idle":          func(c *client) { c.want("421 Control connection timed out.", "(closed)") },
	} {
		t.Run(name, func(t *testing.T) {
			ts := start(t, map[string]string{"/b.txt": "b", "/b.txt.bak": "bak"},
				func(o *Options) { o.IdleTimeout = lull })
			c := ts.user(t)
			c.sendRaw("DELE /b.txt")
			end(c)
			waitFor(t, "the session's end", func() bool { return ts.log.has("INFO *FTP session closed (disconnect).") })
			c.wantObject("/b.txt", "b")
		})
	}
}

// TestDrippingClientIsCut: bytes that never make a line do not keep a session alive.
func TestDrippingClientIsCut(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.IdleTimeout = 60 * time.Millisecond })
	c := ts.connect(t)
	c.want("220 *")
	drip := time.NewTicker(10 * time.Millisecond)
	defer drip.Stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c.want("421 Control connection timed out.", "(closed)")
	}()
	for {
		select {
		case <-drip.C:
			c.conn.Write([]byte("A"))
		case <-gone:
			return
		}
	}
}

// TestPipedScriptRuns: a client that sends its commands and half-closes gets every answer.
func TestPipedScriptRuns(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.connect(t)
	c.sendRaw("USER user0\r\nPASS pass0\r\nMKD x\r\nDELE a\r\nPWD\r\nDELE b")
	c.conn.(*net.TCPConn).CloseWrite()
	c.want("220 *", "331 *", "230 *", `257 "/x" directory created.`, "250 File removed.", `257 "/" *`, "(closed)")
}

// TestPipelinedRepliesStayInOrder: ftpserverlib's replies race with each other.
func TestPipelinedRepliesStayInOrder(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.user(t)
	for round := range 50 {
		c.open("PASV")
		var batch strings.Builder
		batch.WriteString("RETR missing\r\n")
		for i := range 8 {
			fmt.Fprintf(&batch, "XX%d\r\n", i)
		}
		batch.WriteString("RETR a\r\nRETR missing\r\nFOO\r\nPWD\r\nNOOP\r\n")
		c.sendRaw(batch.String())
		c.want("550 *")
		for i := range 8 {
			c.want(fmt.Sprintf(`500 Command "XX%d" not understood.`, i))
		}
		c.want("1*", "226 *", "550 *", `500 Command "FOO" *`, "257 *", "200 *")
		if got := c.receive(); got != "A" {
			t.Fatalf("round %d: got %q", round, got)
		}
	}
}

// TestLongLine: the line is refused once, and nothing else is lost. In the original its rest is answered as well, so
// that every later reply is taken for that of the command before it.
func TestLongLine(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	c.ask("CWD "+strings.Repeat("A", 3000), "500 Command too long.")
	c.ask("PWD", "257 *")
	c.ask("CWD "+strings.Repeat("A", 2040), "550 No such file or directory.")
	c.ask("CWD "+strings.Repeat("A", 100_000), "500 Command too long.")
	if !ts.log.has("WARN *-[user0] Command too long.") {
		t.Error("not logged")
	}
}

// TestReplyAfterIdleTimeoutIsNotLost: in ftpserverlib one deadline covers reading a command and answering it.
func TestReplyAfterIdleTimeoutIsNotLost(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"}, func(o *Options) { o.IdleTimeout = lull })
	slow := func(_ context.Context, op, _ string) error {
		if op == "rename" || op == "close" {
			<-time.After(lull * 5 / 4)
		}
		return nil
	}
	ts.fs.setFault(slow)
	c := ts.user(t)
	c.ask("RNFR a", "350 *")
	c.ask("RNTO b", "250 Renaming ok.")
	c.open("PASV")
	c.ask("STOR up", "1*")
	c.ask("NOOP", "200 *")
	c.data.Close()
	c.want("226 Transfer complete.")
	c.wantObject("/up", "")
}

// TestCommandsDuringTransfer: the reader never waits for a transfer, so ABOR is heard after other commands.
func TestCommandsDuringTransfer(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/dir/x": "x", "/f": "F"})
	c := ts.user(t)
	c.begin("up", strings.Repeat("u", 100))
	c.ask("NOOP", "200 *")
	c.ask("PWD", "257 *")
	c.ask("CWD dir", "250 *")
	c.ask("SIZE x", "213 1")
	c.ask("DELE /f", "250 *")
	c.ask("TYPE A", "200 *")
	c.ask("ABOR", "426 Transfer aborted via ABOR.", "226 ABOR command successful.")
	c.wantObject("/up", strings.Repeat("u", 100))
	if !ts.log.has("INFO *-[user0] STOR up completed=0 bytes=100 seconds=*") ||
		!ts.log.has("INFO *-[user0] Transfer aborted via ABOR.") {
		t.Error("abort is not in the log")
	}
}

// TestSecondTransferWaits: in the original a second STOR takes over the data connection of the first, whose
// bytes vanish.
func TestSecondTransferWaits(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.user(t)
	c.begin("first", "one")
	c.sendRaw("STOR second\r\nNOOP\r\nPASV\r\n")
	c.ask("ABOR", "426 *", "226 *", "150 *", "200 *")
	c.wantObject("/first", "one")
	c.dialData(c.passiveAddress(c.line()))
	c.sendData("two")
	c.data.Close()
	c.want("226 *")
	c.wantObject("/second", "two")
}

func TestPasvWaitsForRunningTransfer(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	c.begin("first", "one")
	c.sendRaw("PASV\r\nPWD\r\n")
	c.data.Close()
	c.want("226 *", "227 *", "257 *")
	c.wantObject("/first", "one")
}

// TestQueueIsBounded: what a client sends during a transfer beyond the queue waits in the network, and comes.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	c.begin("up", "u")
	const many = 10 * maxPending
	c.sendRaw("RETR missing\r\n" + strings.Repeat("NOOP\r\n", many))
	c.data.Close()
	c.want("226 *", "550 *")
	for range many {
		c.want("200 *")
	}
}

// TestUrgentAbor: Telnet's IP and Synch, as RFC 959 wants it, and all of the line as urgent data, as Python's
// ftplib sends it.
func TestUrgentAbor(t *testing.T) {
	t.Parallel()
	for name, pieces := range map[string][2]string{
		"synch":      {"\xff\xf4\xff", "\xf2"},
		"whole line": {"", "ABOR\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ts := start(t, nil)
			c := ts.user(t)
			c.begin("up", "urgent")
			c.sendRaw(pieces[0])
			raw, err := c.conn.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			var sent error
			raw.Write(func(fd uintptr) bool {
				sent = syscall.Sendto(int(fd), []byte(pieces[1]), syscall.MSG_OOB, nil)
				return sent != syscall.EAGAIN
			})
			if sent != nil {
				t.Fatal(sent)
			}
			if name == "synch" {
				c.send("ABOR")
			}
			c.want("426 *", "226 *")
			c.ask("NOOP", "200 *")
			c.wantObject("/up", "urgent")
		})
	}
}

// TestPanicEndsOneSessionOnly: in ftpserverlib a panic leaves handles and data connections open, or kills the
// process.
func TestPanicEndsOneSessionOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ op, command string }{
		{"stat", "CWD dir"}, {"list", "LIST"}, {"open", "RETR a"}, {"create", "STOR up"},
		{"read", "RETR a"}, {"write", "STOR up"}, {"close", "STOR up"}, {"remove", "DELE a"},
	} {
		t.Run(test.op, func(t *testing.T) {
			ts := start(t, map[string]string{"/a": "A"})
			other := ts.user(t)
			c := ts.user(t)
			ts.fs.setFault(func(_ context.Context, op, _ string) error {
				if op == test.op {
					panic("storage lost its mind")
				}
				return nil
			})
			c.open("PASV")
			c.send(test.command)
			if strings.HasPrefix(test.command, "STOR") && test.op != "create" {
				c.want("1*")
				c.sendData("x")
				c.data.(*net.TCPConn).CloseWrite()
			} else if test.op == "read" {
				c.want("1*")
			}
			c.want("421 Service not available, closing control connection.", "(closed)")
			other.ask("NOOP", "200 *")
			if _, there := ts.fs.content("/up"); there {
				t.Error("an upload was committed")
			}
			if !ts.log.has("ERROR *panic: storage lost its mind*") {
				t.Error("not in the log")
			}
			waitFor(t, "the data connection to be released", func() bool { return ts.open() == 2 })
		})
	}
}

// slowAddr is a connection whose RemoteAddr takes long, as one behind a PROXY header may.
type slowAddr struct {
	net.Conn
	known chan struct{}
}

func (c slowAddr) RemoteAddr() net.Addr { <-c.known; return c.Conn.RemoteAddr() }

type slowListener struct {
	net.Listener
	first chan struct{}
	n     int
}

func (l *slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	l.n++
	if err == nil && l.n == 1 {
		return slowAddr{c, l.first}, nil
	}
	return c, err
}

// TestSlowClientDoesNotHoldUpAccepting: ftpserverlib asks for the address in its accept loop.
func TestSlowClientDoesNotHoldUpAccepting(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	known := make(chan struct{})
	go ts.Serve(&slowListener{Listener: ln, first: known})
	ts.addr = ln.Addr().String()
	slow := ts.connect(t)
	ts.user(t).ask("NOOP", "200 *")
	close(known)
	slow.want("220 *")
}

// TestBlockedStorageStopsNobodyElse: the original serves all on one thread.
func TestBlockedStorageStopsNobodyElse(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	release := make(chan struct{})
	ts.fs.setFault(func(ctx context.Context, op, name string) error {
		if name == "/slow" {
			<-release
		}
		return nil
	})
	slow, other := ts.user(t), ts.user(t)
	slow.send("CWD slow")
	other.ask("NOOP", "200 *")
	other.ask("CWD missing", "550 *")
	close(release)
	slow.want("550 *")
}

func TestQuitDuringTransfer(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		ts := startWith(t, nil, func(s *Server) { s.lostGrace = lull }, func(o *Options) { o.KeepIncomplete = keep })
		c := ts.user(t)
		c.begin("up", "before")
		c.ask("QUIT", "221 Goodbye.")
		c.conn.(*net.TCPConn).CloseWrite()
		c.sendData(" and after")
		c.data.Close()
		c.want("226 Transfer complete.", "(closed)")
		c.wantObject("/up", "before and after")
	}
}

// TestQuitWaitsForDataConnection: a transfer that was promised is not lost because QUIT came quickly.
func TestQuitWaitsForDataConnection(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.user(t)
	addr := c.listen("PASV")
	c.ask("RETR a", "150 *")
	c.ask("QUIT", "221 *")
	c.dialData(addr)
	if got := c.receive(); got != "A" {
		t.Errorf("got %q", got)
	}
	c.want("226 *", "(closed)")
}

func TestIdleTimeouts(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.IdleTimeout = lull })
	before := ts.connect(t)
	before.want("220 *", "421 Control connection timed out.", "(closed)")
	c := ts.user(t)
	c.want("421 Control connection timed out.", "(closed)")
	if !ts.log.has("INFO *-[user0] Control connection timed out.") {
		t.Error("not in the log")
	}
}
