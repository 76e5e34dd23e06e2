package house

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// tablePages are the pages that hold the tables, by the kind of their rows.
var tablePages = map[string][]string{
	"command": {"docs/commands.md", "docs/commands.zh-CN.md"},
	"option":  {"docs/options.md", "docs/options.zh-CN.md"},
}

// row is a row of the table of commands, or of one of the tables of options, and the test that holds it.
type row struct{ kind, name, test string }

// readRows reads testdata/rows.txt: kind, name and test in each line.
func readRows(t *testing.T) []row {
	t.Helper()
	var rows []row
	for line := range strings.SplitSeq(rig.ReadText(t, filepath.Join("testdata", "rows.txt")), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kind, rest, _ := strings.Cut(line, " ")
		at := strings.LastIndexByte(rest, ' ')
		if at < 0 {
			t.Fatalf("rows.txt: want KIND NAME TEST: %s", line)
		}
		rows = append(rows, row{kind, rest[:at], rest[at+1:]})
	}
	return rows
}

// tableRow is the beginning of a row of either kind: five or six columns, the first a name.
var tableRow = map[string]*regexp.Regexp{
	"command": regexp.MustCompile("(?m)^\\| `([A-Z][A-Z0-9 ]+)` (?:\\|[^|]*){3}\\|.*\\|$"),
	"option":  regexp.MustCompile("(?m)^\\| `([a-z_]+)` (?:\\|[^|]*){4}\\|.*\\|$"),
}

// TestRowsHaveTests: the tables in both languages and rows.txt name the same commands and options.
func TestRowsHaveTests(t *testing.T) {
	for kind, pattern := range tableRow {
		for _, name := range tablePages[kind] {
			text := rig.ReadText(t, filepath.Join("../..", name))
			var listed, tested []string
			for _, m := range pattern.FindAllStringSubmatch(text, -1) {
				listed = append(listed, m[1])
			}
			for _, r := range readRows(t) {
				if r.kind == kind {
					tested = append(tested, r.name)
				}
			}
			slices.Sort(listed)
			slices.Sort(tested)
			if !slices.Equal(listed, tested) {
				t.Errorf("%s has the %ss %q, rows.txt lacks %q and has more: %q", name, kind, listed, beyond(listed, tested), beyond(tested, listed))
			}
		}
	}
}

// beyond is what is in one list more often than in another; both are sorted.
func beyond(list, other []string) (more []string) {
	for _, name := range list {
		if i := slices.Index(other, name); i >= 0 {
			other = slices.Delete(slices.Clone(other), i, i+1)
		} else {
			more = append(more, name)
		}
	}
	return more
}

// TestRowsNameWhatTheyHold: each test of rows.txt exists, and the file that it is in, or its dialogue, has the name.
func TestRowsNameWhatTheyHold(t *testing.T) {
	sources := rig.SourcesOfTests(t)
	for _, r := range readRows(t) {
		test, sub, _ := strings.Cut(r.test, "/")
		source := sources[test]
		switch test {
		case "TestReplay":
			source = rig.ReadText(t, filepath.Join("..", "replay", "testdata", "dialogue", sub+".txt"))
		case "TestDialogues":
			source = rig.ReadText(t, filepath.Join("../..", "ftpserver", "testdata", sub+".txt"))
		default:
			if sub != "" && !strings.Contains(source, `"`+sub+`"`) {
				t.Errorf("%s %s: %s has no %q", r.kind, r.name, test, sub)
			}
		}
		if source == "" {
			t.Errorf("%s %s: there is no test %s", r.kind, r.name, test)
		} else if !regexp.MustCompile(`(\b|\\n)` + r.name + `\b`).MatchString(source) {
			t.Errorf("%s %s: %s does not name it", r.kind, r.name, r.test)
		}
	}
}

// TestCommandsAreThoseOfHELP: the tables of commands have what HELP names where everything is switched on, and what
// it does not name otherwise depends on a switch, which the row names.
func TestCommandsAreThoseOfHELP(t *testing.T) {
	cert, key := rig.Certificate(t, time.Now().Add(time.Hour))
	all := helpOf(t, map[string]string{"tls_cert_file": cert, "tls_key_file": key, "extended_commands": "true"})
	plain := helpOf(t, nil)
	for _, name := range tablePages["command"] {
		text := rig.ReadText(t, filepath.Join("../..", name))
		var listed []string
		for _, m := range tableRow["command"].FindAllStringSubmatch(text, -1) {
			verb := m[1]
			switched := strings.Contains(m[0], "tls_cert_file") || strings.Contains(m[0], "extended_commands")
			if !slices.Contains(plain, verb) != switched {
				t.Errorf("%s: whether %s is there without switches: %v; its row names one: %v", name, verb, !switched, switched)
			}
			listed = append(listed, verb)
		}
		slices.Sort(listed)
		if !slices.Equal(listed, all) {
			t.Errorf("%s lists %q, HELP %q", name, listed, all)
		}
	}
}

// helpOf is what HELP and SITE HELP name, sorted.
func helpOf(t *testing.T, change map[string]string) []string {
	t.Helper()
	p := &rig.Peer{Addr: rig.StartGateway(t, rig.NewStore(t), change).Addr}
	if err := p.Connect(); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Reply(rig.ReplyTime)
	var verbs []string
	for before, command := range map[string]string{"": "HELP", "SITE ": "SITE HELP"} {
		for line := range strings.SplitSeq(p.Command("%s", command), "\n") {
			if strings.HasPrefix(line, " ") {
				for verb := range strings.FieldsSeq(line) {
					verbs = append(verbs, before+verb)
				}
			}
		}
	}
	slices.Sort(verbs)
	return verbs
}
