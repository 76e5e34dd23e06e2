package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// The list of what differs from the original on purpose, testdata/differences.txt:
//
//	reason ID TestName
//	    One sentence.
//	value TestName TEXT      what the sentence says, as the code of a test compares it; none for what a replay below has
//
//	== SCENARIO NUMBER COMMAND       a step, by its number (the failing test prints it)
//	- the original's replies and data, each event on a line
//	+ ours
//	: ID
//
//	== SCENARIO after BUCKET KEY     an object at the end
//	- the original's content
//	+ ours, or absent
//	: ID
const differencesFile = "differences.txt"

type reason struct {
	id, test, sentence string
	values             [][2]string // test and text
}

// difference is one step, or one object at the end, in which ours is not the original.
type difference struct {
	scenario, place string // place: "17 RETR x", or "after 0 \"x\""
	original, ours  []string
	reason          string
	line            int
	used            bool
}

type differences struct {
	reasons []reason
	list    []*difference
}

func (d *differences) find(scenario, place string) *difference {
	i := slices.IndexFunc(d.list, func(x *difference) bool { return x.scenario == scenario && x.place == place })
	if i < 0 {
		return nil
	}
	return d.list[i]
}

func loadDifferences(t *testing.T) *differences {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", differencesFile))
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDifferences(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func parseDifferences(text string) (*differences, error) {
	d := &differences{}
	var current *difference
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "    "):
		case mark == "reason":
			id, test, _ := strings.Cut(rest, " ")
			if i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "    ") {
				return nil, fmt.Errorf("%s:%d: reason %s has no sentence", differencesFile, i+1, id)
			}
			d.reasons = append(d.reasons, reason{id: id, test: test, sentence: strings.TrimSpace(lines[i+1])})
		case mark == "value" && len(d.reasons) > 0:
			test, text, _ := strings.Cut(rest, " ")
			last := &d.reasons[len(d.reasons)-1]
			last.values = append(last.values, [2]string{test, text})
		case mark == "==":
			scenario, place, _ := strings.Cut(rest, " ")
			current = &difference{scenario: scenario, place: place, line: i + 1}
			d.list = append(d.list, current)
		case current == nil:
			return nil, fmt.Errorf("%s:%d: %q stands before any ==", differencesFile, i+1, line)
		case mark == "-":
			current.original = append(current.original, rest)
		case mark == "+":
			current.ours = append(current.ours, rest)
		case mark == ":":
			current.reason = rest
		default:
			return nil, fmt.Errorf("%s:%d: what is %q?", differencesFile, i+1, line)
		}
	}
	return d, d.check()
}

func (d *differences) check() error {
	known := map[string]bool{}
	for _, r := range d.reasons {
		known[r.id] = true
	}
	for _, x := range d.list {
		if !known[x.reason] {
			return fmt.Errorf("%s:%d: reason %q is not explained", differencesFile, x.line, x.reason)
		}
	}
	return nil
}

// parseEvent reads an event as differences.txt writes it.
func parseEvent(line string) (event, error) {
	if len(line) < 2 || !strings.ContainsRune("<~:", rune(line[0])) || line[1] != ' ' {
		return event{}, fmt.Errorf("%q: want an event, < or ~ or :", line)
	}
	if line[0] == ':' {
		return event{':', line[2:]}, nil
	}
	text, err := unquoteLine(line[2:])
	return event{line[0], text}, err
}

// formatEvent is parseEvent backwards.
func formatEvent(e event) string {
	if e.kind == ':' {
		return e.String()
	}
	return string(e.kind) + " " + quoteLine(e.text)
}

func formatEvents(events []event) []string {
	var lines []string
	for _, e := range events {
		lines = append(lines, formatEvent(e))
	}
	return lines
}

// proposal is what the list would say of a step that differs.
func proposal(scenario, place string, original, ours []string) string {
	text := fmt.Sprintf("== %s %s\n", scenario, place)
	for _, line := range original {
		text += "- " + line + "\n"
	}
	for _, line := range ours {
		text += "+ " + line + "\n"
	}
	return text + ": \n"
}

// differencesPage lists the differences for people, each with the test that holds it.
const differencesPage = "docs/differences.md"

func TestDifferencesAreInTheDocs(t *testing.T) {
	d := loadDifferences(t)
	text := rig.ReadText(t, filepath.Join("../..", differencesPage))
	listed := map[string]string{}
	entry := regexp.MustCompile("^[-*] `([a-z0-9-]+)`: (.*)$")
	for line := range strings.SplitSeq(text, "\n") {
		if m := entry.FindStringSubmatch(line); m != nil {
			listed[m[1]] = m[2]
		}
	}
	for _, r := range d.reasons {
		want := fmt.Sprintf("%s (`%s`)", r.sentence, r.test)
		if listed[r.id] != want {
			t.Errorf("%s lacks this line:\n- `%s`: %s", differencesPage, r.id, want)
		}
		delete(listed, r.id)
	}
	for id := range listed {
		t.Errorf("%s lists the difference `%s`, which %s does not know", differencesPage, id, differencesFile)
	}
}

func TestDifferencesAreInTheChineseDocs(t *testing.T) {
	page := strings.Replace(differencesPage, ".md", ".zh-CN.md", 1)
	listed := regexp.MustCompile("(?m)^- `([a-z0-9-]+)`：.*（`(\\S+)`）$").FindAllStringSubmatch(rig.ReadText(t, filepath.Join("../..", page)), -1)
	reasons := loadDifferences(t).reasons
	if len(listed) != len(reasons) {
		t.Errorf("%s lists %d differences, want %d", page, len(listed), len(reasons))
	}
	for _, r := range reasons {
		if !slices.ContainsFunc(listed, func(m []string) bool { return m[1] == r.id && m[2] == r.test }) {
			t.Errorf("%s lacks the difference `%s` with the test `%s`", page, r.id, r.test)
		}
	}
}

// TestDifferencesAreComparedValues: each reason is used, names a test that exists, and what it says is a value that a test
// compares: recorded replies and objects of a replay, or a text in the code of a test.
func TestDifferencesAreComparedValues(t *testing.T) {
	d, sources := loadDifferences(t), rig.SourcesOfTests(t)
	replayed := func(id, scenario string) bool {
		return slices.ContainsFunc(d.list, func(x *difference) bool {
			return x.reason == id && x.scenario == scenario && !slices.Equal(x.original, x.ours)
		})
	}
	for _, r := range d.reasons {
		if test, scenario, _ := strings.Cut(r.test, "/"); sources[test] == "" {
			t.Errorf("reason %s names %s, which is no test", r.id, test)
		} else if test == "TestReplay" && !replayed(r.id, scenario) {
			t.Errorf("reason %s names %s, where nothing differs for that reason", r.id, r.test)
		} else if test != "TestReplay" && len(r.values) == 0 {
			t.Errorf("reason %s has no value that a test compares", r.id)
		}
		for _, value := range r.values {
			test, scenario, _ := strings.Cut(value[0], "/")
			if test == "TestReplay" {
				same := func(x *difference) bool {
					return x.reason == r.id && x.scenario == scenario && slices.Contains(x.ours, strings.TrimPrefix(value[1], "+ "))
				}
				if !slices.ContainsFunc(d.list, same) {
					t.Errorf("reason %s: %s has no %q", r.id, value[0], value[1])
				}
			} else if body := testBody(sources[test], test); value[1] == "" || !strings.Contains(body, value[1]) {
				t.Errorf("reason %s: %s does not compare with %s", r.id, test, value[1])
			}
		}
	}
}

// testBody is the code of one test in a source, "" where that has no such test.
func testBody(source, test string) string {
	_, body, _ := strings.Cut(source, "\nfunc "+test+"(t *testing.T) {")
	body, _, _ = strings.Cut(body, "\n}\n")
	return body
}

func TestParseDifferences(t *testing.T) {
	d, err := parseDifferences(`# comment
reason a TestReplay/x
    A sentence.

== x 3 NLST
- < (closed)
+ < 125 go
+ : recv "a\r\n"
: a
== x after 0 "k"
- "o"
+ absent
: a
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.find("x", "3 NLST"); got == nil || len(got.ours) != 2 || got.original[0] != "< (closed)" {
		t.Errorf("step: %+v", got)
	}
	if got := d.find("x", "after 0 "+strconv.Quote("k")); got == nil || got.ours[0] != "absent" {
		t.Errorf("object: %+v", got)
	}
	for _, bad := range []string{"- x", "== x 1 A\n: nowhere", "reason a T\n", "== x 1\n?"} {
		if _, err := parseDifferences(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, e := range []event{{'<', "220 x"}, {'~', " a*\n b"}, {':', `recv "x"`}} {
		if got, err := parseEvent(formatEvent(e)); err != nil || got != e {
			t.Errorf("%v comes back as %v, %v", e, got, err)
		}
	}
}
