package abuse

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// fewDescriptors is a limit that the program reaches with a few dozen connections.
const fewDescriptors = 48

// TestOutOfFileDescriptors: more connections come than the process may have files. Sessions that are open live and
// are answered, a transfer is refused and not hung, and once there are files again new sessions are let in and
// transfers work.
func TestOutOfFileDescriptors(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	addr, logFile := startWithFewDescriptors(t, store)
	old := (&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0")

	crowd := exhaust(t, addr)
	for range 3 {
		if err := old.Want("257", "PWD"); err != nil {
			t.Error(err)
		}
	}
	if err := old.Want("425", "PASV"); err != nil {
		t.Error(err)
	}
	for _, conn := range crowd {
		conn.Close()
	}

	fresh := (&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0")
	for name, p := range map[string]*rig.Peer{"old.bin": old, "fresh.bin": fresh} {
		content := []byte("stored by " + name)
		for _, err := range []error{
			awaitPassive(p), p.Want("1", "STOR %s", name), p.Upload(content), p.WantReply("226"), store.Await(0, name, content),
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
func startWithFewDescriptors(t *testing.T, store *rig.Store) (addr, logFile string) {
	t.Helper()
	home, port := rig.Homes(t), rig.FreePort(t)
	file := filepath.Join(t.TempDir(), "vsftpd.conf")
	text := rig.ConfText(store, home, filepath.Join(home, "log"), port, map[string]string{"config_check_enable": "false"})
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, fewDescriptors)
	proc := rig.StartProgram(t, exec.Command("sh", "-c", limit, rig.Binary, "-conf", file))
	if !proc.Ready() {
		t.Fatalf("the program does not start: %s", proc.Output())
	}
	return fmt.Sprintf("127.0.0.1:%d", port), filepath.Join(home, "log", "cos_v5.log")
}

// exhaust opens connections until the program cannot greet any more, and a few on top.
func exhaust(t *testing.T, addr string) (crowd []net.Conn) {
	t.Helper()
	unheard := 0
	for unheard < 3 {
		conn, err := net.DialTimeout("tcp", addr, rig.ReplyTime)
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
func awaitPassive(p *rig.Peer) error {
	deadline := time.Now().Add(rig.ReplyTime)
	for {
		err := p.PASV()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(10 * time.Millisecond)
	}
}
