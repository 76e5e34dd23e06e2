package rig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ExpectEnd reads until the gateway closes the data connection, in whatever way.
func (p *Peer) ExpectEnd() error {
	if p.Data == nil {
		return errors.New("no data connection")
	}
	if _, err := p.Download(ReplyTime); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the data connection stays open")
	}
	return nil
}

// ExpectRefused checks that the passive port before the newest one is closed.
func (p *Peer) ExpectRefused() error {
	if len(p.Passive) < 2 {
		return errors.New("want two passive replies before")
	}
	conn, err := net.DialTimeout("tcp", p.Passive[len(p.Passive)-2], ReplyTime)
	if err == nil {
		conn.Close()
		return errors.New("the first passive port still listens")
	}
	return nil
}

// StoreWhole stores a file.
func (p *Peer) StoreWhole(name string, content []byte, wait time.Duration) error {
	if err := errors.Join(p.PASV(), p.Want("1", "STOR %s", name)); err != nil {
		return err
	}
	return p.FinishUpload(content, wait)
}

// FetchWhole fetches a file and compares it.
func (p *Peer) FetchWhole(name string, want []byte, wait time.Duration) error {
	if err := errors.Join(p.PASV(), p.Want("1", "RETR %s", name)); err != nil {
		return err
	}
	_ = p.Data.SetDeadline(time.Now().Add(wait))
	got, err := io.ReadAll(p.Data)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes, want %d", len(got), len(want))
	}
	p.DropData()
	return errors.Join(err, p.WantReplyWithin("226", wait))
}

// SendAndLeave sends all of a file, and leaves when the server has taken it.
func (a *Abused) SendAndLeave(name string, content []byte, leave func(*Peer) error) error {
	p := a.LoginAs("user0", "pass0")
	if err := errors.Join(p.PASV(), p.Want("1", "STOR %s", name), p.Write(content), p.EndData()); err != nil {
		return err
	}
	time.Sleep(1500 * time.Millisecond) // longer than the server takes it for one that died with its data
	return leave(p)
}

// EndData ends an upload's data, and waits until the server has noticed and ends the connection: from then on it asks COS
// to store the file.
func (p *Peer) EndData() error {
	return errors.Join(p.Data.(*net.TCPConn).CloseWrite(), p.ExpectEnd())
}

// TryPath gives one command one name and sees it through, whatever the reply.
func (p *Peer) TryPath(command, name string) error {
	line, transfers := strings.CutPrefix(fmt.Sprintf(strings.Replace(command, "%s", "%[1]s", 1), name), ">")
	if transfers {
		if err := p.PASV(); err != nil {
			return err
		}
	}
	if strings.HasPrefix(line, "RNTO") {
		if err := p.Want("350", "RNFR a"); err != nil {
			return err
		}
	}
	if err := p.Send([]byte(line + "\r\n")); err != nil {
		return err
	}
	reply := p.Reply(ReplyTime)
	switch {
	case reply[0] == '(':
		return fmt.Errorf("no reply: %s", reply)
	case reply[0] == '1' && (strings.HasPrefix(line, "STO") || strings.HasPrefix(line, "APPE")):
		if err := p.Upload([]byte("x")); err != nil {
			return err
		}
		reply = p.Reply(ReplyTime)
	case reply[0] == '1':
		content, _ := p.Download(ReplyTime)
		if reply = p.Reply(ReplyTime); string(content) == "secret" {
			return fmt.Errorf("received %q", content)
		}
	case strings.HasPrefix(reply, "350"):
		reply = p.Command("RNTO renamed")
	case transfers:
		p.DropData()
	}
	if reply[0] < '2' || reply[0] > '5' {
		return fmt.Errorf("answered %q", reply)
	}
	return nil
}

// FinishUpload sends the rest of an upload and waits for the end.
func (p *Peer) FinishUpload(rest []byte, wait time.Duration) error {
	_ = p.Data.SetDeadline(time.Now().Add(wait))
	if _, err := p.Data.Write(rest); err != nil {
		return err
	}
	p.DropData()
	return p.WantReplyWithin("226", wait)
}

// FinishDownload receives the rest of a download and waits for the end.
func (p *Peer) FinishDownload(rest []byte, wait time.Duration) error {
	_ = p.Data.SetDeadline(time.Now().Add(wait))
	if _, err := io.ReadFull(p.Data, rest); err != nil {
		return err
	}
	p.DropData()
	return p.WantReplyWithin("226", wait)
}

// StoreSmall stores a file that holds its name.
func (p *Peer) StoreSmall(name string, wait time.Duration) error {
	if err := errors.Join(p.PASV(), p.Want("1", "STOR %s", name), p.Write([]byte(name))); err != nil {
		return err
	}
	p.DropData()
	return p.WantReplyWithin("226", wait)
}

// WantReplyWithin is WantReply with another time.
func (p *Peer) WantReplyWithin(code string, wait time.Duration) error {
	if reply := p.Reply(wait); !strings.HasPrefix(reply, code) {
		return fmt.Errorf("got %q, want %s", reply, code)
	}
	return nil
}

// WantOneWarning looks for lines about an outage in the log.
func (g *Gateway) WantOneWarning(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Home, "log", "cos_v5.log"))
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.Contains(line, "WARN") && !strings.Contains(line, "runs as root") || strings.Contains(line, "ERROR") {
			warnings = append(warnings, line)
		}
	}
	if len(warnings) > 1 {
		t.Errorf("the log has %d lines about it, want one at most:\n%s", len(warnings), strings.Join(warnings, "\n"))
	}
}
