package compat_test

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests need no Python 2, which current systems no longer have. What one did is recorded and replayed; where
// there is one it runs too, and must do what is recorded. With -record its doings are recorded anew:
//
//	go test ./compat_test -run 'TestRealClients/ftplib-2.7|TestStartAndStop/python2' -record
var record = flag.Bool("record", false, "record what this machine's Python 2.7 does, in testdata/clients")

// findPython2 returns an interpreter that runs, or "". (pyenv puts a launcher in the path that may refuse to.)
func findPython2() string {
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

// python2Did compares what Python 2.7 did just now with the recording in testdata/clients, and returns the recording.
// live is nil where there is no Python 2.7.
func python2Did(t *testing.T, name string, live []byte) []byte {
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

// ftplib27 is the session of ftplib_session.py: that of Python 2.7 where there is one, else the commands that it sent.
func (s *clientSession) ftplib27() string {
	name := "ftplib27_" + s.mode + ".txt"
	python := findPython2()
	if python == "" {
		return s.replay(string(python2Did(s.t, name, nil)))
	}
	file := filepath.Join(s.t.TempDir(), "sent")
	output := s.ftplib(python, file)
	sent, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	python2Did(s.t, name, sent)
	return output
}

// TestReplayedFtplib plays the recordings also where there is a Python 2.7.
func TestReplayedFtplib(t *testing.T) {
	for _, mode := range bothModes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			g := startGateway(t, store, nil)
			host, port, err := net.SplitHostPort(g.addr)
			if err != nil {
				t.Fatal(err)
			}
			s := &clientSession{t: t, host: host, port: port, mode: mode, dir: clientFiles(t)}
			s.check(store, s.replay(string(python2Did(t, "ftplib27_"+mode+".txt", nil))))
		})
	}
}

// replay sends recorded commands as ftplib did: one at a time, with the files of the session's directory.
func (s *clientSession) replay(commands string) (output string) {
	s.t.Helper()
	p := &peer{addr: net.JoinHostPort(s.host, s.port)}
	if err := p.connect(); err != nil {
		s.t.Fatal(err)
	}
	defer p.close()
	p.reply(replyTime)
	for command := range strings.Lines(commands) {
		printed, err := s.replayOne(p, strings.TrimSuffix(command, "\n"))
		if err != nil {
			s.t.Fatalf("%s: %v", command, err)
		}
		output += printed
	}
	return output
}

// replayOne sends a command, moves its data where it has some, and returns what came.
func (s *clientSession) replayOne(p *peer, command string) (output string, err error) {
	verb, argument, _ := strings.Cut(command, " ")
	if verb == "PORT" {
		if err := p.listen(); err != nil {
			return "", err
		}
		port, _ := p.ports()
		command = "PORT " + strings.ReplaceAll(s.host, ".", ",") + "," + port
	}
	transfer := verb == "STOR" || verb == "RETR" || verb == "LIST" || verb == "NLST"
	if transfer && s.mode == "passive" {
		if err := p.open(""); err != nil {
			return "", err
		}
	}
	reply := p.command("%s", command)
	if reply == "" || reply[0] > '3' {
		return "", fmt.Errorf("the reply is %q", reply)
	}
	if !transfer {
		return reply + "\n", nil
	}
	if s.mode == "active" {
		if err := p.accept(); err != nil {
			return "", err
		}
	}
	content, err := s.moveFile(p, verb, argument)
	if err != nil {
		return "", err
	}
	return reply + "\n" + content, p.wantReply("226")
}

// moveFile does what ftplib_session.py does with the data connection.
func (s *clientSession) moveFile(p *peer, verb, name string) (printed string, err error) {
	if verb == "STOR" {
		if name != "big.bin" {
			name = filepath.Join("texts", name)
		}
		content, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return "", err
		}
		return "", p.upload(content)
	}
	content, err := p.download(replyTime)
	if err != nil || verb != "RETR" {
		return string(content), err
	}
	return "", os.WriteFile(filepath.Join(s.dir, "out", name), content, 0o644)
}

// launched is how Python 2.7 runs the program when it runs ftp_server.py: record_launcher.py asks one.
type launched struct {
	Launcher string   // the SHA-256 of the ftp_server.py that was run
	Program  string   // beside it
	Argv     []string // what the program is told
}

// python2 returns a Python 2.7 in the deployment, or a program that runs ftp_server.py as one was recorded to.
func python2(t *testing.T) string {
	t.Helper()
	launcher, err := filepath.Abs("../ftp_server.py")
	if err != nil {
		t.Fatal(err)
	}
	if python := findPython2(); python != "" {
		live, err := exec.Command(python, filepath.Join("testdata", "clients", "record_launcher.py"), launcher).Output()
		if err != nil {
			t.Fatal(err)
		}
		python2Did(t, "launcher27.json", live)
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
	if err := json.Unmarshal(python2Did(t, "launcher27.json", nil), &was); err != nil {
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
