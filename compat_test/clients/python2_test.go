package clients

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// ftplib27 is the session of ftplib_session.py: that of Python 2.7 where there is one, else the commands that it sent.
func (s *clientSession) ftplib27() string {
	name := "ftplib27_" + s.mode + ".txt"
	python := rig.FindPython2()
	if python == "" {
		return s.replay(string(rig.Python2Did(s.t, name, nil)))
	}
	file := filepath.Join(s.t.TempDir(), "sent")
	output := s.ftplib(python, file)
	sent, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	rig.Python2Did(s.t, name, sent)
	return output
}

// TestReplayedFtplib plays the recordings also where there is a Python 2.7.
func TestReplayedFtplib(t *testing.T) {
	for _, mode := range bothModes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			store := rig.NewStore(t)
			g := rig.StartGateway(t, store, nil)
			host, port, err := net.SplitHostPort(g.Addr)
			if err != nil {
				t.Fatal(err)
			}
			s := &clientSession{t: t, host: host, port: port, mode: mode, dir: clientFiles(t)}
			s.check(store, s.replay(string(rig.Python2Did(t, "ftplib27_"+mode+".txt", nil))))
		})
	}
}

// replay sends recorded commands as ftplib did: one at a time, with the files of the session's directory.
func (s *clientSession) replay(commands string) (output string) {
	s.t.Helper()
	p := &rig.Peer{Addr: net.JoinHostPort(s.host, s.port)}
	if err := p.Connect(); err != nil {
		s.t.Fatal(err)
	}
	defer p.Close()
	p.Reply(rig.ReplyTime)
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
func (s *clientSession) replayOne(p *rig.Peer, command string) (output string, err error) {
	verb, argument, _ := strings.Cut(command, " ")
	if verb == "PORT" {
		if err := p.Listen(); err != nil {
			return "", err
		}
		port, _ := p.Ports()
		command = "PORT " + strings.ReplaceAll(s.host, ".", ",") + "," + port
	}
	transfer := verb == "STOR" || verb == "RETR" || verb == "LIST" || verb == "NLST"
	if transfer && s.mode == "passive" {
		if err := p.Open(""); err != nil {
			return "", err
		}
	}
	reply := p.Command("%s", command)
	if reply == "" || reply[0] > '3' {
		return "", fmt.Errorf("the reply is %q", reply)
	}
	if !transfer {
		return reply + "\n", nil
	}
	if s.mode == "active" {
		if err := p.Accept(); err != nil {
			return "", err
		}
	}
	content, err := s.moveFile(p, verb, argument)
	if err != nil {
		return "", err
	}
	return reply + "\n" + content, p.WantReply("226")
}

// moveFile does what ftplib_session.py does with the data connection.
func (s *clientSession) moveFile(p *rig.Peer, verb, name string) (printed string, err error) {
	if verb == "STOR" {
		if name != "big.bin" {
			name = filepath.Join("texts", name)
		}
		content, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return "", err
		}
		return "", p.Upload(content)
	}
	content, err := p.Download(rig.ReplyTime)
	if err != nil || verb != "RETR" {
		return string(content), err
	}
	return "", os.WriteFile(filepath.Join(s.dir, "out", name), content, 0o644)
}
