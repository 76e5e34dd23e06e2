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

const (
	manyStrangers, fewStrangers = 1000, 100 // few of those that keep the server busy
	// strangerBytes is the share of a session in the memory that -check prints.
	strangerBytes = 128 << 10
	tlsBytes      = 64 << 10
	// wasteBytes is what the collector may not have given back yet.
	wasteBytes = 24 << 20
)

// stranger is what a peer without a login sends, and does not read.
type stranger struct {
	name  string
	count int
	says  []string // one after the other, each when what came before was answered
	bytes int64    // that a peer may cost
}

// anyOf repeats text to a size that is greater than the buffers of the way.
func anyOf(text string, size int) string { return strings.Repeat(text, size/len(text)) }

var everyByte = func() string {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	return b.String()
}()

func theStrangers() []stranger {
	longPass := "PASS " + strings.Repeat("\xff", 2000) + "\r\n"
	return []stranger{
		{"silent", manyStrangers, nil, strangerBytes},
		{"line-without-end", manyStrangers, []string{strings.Repeat("A", 2048)}, strangerBytes},
		{"endless-line", manyStrangers, []string{anyOf("A", 256<<10)}, strangerBytes},
		{"every-byte", manyStrangers, []string{anyOf(everyByte, 64<<10)}, strangerBytes},
		{"telnet-commands", manyStrangers, []string{anyOf("\xff\xf4\xff\xf2\xff\xfb\x01", 64<<10)}, strangerBytes},
		{"flood-of-commands", fewStrangers, []string{anyOf("HELP\r\nFEAT\r\nSTAT\r\n", 64<<10)}, strangerBytes},
		{"flood-of-refused", fewStrangers, []string{anyOf("STOR x\r\nLIST\r\nNOOP\r\nSIZE x\r\n", 64<<10)}, strangerBytes},
		{"passwords-behind-a-refused-one", manyStrangers, []string{"USER x\r\nPASS y\r\n" + anyOf(longPass, 64<<10)}, strangerBytes},
		{"half-a-handshake", manyStrangers, []string{"AUTH TLS\r\n", "\x16\x03\x01\x40\x00\x01" + strings.Repeat("x", 16000)}, strangerBytes + tlsBytes},
	}
}

// TestStrangersCostLittle: a thousand peers without a login, whatever they send, take no more memory than the check at
// the start counts for a session, they hold up nobody who logs in, and nothing of them is left when they have gone.
func TestStrangersCostLittle(t *testing.T) {
	t.Parallel()
	file, addr := strangersConf(t)
	lean := filepath.Join(t.TempDir(), "cos-ftp-server") // the race detector multiplies memory
	if output, err := exec.Command("go", "build", "-o", lean, "../..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	for _, s := range theStrangers() {
		t.Run(s.name, func(t *testing.T) {
			proc := rig.StartProgram(t, exec.Command(lean, "-conf", file))
			if !proc.Ready() {
				t.Fatalf("the program did not start: %s", proc.Output())
			}
			pid := proc.Cmd.Process.Pid
			(&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0").Close()
			files, memory := awaitFiles(t, pid, 0), rig.ResidentMemory(pid)
			crowd := s.gather(t, addr)
			(&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0").Close()
			held, top := (rig.ResidentMemory(pid)-memory)/int64(s.count), (rig.PeakRSS(t, pid)-memory)/int64(s.count)
			t.Logf("%d peers: %d KiB each, %d KiB at the peak; %d files", s.count, held>>10, top>>10, len(rig.OpenFiles(t, pid)))
			if limit := s.bytes + wasteBytes/int64(s.count); top > limit {
				t.Errorf("a peer costs %d bytes, want at most %d", top, limit)
			}
			for _, conn := range crowd {
				conn.Close()
			}
			awaitFiles(t, pid, files)
			proc.WantNoSessions(t)
		})
	}
}

// gather connects the strangers and lets each say its piece.
func (s stranger) gather(t *testing.T, addr string) (crowd []net.Conn) {
	t.Helper()
	t.Cleanup(func() {
		for _, conn := range crowd {
			conn.Close()
		}
	})
	for range s.count {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, conn)
		for _, piece := range s.says {
			s.hear(t, conn)
			// A server that takes no more, because nobody reads its replies, is what some are about.
			conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			conn.Write([]byte(piece))
		}
		if len(s.says) == 0 {
			s.hear(t, conn)
		}
	}
	return crowd
}

// hear reads what the server said last.
func (s stranger) hear(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(rig.ReplyTime))
	if _, err := conn.Read(make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
}

// strangersConf is a conf without limits, with FTPS.
func strangersConf(t *testing.T) (file, addr string) {
	t.Helper()
	store, home, port := rig.NewStore(t), rig.Homes(t), rig.FreePort(t)
	cert, key := rig.Certificate(t, time.Now().Add(time.Hour))
	file = filepath.Join(t.TempDir(), "vsftpd.conf")
	text := rig.ConfText(store, home, filepath.Join(home, "log"), port, map[string]string{
		"config_check_enable": "false", "max_connection_num": "0", "tls_cert_file": cert, "tls_key_file": key,
	})
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, fmt.Sprintf("127.0.0.1:%d", port)
}

// awaitFiles waits until the process has no more files open than so many; 0 waits until the number stays.
func awaitFiles(t *testing.T, pid, want int) (n int) {
	t.Helper()
	last, same := 0, 0
	for deadline := time.Now().Add(rig.ReplyTime); ; time.Sleep(20 * time.Millisecond) {
		n = len(rig.OpenFiles(t, pid))
		if same++; n != last {
			last, same = n, 0
		}
		if want > 0 && n <= want || want == 0 && same > 20 {
			return n
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d files are open, want %d", n, want)
		}
	}
}

// TestPassiveStorm: sessions that ask for passive connections one after the other, and never use them, hold one port
// each, and none when they are told to give it up.
func TestPassiveStorm(t *testing.T) {
	t.Parallel()
	const sessions, asks, spare = 50, 100, 16
	g := rig.StartGateway(t, rig.NewStore(t), map[string]string{"passive_port": "65000,65399", "max_connection_num": "0"})
	pid := g.Proc.Cmd.Process.Pid
	var crowd []*rig.Peer
	for range sessions {
		crowd = append(crowd, (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0"))
	}
	before := len(rig.OpenFiles(t, pid))
	for _, p := range crowd {
		if err := p.Send([]byte(strings.Repeat("PASV\r\nEPSV\r\n", asks/2))); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	for range asks {
		for _, p := range crowd {
			if reply := p.Reply(rig.ReplyTime); !strings.HasPrefix(reply, "22") {
				t.Fatalf("PASV is answered %q", reply)
			}
		}
		most = max(most, len(rig.OpenFiles(t, pid)))
	}
	t.Logf("%d sessions, %d PASV and EPSV: at most %d files open beside %d", sessions, sessions*asks, most-before, before)
	if most > before+sessions+spare {
		t.Errorf("%d files are open beside %d, want one per session", most-before, before)
	}
	for _, p := range crowd {
		if err := p.Want("225", "ABOR"); err != nil {
			t.Error(err)
		}
	}
	if n := len(rig.OpenFiles(t, pid)); n > before+spare {
		t.Errorf("%d files are open afterwards, %d before", n, before)
	}
}
