package rig

import (
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

// Retrieved fetches a listing over a passive data connection.
func (p *Peer) Retrieved(t *testing.T, command string) string {
	t.Helper()
	reply := p.Command("EPSV")
	port := regexp.MustCompile(`\|\|\|(\d+)\|`).FindStringSubmatch(reply)
	if port == nil {
		t.Fatalf("EPSV: %s", reply)
	}
	host, _, _ := net.SplitHostPort(p.Addr)
	data, err := net.Dial("tcp", net.JoinHostPort(host, port[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if reply := p.Command("%s", command); reply[0] != '1' {
		t.Fatalf("%s: %s", command, reply)
	}
	data.SetDeadline(time.Now().Add(ReplyTime))
	text, err := io.ReadAll(data)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if reply := p.Reply(ReplyTime); !strings.HasPrefix(reply, "226 ") {
		t.Fatalf("%s: %s", command, reply)
	}
	return string(text)
}

// LoggedIn is a raw connection of user0.
func LoggedIn(t *testing.T, gate *Gateway) *Peer {
	t.Helper()
	p := &Peer{Addr: gate.Addr}
	if err := p.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.Reply(ReplyTime)
	for _, command := range []string{"USER user0", "PASS pass0", "TYPE I"} {
		p.Command("%s", command)
	}
	return p
}

// MiB is 1,048,576 bytes.
const MiB = 1 << 20

// Login is a client in binary mode.
func Login(t *testing.T, gate *Gateway) *ftp.ServerConn {
	t.Helper()
	client, err := ftp.Dial(gate.Addr)
	if err == nil {
		err = client.Login("user0", "pass0")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Quit() })
	return client
}

// Retrieve downloads a file and throws it away.
func Retrieve(client *ftp.ServerConn, name string) error {
	r, err := client.Retr(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	r.Close()
	return err
}

// Operations names what was asked of the store, sorted.
func Operations(store *Store) string {
	var ops []string
	for _, r := range store.Requests() {
		ops = append(ops, r.Op)
	}
	slices.Sort(ops)
	return strings.Join(ops, " ")
}

// ErrSessionLost is that of a session that ended in the middle of a command.
var ErrSessionLost = errors.New("the session is lost")
