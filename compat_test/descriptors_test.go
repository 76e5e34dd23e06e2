package compat_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fewDescriptors is a limit that the program reaches with a few dozen connections.
const fewDescriptors = 48

// TestOutOfFileDescriptors: more connections come than the process may have files. Sessions that are open live and
// are answered, a transfer is refused and not hung, and once there are files again new sessions are let in and
// transfers work.
func TestOutOfFileDescriptors(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	addr, logFile := startWithFewDescriptors(t, store)
	old := (&abused{t: t, addr: addr}).loginAs("user0", "pass0")

	crowd := exhaust(t, addr)
	for range 3 {
		if err := old.want("257", "PWD"); err != nil {
			t.Error(err)
		}
	}
	if err := old.want("425", "PASV"); err != nil {
		t.Error(err)
	}
	for _, conn := range crowd {
		conn.Close()
	}

	fresh := (&abused{t: t, addr: addr}).loginAs("user0", "pass0")
	for name, p := range map[string]*peer{"old.bin": old, "fresh.bin": fresh} {
		content := []byte("stored by " + name)
		for _, err := range []error{
			awaitPassive(p), p.want("1", "STOR %s", name), p.upload(content), p.wantReply("226"), store.await(0, name, content),
		} {
			if err != nil {
				t.Fatalf("%s, when there are files again: %v", name, err)
			}
		}
	}
	text, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "accept a control connection"); n == 0 || n > 10 {
		t.Errorf("the log complains %d times", n)
	}
}

// startWithFewDescriptors runs the program under a limit that it cannot raise.
func startWithFewDescriptors(t *testing.T, store *store) (addr, logFile string) {
	t.Helper()
	home, port := homes(t), freePort(t)
	file := filepath.Join(t.TempDir(), "vsftpd.conf")
	text := confText(store, home, filepath.Join(home, "log"), port, map[string]string{"config_check_enable": "false"})
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, fewDescriptors)
	proc := startProgram(t, exec.Command("sh", "-c", limit, binary, "-conf", file))
	if !proc.ready() {
		t.Fatalf("the program does not start: %s", proc.output())
	}
	return fmt.Sprintf("127.0.0.1:%d", port), filepath.Join(home, "log", "cos_v5.log")
}

// exhaust opens connections until the program cannot greet any more, and a few on top.
func exhaust(t *testing.T, addr string) (crowd []net.Conn) {
	t.Helper()
	unheard := 0
	for unheard < 3 {
		conn, err := net.DialTimeout("tcp", addr, replyTime)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, conn)
		t.Cleanup(func() { conn.Close() })
		conn.SetReadDeadline(time.Now().Add(2 * time.Second)) // in which a busy machine greets
		if n, _ := conn.Read(make([]byte, 1)); n == 0 {
			unheard++
		}
		if len(crowd) > 2*fewDescriptors {
			t.Fatalf("%d connections are open under a limit of %d files", len(crowd), fewDescriptors)
		}
	}
	return crowd
}

// awaitPassive asks for a data connection until the program has noticed that others have gone.
func awaitPassive(p *peer) error {
	deadline := time.Now().Add(replyTime)
	for {
		err := p.pasv()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(10 * time.Millisecond)
	}
}
