package ftpserver

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for what must come, also on a machine that does much else.
const patience = 30 * time.Second

// lull is a timeout of the server that a test awaits. A busy machine keeps a test, which must do something in less, not
// waiting for so long.
const lull = 2 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	if left := strayGoroutines(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// strayGoroutines are the stacks of this package's goroutines that do not end in time.
func strayGoroutines() string {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		var stray []string
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "/ftpserver.(*") {
				stray = append(stray, g)
			}
		}
		if len(stray) == 0 || time.Now().After(deadline) {
			return strings.Join(stray, "\n\n")
		}
	}
}

// waitFor polls until a condition holds that nothing announces.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// logRecorder keeps log lines as "LEVEL ip:port-[user] message".
type logRecorder struct {
	mu    *sync.Mutex
	lines *[]string
	attrs string
}

func newLogRecorder() logRecorder { return logRecorder{mu: new(sync.Mutex), lines: new([]string)} }

func (l logRecorder) Enabled(context.Context, slog.Level) bool { return true }
func (l logRecorder) WithGroup(string) slog.Handler            { return l }
func (l logRecorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		l.attrs = " " + a.Value.String()
	}
	return l
}

func (l logRecorder) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.lines = append(*l.lines, r.Level.String()+l.attrs+" "+r.Message)
	return nil
}

func (l logRecorder) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), *l.lines...)
}

// has reports whether a line matches a pattern in which * stands for anything.
func (l logRecorder) has(pattern string) bool { return l.count(pattern) > 0 }

// count is how many lines match a pattern.
func (l logRecorder) count(pattern string) (n int) {
	for _, line := range l.all() {
		if matches(pattern, line) {
			n++
		}
	}
	return n
}

// matches compares with a pattern in which * stands for anything.
func matches(pattern, text string) bool {
	re := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
	return regexp.MustCompile(re).MatchString(text)
}

type testServer struct {
	*Server
	addr string
	fs   *memFS
	log  logRecorder
	done chan error // what Serve returned
	wrap atomic.Pointer[func(FileSystem) FileSystem]
}

// setWrap puts something around the FileSystem of the logins to come.
func (ts *testServer) setWrap(wrap func(FileSystem) FileSystem) { ts.wrap.Store(&wrap) }

// start runs a server with the accounts user0 (RW), user1 (RW, no delete), user2 (R) and user3 (W), whose
// passwords are pass0 and so on, all on one FileSystem. It must be gone, sockets and all, when the test ends.
func start(t *testing.T, files map[string]string, change ...func(*Options)) *testServer {
	t.Helper()
	return startWith(t, files, func(*Server) {}, change...)
}

// startWith is start with the Server changed before it serves.
func startWith(t *testing.T, files map[string]string, prepare func(*Server), change ...func(*Options)) *testServer {
	t.Helper()
	ts := &testServer{fs: newMemFS(files), log: newLogRecorder(), done: make(chan error, 1)}
	opts := Options{Logger: slog.New(ts.log), AuthDelay: time.Millisecond, KeepIncomplete: true, Login: ts.login}
	for _, edit := range change {
		edit(&opts)
	}
	ts.Server = New(opts)
	ts.now = func() time.Time { return time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC) }
	ts.lostGrace = 20 * time.Millisecond
	ts.readWait = 10 * time.Millisecond
	prepare(ts.Server)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ts.addr = ln.Addr().String()
	go func() { ts.done <- ts.Serve(ln) }()
	t.Cleanup(func() { ts.stop(t) })
	return ts
}

func (ts *testServer) login(_ context.Context, a Attempt) *Account {
	n, ok := strings.CutPrefix(a.User, "user")
	if !ok || a.Password != "pass"+n || len(n) != 1 || n > "3" {
		return nil
	}
	var files FileSystem = ts.fs
	if wrap := ts.wrap.Load(); wrap != nil {
		files = (*wrap)(files)
	}
	perm := map[string]string{"2": "elr", "3": "adfmwMT"}
	return &Account{Name: a.User, Home: "/home/" + a.User, FS: files,
		Perm: cmp.Or(perm[n], "elradfmwMT"), Delete: n != "1"}
}

func (ts *testServer) stop(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := ts.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := ts.open(); n != 0 {
		t.Errorf("%d sockets still counted after shutdown", n)
	}
	for _, line := range ts.log.all() {
		if strings.Contains(line, "pass0") {
			t.Errorf("password in the log: %s", line)
		}
	}
}

func (ts *testServer) open() int { return ts.sockets.Open() }

// client is a raw FTP client.
type client struct {
	t    *testing.T
	ts   *testServer
	conn net.Conn
	r    *bufio.Reader
	data net.Conn
}

func (ts *testServer) connect(t *testing.T) *client {
	t.Helper()
	c := ts.connectUntied(t)
	t.Cleanup(c.close)
	return c
}

// connectUntied makes a connection that the caller closes.
func (ts *testServer) connectUntied(t *testing.T) *client {
	t.Helper()
	conn, err := net.Dial("tcp", ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, ts: ts, conn: conn, r: bufio.NewReader(conn)}
}

// user logs in as user0 in binary mode.
func (ts *testServer) user(t *testing.T) *client {
	t.Helper()
	c := ts.connect(t)
	c.want("220 *")
	c.login("user0")
	c.ask("TYPE I", "200 *")
	return c
}

func (c *client) login(user string) {
	c.t.Helper()
	c.ask("USER "+user, "331 *")
	c.ask("PASS pass"+user[len(user)-1:], "230 *")
}

func (c *client) close() {
	c.conn.Close()
	if c.data != nil {
		c.data.Close()
	}
}

func (c *client) send(line string) { c.sendRaw(line + "\r\n") }

func (c *client) sendRaw(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatalf("send %q: %v", s, err)
	}
}

// line reads one line of a reply; "(closed)" when the server closed the connection.
func (c *client) line() string {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	line, err := c.r.ReadString('\n')
	if err != nil {
		if line == "" && !errors.Is(err, os.ErrDeadlineExceeded) {
			return "(closed)"
		}
		c.t.Fatalf("reading a reply: %q, %v", line, err)
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return line
	}
	return text
}

// want reads one line for each pattern.
func (c *client) want(patterns ...string) {
	c.t.Helper()
	for _, p := range patterns {
		if got := c.line(); !matches(p, got) {
			c.t.Fatalf("got reply %q, want %q", got, p)
		}
	}
}

func (c *client) ask(line string, patterns ...string) {
	c.t.Helper()
	c.send(line)
	for _, p := range patterns {
		if got := c.line(); !matches(p, got) {
			c.t.Fatalf("%q: got reply %q, want %q", line, got, p)
		}
	}
}

var pasvReply = regexp.MustCompile(`\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)|\|\|\|(\d+)\|`)

// listen opens a passive port and returns its address.
func (c *client) listen(command string) string {
	c.t.Helper()
	c.send(command)
	return c.passiveAddress(c.line())
}

func (c *client) passiveAddress(line string) string {
	c.t.Helper()
	m := pasvReply.FindStringSubmatch(line)
	if m == nil {
		c.t.Fatalf("no passive address in %q", line)
	}
	if m[7] != "" {
		host, _, _ := net.SplitHostPort(c.ts.addr)
		return net.JoinHostPort(host, m[7])
	}
	high, _ := strconv.Atoi(m[5])
	low, _ := strconv.Atoi(m[6])
	return fmt.Sprintf("%s.%s.%s.%s:%d", m[1], m[2], m[3], m[4], high<<8|low)
}

// open makes a passive data connection.
func (c *client) open(command string) {
	c.t.Helper()
	c.dialData(c.listen(command))
}

func (c *client) dialData(addr string) {
	c.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.data != nil {
		c.data.Close()
	}
	c.data = conn
}

// receive reads the data connection to its end.
func (c *client) receive() string {
	c.t.Helper()
	c.data.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c.data)
	if err != nil {
		c.t.Fatalf("data connection: %v after %d bytes", err, len(b))
	}
	return string(b)
}

func (c *client) sendData(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.data, s); err != nil {
		c.t.Fatalf("data connection: %v", err)
	}
}

// retr fetches a file or listing over a new passive connection.
func (c *client) retr(command string) string {
	c.t.Helper()
	c.open("PASV")
	c.ask(command, "1*")
	got := c.receive()
	c.want("226 Transfer complete.")
	return got
}

// stor uploads over a new passive connection and returns the final reply.
func (c *client) stor(command, content string) string {
	c.t.Helper()
	c.open("PASV")
	c.ask(command, "1*")
	c.sendData(content)
	c.data.Close()
	return c.line()
}

// begin starts an upload, sends something, and waits until the server has it.
func (c *client) begin(name, content string) {
	c.t.Helper()
	c.open("PASV")
	c.ask("STOR "+name, "1*")
	c.sendData(content)
	want := fmt.Sprintf(" Total bytes received: %d", len(content))
	waitFor(c.t, "the upload's bytes", func() bool {
		found := false
		c.send("STAT")
		for line := c.line(); line != "211 End of status."; line = c.line() {
			found = found || line == want
		}
		return found
	})
}

func (c *client) resetData() {
	c.data.(*net.TCPConn).SetLinger(0)
	c.data.Close()
}

func (c *client) wantObject(name, content string) {
	c.t.Helper()
	if got, ok := c.ts.fs.content(name); !ok || got != content {
		c.t.Errorf("%s holds %s (there: %v), want %s", name, short(got), ok, short(content))
	}
}

func short(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%q and %d bytes more", s[:60], len(s)-60)
	}
	return strconv.Quote(s)
}

func fixtures(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if ok, _ := path.Match(pattern, f.Name()); ok {
			found = append(found, path.Join("testdata", f.Name()))
		}
	}
	if len(found) == 0 {
		t.Fatalf("no %s in testdata", pattern)
	}
	return found
}
