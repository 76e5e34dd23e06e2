package admin

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestLogDiskFull: a full disk under the log, which holds the journal of uploads too, stops no transfer. stderr hears
// of it once, and the log goes on when there is space again and says how much it lost.
func TestLogDiskFull(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	if !mayHaveSmallDisk(t) {
		return
	}
	proc, addr, logDir := startOnSmallDisk(t, store, nil)
	p := (&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0")
	moveFiles(t, p, store, "before")

	filler := filepath.Join(logDir, "filler")
	if err := fill(filler); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	for range 100 { // the last page of the log still has room
		p.Command("DELE a-file-that-is-not-there-and-whose-name-makes-long-lines")
	}
	moveFiles(t, p, store, "full")
	fresh := (&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0")
	moveFiles(t, fresh, store, "fresh")
	if n := strings.Count(proc.Output(), "trouble with the log"); n != 1 {
		t.Errorf("stderr complains %d times: %s", n, proc.Output())
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	moveFiles(t, p, store, "after")
	text := readLog(t, logDir)
	for _, want := range []string{"STOR before/", "lines lost here: ", "STOR after/"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not tell %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "STOR full/") {
		t.Errorf("the disk was not full:\n%s", text)
	}
}

// TestStderrWithoutReader: the reader of stderr goes while an upload runs (a terminal or a log collector that ended),
// then the log disk fills up, so that the next complaint on stderr has nowhere to go. A write to such a pipe ends a Go
// program by SIGPIPE unless it ignores the signal. The upload ends with 226, and the server serves.
func TestStderrWithoutReader(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if !mayHaveSmallDisk(t) {
		return
	}
	proc, addr, logDir := startOnSmallDisk(t, store, writer)
	writer.Close()
	p := (&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0")
	content := rig.ContentOf(7, 3<<20)
	for _, err := range []error{p.PASV(), p.Want("1", "STOR running"), p.Write(content[:1<<20])} {
		if err != nil {
			t.Fatal(err)
		}
	}

	reader.Close()
	if err := fill(filepath.Join(logDir, "filler")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	other := (&rig.Abused{T: t, Addr: addr}).LoginAs("user0", "pass0")
	for range 100 { // the last page of the log still has room
		if reply := other.Command("DELE a-file-that-is-not-there-and-whose-name-makes-long-lines"); !strings.HasPrefix(reply, "550") {
			t.Fatalf("DELE is answered %q; the program ended with %v", reply, proc.Ended())
		}
	}
	for _, err := range []error{p.Upload(content[1<<20:]), p.WantReply("226"), store.Await(0, "running", content)} {
		if err != nil {
			t.Fatalf("%v; the program ended with %v", err, proc.Ended())
		}
	}
	moveFiles(t, other, store, "after")
	if strings.Contains(readLog(t, logDir), "STOR after/") {
		t.Error("the disk was not full")
	}
}

// TestLogFileDeleted: the log file goes, then its directory. No transfer minds, and the next line is in a new file.
func TestLogFileDeleted(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	g := rig.StartGateway(t, store, nil)
	logDir := filepath.Join(g.Home, "log")
	p := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0")
	for n, remove := range []string{filepath.Join(logDir, "cos_v5.log"), logDir} {
		if err := os.RemoveAll(remove); err != nil {
			t.Fatal(err)
		}
		dir := fmt.Sprintf("deleted%d", n)
		moveFiles(t, p, store, dir)
		if text := readLog(t, logDir); !strings.Contains(text, "STOR "+dir) {
			t.Errorf("the new log holds %q", text)
		}
	}
	if out := g.Proc.Output(); strings.Contains(out, "trouble") {
		t.Errorf("no line was lost, and stderr says %s", out)
	}
}

// TestConfChangedBetweenRuns: a kill leaves an upload open. The next start listens elsewhere, knows the account by
// another name and shows another directory of the bucket. It aborts the upload all the same, and the old ways are shut.
func TestConfChangedBetweenRuns(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	g := rig.StartGateway(t, store, nil)
	p := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0")
	for _, err := range []error{p.PASV(), p.Want("1", "STOR open.bin"), p.Write(make([]byte, 3<<20))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(rig.ReplyTime); len(store.Parts(0)) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no upload begins")
		}
	}
	g.Proc.Cmd.Process.Kill()
	<-g.Proc.Done

	port := rig.FreePort(t)
	file := filepath.Join(g.Home, "vsftpd.conf")
	text := rig.ConfText(store, g.Home, filepath.Join(g.Home, "log"), port, nil)
	text = strings.Replace(text, "ftp_login_user_name = user0\nftp_login_user_password = pass0", "ftp_login_user_name = other\nftp_login_user_password = word\ncos_prefix = elsewhere", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if proc := rig.StartProgram(t, exec.Command(rig.Binary, "-conf", file)); !proc.Ready() {
		t.Fatalf("the program does not start: %s", proc.Output())
	}
	for deadline := time.Now().Add(rig.RecoveryTime); len(store.Parts(0)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("uploads stay open: %+v", store.Parts(0))
		}
	}
	fresh := (&rig.Abused{T: t, Addr: fmt.Sprintf("127.0.0.1:%d", port)}).LoginAs("other", "word")
	for _, err := range []error{fresh.PASV(), fresh.Want("1", "STOR a"), fresh.Upload([]byte("A")), fresh.WantReply("226"), store.Await(0, "elsewhere/a", []byte("A"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, reply := range []string{fresh.Command("USER user0"), fresh.Command("PASS pass0")} {
		if strings.HasPrefix(reply, "2") {
			t.Errorf("the old account is answered %q", reply)
		}
	}
}

// everything is set where no test may leave out what this machine cannot do.
const everything = "COMPAT_EVERYTHING"

// notTested says what this machine cannot do, in a line that ./setup.sh test prints at its end.
func notTested(t *testing.T, what, why string) {
	t.Helper()
	if os.Getenv(everything) != "" {
		t.Fatalf("%s cannot be tested: %s", what, why)
	}
	t.Logf("not tested here: %s (%s)", what, why)
}

// TestUnprivilegedContainer: where unshare is denied the tests that use it pass, and say in one line what they leave
// out. Where nothing may be left out, that is a failure.
func TestUnprivilegedContainer(t *testing.T) {
	t.Parallel()
	const tests = "^(TestStartAndStop|TestScreenAndControlC|TestInstallOverRunningServer|TestLogDiskFull|TestStderrWithoutReader)$"
	dir := t.TempDir()
	denied := "#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "unshare"), []byte(denied), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ everything, tests, says string }{
		{"", tests, "not tested here: a full log disk (unshare: Operation not permitted)"},
		{"1", "^TestLogDiskFull$", "a full log disk cannot be tested: unshare: Operation not permitted"},
	} {
		cmd := exec.Command(os.Args[0], "-test.v", "-test.run", c.tests)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), everything+"="+c.everything)
		output, err := cmd.CombinedOutput()
		if (err == nil) != (c.everything == "") || !strings.Contains(string(output), c.says) {
			t.Errorf("with %s=%q: %v, %s", everything, c.everything, err, output)
		}
	}
}

// mayHaveSmallDisk reports whether a program may be given a disk of its own.
func mayHaveSmallDisk(t *testing.T) bool {
	t.Helper()
	mount := exec.Command("unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", t.TempDir())
	output, err := mount.CombinedOutput()
	if err != nil {
		notTested(t, "a full log disk", strings.TrimSpace(string(output)))
	}
	return err == nil
}

// startOnSmallDisk runs the program with a log_dir of 1 MiB, which only it sees. logDir is the way there for others.
// A stderr that is nil is kept with the output.
func startOnSmallDisk(t *testing.T, store *rig.Store, stderr *os.File) (proc *rig.Program, addr, logDir string) {
	t.Helper()
	home, port := rig.Homes(t), rig.FreePort(t)
	dir := filepath.Join(home, "log")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "vsftpd.conf")
	if err := os.WriteFile(file, []byte(rig.ConfText(store, home, dir, port, nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	mount := `mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"`
	cmd := exec.Command(rig.FindCommand(t, "unshare"), "--mount", "sh", "-c", mount, dir, rig.Binary, "-conf", file)
	if stderr != nil {
		cmd.Stderr = stderr
	}
	proc = rig.StartProgram(t, cmd)
	if !proc.Ready() {
		t.Fatalf("the program does not start (the test needs root): %s", proc.Output())
	}
	return proc, fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("/proc/%d/root%s", proc.Cmd.Process.Pid, dir)
}

// fill writes until it cannot.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 64 << 10; size > 0; { // to the last byte
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return err
}

func readLog(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "cos_v5.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// moveFiles uploads a small file and one of several parts, and downloads them.
func moveFiles(t *testing.T, p *rig.Peer, store *rig.Store, dir string) {
	t.Helper()
	for n, content := range [][]byte{[]byte("small"), rig.ContentOf(7, 3<<20)} {
		name := fmt.Sprintf("%s/%d", dir, n)
		for _, err := range []error{p.PASV(), p.Want("1", "STOR %s", name), p.Upload(content), p.WantReply("226"), store.Await(0, name, content)} {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for _, err := range []error{p.PASV(), p.Want("1", "RETR %s", name)} {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		got, err := p.Download(rig.ReplyTime)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%s: %d bytes came, %v", name, len(got), err)
		}
		if err := p.WantReply("226"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}
