package conf

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// python is a running Python 2.7 that tells what its RawConfigParser makes of files.
type python struct {
	in  io.Writer
	out *bufio.Reader
}

// livePython is the one for the whole test process, which it ends with; nil where this machine has no Python 2.7.
var livePython = sync.OnceValues(func() (*python, error) {
	name := findPython2()
	if name == "" {
		return nil, nil
	}
	cmd := exec.Command(name, "record.py", "serve")
	cmd.Dir = "testdata"
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &python{in, bufio.NewReader(out)}, cmd.Start()
})

// findPython2 returns an interpreter that runs, or "". (pyenv puts a launcher in the path that may refuse to.)
func findPython2() string {
	candidates := []string{"python2.7", "python2"}
	if home, err := os.UserHomeDir(); err == nil {
		versions, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "2.7*", "bin", "python2.7"))
		candidates = append(candidates, versions...)
	}
	for _, name := range candidates {
		if exec.Command(name, "-c", "import ConfigParser").Run() == nil {
			return name
		}
	}
	return ""
}

// read returns what Python makes of a file.
func (p *python) read(text []byte) (c syntaxCase, err error) {
	if _, err := p.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)); err != nil {
		return c, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return c, fmt.Errorf("Python ends at %q: %w", text, err)
	}
	return c, json.Unmarshal(line, &c)
}

// record makes testdata/files.json anew, with the answers of this machine's Python 2.7:
//
//	go test ./conf -run TestPythonIsRecorded -record
var record = flag.Bool("record", false, "ask Python 2.7 what it makes of the fuzzed files and write testdata/files.json")

const (
	recordedFiles = "testdata/files.json"
	fuzzedFiles   = "testdata/fuzz/FuzzParseAsPython"
)

// TestPythonIsRecorded: the tests need no Python 2, because its answers to all files that FuzzParseAsPython begins
// with are written down.
func TestPythonIsRecorded(t *testing.T) {
	if *record {
		recordPython(t)
	}
	known := recordedAnswers(t)
	for name, text := range fuzzed(t) {
		if _, ok := known[strings.TrimPrefix(string(text), byteOrderMark)]; !ok {
			t.Errorf("%s is not recorded: run go test ./conf -run TestPythonIsRecorded -record where there is a Python 2.7", name)
		}
	}
}

func recordPython(t *testing.T) {
	p, err := livePython()
	if p == nil || err != nil {
		t.Fatalf("no Python 2.7 answers: %v", err)
	}
	files := fuzzed(t)
	for _, name := range []string{"vsftpd.conf.example", "testdata/readme-sample.conf"} {
		if files[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := strings.TrimPrefix(string(files[name]), byteOrderMark)
		c, err := p.read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c.Name, c.Text = filepath.Base(name), charactersOf(text)
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	if err := os.WriteFile(recordedFiles, []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// charactersOf spells bytes as the recording does: as the characters of the same numbers.
func charactersOf(text string) string {
	characters := make([]rune, len(text))
	for i := range len(text) {
		characters[i] = rune(text[i])
	}
	return string(characters)
}

// fuzzed returns the files that the fuzzer has kept.
func fuzzed(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(fuzzedFiles, "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", fuzzedFiles, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		quoted, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "go test fuzz v1\n[]byte(")
		content, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
		if !ok || err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files[name] = []byte(content)
	}
	return files
}

// recordedAnswers returns what Python was recorded to make of files, by their text.
func recordedAnswers(t testing.TB) map[string]syntaxCase {
	t.Helper()
	known := map[string]syntaxCase{}
	for _, c := range syntaxCases(t) {
		known[c.Text] = c
	}
	return known
}

// FuzzParseAsPython reads any file as Python 2.7 reads it: as recorded, and live where there is one. Two things are
// meant to differ: what we report of a file that Python refuses may be more, and a byte order mark at the start is
// passed over.
func FuzzParseAsPython(f *testing.F) {
	known := recordedAnswers(f)
	for text := range known {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := livePython()
		if err != nil {
			t.Fatal(err)
		}
		asked := strings.TrimPrefix(string(text), byteOrderMark)
		recorded, isRecorded := known[asked]
		if isRecorded {
			recorded.compare(t, text)
		}
		if p == nil {
			if !isRecorded {
				t.Fatal("what Python 2.7 makes of this file is not recorded, and there is none to ask")
			}
			return
		}
		live, err := p.read([]byte(asked))
		if err != nil {
			t.Fatal(err)
		}
		live.decode(t)
		live.compare(t, text)
		if live.Name, live.Text = recorded.Name, recorded.Text; isRecorded && !reflect.DeepEqual(live, recorded) {
			t.Errorf("this Python answers %+v, and %+v is recorded", live, recorded)
		}
	})
}
