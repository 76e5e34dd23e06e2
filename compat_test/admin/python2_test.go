package admin

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// launched is how Python 2.7 runs the program when it runs ftp_server.py: record_launcher.py asks one.
type launched struct {
	Launcher string   // the SHA-256 of the ftp_server.py that was run
	Program  string   // beside it
	Argv     []string // what the program is told
}

// python2 returns a Python 2.7 in the deployment, or a program that runs ftp_server.py as one was recorded to.
func python2(t *testing.T) string {
	t.Helper()
	launcher, err := filepath.Abs("../../ftp_server.py")
	if err != nil {
		t.Fatal(err)
	}
	if python := rig.FindPython2(); python != "" {
		live, err := exec.Command(python, filepath.Join("testdata", "clients", "record_launcher.py"), launcher).Output()
		if err != nil {
			t.Fatal(err)
		}
		rig.Python2Did(t, "launcher27.json", live)
		return python
	}
	return standIn(t, launcher)
}

// standIn writes a program that does what Python 2.7 does with ftp_server.py.
func standIn(t *testing.T, launcher string) string {
	t.Helper()
	text, err := os.ReadFile(launcher)
	if err != nil {
		t.Fatal(err)
	}
	var was launched
	if err := json.Unmarshal(rig.Python2Did(t, "launcher27.json", nil), &was); err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(text)); sum != was.Launcher {
		t.Fatal("ftp_server.py is not the one that Python 2.7 was recorded with: run the test with -record where there is one")
	}
	script := fmt.Sprintf("#!/usr/bin/env bash\nprogram=$(dirname \"$(readlink -f \"$1\")\")/%s\nshift\nexec -a %s \"$program\" %s \"$@\"\n",
		was.Program, was.Argv[0], strings.Join(was.Argv[1:], " "))
	file := filepath.Join(t.TempDir(), "python2")
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}
