package conf

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// syntaxCase is a file and what Python 2.7's RawConfigParser made of it. testdata/record.py wrote down syntax.json, and
// recordPython files.json.
type syntaxCase struct {
	Name          string                       `json:"name"`
	Text          string                       `json:"text"`
	Sections      map[string]map[string]string `json:"sections,omitempty"`
	MissingHeader int                          `json:"missing_header,omitempty"`
	BadLines      []int                        `json:"bad_lines,omitempty"`
}

// bytesOf undoes the recording's spelling of bytes as characters.
func bytesOf(t testing.TB, text string) string {
	t.Helper()
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			t.Fatalf("recorded character %q is no byte", r)
		}
		b = append(b, byte(r))
	}
	return string(b)
}

func syntaxCases(t testing.TB) []syntaxCase {
	t.Helper()
	var cases []syntaxCase
	for _, file := range []string{"testdata/syntax.json", recordedFiles} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var more []syntaxCase
		if err := json.Unmarshal(data, &more); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		cases = append(cases, more...)
	}
	if len(cases) < 100 {
		t.Fatalf("%d recorded files, want at least 100", len(cases))
	}
	for i := range cases {
		cases[i].decode(t)
	}
	return cases
}

// decode undoes the recording's spelling of bytes.
func (c *syntaxCase) decode(t testing.TB) {
	t.Helper()
	c.Text = bytesOf(t, c.Text)
	recorded := c.Sections
	c.Sections = map[string]map[string]string{}
	for section, options := range recorded {
		read := map[string]string{}
		for key, value := range options {
			read[bytesOf(t, key)] = bytesOf(t, value)
		}
		c.Sections[bytesOf(t, section)] = read
	}
}

// allValues is what RawConfigParser.items gives for each section.
func allValues(v *values) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, section := range v.order {
		options := maps.Clone(v.sections[defaults])
		maps.Copy(options, v.sections[section])
		delete(options, "__name__") // Python keeps the section's name under this key
		all[section] = options
	}
	return all
}

func TestParseReadsWhatPythonReads(t *testing.T) {
	for _, c := range syntaxCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if !strings.HasPrefix(c.Text, byteOrderMark) {
				c.compare(t, []byte(c.Text))
				return
			}
			// Python refuses it; a mark at the start hurts nobody.
			v, err := parse("x.conf", []byte(c.Text))
			if err != nil || len(v.scanner.problems) != 0 || len(v.scanner.warnings) != 1 {
				t.Errorf("%v, problems %v, warnings %v; want one warning", err, v.scanner.problems, v.scanner.warnings)
			}
		})
	}
}

// compare wants a file to be read as Python read it.
func (c *syntaxCase) compare(t *testing.T, text []byte) {
	t.Helper()
	v, err := parse("x.conf", text)
	if err != nil {
		t.Fatal(err)
	}
	var bad []int
	headless := 0
	for _, p := range v.scanner.problems {
		if strings.Contains(p.Want, "before the first [SECTION]") {
			headless = p.Line
		} else {
			bad = append(bad, p.Line)
		}
	}
	switch {
	case c.MissingHeader > 0:
		if headless != c.MissingHeader {
			t.Errorf("missing header found in line %d, want %d", headless, c.MissingHeader)
		}
	case !slices.Equal(bad, c.BadLines):
		t.Errorf("bad lines %v, want %v", bad, c.BadLines)
	case len(bad) == 0:
		if got := allValues(v); !reflect.DeepEqual(got, c.Sections) {
			t.Errorf("got  %q\nwant %q", got, c.Sections)
		}
	}
}

func TestParseLongValue(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 8192)
	v, err := parse("x.conf", []byte("[S]\nk = "+long+"\n "+long+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := v.get("S", "k"); got != long+"\n"+long {
		t.Errorf("read %d bytes, want %d", len(got), 2*len(long)+1)
	}
}

func TestParseKeepsLines(t *testing.T) {
	v, err := parse("x.conf", []byte("# c\n[S]\na = 1\n more\n\n[DEFAULT]\nb = 2\n[S]\na = 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		key, value string
		line       int
		ok         bool
	}{{"a", "3", 9, true}, {"b", "2", 7, true}, {"c", "", 2, false}} {
		value, line, ok := v.get("S", want.key)
		if value != want.value || line != want.line || ok != want.ok {
			t.Errorf("%s = %q in line %d, %v; want %q in line %d, %v", want.key, value, line, ok, want.value, want.line, want.ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range syntaxCases(f) {
		f.Add([]byte(c.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := parse("x.conf", text)
		if err != nil {
			t.Fatalf("ini.v1 refuses what the scanner made of %q: %v", text, err)
		}
		twice, err := parse("x.conf", text)
		if err != nil || !reflect.DeepEqual(once, twice) {
			t.Fatalf("read twice, read differently: %q", text)
		}
		for _, e := range once.scanner.entries {
			if e.key == "" {
				continue
			}
			if _, ok := once.sections[e.section][e.key]; !ok {
				t.Fatalf("[%q] %q of line %d is lost", e.section, e.key, e.line)
			}
		}
		first, firstErr := load("x.conf", text, 2)
		second, secondErr := load("x.conf", text, 2)
		if (firstErr == nil) != (secondErr == nil) || !reflect.DeepEqual(first, second) {
			t.Fatalf("loaded twice, loaded differently: %q", text)
		}
	})
}
