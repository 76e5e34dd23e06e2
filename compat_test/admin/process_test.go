package admin

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/conf"
)

// nobody is the user without rights that every system has.
const nobody = "nobody"

func nobodysID(t *testing.T) int {
	t.Helper()
	u, err := user.Lookup(nobody)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// siteOfUser is a conf with what belongs to it, where another user than root can get at it.
type siteOfUser struct {
	t             *testing.T
	id            int // nobody's
	home, logDir  string
	binary, conf  string
	cert, key     string
	port, tlsPort int
	text          string // of the conf
}

// newSiteOfUser makes one with FTPS, whose log directory and certificate are nobody's, with options changed.
func newSiteOfUser(t *testing.T, store *rig.Store, change map[string]string) *siteOfUser {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("the test needs root")
	}
	home := rig.Homes(t)
	s := &siteOfUser{
		t: t, id: nobodysID(t), home: home, logDir: filepath.Join(home, "log"), binary: filepath.Join(home, "cos-ftp-server"),
		conf: filepath.Join(home, "vsftpd.conf"), cert: filepath.Join(home, "server.crt"), key: filepath.Join(home, "server.key"),
		port: rig.FreePort(t), tlsPort: rig.FreePort(t),
	}
	values := map[string]string{
		"listen_address": "127.0.0.1", "tls_cert_file": s.cert, "tls_key_file": s.key, "implicit_tls_port": fmt.Sprint(s.tlsPort),
	}
	for name, value := range change {
		values[name] = value
	}
	s.text = rig.ConfText(store, home, s.logDir, s.port, values)
	s.renew(time.Now().Add(time.Hour))
	for _, err := range []error{
		os.Chmod(home, 0o755), os.Mkdir(s.logDir, 0o755),
		os.Link(rig.Binary, s.binary), // a copy could not be run while a child of another test has it open
		os.WriteFile(s.conf, []byte(s.text), 0o600), os.Chown(s.logDir, s.id, s.id),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// renew puts a new certificate in the place of the one before, readable for nobody.
func (s *siteOfUser) renew(until time.Time) {
	s.t.Helper()
	cert, key := rig.Certificate(s.t, until)
	for to, from := range map[string]string{s.cert: cert, s.key: key} {
		for _, err := range []error{os.Rename(from, to), os.Chown(to, s.id, s.id)} {
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// command is the program as root starts it, or as a user of the ID does.
func (s *siteOfUser) command(id int, args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, append([]string{"-conf", s.conf}, args...)...)
	if id != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id)}}
	}
	return cmd
}

func (s *siteOfUser) start(id int, args ...string) *rig.Program {
	s.t.Helper()
	if id != 0 {
		if err := os.Chown(s.conf, id, id); err != nil {
			s.t.Fatal(err)
		}
	}
	proc := rig.StartProgram(s.t, s.command(id, args...))
	if !proc.Ready() {
		s.t.Fatalf("the program does not start: %s", proc.Output())
	}
	return proc
}

func (s *siteOfUser) login() *rig.Peer {
	s.t.Helper()
	return (&rig.Abused{T: s.t, Addr: fmt.Sprintf("127.0.0.1:%d", s.port)}).LoginAs("user0", "pass0")
}

// serial is that of the certificate that a new session gets.
func (s *siteOfUser) serial() string {
	s.t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.tlsPort), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// await waits until it holds.
func (s *siteOfUser) await(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(rig.ReplyTime); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not seen: %s\n%s", what, readLog(s.t, s.logDir))
		}
	}
}

// owners are the IDs that own the files of a pattern in the log directory.
func (s *siteOfUser) owners(pattern string) (ids []int) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.logDir, pattern))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil { // a journal may go any time
			ids = append(ids, int(info.Sys().(*syscall.Stat_t).Uid))
		}
	}
	return ids
}

// statusOfThreads is what /proc tells of a field, such as Uid, for all threads together.
func statusOfThreads(t *testing.T, pid int, field string) (values []string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("the threads of %d: %q, %v", pid, files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // this thread has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if value, found := strings.CutPrefix(line, field+":"); found {
				if value = strings.Join(strings.Fields(value), " "); !slices.Contains(values, value) {
					values = append(values, value)
				}
			}
		}
	}
	return values
}

// TestRunAs: run_as = nobody, started as root, with a port that only root can open. Every thread runs as nobody, transfers
// work, the log is rotated, journals are written, a renewed certificate is used, and the stop leaves nothing behind.
func TestRunAs(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	s := newSiteOfUser(t, store, map[string]string{"run_as": nobody, "log_rotate_enabled": "true", "log_rotate_when": "S"})
	s.listenBelow1024()
	if output, err := s.command(0, "-check").CombinedOutput(); err != nil || strings.Contains(string(output), "root") {
		t.Errorf("-check: %v\n%s", err, output)
	}
	proc := s.start(0)
	pid := proc.Cmd.Process.Pid
	id := fmt.Sprint(s.id)
	all := strings.Join([]string{id, id, id, id}, " ")
	for field, want := range map[string]string{"Uid": all, "Gid": all, "Groups": id, "CapPrm": "0000000000000000", "CapEff": "0000000000000000"} {
		if got := statusOfThreads(t, pid, field); len(got) != 1 || got[0] != want {
			t.Errorf("%s of the threads is %q, want %q", field, got, want)
		}
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !bytes.HasPrefix(line, []byte("python\x00ftp_server.py\x00")) {
		t.Errorf("the title is %q, %v", line, err)
	}

	p := s.login()
	moveFiles(t, p, store, "as-nobody")
	if got := s.owners("uploads.*.journal"); len(got) != 1 || got[0] != s.id {
		t.Errorf("journals are of %v, want one of %d", got, s.id)
	}
	s.await("a rotated log", func() bool {
		p.Command("DELE nothing") // writes a line
		return len(s.owners("cos_v5.log.*")) > 0
	})
	for _, owner := range s.owners("cos_v5.log*") {
		if owner != s.id {
			t.Errorf("a log is of user %d, want %d", owner, s.id)
		}
	}

	before := s.serial()
	s.renew(time.Now().Add(2 * time.Hour))
	s.await("the renewed certificate", func() bool { return s.serial() != before })

	if out := proc.Output(); strings.Contains(out, "root") || strings.Contains(out, "run_as") {
		t.Errorf("stderr has %s", out)
	}
	proc.Cmd.Process.Signal(syscall.SIGTERM)
	if code := proc.Wait(rig.ReplyTime); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := s.owners("uploads.*.journal"); len(left) > 0 {
		t.Errorf("%d journals are left", len(left))
	}
}

// listenBelow1024 changes listen_port to a free one that only root may open.
func (s *siteOfUser) listenBelow1024() {
	s.t.Helper()
	for s.port = 1023; s.port > 600; s.port-- {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err != nil {
			continue
		}
		l.Close()
		s.text = strings.Replace(s.text, "listen_port = ", fmt.Sprintf("listen_port = %d #", s.port), 1)
		if err := os.WriteFile(s.conf, []byte(s.text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.t.Fatal("no free port below 1024")
}

// TestRunAsTells: the start and -check say what the user of run_as may not do, and what would help. The server does not
// start where it could not serve.
func TestRunAsTells(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	none := func(*siteOfUser) error { return nil }
	for _, c := range []struct {
		name, user string
		spoil      func(*siteOfUser) error
		want       string // told by both
		atStart    string // in place of want, where the start finds out by itself
		starts     bool
	}{
		{"unknown user", "cos-ftp-not-there", none, "[OPTIONAL] run_as = cos-ftp-not-there: there is no such user: want one that exists, or make it with useradd", "", false},
		{"root", "root", none, "[OPTIONAL] run_as = root: this user is root: want one without its rights", "", false},
		{"key of root", nobody, func(s *siteOfUser) error { return os.Chown(s.key, 0, 0) },
			"/server.key: permission denied; want a PEM certificate and the key that belongs to it; want it readable for run_as = nobody, after each renewal too: chgrp",
			"", false},
		{"key of root without a check", nobody, func(s *siteOfUser) error {
			s.text = strings.Replace(s.text, "[OPTIONAL]\n", "[OPTIONAL]\nconfig_check_enable = false\n", 1)
			return errors.Join(os.WriteFile(s.conf, []byte(s.text), 0o600), os.Chown(s.key, 0, 0))
		}, "/server.key: permission denied; want a PEM certificate and the key that belongs to it; want it readable for run_as = nobody, after each renewal too: chgrp",
			"/server.key: permission denied; want a PEM certificate and its key, or delete the line to go without FTPS; run_as = nobody must have the right to it: chown", false},
		{"log directory of root", nobody, func(s *siteOfUser) error { return os.Chown(s.logDir, 0, 0) },
			"want a directory that run_as = nobody may write to, and its files too: chown -R nobody: ",
			"/cos_v5.log: permission denied (the file and its directory must be writable for the user that runs the server); run_as = nobody must have the right to it: chown", false},
		{"log of root", nobody, func(s *siteOfUser) error {
			return os.WriteFile(filepath.Join(s.logDir, "cos_v5.log"), nil, 0o644)
		}, "want a directory that run_as = nobody may write to, and its files too: chown -R nobody: ",
			"/cos_v5.log: permission denied (the file and its directory", false},
		{"log that cannot be rotated", nobody, func(s *siteOfUser) error {
			file := filepath.Join(s.logDir, "cos_v5.log")
			return errors.Join(os.WriteFile(file, nil, 0o644), os.Chown(file, s.id, s.id), os.Chown(s.logDir, 0, 0))
		}, "the log is written, but it cannot be rotated, and uploads that a crash breaks off leave parts in the bucket: want a directory that run_as = nobody may write to", "", true},
		{"journal of root", nobody, func(s *siteOfUser) error {
			return os.WriteFile(filepath.Join(s.logDir, "uploads.1-1.journal"), nil, 0o600)
		}, "uploads.1-1.journal: permission denied: the uploads that it names keep their parts in the bucket: want a directory that run_as = nobody may write to, and its files too", "", true},
		{"passive ports below 1024", nobody, func(s *siteOfUser) error {
			s.text = strings.Replace(s.text, "passive_port = 61000,61400", "passive_port = 1010,1400", 1)
			return os.WriteFile(s.conf, []byte(s.text), 0o600)
		}, passiveWarning(t), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSiteOfUser(t, store, map[string]string{"run_as": c.user})
			if err := c.spoil(s); err != nil {
				t.Fatal(err)
			}
			output, err := s.command(0, "-check").CombinedOutput()
			if (err == nil) != c.starts || !strings.Contains(string(output), c.want) {
				t.Errorf("-check: %v, want …%s…\n%s", err, c.want, output)
			}
			want := c.atStart
			if want == "" {
				want = c.want
			}
			proc := rig.StartProgram(t, s.command(0))
			if started := proc.Ready(); started != c.starts || !strings.Contains(proc.Output(), want) {
				t.Errorf("started %v, want %v and …%s…\n%s", started, c.starts, want, proc.Output())
			}
			if c.starts && !strings.Contains(readLog(t, s.logDir), want) {
				t.Errorf("the log does not tell it:\n%s", readLog(t, s.logDir))
			}
		})
	}
}

// passiveWarning is what is told of passive ports below 1024: nothing where the system lets everybody open them, as some
// containers do.
func passiveWarning(t *testing.T) string {
	t.Helper()
	first := strings.TrimSpace(rig.ReadText(t, "/proc/sys/net/ipv4/ip_unprivileged_port_start"))
	if number(t, first) <= 1010 {
		return ""
	}
	return "permission denied; run_as opens the listening ports before it gives up root, but not these: want ports from 1024 on"
}

// TestRunAsWithoutRoot: started by the user of run_as, the server serves; started by a third user, it says that it cannot
// change to another.
func TestRunAsWithoutRoot(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	s := newSiteOfUser(t, store, map[string]string{"run_as": nobody})
	proc := s.start(s.id)
	moveFiles(t, s.login(), store, "as-nobody")
	proc.Stop(t)

	const want = "[OPTIONAL] run_as = nobody: only root can become another user, and this process runs as user ID 4711: start it as root or as nobody, or delete run_as"
	s.listenBelow1024()
	if err := os.Chown(s.conf, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"-check"}} {
		if output, err := s.command(4711, args...).CombinedOutput(); err == nil || !strings.Contains(string(output), want) {
			t.Errorf("%q: %v, want …%s\n%s", args, err, want, output)
		}
	}
}

// TestRenewedCertificateOfRoot: a renewal that the user of run_as cannot read is an ERROR in the log, and the certificate
// before stays. The next start tells it (TestRunAsTells).
func TestRenewedCertificateOfRoot(t *testing.T) {
	t.Parallel()
	s := newSiteOfUser(t, rig.NewStore(t), map[string]string{"run_as": nobody})
	s.start(0)
	before := s.serial()
	s.renew(time.Now().Add(2 * time.Hour))
	if err := os.Chown(s.key, 0, 0); err != nil {
		t.Fatal(err)
	}
	s.await("the error", func() bool {
		if got := s.serial(); got != before {
			t.Fatalf("serial %s, want %s", got, before)
		}
		return strings.Contains(readLog(t, s.logDir), "ERROR the changed TLS certificate is not used, the one before stays: ")
	})
}

// TestWarningOfRoot: a server that stays root warns at each start, also where the check of the configuration is off.
func TestWarningOfRoot(t *testing.T) {
	t.Parallel()
	const want = "the server runs as root, so whoever finds a fault in it has the whole machine: want run_as in [OPTIONAL]"
	for _, check := range []string{"true", "false"} {
		s := newSiteOfUser(t, rig.NewStore(t), map[string]string{"config_check_enable": check})
		proc := s.start(0)
		if out := proc.Output(); !strings.Contains(out, "cos-ftp-server: warning: "+s.conf+": "+want) {
			t.Errorf("config_check_enable = %s: stderr has %s", check, out)
		}
		if text := readLog(t, s.logDir); !strings.Contains(text, "WARNING "+s.conf+": "+want) {
			t.Errorf("config_check_enable = %s: the log has %s", check, text)
		}
		if output, err := s.command(0, "-check").CombinedOutput(); !strings.Contains(string(output), "warning: "+s.conf+": "+want) {
			t.Errorf("-check: %v, %s", err, output)
		}
		proc.Stop(t)

		if err := os.Chown(filepath.Join(s.logDir, "cos_v5.log"), s.id, s.id); err != nil {
			t.Fatal(err)
		}
		if out := s.start(s.id).Output(); strings.Contains(out, want) {
			t.Errorf("as nobody: stderr has %s", out)
		}
	}
}

// TestNoDumps: no other process of the server's user reads its memory, and none is left by a crash; with -allow-core
// both are as usual. The documented stop, by the same user, works in any case.
func TestNoDumps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		starter func(*siteOfUser) int
		args    []string
		private bool
	}{
		{"nobody", func(s *siteOfUser) int { return s.id }, nil, true},
		{"run_as", func(s *siteOfUser) int { return 0 }, nil, true},
		{"nobody with -allow-core", func(s *siteOfUser) int { return s.id }, []string{"-allow-core"}, false},
		{"run_as with -allow-core", func(s *siteOfUser) int { return 0 }, []string{"-allow-core"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSiteOfUser(t, rig.NewStore(t), map[string]string{"run_as": nobody})
			proc := s.start(c.starter(s), c.args...)
			pid := proc.Cmd.Process.Pid
			asNobody := func(command string) (string, error) {
				cmd := exec.Command("sh", "-c", command)
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.id), Gid: uint32(s.id)}}
				output, err := cmd.CombinedOutput()
				return string(output), err
			}
			// The kernel asks for the same right as for the memory.
			if output, err := asNobody(fmt.Sprintf("cat /proc/%d/environ >/dev/null", pid)); (err != nil) != c.private {
				t.Errorf("another process of the user reads the environment: %v, %s", err, output)
			}
			limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
			if err != nil {
				t.Fatal(err)
			}
			none := slices.ContainsFunc(strings.Split(string(limits), "\n"), func(line string) bool {
				return slices.Equal(strings.Fields(line), []string{"Max", "core", "file", "size", "0", "0", "bytes"})
			})
			if c.private && !none {
				t.Errorf("core dumps are limited otherwise:\n%s", limits)
			}
			stop := fmt.Sprintf(`ps -ef | grep python | grep ftp_server.py | grep -v grep | awk '$2 == %d {print $2}' | xargs -I{} kill {}`, pid)
			if output, err := asNobody(stop); err != nil {
				t.Errorf("the documented stop: %v, %s", err, output)
			}
			if code := proc.Wait(rig.ReplyTime); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestUnit: the unit for systemd limits what the program does not need, and leaves what it does: the stop takes longer
// than shutdown_grace, and the threads of a server at work are far from TasksMax.
func TestUnit(t *testing.T) {
	t.Parallel()
	unit := map[string]string{}
	for line := range strings.SplitSeq(rig.ReadText(t, filepath.Join("../..", "deploy", "cos-ftp-server.service")), "\n") {
		if name, value, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "#") {
			unit[name] = value
		}
	}
	if got := unit["LimitCORE"]; got != "0" {
		t.Errorf("LimitCORE=%s, want 0", got)
	}
	for _, key := range conf.Keys() {
		if key.Name == "shutdown_grace" && number(t, unit["TimeoutStopSec"]) <= number(t, key.Default) {
			t.Errorf("TimeoutStopSec=%s is no longer than shutdown_grace = %s", unit["TimeoutStopSec"], key.Default)
		}
	}
	store := rig.NewStore(t)
	g := rig.StartGateway(t, store, nil)
	for range 3 {
		moveFiles(t, (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0"), store, "unit")
	}
	threads := statusOfThreads(t, g.Proc.Cmd.Process.Pid, "Threads")
	if most := number(t, unit["TasksMax"]); number(t, threads[0]) > most/4 {
		t.Errorf("%s threads with TasksMax=%d: one that cannot be made ends the program", threads[0], most)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
