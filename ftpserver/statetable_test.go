package ftpserver

import (
	"crypto/tls"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// snapshot is what commands have left behind.
type snapshot struct {
	state
	loggedIn bool
	hasData  bool // a data connection that no transfer runs on, on whatever way it is
}

func (s *session) snapshot() snapshot {
	return snapshot{s.state, s.account != nil, s.passive != nil || s.dial != nil || s.ready != nil}
}

// piece is a column of the table of state.
type piece struct {
	name string
	of   func(snapshot) any
	// ends says that it does not outlive the next command, unless that leaves it: a refusal ends it as well.
	ends bool
}

var statePieces = []piece{
	{"REST RANG", func(s snapshot) any { return [2]int64{s.rest, s.until} }, true},
	{"RNFR", func(s snapshot) any { return s.from }, true},
	{"data", func(s snapshot) any { return s.hasData }, false},
	{"EPSV ALL", func(s snapshot) any { return s.epsvOnly }, false},
	{"TYPE", func(s snapshot) any { return s.ascii }, false},
	{"login", func(s snapshot) any { return s.loggedIn }, false},
	{"PROT", func(s snapshot) any { return [2]bool{s.sized, s.private} }, false},
	{"OPTS", func(s snapshot) any { return [3]any{s.utf8, s.facts, s.hashing} }, false},
	{"directory", func(s snapshot) any { return s.cwd }, false},
}

// stateTable is the table in docs/decisions.md: by command and piece, what the command does to it.
type stateTable map[string]map[string]string

const anythingElse = "anything else"

func loadStateTable(t testing.TB) stateTable {
	t.Helper()
	text, err := os.ReadFile("../docs/decisions.md")
	if err != nil {
		t.Fatal(err)
	}
	table, columns := stateTable{}, []string(nil)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "command":
			columns = cells
		case columns == nil || !strings.HasPrefix(line, "| ") || len(cells) != len(columns):
			continue
		default:
			for command := range strings.SplitSeq(strings.Trim(cells[0], "`"), "` `") {
				if table[command] != nil {
					t.Errorf("%s stands twice in the table of state", command)
				}
				table[command] = map[string]string{}
				for i, name := range columns[1:] {
					table[command][name] = cells[i+1]
				}
			}
		}
	}
	if len(columns) != len(statePieces)+1 {
		t.Fatalf("the table of state has the columns %q", columns)
	}
	return table
}

// rowOf is the name of a command's row.
func rowOf(r request) string {
	switch {
	case r.cmd == nil || r.cmd == tooLong:
		return anythingElse
	case r.cmd.alone && r.raw != "":
		return r.verb + " path"
	case strings.EqualFold(r.verb+" "+r.raw, "EPSV ALL"):
		return "EPSV ALL"
	}
	return r.verb
}

// broken returns in which pieces the state after a command is not what the table says, or "".
func (table stateTable) broken(before snapshot, step stateStep) (wrong string) {
	row, fresh := table[rowOf(step.request)], snapshot{state: newState(false)}
	if step.request.jumped {
		row = nil
	}
	for _, p := range statePieces {
		was, is, none := p.of(before), p.of(step.left), p.of(fresh)
		refused, later := step.code >= 400, step.code == 0
		want, any := was, false
		switch cell := row[p.name]; {
		case p.ends && refused && cell != "", cell == "takes", cell == "ends":
			want = none
		case refused:
		case cell == "resets", cell == "closes":
			want, any = none, later
		case cell == "sets":
			any = true
		case cell != "":
			return "unknown word " + cell
		}
		if is != want && !any {
			wrong += fmt.Sprintf("; %s was %v, is %v, want %v", p.name, was, is, want)
		}
	}
	return wrong
}

// TestStateTable walks through the table of state in docs/decisions.md: a dialogue for every command in a form that
// succeeds and in one that is refused, for everything that can be armed.
func TestStateTable(t *testing.T) {
	t.Parallel()
	w := &stateWalk{table: loadStateTable(t), done: map[string]bool{}, refused: map[string]bool{}}
	w.ts = startWith(t, nil, func(srv *Server) { srv.observe = w.observe },
		func(o *Options) { o.Certificate, o.Extended = fuzzCertificate(), true })
	w.ts.setWrap(func(FileSystem) FileSystem {
		return newMemFS(map[string]string{"/f": "0123456789", "/d/g": "g", "/empty/": "", "/empty2/": ""})
	})
	for _, arm := range []string{"REST 4", "RANG 2 5", "RNFR /f", "EPSV ALL"} {
		for _, form := range stateForms {
			w.play(t, arm, form)
		}
	}
	for name := range w.table {
		if c := w.ts.commands[name]; !w.done[name] && name != "SITE" && name != anythingElse && (c == nil || !c.web) {
			t.Errorf("%s succeeds in no dialogue", name)
		}
		if !w.refused[name] && name != "EPSV ALL" && name != "STAT" {
			t.Errorf("%s is refused in no dialogue", name)
		}
	}
	for verb := range commandTable(true, true) {
		if w.table[verb] == nil {
			t.Errorf("%s is not in the table of state", verb)
		}
	}
}

// stateForms are commands that succeed and that do not. PORT and EPRT get an address that is there.
var stateForms = []string{
	"RETR /f", "RETR /none", "RETR", "STOR /new", "STOR /", "STOR a\x01b", "APPE /f", "APPE", "STOU", "STOU a\x01b",
	"HASH /f", "HASH /none", "LIST", "LIST /none", "NLST /d", "NLST /none", "MLSD /d", "MLSD /none",
	"REST 7", "REST x", "REST", "RANG 1 3", "RANG x", "RNFR /d/g", "RNFR /none", "RNFR", "RNTO /moved", "RNTO a\x01b", "RNTO",
	"PASV", "PASV x", "EPSV", "EPSV x", "EPSV ALL", "PORT", "PORT x", "EPRT", "EPRT x", "TYPE A", "TYPE I", "TYPE x",
	"OPTS MLST size;", "OPTS HASH MD5", "OPTS UTF8 ON", "OPTS x", "PBSZ 0", "PBSZ x", "PROT C", "PROT x",
	"MODE S", "MODE B", "STRU F", "STRU R", "ALLO 1", "ALLO", "FEAT", "FEAT x", "NOOP", "NOOP x", "STAT", "STAT x", "STAT /f",
	"CWD /", "CWD", "CWD /none", "XCWD /", "XCWD /none", "CDUP", "CDUP x", "XCUP", "XCUP x", "ABOR", "ABOR x", "QUIT", "QUIT x",
	"USER user1", "USER", "PASS pass0", "PASS x", "REIN", "REIN x", "AUTH TLS", "AUTH x", "CCC", "CCC x",
	"AVBL", "AVBL /none", "CLNT x", "CLNT", "HOST x", "HOST", "DELE /f", "DELE /none", "HELP", "HELP x", "MD5 /f", "MD5 /none",
	"MDTM /f", "MDTM /none", "MFMT 20200101000000 /f", "MFMT x /f", "MKD /n", "MKD /d", "XMKD /m", "XMKD /d", "MLST", "MLST /none",
	"PWD", "PWD x", "XPWD", "XPWD x", "RMD /empty", "RMD /none", "XRMD /empty2", "XRMD /none", "SITE", "SITE FOO",
	"SITE CHMOD 644 /f", "SITE CHMOD x /f", "SITE HELP", "SITE HELP x", "SITE UMASK", "SITE UMASK x",
	"SITE UTIME 202001010000 /f", "SITE UTIME x", "SIZE /f", "SIZE /none", "SYST", "SYST x", "XCRC /f", "XCRC /none",
	"XMD5 /f", "XMD5 /none", "XSHA /f", "XSHA /none", "XSHA1 /f", "XSHA1 /none", "XSHA256 /f", "XSHA256 /none",
	"XSHA512 /f", "XSHA512 /none", "CONNECT", "DELETE /f", "GET /", "HEAD /", "OPTIONS *", "PATCH /", "POST /", "PUT /", "TRACE /", "FOO", strings.Repeat("x", 3000),
}

// stateWalk plays the dialogues, and keeps what the last command left behind.
type stateWalk struct {
	table         stateTable
	ts            *testServer
	done, refused map[string]bool

	mu   sync.Mutex
	seen []stateStep
}

// stateStep is a command that was answered, and what it left behind.
type stateStep struct {
	request request
	code    int
	left    snapshot
}

func (w *stateWalk) observe(s *session, r request, answered reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, stateStep{r, answered.code, s.snapshot()})
}

// lastOf returns the last steps.
func (w *stateWalk) lastOf(n int) []stateStep {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[len(w.seen)-n:]
}

// play runs one dialogue and compares.
func (w *stateWalk) play(t *testing.T, arm, form string) {
	t.Helper()
	c := w.ts.connectUntied(t)
	defer c.close()
	c.want("220 *")
	config := &tls.Config{InsecureSkipVerify: true}
	w.dress(c, arm, form, config)
	before, step := w.lastOf(1)[0].left, stateStep{}
	code, over := c.perform(form, config)
	if over {
		step = w.lastOf(1)[0]
	} else {
		c.ask("NOOP", "200 *") // after a transfer
		steps := w.lastOf(2)
		step = steps[0]
		step.left = steps[1].left
	}
	step.code = code // also where the server sends it later
	if wrong := w.table.broken(before, step); wrong != "" {
		t.Errorf("%s, then %s, which is %d%s", arm, short(form), step.code, wrong)
	}
	if step.code < 400 {
		w.done[rowOf(step.request)] = true
	} else {
		w.refused[rowOf(step.request)] = true
	}
}

// dress sets all there is before the command, and last what may not stay. PASS and HOST succeed before login only, as
// do the methods of HTTP, AUTH before TLS.
func (w *stateWalk) dress(c *client, arm, form string, config *tls.Config) {
	c.t.Helper()
	if form != "AUTH TLS" {
		c.secure(config)
		c.ask("PBSZ 0", "200 *")
		c.ask("PROT P", "200 *")
	}
	if verb, _, _ := strings.Cut(form, " "); form == "PASS pass0" || form == "HOST x" || w.ts.commands[verb] != nil && w.ts.commands[verb].web {
		c.ask("USER user0", "331 *")
		return
	}
	c.login("user0")
	for _, line := range []string{"TYPE I", "OPTS MLST type;", "OPTS HASH SHA-1", "OPTS UTF8 ON", "CWD /d"} {
		c.ask(line, "2*")
	}
	c.open("EPSV")
	c.ask(arm, "*")
}

// perform sends a command, plays its transfer or handshake to the end, and returns the code of the first reply, and
// whether the session is over.
func (c *client) perform(form string, config *tls.Config) (code int, over bool) {
	c.t.Helper()
	if form == "PORT" || form == "EPRT" {
		listener, line := c.activeLine(form)
		defer listener.Close()
		form = line
	}
	c.send(form)
	reply := c.line()
	code, _ = strconv.Atoi(reply[:3])
	switch {
	case reply[0] == '1':
		data, err := c.secureData(config)
		if err != nil {
			c.t.Fatal(err)
		}
		data.CloseWrite()
		io.Copy(io.Discard, data)
		c.want("226 *")
	case reply[3] == '-':
		for end := reply[:3] + " "; !strings.HasPrefix(reply, end); {
			reply = c.line()
		}
	case strings.HasPrefix(reply, "234"):
		c.handshake(config)
	case form == "CCC":
		c.clear()
	case form == "QUIT" || code == serviceEnds:
		c.want("(closed)")
		return code, true
	}
	return code, false
}

// notVerbs are words outside the table of commands that are spelt like a verb.
var notVerbs = map[string]string{
	"info.go MLST": "what OPTS is about", "info.go HASH": "what OPTS is about", "info.go SITE": "in front of its commands",
	"hash.go MD5": "the name of an algorithm", "hash.go HASH": "what FEAT says",
	"upload.go RETR": "a row of wording", "dispatch.go PASS": "what a mistyped PASS begins with",
}

// TestVerbsStandInTheTableOnly: what sets a command apart is a column of its row. Only wording, whose rows are named
// after commands, and remarks name verbs elsewhere.
func TestVerbsStandInTheTableOnly(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	verbs := commandTable(true, true)
	for _, name := range files {
		if name == "commands.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == "wording" {
				return false
			}
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			word, _ := strconv.Unquote(literal.Value)
			if word = strings.TrimSpace(word); verbs[word] != nil && notVerbs[name+" "+word] == "" {
				t.Errorf("%s names the verb %s", name, word)
			}
			return true
		})
	}
}
