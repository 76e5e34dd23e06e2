package ftpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// byteCounter is a file for the log.
type byteCounter struct{ n atomic.Int64 }

func (c *byteCounter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// hostileInputs are what a peer without a login may send to fill the log.
func hostileInputs() map[string]string {
	repeat := func(line string) string { // many short ones take time, few long ones write little
		size := 64 << 10
		if len(line) > 1000 {
			size = 512 << 10
		}
		return strings.Repeat(line, size/len(line))
	}
	longName := "USER " + strings.Repeat("\x01", 2000) + "\r\n"
	return map[string]string{
		"names":                longName + repeat(longName),
		"short names":          repeat("USER x\r\n"),
		"too long lines":       longName + repeat(strings.Repeat("x", 3000)+"\r\n"),
		"unknown":              longName + repeat("XYZZY\r\n"),
		"empty lines":          longName + repeat("\r\n"),
		"unknown, of any byte": longName + repeat(strings.Repeat("\xff\x01", 1000)+"\r\n"),
		"REIN":                 longName + repeat("REIN\r\n"),
		"refused":              longName + repeat("DELE "+strings.Repeat("\x01", 2000)+"\r\n"),
		"short refused":        longName + repeat("RMD x\r\n"),
		"harmless":             longName + repeat("NOOP\r\nHELP\r\nFEAT\r\n"),
		"passwords":            repeat(longName + "PASS x\r\n"),
		"passwords alone":      repeat("PASS x\r\n"),
		"AUTH in plain":        longName + repeat("AUTH TLS\r\n"),
		"AUTH of another kind": longName + repeat("AUTH x\r\n"),
		"broken handshake":     "AUTH TLS\r\n",
		"protocols":            "AUTH TLS\r\n", // offered in the handshake
	}
}

// TestStrangersWriteLittle: user names stood before every line of the log, each byte as four, so that one connection
// without a login wrote 97 MB/s. Whatever such a connection sends, it makes less than 1 MiB of log, at DEBUG as well.
func TestStrangersWriteLittle(t *testing.T) {
	t.Parallel()
	for kind, input := range hostileInputs() {
		for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
			t.Run(kind+" "+level.String(), func(t *testing.T) {
				t.Parallel()
				log := &byteCounter{}
				ts, _ := startTLS(t, nil, func(o *Options) {
					o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level, AddSource: true}))
					o.HandshakeTimeout = 100 * time.Millisecond
					o.MaxLogins = 100 // as much as the conf lets
				})
				ts.overwhelm(t, kind, input)
				t.Logf("%d bytes sent, %d bytes of log", len(input), log.n.Load())
				if n := log.n.Load(); n > 1<<20 || n == 0 {
					t.Errorf("%d bytes of log", n)
				}
			})
		}
	}
}

// overwhelm sends all of the input, unless the server ends the session before, and waits until the session is gone.
func (ts *testServer) overwhelm(t *testing.T, kind, input string) {
	conn, err := net.Dial("tcp", ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * patience))
	if kind == "protocols" {
		offerMuch(conn, input)
	}
	go func() {
		io.WriteString(conn, input)
		if kind == "broken handshake" {
			time.Sleep(50 * time.Millisecond) // or it lies behind AUTH in plain
			io.WriteString(conn, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
		}
		conn.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(io.Discard, conn)
	waitFor(t, "the session's end", func() bool {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		return len(ts.sessions) == 0
	})
}

// offerMuch begins a handshake that offers many protocols, of which none is FTP.
func offerMuch(conn net.Conn, auth string) {
	io.ReadFull(conn, make([]byte, len("220 Welcome to COS FTP Service\r\n")))
	io.WriteString(conn, auth)
	io.ReadFull(conn, make([]byte, len("234 AUTH TLS successful.\r\n")))
	var protocols []string
	for i := range 60 {
		protocols = append(protocols, fmt.Sprint(i)+strings.Repeat("\xff", 250))
	}
	tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}).Handshake()
	conn.(*net.TCPConn).CloseWrite()
}

// TestNamesInTheLog: an ordinary user name stands in front of each line, a long one is cut there, and told where it is
// refused.
func TestNamesInTheLog(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.connect(t)
	c.want("220 *")
	for name, want := range map[string]string{
		strings.Repeat("n", 32):                               strings.Repeat("n", 32),
		strings.Repeat("n", 33):                               strings.Repeat("n", 32) + "…",
		strings.Repeat("名", 32) + "\x01":                      strings.Repeat("名", 32) + "…",
		strings.Repeat("\xff", 40):                            strings.Repeat("\ufffd", 32) + "…",
		"a\nUSER 'root' logged in." + strings.Repeat(".", 99): `a\x0aUSER 'root' logged in......` + "*…",
	} {
		c.ask("USER "+name, "331 *")
		c.ask("CWD x", "530 *")
		if pattern := "INFO *-[" + want + "] CWD x 530 *"; !ts.log.has(pattern) {
			t.Errorf("USER %q: no line %q: %q", name, pattern, ts.log.all())
		}
	}
	c.ask("USER "+strings.Repeat("N", 2000), "331 *")
	c.ask("PASS x", "530 *")
	if !ts.log.has("INFO *-[] USER '" + strings.Repeat("N", longestName) + "…' failed login.") {
		t.Errorf("the refused name is not told: %q", ts.log.all())
	}
}

// TestUnknownCommandsEndAStrangersSession: the twenty-first line that is no command is the last one before a login;
// behind a login there is no limit.
func TestUnknownCommandsEndAStrangersSession(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"XYZZY secret", "", strings.Repeat("x", 3000), "\xff\xfe"} {
		ts := start(t, nil)
		c := ts.connect(t)
		c.want("220 *")
		for range maxUnknown {
			c.ask(line, "500 *")
			c.ask("NOOP", "200 *")
		}
		c.ask(line, "421 Too many unknown commands before login. Closing control connection.", "(closed)")
		if n := ts.log.count("WARN *Too many unknown commands before login."); n != 1 {
			t.Errorf("%s: %d lines in the log: %q", short(line), n, ts.log.all())
		}
		if ts.log.has("*secret*") {
			t.Errorf("what was sent is in the log: %q", ts.log.all())
		}
		user := ts.user(t)
		for range maxUnknown + 1 {
			user.ask(line, "500 *")
		}
		user.ask("REIN", "230 *") // which gives no more than a new connection has
		for range maxUnknown {
			user.ask(line, "500 *")
		}
		user.ask(line, "421 *", "(closed)")
	}
}

// TestRefusedCommandsEndAStrangersSession: each of them is a line in the log, as in the original.
func TestRefusedCommandsEndAStrangersSession(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.connect(t)
	c.want("220 *")
	refused := 0
	for reply := ""; reply != "(closed)"; refused++ {
		c.send("RMD x")
		if reply = c.line(); strings.HasPrefix(reply, "421 ") {
			c.want("(closed)")
			break
		}
		if refused > maxStrangerLog/80 {
			t.Fatalf("%d refused commands, and the session goes on", refused)
		}
	}
	if refused < 100 {
		t.Errorf("the session ends after %d refused commands", refused)
	}
	if n := ts.log.count("WARN *Too many commands before login."); n != 1 {
		t.Errorf("%d lines say why", n)
	}
	if !slog.New(ts.log).Enabled(context.Background(), slog.LevelDebug) {
		t.Error("the lines of DEBUG do not count here")
	}
}

// TestRefusedLoginIsAlwaysLogged: a session that ended during the delay of a refused login took its line in the log with
// it, so that fail2ban did not see the passwords that were tried.
func TestRefusedLoginIsAlwaysLogged(t *testing.T) {
	t.Parallel()
	for how, end := range map[string]func(c *client){
		"unknown commands": func(c *client) { c.sendRaw(strings.Repeat("X\r\n", maxUnknown+1)) },
		"HTTP":             func(c *client) { c.send("GET / HTTP/1.1") },
		"shutdown":         func(c *client) { c.ts.stop(c.t) },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			refused := make(chan struct{})
			ts := start(t, nil, func(o *Options) {
				o.AuthDelay = 2 * patience
				o.Login = func(context.Context, Attempt) *Account { close(refused); return nil }
			})
			c := ts.connect(t)
			c.want("220 *")
			c.ask("USER guessed", "331 *")
			c.send("PASS wrong")
			<-refused
			end(c)
			waitFor(t, "the session's end", func() bool { return ts.log.has("*FTP session closed*") })
			if n := ts.log.count("INFO *-[] USER 'guessed' failed login."); n != 1 {
				t.Errorf("the refused login is in the log %d times: %q", n, ts.log.all())
			}
		})
	}
}
