package ftpserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDialogues runs testdata/*.txt, conversations anyone can read and add to. A line is one of
//
//	C: a command the client sends (\r \n \t \xNN as in Go strings)
//	S: a line the server answers, * standing for anything; (closed) for the end of the connection
//	P: open a passive data connection with this command
//	A: open an active data connection with this command, PORT or EPRT
//	T: begin TLS on the control connection with this command, or end it with CCC
//	D> what the client sends as data, then closing the data connection
//	D< what the client receives as data, to its end
//	F: a file there before, /name = content; a name with / at its end is a directory
//	O: a file that must be there now, /name = content, or /name missing
//	U: log in as this user on a new connection (binary mode is not set)
//	N: a new connection, the greeting read
//	L: a log line that must be there now, "LEVEL ip:port-[user] message", * standing for anything
//	K: discard (interrupted uploads are discarded, not kept)
//	X: extended (the commands and patterns that the original does not know)
//	Y: unix (lines of LIST in the form of ls -l)
//	Z: FTPS (the server has a certificate)
//	#: a remark
func TestDialogues(t *testing.T) {
	t.Parallel()
	for _, file := range fixtures(t, "*.txt") {
		t.Run(strings.TrimSuffix(path.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runDialogue(t, file, b)
		})
	}
}

func runDialogue(t *testing.T, file string, script []byte) {
	files := map[string]string{}
	keep, extended, unix, secure := true, false, false, false
	for line := range bytes.Lines(script) {
		kind, arg := directive(t, file, string(line))
		switch kind {
		case "F:":
			name, content, _ := strings.Cut(arg, " = ")
			files[name] = content
		case "K:":
			keep = false
		case "X:":
			extended = true
		case "Y:":
			unix = true
		case "Z:":
			secure = true
		}
	}
	change := func(o *Options) { o.KeepIncomplete, o.Extended, o.UnixListing = keep, extended, unix }
	d := &dialogue{}
	if secure {
		d.ts, d.trust = startTLS(t, files, change)
	} else {
		d.ts = start(t, files, change)
	}
	number := 0
	for line := range bytes.Lines(script) {
		number++
		kind, arg := directive(t, file, string(line))
		name := file + ":" + strconv.Itoa(number)
		if !t.Run(name, func(t *testing.T) { d.step(t, kind, arg) }) {
			t.Fatalf("%s: %s%s", name, kind, arg)
		}
	}
	if d.c != nil {
		d.c.close()
	}
}

// directive takes a line of a dialogue apart.
func directive(t *testing.T, file, line string) (kind, arg string) {
	line = strings.TrimRight(line, "\r\n")
	if line == "" || strings.HasPrefix(line, "#") {
		return "#", ""
	}
	if len(line) < 2 {
		t.Fatalf("%s: cannot read %q", file, line)
	}
	kind, arg = line[:2], strings.TrimPrefix(line[2:], " ")
	if strings.Contains(arg, `\`) {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(arg, `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%s: %q: %v", file, line, err)
		}
		arg = text
	}
	return kind, arg
}

type dialogue struct {
	ts    *testServer
	c     *client
	trust *tls.Config
}

func (d *dialogue) step(t *testing.T, kind, arg string) {
	if d.c != nil {
		d.c.t = t
	}
	switch kind {
	case "#", "F:", "K:", "X:", "Y:", "Z:":
	case "N:", "U:":
		if d.c != nil {
			d.c.close()
		}
		d.c = d.dial(t)
		d.c.want("220 Welcome to COS FTP Service")
		if kind == "U:" {
			d.c.login(arg)
		}
	case "C:":
		d.c.send(arg)
	case "S:":
		d.c.want(arg)
	case "P:":
		d.c.open(arg)
	case "A:":
		d.c.openActive(arg)
	case "T:":
		if arg == "CCC" {
			d.c.ask(arg, "200 CCC command successful, control connection is clear.")
			d.c.clear()
			return
		}
		d.c.ask(arg, "234 "+arg+" successful.")
		d.c.handshake(d.trust)
	case "D>":
		d.c.sendData(arg)
		d.c.data.Close()
	case "D<":
		if got := d.c.receive(); !matches(arg, got) {
			t.Errorf("got data %q, want %q", got, arg)
		}
	case "O:":
		d.object(t, arg)
	case "L:":
		if !d.ts.log.has(arg) {
			t.Errorf("no log line %q in\n%s", arg, strings.Join(d.ts.log.all(), "\n"))
		}
	default:
		t.Fatalf("unknown directive %q", kind)
	}
}

// openActive makes an active data connection.
func (c *client) openActive(command string) {
	c.t.Helper()
	listener, line := c.activeLine(command)
	defer listener.Close()
	c.ask(line, "200 Active data connection established.")
	conn, err := listener.Accept()
	if err != nil {
		c.t.Fatal(err)
	}
	if c.data != nil {
		c.data.Close()
	}
	c.data = conn
}

// activeLine is a PORT or EPRT with the address of a listener.
func (c *client) activeLine(command string) (listener net.Listener, line string) {
	c.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if command == "EPRT" {
		return listener, fmt.Sprintf("EPRT |1|127.0.0.1|%d|", port)
	}
	return listener, fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff)
}

// clear goes on in plain behind CCC.
func (c *client) clear() {
	c.t.Helper()
	secured := c.conn.(*tls.Conn)
	if _, err := io.ReadAll(c.r); err != nil {
		c.t.Fatal(err)
	}
	secured.CloseWrite()
	c.conn = secured.NetConn()
	c.conn.SetDeadline(time.Time{}) // CloseWrite set one
	c.r = bufio.NewReader(c.conn)
}

// dial connects without tying the connection to the end of one step's test.
func (d *dialogue) dial(t *testing.T) *client {
	c := d.ts.connectUntied(t)
	c.t = t
	return c
}

func (d *dialogue) object(t *testing.T, arg string) {
	if name, ok := strings.CutSuffix(arg, " missing"); ok {
		if got, there := d.ts.fs.content(name); there {
			t.Errorf("%s is there: %s", name, short(got))
		}
		return
	}
	name, content, _ := strings.Cut(arg, " = ")
	d.c.wantObject(name, content)
}

// TestEveryCommandHasADialogue: in some dialogue each command does what it is for, and in some it is refused.
func TestEveryCommandHasADialogue(t *testing.T) {
	t.Parallel()
	done, refused := map[string]bool{"USER": true, "PASS": true}, map[string]bool{} // U: logs in
	for _, file := range fixtures(t, "*.txt") {
		script, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		verb := ""
		for line := range bytes.Lines(script) {
			kind, arg := directive(t, file, string(line))
			words := strings.Fields(arg)
			switch {
			case kind == "S:" && verb != "":
				into := done
				if arg[0] == '4' || arg[0] == '5' {
					into = refused
				}
				into[verb] = true
				verb = ""
			case len(words) == 0:
			case kind == "C:":
				if verb = strings.ToUpper(words[0]); verb == "SITE" && len(words) > 1 {
					verb += " " + strings.ToUpper(words[1])
				}
			case kind == "P:" || kind == "A:" || kind == "T:":
				done[words[0]] = true
			}
		}
	}
	for verb, c := range commandTable(true, true) {
		if !done[verb] && verb != "SITE" && !c.web {
			t.Errorf("%s succeeds in no dialogue", verb)
		}
		if !refused[verb] && (c.argument == argumentRequired || c.perm != 0) {
			t.Errorf("%s is refused in no dialogue", verb)
		}
	}
}
