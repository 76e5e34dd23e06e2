package conf

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// python is a running Python 2.7 that tells what its RawConfigParser makes of files.
type python struct {
	in  io.Writer
	out *bufio.Reader
}

// startPython starts one for the whole test process, which it ends with.
var startPython = sync.OnceValues(func() (*python, error) {
	cmd := exec.Command(findPython2(), "record.py", "serve")
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
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (./setup.sh test-deps installs it)", err)
	}
	return &python{in, bufio.NewReader(out)}, nil
})

// findPython2 is an interpreter that runs; pyenv puts a launcher in the path that may refuse to.
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
	return candidates[0]
}

// read is what Python makes of a file.
func (p *python) read(t *testing.T, text []byte) syntaxCase {
	t.Helper()
	if _, err := p.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)); err != nil {
		t.Fatal(err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("Python ends at %q: %v", text, err)
	}
	var c syntaxCase
	if err := json.Unmarshal(line, &c); err != nil {
		t.Fatal(err)
	}
	c.decode(t)
	return c
}

// FuzzParseAsPython reads any file as Python 2.7 reads it. Two things are meant to differ: what we report of a file
// that Python refuses may be more, and a byte order mark at the start is passed over.
func FuzzParseAsPython(f *testing.F) {
	for _, c := range syntaxCases(f) {
		f.Add([]byte(c.Text))
	}
	for _, file := range []string{"vsftpd.conf.example", "testdata/readme-sample.conf"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := startPython()
		if err != nil {
			t.Fatal(err)
		}
		c := p.read(t, []byte(strings.TrimPrefix(string(text), byteOrderMark)))
		c.compare(t, text)
	})
}
