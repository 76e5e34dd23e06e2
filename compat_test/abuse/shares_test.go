package abuse

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestLoginBesideGoneClients: clients that send a password and leave hold up nobody's login, neither in clear text nor
// with a hash. The times are for docs/reliability.md.
func TestLoginBesideGoneClients(t *testing.T) {
	t.Parallel()
	const gone = 511
	gate := rig.StartEdited(t, rig.NewStore(t), map[string]string{"max_connection_num": "2100"}, strings.NewReplacer(
		"ftp_login_user_password = pass0\n", "ftp_login_user_password_hash = "+rig.HashOf(t, "pass0")+"\n").Replace)
	pid := gate.Proc.Cmd.Process.Pid
	login := func(user, password string) time.Duration {
		began := time.Now()
		(&rig.Abused{T: t, Addr: gate.Addr}).LoginAs(user, password).Close()
		return time.Since(began)
	}
	login("user0", "pass0")
	files := awaitFiles(t, pid, 0)
	for _, user := range []string{"user1", "user0"} {
		for range gone {
			conn, err := net.Dial("tcp", gate.Addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, "USER user0\r\nPASS wrong\r\n")
			conn.Close()
		}
		t.Logf("%s logs in behind %d clients that left within %v", user, gone, login(user, "pass"+user[4:]))
		awaitFiles(t, pid, files)
	}
}

// TestSlowDripBesideOthers: where the memory is small, one account's clients that send 900 KB and then a byte now and
// then do not stop another account's transfers. The times are for docs/reliability.md.
func TestSlowDripBesideOthers(t *testing.T) {
	t.Parallel()
	const drips = 52
	gate := rig.StartGateway(t, rig.NewStore(t), map[string]string{"transfer_memory": "33554432"})
	pid := gate.Proc.Cmd.Process.Pid
	data := rig.Pattern(1, 10<<20)
	transfer := func() (took time.Duration) {
		client, err := ftp.Dial(gate.Addr, ftp.DialWithTimeout(2*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Quit()
		if err := client.Login("user1", "pass1"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := client.Stor("file", bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		got, err := client.Retr("file")
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		if back, err := io.ReadAll(got); err != nil || !bytes.Equal(back, data) {
			t.Fatalf("%d bytes came back: %v", len(back), err)
		}
		return time.Since(began)
	}
	alone := transfer()
	files := awaitFiles(t, pid, 0)
	var dripping []*rig.Peer
	for i := range drips {
		p := &rig.Peer{Addr: gate.Addr}
		t.Cleanup(p.Close)
		if err := p.Connect(); err != nil {
			t.Fatal(err)
		}
		p.Reply(rig.ReplyTime)
		for _, command := range []string{"USER user0", "PASS pass0", "TYPE I", "PASV"} {
			p.Command("%s", command)
		}
		if err := p.Open(""); err != nil {
			t.Fatal(err)
		}
		p.Command("STOR drip%d", i)
		p.Data.SetWriteDeadline(time.Now().Add(time.Second)) // where the memory is used up nobody reads
		p.Data.Write(data[:900_000])
		dripping = append(dripping, p)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(8 * time.Second):
			}
			for _, p := range dripping {
				p.Data.SetWriteDeadline(time.Now().Add(time.Millisecond))
				p.Data.Write([]byte("x"))
			}
		}
	}()
	t.Logf("10 MiB up and down: %v alone, %v beside %d slow uploads of another account", alone, transfer(), drips)
	for _, p := range dripping {
		p.Close()
	}
	awaitFiles(t, pid, files+drips) // idle connections to COS stay open; a session has two
	gate.AwaitFarewells(t)
	gate.Proc.WantNoSessions(t)
}
