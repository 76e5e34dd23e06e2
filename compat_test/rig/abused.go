package rig

import (
	"fmt"
	"strings"
	"testing"
)

// Abused is an engine under one abuse.
type Abused struct {
	T      *testing.T
	Addr   string
	Files  *MemFS
	Store  *Store
	Limits AbuseLimits
}

// Login opens a session; the test fails where even that does not work.
func (a *Abused) Login() *Peer {
	a.T.Helper()
	return a.LoginAs("user", "pass")
}

// LoginAs opens a session of that user.
func (a *Abused) LoginAs(user, password string) *Peer {
	a.T.Helper()
	p := &Peer{Addr: a.Addr}
	if err := p.Connect(); err != nil {
		a.T.Fatal(err)
	}
	a.T.Cleanup(p.Close)
	for _, err := range []error{
		p.WantReply("220"), p.Want("331", "USER %s", user), p.Want("230", "PASS %s", password), p.Want("200", "TYPE I"),
	} {
		if err != nil {
			a.T.Fatal(err)
		}
	}
	return p
}

// Transfer logs in, opens a passive data connection and starts a command on it.
func (a *Abused) Transfer(command string) (*Peer, error) {
	p := a.Login()
	if err := p.PASV(); err != nil {
		return p, err
	}
	return p, p.Want("1", "%s", command)
}

// PASV opens a data connection.
func (p *Peer) PASV() error {
	if err := p.Want("227", "PASV"); err != nil {
		return err
	}
	return p.Open("")
}

// Want sends a command and checks the beginning of its reply.
func (p *Peer) Want(code, format string, args ...any) error {
	if reply := p.Command(format, args...); !strings.HasPrefix(reply, code) {
		return fmt.Errorf("%s is answered %q, want %s", fmt.Sprintf(format, args...), reply, code)
	}
	return nil
}

// WantReply checks the next reply without sending anything.
func (p *Peer) WantReply(code string) error {
	if reply := p.Reply(ReplyTime); !strings.HasPrefix(reply, code) {
		return fmt.Errorf("got %q, want %s", reply, code)
	}
	return nil
}

// Expect plays commands, each with the beginning of its reply.
func (p *Peer) Expect(dialogue ...string) error {
	for i := 0; i < len(dialogue); i += 2 {
		if err := p.Want(dialogue[i+1], "%s", dialogue[i]); err != nil {
			return err
		}
	}
	return nil
}

// STOR uploads over a new data connection.
func (p *Peer) STOR(command string, content []byte) (reply string, err error) {
	if err := p.PASV(); err != nil {
		return "", err
	}
	if err := p.Want("1", "%s", command); err != nil {
		return "", err
	}
	if err := p.Upload(content); err != nil {
		return "", err
	}
	return p.Reply(ReplyTime), nil
}

// Fetch downloads over a new data connection.
func (p *Peer) Fetch(command string) (content []byte, reply string, err error) {
	if err := p.PASV(); err != nil {
		return nil, "", err
	}
	if reply := p.Command("%s", command); !strings.HasPrefix(reply, "1") {
		return nil, reply, nil
	}
	content, _ = p.Download(ReplyTime)
	return content, p.Reply(ReplyTime), nil
}

// Object returns the content of an object of the first bucket.
func (a *Abused) Object(key string) (content string, there bool) {
	o, there := a.Store.Get(BucketName(0), key)
	return string(o.Data), there
}
