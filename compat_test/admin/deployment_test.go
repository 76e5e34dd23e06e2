package admin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// deployment is a directory as the Python tool leaves it, and what a test needs to use a server in it.
type deployment struct {
	t    *testing.T
	dir  string
	addr string
}

// pythonTool is what stands in a deployment besides conf and log.
var pythonTool = map[string]string{
	"ftp_server.py":             "# -*- coding: utf-8 -*-\nraise SystemExit('the Python tool')\n",
	"setup.py":                  "# the Python tool's\n",
	"ftp_v5/__init__.py":        "",
	"ftp_v5/conf/ftp_config.py": "class CosFtpConfig: pass\n",
	"conf/vsftpd.conf.example":  "# the Python tool's example\n",
	"log/cos_v5.log":            "Sat, 21 Nov 2026 00:57:30 handlers.py[line:1848] INFO an old line\n",
}

func newDeployment(t *testing.T, store *rig.Store) *deployment {
	t.Helper()
	d := &deployment{t: t, dir: filepath.Join(t.TempDir(), "cos-ftp-server-V5")}
	port := rig.FreePort(t)
	d.addr = fmt.Sprintf("127.0.0.1:%d", port)
	conf, err := os.ReadFile(filepath.Join("testdata", "deployment", "vsftpd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	d.write("conf/vsftpd.conf", strings.NewReplacer(
		"{STORE}", store.Addr, "{HOME}", rig.Homes(t), "{PORT}", fmt.Sprint(port)).Replace(string(conf)))
	for name, text := range pythonTool {
		d.write(name, text)
	}
	return d
}

func (d *deployment) write(name, text string) {
	d.t.Helper()
	file := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// files is every file of the deployment and what it holds.
func (d *deployment) files() map[string]string {
	d.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(d.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(d.dir, path)
		found[name] = string(text)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// setupTurn keeps one setup.sh from copying the program while another builds it.
var setupTurn sync.Mutex

// setup runs ./setup.sh COMMAND on the deployment.
func (d *deployment) setup(command string) {
	d.t.Helper()
	setupTurn.Lock()
	defer setupTurn.Unlock()
	cmd := exec.Command("./setup.sh", command, d.dir)
	cmd.Dir = "../.."
	if output, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("./setup.sh %s: %v\n%s", command, err, output)
	}
}

// use logs in and stores a file, as proof that the server serves.
func (d *deployment) use(store *rig.Store, name string) {
	d.t.Helper()
	p := d.session()
	defer p.Close()
	for _, err := range []error{p.Want("200", "TYPE I"), p.PASV(), p.Want("1", "STOR %s", name), p.Upload([]byte("used")), p.WantReply("226")} {
		if err != nil {
			d.t.Fatal(err)
		}
	}
	if o, there := store.Get(rig.BucketName(0), name); !there || string(o.Data) != "used" {
		d.t.Fatalf("the bucket has no %s", name)
	}
}

// session waits until the server listens, and logs in.
func (d *deployment) session() *rig.Peer {
	d.t.Helper()
	p := &rig.Peer{Addr: d.addr}
	deadline := time.Now().Add(rig.ReplyTime)
	for p.Connect() != nil {
		if time.Now().After(deadline) {
			d.t.Fatalf("nothing listens on %s", d.addr)
		}
		<-time.After(10 * time.Millisecond)
	}
	p.Reply(rig.ReplyTime)
	p.Command("USER user0")
	if err := p.Want("230", "PASS pass0"); err != nil {
		d.t.Fatal(err)
	}
	return p
}

// portFree says whether a server may bind the port now, as a restart script would.
func (d *deployment) portFree() error {
	_, port, _ := net.SplitHostPort(d.addr)
	listener, err := net.Listen("tcp4", "0.0.0.0:"+port)
	if err != nil {
		return err
	}
	return listener.Close()
}

// operatorShell is a bash that sees only the test's processes, because the documented way to stop the server ends
// every such process that it sees. It has a PID namespace of its own or, where that is denied (an unprivileged container)
// or / is no mount point (a chroot), a ps that shows its own session alone.
type operatorShell struct {
	t     *testing.T
	stdin io.WriteCloser
	lines *bufio.Scanner
}

// newOperatorShell starts the shell in a directory, with a search path.
func newOperatorShell(t *testing.T, workingDir, searchPath string) *operatorShell {
	t.Helper()
	cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "--norc")
	if exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true").Run() != nil {
		cmd = exec.Command("bash", "--norc")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		searchPath = sessionPS(t) + ":" + searchPath
	}
	cmd.Dir = workingDir
	screens := t.TempDir()
	if err := os.Chmod(screens, 0o700); err != nil { // or screen refuses to use it
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "PATH="+searchPath, "HOME="+t.TempDir(), "SCREENDIR="+screens, "TERM=xterm", "LC_ALL=C.UTF-8")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		if cmd.SysProcAttr != nil {
			killSession(cmd.Process.Pid)
		}
		cmd.Wait()
	})
	return &operatorShell{t: t, stdin: stdin, lines: bufio.NewScanner(stdout)}
}

// sessionPS makes a directory with a ps that shows the processes of its session only.
func sessionPS(t *testing.T) string {
	t.Helper()
	script := `#!/bin/sh
session=$(PS -o sid= -p $$)
case $1 in
-ef) exec PS -f -s $session ;;
-eo) shift; exec PS -s $session -o "$@" ;;
esac
exec PS "$@"
`
	dir := t.TempDir()
	script = strings.NewReplacer("PS ", rig.FindCommand(t, "ps")+" ").Replace(script)
	if err := os.WriteFile(filepath.Join(dir, "ps"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// killSession ends what a shell without a namespace has left running.
func killSession(leader int) {
	output, _ := exec.Command("ps", "-o", "pid=", "-s", strconv.Itoa(leader)).Output()
	for _, field := range strings.Fields(string(output)) {
		if pid, err := strconv.Atoi(field); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

const shellMark = "-- done --"

// run types a command as it stands and returns what it printed.
func (s *operatorShell) run(command string) string {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.stdin, "%s\necho '%s'\n", command, shellMark); err != nil {
		s.t.Fatal(err)
	}
	output := ""
	for s.lines.Scan() {
		if before, done := strings.CutSuffix(s.lines.Text(), shellMark); done {
			return strings.TrimSpace(output + before)
		}
		output += s.lines.Text() + "\n"
	}
	s.t.Fatalf("%s: the shell ended: %s", command, output)
	return ""
}

// titles are the command lines of the servers that run, as the documented pipeline sees them.
func (s *operatorShell) titles() string {
	return s.run(`ps -eo args= | grep '^python ftp_server.py' | grep -v grep`)
}

// await runs a command until it prints what is wanted.
func (s *operatorShell) await(command, want string) {
	s.t.Helper()
	deadline := time.Now().Add(rig.ReplyTime)
	for {
		got := s.run(command)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s prints %q, want %q", command, got, want)
		}
		<-time.After(20 * time.Millisecond)
	}
}
