package rig

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The tests need no Python 2, which current systems no longer have. What one did is recorded and replayed; where
// there is one it runs too, and must do what is recorded. With -record its doings are recorded anew:
//
//	go test ./compat_test/admin ./compat_test/clients -run 'TestRealClients/ftplib-2.7|TestStartAndStop/python2' -record
var record = flag.Bool("record", false, "record what this machine's Python 2.7 does, in testdata/clients")

// FindPython2 returns an interpreter that runs, or "". (pyenv puts a launcher in the path that may refuse to.)
func FindPython2() string {
	candidates := []string{"python2.7", "python2"}
	if home, err := os.UserHomeDir(); err == nil {
		versions, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "2.7*", "bin", "python2.7"))
		candidates = append(candidates, versions...)
	}
	for _, name := range candidates {
		if exec.Command(name, "-c", "import ftplib").Run() == nil {
			return name
		}
	}
	return ""
}

// Python2Did compares what Python 2.7 did just now with the recording in testdata/clients, and returns the recording.
// live is nil where there is no Python 2.7.
func Python2Did(t *testing.T, name string, live []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", "clients", name)
	if *record && live != nil {
		if err := os.WriteFile(file, live, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if live != nil && string(live) != string(known) {
		t.Errorf("Python 2.7 does\n%s\nand %s says\n%s", live, file, known)
	}
	return known
}
