package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// A dialogue is one recorded session with the original gateway, or several beside each other, as text in
// testdata/dialogue:
//
//	# a comment
//	conf KEY = VALUE                 an option that differs from the base conf
//	env NAME=VALUE                   in the environment of the gateway
//	option NAME = DURATION           a timeout that no conf can set: the gateway then runs inside the test
//	seed BUCKET KEY CONTENT          an object there before; attributes mtime=-1d, encoding=gzip may follow
//	fill BUCKET FORMAT COUNT CONTENT that many objects, numbered from 0
//	host-file USER NAME CONTENT      a file in the user's home_dir on the gateway's own disk
//	1> COMMAND                       connection 1 sends a command; 1>> CONTENT sends bytes as they are
//	1! ACTION                        something else happens, see actions in peer_test.go
//	1< REPLY                         the reply; (closed) and (silent) where none comes
//	1~ REPLY                         the same where * stands for what varies
//	1: ACTION                        something that belongs to the step above
//	fault FIELD=VALUE …              the store fails, see costest.Fault; no faults: no longer
//	after BUCKET KEY CONTENT         an object there at the end; after nothing; after unchanged
//	after upload BUCKET KEY          an unfinished multipart upload left behind
//
// A line that begins with a double quote is a Go string. {HOME}, {ADDR}, {port} and {eprt} stand for what the
// test chose; {list:-1d}, {list:now} and {mlsd:now} for a time as LIST and MLSD write it, {unique} for that fact's value.
type dialogue struct {
	name      string
	conf      map[string]string
	env       []string
	options   map[string]time.Duration
	seeds     []rig.Seed
	hostFiles []rig.Seed
	steps     []step
	after     []afterLine
	unchanged bool
}

// step is a command or an action and what was recorded after it.
type step struct {
	number int
	conn   int
	kind   byte // '>' command, '!' action, '*' the store's faults
	text   string
	send   []byte // what a command sends
	events []event
}

type event struct {
	kind byte // '<' reply, '~' reply with wildcards, ':' action
	text string
}

func (e event) String() string { return string(e.kind) + " " + e.text }

// afterLine is an object, or an unfinished upload, at the end.
type afterLine struct {
	bucket  int
	key     string
	upload  bool
	content string // as an expression
}

func (a afterLine) name() string {
	if a.upload {
		return fmt.Sprintf("upload %d %s", a.bucket, strconv.Quote(a.key))
	}
	return fmt.Sprintf("%d %s", a.bucket, strconv.Quote(a.key))
}

func loadDialogues(t *testing.T) []*dialogue {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "dialogue", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues in testdata/dialogue: %v", err)
	}
	var dialogues []*dialogue
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseDialogue(strings.TrimSuffix(filepath.Base(file), ".txt"), string(text))
		if err != nil {
			t.Fatal(err)
		}
		dialogues = append(dialogues, d)
	}
	return dialogues
}

func parseDialogue(name, text string) (*dialogue, error) {
	d := &dialogue{name: name, conf: map[string]string{}, options: map[string]time.Duration{}}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := d.addLine(line); err != nil {
			return nil, fmt.Errorf("%s.txt:%d: %w", name, i+1, err)
		}
	}
	return d, nil
}

func (d *dialogue) addLine(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "conf":
		key, value, found := strings.Cut(rest, "=")
		if !found {
			return fmt.Errorf("conf %s: want KEY = VALUE", rest)
		}
		d.conf[strings.TrimSpace(key)] = strings.TrimSpace(value)
	case "env":
		d.env = append(d.env, rest)
	case "option":
		key, value, _ := strings.Cut(rest, "=")
		duration, err := time.ParseDuration(strings.TrimSpace(value))
		if err != nil {
			return err
		}
		d.options[strings.TrimSpace(key)] = duration
	case "seed", "host-file":
		s, err := parseSeed(rest)
		if err != nil {
			return err
		}
		if word == "seed" {
			d.seeds = append(d.seeds, s)
		} else {
			d.hostFiles = append(d.hostFiles, s)
		}
	case "fill":
		return d.addFill(rest)
	case "after":
		return d.addAfter(rest)
	case "fault", "no":
		d.addStep(step{kind: '*', text: line})
	default:
		return d.addTalk(word, rest)
	}
	return nil
}

// addTalk takes a line that begins with a connection's number.
func (d *dialogue) addTalk(word, rest string) error {
	digits := strings.TrimRight(word, "<>~!:")
	conn, err := strconv.Atoi(digits)
	if err != nil {
		return fmt.Errorf("what is %q?", word)
	}
	sign := word[len(digits):]
	switch {
	case sign == ">>":
		send, err := rig.ParseContent(rest)
		if err != nil {
			return err
		}
		d.addStep(step{conn: conn, kind: '>', text: rest, send: send})
	case sign == ">":
		text, err := unquoteLine(rest)
		if err != nil {
			return err
		}
		d.addStep(step{conn: conn, kind: '>', text: text, send: []byte(text + "\r\n")})
	case sign == "!":
		d.addAction(conn, rest)
	case sign == "<" || sign == "~" || sign == ":":
		return d.addEvent(conn, sign[0], rest)
	default:
		return fmt.Errorf("what is %q?", word)
	}
	return nil
}

// addAction expands the two actions that stand for commands.
func (d *dialogue) addAction(conn int, text string) {
	command := func(text string, events ...event) {
		d.addStep(step{conn: conn, kind: '>', text: text, send: []byte(text + "\r\n"), events: events})
	}
	user, isLogin := strings.CutPrefix(text, "login user")
	switch {
	case isLogin:
		d.addStep(step{conn: conn, kind: '!', text: "connect", events: []event{{'<', "220 Welcome to COS FTP Service"}}})
		command("USER user"+user, event{'<', "331 Username ok, send password."})
		command("PASS pass"+user, event{'<', "230 Login successful."})
	case text == "pasv":
		command("PASV", event{'~', "227 Entering passive mode (127,0,0,1,*)."}, event{':', "open"})
	default:
		d.addStep(step{conn: conn, kind: '!', text: text})
	}
}

func (d *dialogue) addStep(s step) {
	s.number = len(d.steps) + 1
	d.steps = append(d.steps, s)
}

func (d *dialogue) addEvent(conn int, kind byte, rest string) error {
	if len(d.steps) == 0 || d.steps[len(d.steps)-1].conn != conn {
		return fmt.Errorf("%d%c %s belongs to no step of connection %d", conn, kind, rest, conn)
	}
	s := &d.steps[len(d.steps)-1]
	if kind == ':' {
		s.events = append(s.events, event{kind, rest})
		return nil
	}
	text, err := unquoteLine(rest)
	if err != nil {
		return err
	}
	if n := len(s.events); n > 0 && s.events[n-1].kind != ':' && rig.OpenMultiline(s.events[n-1].text) {
		s.events[n-1].text += "\n" + text
		if kind == '~' {
			s.events[n-1].kind = '~'
		}
		return nil
	}
	s.events = append(s.events, event{kind, text})
	return nil
}

func (d *dialogue) addFill(rest string) error {
	bucket, rest, _ := strings.Cut(rest, " ")
	number, err := strconv.Atoi(bucket)
	if err != nil {
		return err
	}
	format, rest, err := cutName(rest)
	if err != nil {
		return err
	}
	count, rest, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	content, err := rig.ParseContent(rest)
	if err != nil {
		return err
	}
	for i := range n {
		d.seeds = append(d.seeds, rig.Seed{Bucket: number, Key: fmt.Sprintf(format, i), Content: content})
	}
	return nil
}

func (d *dialogue) addAfter(rest string) error {
	switch rest {
	case "nothing":
		return nil
	case "unchanged":
		d.unchanged = true
		return nil
	}
	a := afterLine{}
	rest, a.upload = strings.CutPrefix(rest, "upload ")
	bucket, rest, _ := strings.Cut(rest, " ")
	var err error
	if a.bucket, err = strconv.Atoi(bucket); err != nil {
		return fmt.Errorf("after %s: want a bucket's number", bucket)
	}
	if a.key, a.content, err = cutName(rest); err != nil {
		return err
	}
	d.after = append(d.after, a)
	if a.upload {
		return nil
	}
	_, err = rig.ParseContent(a.content)
	return err
}

func parseSeed(rest string) (rig.Seed, error) {
	bucket, rest, _ := strings.Cut(rest, " ")
	number, err := strconv.Atoi(bucket)
	if err != nil {
		return rig.Seed{}, fmt.Errorf("seed %s: want a bucket's number", bucket)
	}
	s := rig.Seed{Bucket: number}
	if s.Key, rest, err = cutName(rest); err != nil {
		return s, err
	}
	for {
		at := strings.LastIndex(rest, " ")
		name, value, found := strings.Cut(rest[at+1:], "=")
		if !found || strings.HasSuffix(rest, `"`) {
			break
		}
		switch name {
		case "mtime":
			days, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(value, "-"), "d"))
			if err != nil {
				return s, err
			}
			s.Age = time.Duration(days) * 24 * time.Hour
		case "encoding":
			s.Encoding = value
		default:
			return s, fmt.Errorf("seed attribute %q", name)
		}
		rest = rest[:at]
	}
	s.Content, err = rig.ParseContent(rest)
	return s, err
}

// cutName takes a name, quoted where it must be, off the front of a line.
func cutName(line string) (name, rest string, err error) {
	if !strings.HasPrefix(line, `"`) {
		name, rest, _ = strings.Cut(line, " ")
		return name, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", line, err)
	}
	name, err = strconv.Unquote(quoted)
	return name, strings.TrimPrefix(line[len(quoted):], " "), err
}

func unquoteLine(line string) (string, error) {
	if !strings.HasPrefix(line, `"`) {
		return line, nil
	}
	text, err := strconv.Unquote(line)
	if err != nil {
		return "", fmt.Errorf("%s: %w", line, err)
	}
	return text, nil
}

func quoteLine(line string) string {
	if line == "" || line != strings.TrimSpace(line) || strings.HasPrefix(line, `"`) || strings.ContainsFunc(line, isControl) {
		return strconv.Quote(line)
	}
	return line
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// objectsAfter is what must be in the store at the end.
func (d *dialogue) objectsAfter() []afterLine {
	after := slices.Clone(d.after)
	if d.unchanged {
		for _, s := range d.seeds {
			after = append(after, afterLine{bucket: s.Bucket, key: s.Key, content: strconv.Quote(string(s.Content))})
		}
	}
	return after
}

func TestParseDialogue(t *testing.T) {
	d, err := parseDialogue("x", `# about
conf min_part_size = 5
option AuthDelay = 100ms
seed 0 "a b" "t=1" mtime=-2d encoding=gzip
fill 1 "f%02d" 3 x:2

1! login user0
1! pasv
1> " FEAT "
1< 211-Features:
1< " SIZE"
1< 211 End
1: drop
2>> "\xff" + A:2
2~ 500 *
no faults
after 0 "a b" "t"
after upload 1 k
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.steps) != 7 || d.steps[4].text != " FEAT " || string(d.steps[5].send) != "\xffAA" {
		t.Errorf("steps %+v", d.steps)
	}
	if got := d.steps[4].events; len(got) != 2 || got[0].text != "211-Features:\n SIZE\n211 End" || got[1].text != "drop" {
		t.Errorf("events %q", got)
	}
	if s := d.seeds[0]; s.Key != "a b" || string(s.Content) != "t=1" || s.Age != 48*time.Hour || s.Encoding != "gzip" {
		t.Errorf("seed %+v", s)
	}
	if len(d.seeds) != 4 || d.seeds[3].Key != "f02" {
		t.Errorf("seeds %+v", d.seeds)
	}
	if len(d.after) != 2 || d.after[0].key != "a b" || !d.after[1].upload {
		t.Errorf("after %+v", d.after)
	}
	for _, bad := range []string{"1< 220 x", "what", "1? x", "seed x y \"z\"", "seed 0 y z", "after x y", "1> \"open"} {
		if _, err := parseDialogue("x", bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
