package admin

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// checkedSite is a conf that -check is run on.
type checkedSite struct {
	t          *testing.T
	home, file string
	port       int
	text       string
}

func newCheckedSite(t *testing.T, store *rig.Store) *checkedSite {
	t.Helper()
	home := rig.Homes(t)
	s := &checkedSite{t: t, home: home, file: filepath.Join(home, "conf", "vsftpd.conf"), port: rig.FreePort(t)}
	s.text = rig.ConfText(store, home, filepath.Join(home, "log"), s.port, map[string]string{"listen_address": "127.0.0.1"})
	return s
}

// check runs -check on a text.
func (s *checkedSite) check(text string) (output string, good bool) {
	s.t.Helper()
	for _, err := range []error{os.MkdirAll(filepath.Dir(s.file), 0o755), os.WriteFile(s.file, []byte(text), 0o600)} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	said, err := exec.Command(rig.Binary, "-check", "-conf", s.file).CombinedOutput()
	return string(said), err == nil
}

// TestCheckCanBeTrusted: -check ends with 1 for whatever keeps an account or the whole from working, and with 0 for a good
// conf, with one line that says what is wrong and where.
func TestCheckCanBeTrusted(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	secure := httptest.NewUnstartedServer(store.Server)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, c := range []struct{ name, old, new, want string }{
		{"good", "", "", ""},
		{"wrong key", "cos_secretkey = test-key", "cos_secretkey = other-key", "[COS_ACCOUNT_0]: bucket bucket0-1250000000 at bucket0-1250000000.cos.ap-test.myqcloud.com: COS answered 403"},
		{"no such bucket", rig.BucketName(1), "bucketx-1250000000", "[COS_ACCOUNT_1]: bucket bucketx-1250000000 at bucketx-1250000000.cos.ap-test.myqcloud.com: COS answered 404"},
		{"capital region", "ap-test", "Ap-test", "[COS_ACCOUNT_0] cos_region = Ap-test: want a region of lower-case letters"},
		{"unknown host", "cos_address = " + store.Addr, "cos_address = no-such-host.invalid:80", "the host name is unknown: check cos_region and cos_endpoint"},
		{"https against http", "cos_protocol = http", "cos_protocol = https", "the other side speaks http without TLS: set cos_protocol = http"},
		{"http against https", "cos_address = " + store.Addr, "cos_address = " + secure.Listener.Addr().String(), "cos_protocol = https"},
		{"nobody answers", "cos_address = " + store.Addr, "cos_address = 127.0.0.1:1", "there is no way to it from here: check cos_address, the firewall and the proxy"},
		{"unusable account", "cos_secretid = test-id", "cos_secretid =", ":2: [COS_ACCOUNT_0] cos_secretid: empty"},
		{"misspelt section", "[OPTIONAL]", "[OPTIONALS]", "[OPTIONALS]: section ignored: did you mean [OPTIONAL]?"},
		{"a key twice", "[OPTIONAL]", "[OPTIONAL]\nmax_list_file = 1", "[OPTIONAL] max_list_file: line "},
		{"a section twice", "[COS_ACCOUNT_1]", "[COS_ACCOUNT_0]", "[COS_ACCOUNT_0]: line 1 begins a section of this name too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newCheckedSite(t, store)
			said, good := s.check(strings.Replace(s.text, c.old, c.new, 1))
			if good != (c.want == "") {
				t.Errorf("exit code 0: %v\n%s", good, said)
			}
			found := c.want == "" && !strings.Contains(said, "error: ")
			for line := range strings.SplitSeq(said, "\n") {
				found = found || strings.HasPrefix(line, "error: "+s.file) && strings.Contains(line, c.want)
			}
			if !found {
				t.Errorf("no line error: %s…%s…:\n%s", s.file, c.want, said)
			}
			if strings.Contains(said, "other-key") || strings.Contains(said, "test-key") {
				t.Errorf("a secret is in\n%s", said)
			}
		})
	}
}

// TestCheckOfNothing: neither a conf without accounts nor the example, unfilled, is good.
func TestCheckOfNothing(t *testing.T) {
	t.Parallel()
	s := newCheckedSite(t, rig.NewStore(t))
	example := strings.NewReplacer("/home/", s.home+"/", "listen_port = 2121", fmt.Sprint("listen_port = ", s.port)).Replace(rig.ReadText(t, "../../conf/vsftpd.conf.example"))
	for text, want := range map[string]string{
		s.text[strings.Index(s.text, "[NETWORK]"):]: ": no [COS_ACCOUNT_0] section, so nobody can log in",
		example: "[COS_ACCOUNT_0] cos_secretid: this is the example's word: want the API key that the COS console shows",
	} {
		if said, good := s.check(text); good || !strings.Contains(said, want) {
			t.Errorf("exit code 0: %v, want …%s…\n%s", good, want, said)
		}
	}
}

// TestCheckShowsWarningsBesideErrors, of the conf and of the machine.
func TestCheckShowsWarningsBesideErrors(t *testing.T) {
	t.Parallel()
	s := newCheckedSite(t, rig.NewStore(t))
	said, good := s.check(strings.Replace(s.text, "[OPTIONAL]\n", "[OPTIONAL]\nfrobnicate = 1\nshutdown_grace = long\n", 1))
	if good || !strings.Contains(said, "warning: "+s.file) || !strings.Contains(said, "frobnicate: ignored") ||
		!strings.Contains(said, "error: "+s.file) || !strings.Contains(said, "shutdown_grace = long: want seconds") {
		t.Errorf("exit code 0: %v\n%s", good, said)
	}
}

// TestUnusableAccountLetsOthersIn: what is wrong with an account is told on stderr and in the log, nobody can log in to it,
// and everybody else can.
func TestUnusableAccountLetsOthersIn(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]*strings.Replacer{
		"cos_secretkey: empty":              strings.NewReplacer("[COS_ACCOUNT_0]\ncos_secretid = test-id\ncos_secretkey = test-key", "[COS_ACCOUNT_0]\ncos_secretid = test-id\ncos_secretkey ="),
		"cos_region = Ap-test: want":        strings.NewReplacer("cos_bucket = "+rig.BucketName(0)+"\ncos_region = ap-test", "cos_bucket = "+rig.BucketName(0)+"\ncos_region = Ap-test"),
		"the quotes belong to the value":    strings.NewReplacer("cos_bucket = "+rig.BucketName(0), "cos_bucket = "+rig.BucketName(0)+"\ncos_endpoint = \"cos.ap-test.myqcloud.com\""),
		"home_dir = /home/no/such: no such": strings.NewReplacer("user0\nftp_login", "user0\nhome_dir = /home/no/such\nftp_login"),
	} {
		t.Run(name, func(t *testing.T) {
			store := rig.NewStore(t)
			g := rig.StartEdited(t, store, nil, edit.Replace)
			if got := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user1", "pass1").Command("MKD d"); !strings.HasPrefix(got, "257 ") {
				t.Errorf("MKD of another user is answered %q", got)
			}
			p := &rig.Peer{Addr: g.Addr}
			t.Cleanup(p.Close)
			if err := p.Connect(); err != nil {
				t.Fatal(err)
			}
			p.Reply(rig.ReplyTime)
			p.Command("USER user0")
			if got := p.Command("PASS pass0"); got != "530 Authentication failed." {
				t.Errorf("a login to it is answered %q", got)
			}
			for where, text := range map[string]string{"stderr": g.Proc.Output(), "the log": readLog(t, filepath.Join(g.Home, "log"))} {
				if !strings.Contains(text, name) || !strings.Contains(text, "; until then nobody can log in to this account") {
					t.Errorf("%s does not tell …%s…:\n%s", where, name, text)
				}
			}
		})
	}
}

// TestCheckOnAFullLogDisk: -check says so and ends with 1; the start is not refused (TestLogDiskFull).
func TestCheckOnAFullLogDisk(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	_, _, logDir := startOnSmallDisk(t, store, nil)
	s := newCheckedSite(t, store)
	text := strings.Replace(s.text, "log_dir = "+filepath.Join(s.home, "log"), "log_dir = "+logDir, 1)
	if said, good := s.check(text); !good {
		t.Fatalf("before: %s", said)
	}
	_ = fill(filepath.Join(logDir, "filler")) // how it ends is what the check is to find out
	if said, good := s.check(text); good || !strings.Contains(said, "error: "+s.file+": [OPTIONAL] log_dir = "+logDir) || !strings.Contains(said, "no space left on device: log lines are lost") {
		t.Errorf("exit code 0: %v\n%s", good, said)
	}
}

// TestCheckBesideTheRunningServer: its port is a note where the process reads the same conf, whichever of the two programs
// it is. A port that another program has is an error.
func TestCheckBesideTheRunningServer(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	python := rig.FindCommand(t, "python3")
	const tool = `import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(1)
print("starting  ftp server...", flush=True)
time.sleep(600)
`
	for _, c := range []struct {
		name  string
		start func(*checkedSite) *exec.Cmd
		note  bool
	}{
		{"the Python tool", func(s *checkedSite) *exec.Cmd {
			cmd := exec.Command(python, "ftp_server.py", fmt.Sprint(s.port))
			cmd.Dir = s.home
			return cmd
		}, true},
		{"the Python tool of another directory", func(s *checkedSite) *exec.Cmd {
			cmd := exec.Command(python, "ftp_server.py", fmt.Sprint(s.port))
			cmd.Dir = filepath.Join(s.home, "elsewhere")
			return cmd
		}, false},
		{"this program", func(s *checkedSite) *exec.Cmd { return exec.Command(rig.Binary, "-conf", s.file) }, true},
		{"another program", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newCheckedSite(t, store)
			if said, good := s.check(s.text); !good {
				t.Fatal(said)
			}
			for _, dir := range []string{s.home, filepath.Join(s.home, "elsewhere")} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "ftp_server.py"), []byte(tool), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if c.start == nil {
				taken, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port))
				if err != nil {
					t.Fatal(err)
				}
				defer taken.Close()
			} else if proc := rig.StartProgram(t, c.start(s)); !proc.Ready() {
				t.Fatal(proc.Output())
			}
			said, good := s.check(s.text)
			note := strings.Contains(said, fmt.Sprintf("note: %s: [NETWORK] listen_port = %d: the server that runs has this port (process ", s.file, s.port))
			if good != c.note || note != c.note || strings.Contains(said, "is in use") == c.note {
				t.Errorf("exit code 0: %v, a note: %v, want %v\n%s", good, note, c.note, said)
			}
		})
	}
}

// TestSourcePortInUse: -check ends with 1, the start warns and serves, and where the port is free nothing is said.
func TestSourcePortInUse(t *testing.T) {
	t.Parallel()
	s := newCheckedSite(t, rig.NewStore(t))
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	want := fmt.Sprintf("%s: [NETWORK] active_source_port = %d: active data connections fail, PORT and EPRT are answered 425: bind 127.0.0.1:%d: address already in use; stop what has it (ss -tanp)", s.file, port, port)
	text := strings.Replace(s.text, "[NETWORK]\n", fmt.Sprintf("[NETWORK]\nactive_source_port = %d\n", port), 1)
	if said, good := s.check(text); good || !strings.Contains(said, "error: "+want) {
		t.Errorf("exit code 0: %v, want error: %s…\n%s", good, want, said)
	}
	proc := rig.StartProgram(t, exec.Command(rig.Binary, "-conf", s.file))
	if started := proc.Ready(); !started || !strings.Contains(proc.Output(), "warning: "+want) {
		t.Errorf("started %v, want warning: %s…\n%s", started, want, proc.Output())
	}
	proc.Stop(t)
	taken.Close()
	if said, good := s.check(text); !good || strings.Contains(said, "active_source_port") {
		t.Errorf("exit code 0: %v, port free\n%s", good, said)
	}
}
