package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// Gateway is what a dialogue talks to.
type Gateway struct {
	Addr string
	Home string // the directory above the home_dirs
	Proc *Program
}

// ConfText is a conf with four accounts on the store, as the dialogues were recorded with, and some options
// changed.
func ConfText(store *Store, home, logDir string, port int, change map[string]string) string {
	values := map[string]string{
		"listen_port": fmt.Sprint(port), "passive_port": "61000,61400",
		"single_file_max_size": "104857600",
		"min_part_size":        "1048576", "max_list_file": "10000", "log_dir": logDir, "log_level": "INFO",
		"rename_dir_limit": "0", // refused, as in the original
		"storage_patience": "1", // what fails, fails soon
	}
	for key, value := range change {
		values[key] = value
	}
	var text strings.Builder
	for n := range AccountCount {
		authority := []string{"RW", "RW", "R", "W"}[n]
		fmt.Fprintf(&text, `[COS_ACCOUNT_%d]
cos_secretid = test-id
cos_secretkey = test-key
cos_bucket = %s
cos_region = ap-test
cos_protocol = http
cos_address = %s
home_dir = %s
ftp_login_user_name = user%d
ftp_login_user_password = pass%d
authority = %s
delete_enable = %v

`, n, BucketName(n), store.Addr, filepath.Join(home, fmt.Sprintf("user%d", n)), n, n, authority, n != 1)
	}
	writeSection(&text, values, "NETWORK", networkKeys()...)
	writeSection(&text, values, "FILE_OPTION", "single_file_max_size")
	var rest []string
	for key := range values {
		rest = append(rest, key)
	}
	writeSection(&text, values, "OPTIONAL", rest...)
	return text.String()
}

func networkKeys() (names []string) {
	for _, key := range conf.Keys() {
		if key.Section == "NETWORK" {
			names = append(names, key.Name)
		}
	}
	return names
}

func writeSection(text *strings.Builder, values map[string]string, section string, keys ...string) {
	fmt.Fprintf(text, "[%s]\n", section)
	for _, key := range keys {
		if value, there := values[key]; there {
			fmt.Fprintf(text, "%s = %s\n", key, value)
			delete(values, key)
		}
	}
}

// Homes makes the accounts' home directories in a new directory.
func Homes(t *testing.T) string {
	t.Helper()
	home := LowerCaseDir(t)
	for n := range AccountCount {
		if err := os.MkdirAll(filepath.Join(home, fmt.Sprintf("user%d", n)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// LowerCaseDir is a temporary directory whose name a log_dir may hold: log_dir is taken in lower case, and
// t.TempDir holds the test's name.
func LowerCaseDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "compat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// StartGateway runs the built program on the store.
func StartGateway(t *testing.T, store *Store, change map[string]string, env ...string) *Gateway {
	t.Helper()
	return StartEdited(t, store, change, func(conf string) string { return conf }, env...)
}

// StartEdited is StartGateway with the text of the conf edited.
func StartEdited(t *testing.T, store *Store, change map[string]string, edit func(conf string) string, env ...string) *Gateway {
	t.Helper()
	home := Homes(t)
	for range 5 {
		port := FreePort(t)
		file := filepath.Join(t.TempDir(), "vsftpd.conf")
		text := edit(ConfText(store, home, filepath.Join(home, "log"), port, change))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		proc := StartProgram(t, exec.Command(Binary, "-conf", file), env...)
		if proc.Ready() {
			return &Gateway{Addr: fmt.Sprintf("127.0.0.1:%d", port), Home: home, Proc: proc}
		}
		// Between FreePort and the program's own listening another process may have taken the port.
		if !strings.Contains(proc.Output(), "in use") {
			t.Fatalf("the program did not start: %s", proc.Output())
		}
	}
	t.Fatal("no free port found")
	return nil
}

// The ports for programs lie below those that systems give to outgoing connections. Folders are tested side by side, so
// each test process has a range of its own.
const (
	firstPort  = 20000
	portRanges = 12
	portCount  = 1000 // of a range
)

var (
	ports    net.Listener // on the first port of this process's range, which is taken as long as it listens
	lastPort atomic.Uint32
)

// takePorts takes the first range of ports that no other process has.
func takePorts() (err error) {
	for n := range portRanges {
		if ports, err = net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", firstPort+n*portCount)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no free range of ports: %w", err)
}

// FreePort is a port that nothing listens on now, another one each time.
func FreePort(t *testing.T) int {
	t.Helper()
	lastPort.CompareAndSwap(0, uint32(rand.IntN(portCount)))
	first := ports.Addr().(*net.TCPAddr).Port
	for range portCount {
		port := first + int(lastPort.Add(1)%portCount)
		listener, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no free port found")
	return 0
}

// Program is a running process whose output is kept.
type Program struct {
	Cmd     *exec.Cmd
	started chan struct{} // closed at the line that says it listens
	Done    chan struct{} // closed when it has ended

	mu  sync.Mutex
	out bytes.Buffer
}

// StartProgram starts cmd. Its stderr is kept too, unless the caller wants it elsewhere.
func StartProgram(t *testing.T, cmd *exec.Cmd, env ...string) *Program {
	t.Helper()
	p := &Program{Cmd: cmd, started: make(chan struct{}), Done: make(chan struct{})}
	cmd.Env = append(os.Environ(), env...)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = writer
	if cmd.Stderr == nil {
		cmd.Stderr = writer
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	go p.follow(reader)
	t.Cleanup(func() { p.Stop(t) })
	return p
}

func (p *Program) follow(output *os.File) {
	defer close(p.Done)
	defer output.Close()
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	told := false
	for lines.Scan() {
		p.mu.Lock()
		fmt.Fprintln(&p.out, lines.Text())
		p.mu.Unlock()
		if !told && strings.HasPrefix(lines.Text(), "starting  ftp server...") {
			told = true
			close(p.started)
		}
	}
	p.Cmd.Wait()
}

// Output returns what the program has written so far.
func (p *Program) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Ready waits until the program listens; false means that it ended instead.
func (p *Program) Ready() bool {
	select {
	case <-p.started:
		return true
	case <-p.Done:
		return false
	case <-time.After(ReplyTime):
		return false
	}
}

// Wait returns the exit code, or -1 where the program did not end in time.
func (p *Program) Wait(within time.Duration) int {
	select {
	case <-p.Done:
		return p.Cmd.ProcessState.ExitCode()
	case <-time.After(within):
		return -1
	}
}

// Ended is how the program ended, nil while it runs.
func (p *Program) Ended() *os.ProcessState {
	select {
	case <-p.Done:
		return p.Cmd.ProcessState
	case <-time.After(100 * time.Millisecond): // its connections end before its parent knows
		return nil
	}
}

// Stop ends the program for good; a race that the detector found in it is the test's failure.
func (p *Program) Stop(t *testing.T) {
	p.Cmd.Process.Signal(syscall.SIGTERM)
	p.Cmd.Process.Signal(syscall.SIGTERM)
	if p.Wait(ReplyTime) < 0 {
		select {
		case <-p.Done: // ended by a signal
		default:
			t.Errorf("the program outlives two SIGTERM")
			p.Cmd.Process.Kill()
			<-p.Done
		}
	}
	if out := p.Output(); strings.Contains(out, "DATA RACE") || strings.Contains(out, "panic:") {
		t.Errorf("the program said: %s", out)
	}
}

// OpenFiles is what the open files and sockets of a process are.
func OpenFiles(t *testing.T, pid int) (names []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, _ := os.Readlink(filepath.Join(dir, e.Name()))
		names = append(names, target)
	}
	return names
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// ResidentMemory is that of a process in bytes, 0 where it is gone.
func ResidentMemory(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	m := resident.FindSubmatch(status)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10
}

// WantNoSessions ends a program and looks what it was doing.
func (p *Program) WantNoSessions(t *testing.T) {
	t.Helper()
	<-time.After(3 * QuietTime) // a session closes its files before it ends
	p.Cmd.Process.Signal(syscall.SIGQUIT)
	p.Wait(ReplyTime)
	if n := strings.Count(p.Output(), "ftpserver.(*session)"); n > 0 {
		t.Errorf("%d functions of sessions still run", n)
	}
}
