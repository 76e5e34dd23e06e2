package ftpserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The bits of what FuzzDialogue is told to do.
const (
	fuzzLogin    uint8 = 1 << iota // log in first
	fuzzMarks                      // put a command with a known answer behind each line
	fuzzExtended                   // Options.Extended
	fuzzDiscard                    // Options.KeepIncomplete is false
	fuzzTLS                        // the server has a certificate
	fuzzPieces                     // send the script in small pieces
	fuzzReset                      // reset data connections at once
	fuzzNoData                     // never open a data connection
)

// FuzzDialogue has a client send any bytes on its control connection, in one session from greeting to end. No handler
// panics. Every line is answered by exactly one final reply, in order (a transfer's or a refused login's may come
// later). After each command is armed what the table of state in docs/decisions.md says. The storage is asked for
// absolute, clean names only. Afterwards nothing is left, no goroutine and no socket.
func FuzzDialogue(f *testing.F) {
	table := loadStateTable(f)
	for _, row := range table {
		delete(row, "data") // it comes and goes by itself
	}
	f.Add([]byte(attackOfAPage), []byte{}, fuzzMarks)
	f.Add([]byte(attackOfAPage), []byte{}, fuzzLogin|fuzzMarks)
	for i, script := range fuzzScripts(f) {
		f.Add(script, []byte("one\r\ntwo\n"), fuzzLogin|fuzzMarks|fuzzExtended|uint8(i))
		f.Add(script, []byte{}, uint8(i*37))
	}
	f.Fuzz(func(t *testing.T, script, content []byte, mode uint8) {
		d := newFuzzedDialogue(script, content, mode)
		d.table, d.left.state = table, newState(false)
		d.play(t)
		d.judge(t)
	})
}

// fuzzScripts are the command lines of the recorded dialogues, those of the original among them.
func fuzzScripts(f *testing.F) (scripts [][]byte) {
	f.Helper()
	command := regexp.MustCompile(`(?m)^(?:C:|P:|[0-9]>) ?(.*)$`)
	for _, pattern := range []string{"testdata/*.txt", "../compat_test/replay/testdata/dialogue/*.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			var script []byte
			for _, m := range command.FindAllSubmatch(text, -1) {
				if script = append(append(script, m[1]...), "\r\n"...); len(script) > 2000 {
					break // mutations of long scripts are slow, and many lines hide what one does
				}
			}
			scripts = append(scripts, script)
		}
	}
	return scripts
}

// fuzzedDialogue is one session, all that was sent and all that was answered.
type fuzzedDialogue struct {
	mode    uint8
	lines   []string // as the server must cut them
	mark    string   // how the commands with a known answer begin, "" for none
	sent    []byte
	content []byte
	ts      *testServer
	conn    net.Conn
	data    sync.WaitGroup // of the client's data connections

	replies []fuzzReply
	shapes  []string // what is no reply at all

	table  stateTable
	left   snapshot // by the last command
	astray []string // where that is not what the table says
}

// observe holds what a command left behind to the table.
func (d *fuzzedDialogue) observe(s *session, r request, answered reply) {
	step := stateStep{r, answered.code, s.snapshot()}
	step.left.hasData = false
	if wrong := d.table.broken(d.left, step); wrong != "" {
		d.astray = append(d.astray, rowOf(r)+wrong)
	}
	d.left = step.left
}

type fuzzReply struct {
	code int
	text string // of the last line
}

func newFuzzedDialogue(script, content []byte, mode uint8) *fuzzedDialogue {
	d := &fuzzedDialogue{mode: mode, content: content}
	if mode&fuzzMarks != 0 {
		for d.mark = "ZZ"; bytes.Contains(bytes.ToUpper(script), []byte(d.mark)); {
			d.mark += "Z"
		}
		if len(d.mark) > 100 {
			d.mark = "" // it would make long lines itself
		}
	}
	if mode&fuzzLogin != 0 {
		d.say("USER user0")
		d.say("PASS pass0")
		d.say("TYPE I") // REST wants it
	}
	for line := range strings.SplitSeq(string(script), "\r\n") {
		d.say(line)
	}
	d.say("REIN") // ends a transfer that waits for its data connection
	d.say("QUIT")
	return d
}

// say adds a line and, maybe, a mark behind it.
func (d *fuzzedDialogue) say(line string) {
	d.lines = append(d.lines, line)
	d.sent = append(append(d.sent, line...), "\r\n"...)
	if d.mark != "" {
		d.sent = append(d.sent, d.mark+strconv.Itoa(len(d.lines))+"\r\n"...)
	}
}

// fuzzCertificate is made once: keys take time.
var fuzzCertificate = sync.OnceValue(func() *Certificate {
	dir, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	c := testCert{filepath.Join(dir, "crt"), filepath.Join(dir, "key")}
	if err := c.make("server", time.Now().Add(time.Hour)); err != nil {
		panic(err)
	}
	loaded, err := LoadCertificate(c.cert, c.key, "", slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	return loaded
})

func (d *fuzzedDialogue) server() *testServer {
	ts := &testServer{fs: newMemFS(map[string]string{"/a.txt": "AAA", "/d/b.txt": "B\nB", "/e/": ""}), log: newLogRecorder()}
	opts := Options{
		Logger: slog.New(ts.log), Login: ts.login, AnyHost: true,
		Extended: d.mode&fuzzExtended != 0, KeepIncomplete: d.mode&fuzzDiscard == 0,
		AuthDelay: time.Nanosecond, HandshakeTimeout: 20 * time.Millisecond,
	}
	if d.mode&fuzzTLS != 0 {
		opts.Certificate = fuzzCertificate()
	}
	if d.mode&fuzzNoData != 0 {
		opts.AcceptTimeout = 2 * time.Millisecond
	}
	ts.Server = New(opts)
	ts.lostGrace, ts.observe = time.Millisecond, d.observe
	ts.maxUnknown, ts.maxStrangerLog = math.MaxInt, math.MaxInt64 // or most scripts would end early
	ts.dial = func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
		if d.mode&fuzzNoData != 0 {
			return nil, errors.New("nobody there")
		}
		ours, theirs := net.Pipe()
		d.data.Go(func() { d.useData(theirs) })
		return ours, nil
	}
	return ts
}

// localConn is an end of a pipe that says it is of this host.
type localConn struct{ net.Conn }

func (localConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 21} }
func (localConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }

// play runs the session to its end, and waits until nothing of it is left.
func (d *fuzzedDialogue) play(t *testing.T) {
	before := runtime.NumGoroutine()
	d.ts = d.server()
	ours, theirs := net.Pipe()
	d.conn = theirs
	d.ts.welcome(localConn{ours}, false)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.hear()
	}()
	go d.send()
	select {
	case <-ended:
	case <-time.After(patience):
		buf := make([]byte, 1<<20)
		t.Fatalf("the session hangs after %v\n%s", d.replies, buf[:runtime.Stack(buf, true)])
	}
	d.conn.Close()
	d.data.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.ts.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := d.ts.open(); n != 0 {
		t.Errorf("%d sockets still counted", n)
	}
	for deadline := time.Now().Add(patience / 5); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if runtime.NumGoroutine() > before {
		if left := strayGoroutines(); left != "" {
			t.Errorf("goroutines left behind:\n%s", left)
		}
	}
}

func (d *fuzzedDialogue) send() {
	piece := len(d.sent)
	if d.mode&fuzzPieces != 0 {
		piece = 7
	}
	for rest := d.sent; len(rest) > 0; {
		n, err := d.conn.Write(rest[:min(piece, len(rest))])
		if err != nil {
			return
		}
		rest = rest[n:]
	}
}

var replyLine = regexp.MustCompile(`(?s)^([1-5][0-9][0-9])([- ])(.*)$`)

// hear reads replies until the server closes the connection.
func (d *fuzzedDialogue) hear() {
	in := bufio.NewReader(d.conn)
	open := "" // code of a reply of several lines
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		m := replyLine.FindStringSubmatch(line)
		switch {
		case open != "" && strings.HasPrefix(line, open+" "), open == "" && m != nil && m[2] == " ":
			open = ""
			code, _ := strconv.Atoi(line[:3])
			d.replies = append(d.replies, fuzzReply{code, line[4:]})
			if at := pasvReply.FindStringSubmatch(line); at != nil && (code == 227 || code == 229) {
				d.connect(at)
			}
		case open == "" && m != nil:
			open = m[1]
		case open == "":
			d.shapes = append(d.shapes, line)
		}
	}
}

// readLine reads to the next CR LF; a bare LF is part of the line.
func readLine(in *bufio.Reader) (string, error) {
	line := ""
	for {
		more, err := in.ReadString('\n')
		line += more
		if err != nil {
			return line, err
		}
		if text, ok := strings.CutSuffix(line, "\r\n"); ok {
			return text, nil
		}
	}
}

// connect opens a passive data connection.
func (d *fuzzedDialogue) connect(at []string) {
	if d.mode&fuzzNoData != 0 {
		return
	}
	port := at[7]
	if port == "" {
		high, _ := strconv.Atoi(at[5])
		low, _ := strconv.Atoi(at[6])
		port = strconv.Itoa(high<<8 | low)
	}
	d.data.Go(func() {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, patience)
		if err != nil {
			return // it was replaced already
		}
		d.useData(conn)
	})
}

// useData sends the content and reads what comes, whatever the transfer is. In the end it resets the connection, so
// that no port stays reserved for it.
func (d *fuzzedDialogue) useData(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	tcp, isTCP := conn.(*net.TCPConn)
	if isTCP {
		defer tcp.SetLinger(0)
	}
	if d.mode&fuzzReset != 0 {
		return
	}
	if isTCP {
		conn.Write(d.content)
		tcp.CloseWrite()
		io.Copy(io.Discard, conn)
		return
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		conn.Write(d.content)
		conn.Close() // a pipe cannot be closed on one side only
	})
	io.Copy(io.Discard, conn)
	sending.Wait()
}

// judge holds the replies to what was sent.
func (d *fuzzedDialogue) judge(t *testing.T) {
	if t.Failed() {
		return
	}
	for _, line := range d.ts.log.all() {
		if strings.Contains(line, "panic: ") {
			t.Errorf("a handler panics: %s", line)
		}
	}
	if len(d.astray) > 0 {
		t.Errorf("what is armed is not what the table says: %q", d.astray)
	}
	if len(d.shapes) > 0 {
		t.Errorf("no replies: %q", d.shapes)
	}
	for _, call := range d.ts.fs.calls {
		op, name, _ := strings.Cut(call, " ")
		if !strings.HasPrefix(name, "/") || path.Clean(name) != name {
			t.Errorf("the storage is asked to %s %q", op, name)
		}
	}
	if len(d.replies) == 0 || d.replies[0].code != 220 {
		t.Fatalf("no greeting: %v", d.replies)
	}
	tally := fuzzTally{d: d, t: t}
	for _, r := range d.replies[1:] {
		tally.take(r)
	}
	tally.end()
}

// fuzzTally counts replies against lines.
type fuzzTally struct {
	d *fuzzedDialogue
	t *testing.T

	prelims, finals, timeouts int // replies so far; timeouts are those that nobody asked for
	marks                     int
	quit, handshake, expelled bool
}

func (c *fuzzTally) take(r fuzzReply) {
	number, isMark := 0, false
	if c.d.mark != "" {
		if rest, ok := strings.CutPrefix(r.text, `Command "`+c.d.mark); ok && r.code == 500 {
			rest, isMark = strings.CutSuffix(rest, `" not understood.`)
			number, _ = strconv.Atoi(rest)
		}
	}
	switch {
	case isMark:
		c.mark(number)
	case r.code < 200:
		c.prelims++
	case r.code == 421 && strings.HasPrefix(r.text, "Passive data channel timed out"):
		c.timeouts++
	case r.code == 221:
		c.quit = true
		c.finals++
	case r.code == 234 || r.code == 421 && strings.Contains(r.text, "must wait for its reply"):
		c.handshake = true
	case r.code == serviceEnds && c.d.speaksHTTP():
		c.expelled = true
	case r.code == serviceEnds:
		c.t.Errorf("the session ends with 421 %s", r.text)
	default:
		c.expelled = c.expelled || strings.HasSuffix(r.text, "Disconnecting.")
		c.finals++
	}
}

// mark compares at the answer to the mark behind a line. One transfer and one refused login may be open; of the lines
// behind it only ABOR may be answered already.
func (c *fuzzTally) mark(number int) {
	c.marks++
	due := number
	open := min(c.prelims, 1) + c.d.count("PASS", 0, number)
	switch {
	case number != c.marks:
		c.t.Errorf("mark %d is answered as number %d: %v", number, c.marks, c.d.replies)
	case c.finals > due+c.d.count("ABOR", number, len(c.d.lines)):
		c.t.Errorf("%d final replies to the first %d lines: %v", c.finals, number, c.d.replies)
	case c.finals+c.timeouts < due-open:
		c.t.Errorf("only %d final replies to the first %d lines: %v", c.finals, number, c.d.replies)
	}
}

func (c *fuzzTally) end() {
	if c.handshake || c.expelled {
		return // how far the server had come depends on time
	}
	if !c.quit {
		c.t.Fatalf("the session ends without farewell: %v", c.d.replies)
	}
	last := len(c.d.lines)
	for i := range c.d.lines {
		if c.d.count("QUIT", i, i+1) > 0 {
			last = i + 1
			break
		}
	}
	due := last
	// A QUIT drops a transfer that waits for its data connection.
	least, most := due-min(c.prelims, 1)-c.timeouts, due+c.d.count("ABOR", last, len(c.d.lines))
	if last == len(c.d.lines) && c.timeouts == 0 {
		least = due
	}
	if c.finals < least || c.finals > most {
		c.t.Errorf("%d final replies to %d lines, want %d to %d: %v", c.finals, last, least, most, c.d.replies)
	}
}

// speaksHTTP reports whether a line may be the first of a request of HTTP.
func (d *fuzzedDialogue) speaksHTTP() bool {
	return slices.ContainsFunc(d.lines, func(line string) bool {
		word, _, _ := strings.Cut(line, " ")
		return slices.Contains(webVerbs, strings.ToUpper(decode(word)))
	})
}

// count is how many of some lines are a command; all but PASS have no argument.
func (d *fuzzedDialogue) count(verb string, from, to int) (n int) {
	for _, line := range d.lines[from:to] {
		word, arg, _ := strings.Cut(line, " ")
		word = strings.ToUpper(decode(word))
		if verb != "PASS" {
			word = strings.TrimLeftFunc(word, func(r rune) bool { return r >= 0x80 })
		}
		if word == verb && len(line) <= maxLine && (arg == "" || verb == "PASS") {
			n++
		}
	}
	return n
}
