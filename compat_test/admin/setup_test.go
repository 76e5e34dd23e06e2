package admin

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// setupIn runs ./setup.sh with nothing but the given tools in the path: scripts of which "" is the machine's own.
// It returns what was printed.
func setupIn(t *testing.T, tools map[string]string, env []string, args ...string) (output string, err error) {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"bash", "env", "readlink", "dirname", "sed", "sort", "id", "cat", "cp", "rm", "mktemp", "chmod", "sleep", "grep"} {
		if _, given := tools[name]; !given {
			tools[name] = ""
		}
	}
	for name, script := range tools {
		file := filepath.Join(bin, name)
		if script == "" {
			err = os.Symlink(rig.FindCommand(t, name), file)
		} else {
			err = os.WriteFile(file, []byte("#!/usr/bin/env bash\n"+script+"\n"), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("./setup.sh", args...)
	cmd.Dir = "../.."
	cmd.Env = append([]string{"PATH=" + bin, "HOME=" + t.TempDir()}, env...)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// TestSetupInstallsNoMoreThanNeeded: on a machine that has nothing, test-deps asks apt for what the tests need alone,
// and waits for another apt.
func TestSetupInstallsNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "apt.log")
	tools := map[string]string{
		"apt-get": `case "$*" in
*update*) if [ ! -e "$APT_LOG" ]; then touch "$APT_LOG"; echo "E: Could not get lock /var/lib/apt/lists/lock"; exit 100; fi ;;
esac
echo "$*" >> "$APT_LOG"`,
		"id": "echo 0", "sleep": ":", "touch": "",
	}
	output, err := setupIn(t, tools, []string{"APT_LOG=" + log}, "test-deps")
	if err == nil || !strings.Contains(output, "clients that the tests need are missing") {
		t.Errorf("an apt that installs nothing is believed: %v, %s", err, output)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatalf("%v; setup.sh printed %s", err, output)
	}
	if n := strings.Count(string(text), "update"); n != 1 {
		t.Errorf("the lists were fetched %d times:\n%s", n, text)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "DPkg::Lock::Timeout=") {
			t.Errorf("apt-get does not wait for a lock: %s", line)
		}
		if strings.Contains(line, " install ") && !strings.Contains(line, "--no-install-recommends") {
			t.Errorf("more than needed is installed: %s", line)
		}
	}
	for name, want := range map[string]bool{"ca-certificates": true, "lftp": true, "python2": false} {
		if strings.Contains(string(text), name) != want {
			t.Errorf("%s among the packages: %v, want %v:\n%s", name, !want, want, text)
		}
	}
}

// oldGo is a Go as Debian 12 has it, which knows modules but gets no toolchain by itself. It "downloads" a Go that only
// says that it ran.
const oldGo = `case "$*" in
"env GOVERSION") echo go1.19.8 ;;
"env GOHOSTOS") echo linux ;;
"env GOHOSTARCH") echo amd64 ;;
"mod download "*)
	[ -s go.sum ] || exit 1
	echo "$*" >> "$GO_LOG"
	mkdir -p "$GO_CACHE/bin" "$GO_CACHE/pkg/tool/linux_amd64"
	printf '#!/usr/bin/env bash\necho "the new Go: $*" >> "$GO_LOG"\n' > "$GO_CACHE/bin/go"
	echo > "$GO_CACHE/pkg/tool/linux_amd64/compile"
	chmod 444 "$GO_CACHE/bin/go" "$GO_CACHE/pkg/tool/linux_amd64/compile"
	printf '{\n\t"Path": "golang.org/toolchain",\n\t"Dir": "%s",\n\t"Sum": "h1:"\n}\n' "$GO_CACHE" ;;
*) echo "the old Go: $*" >> "$GO_LOG" ;;
esac`

// TestSetupGetsGo: without Go, root installs apt's; one that is too old gets that of go.mod as a module.
func TestSetupGetsGo(t *testing.T) {
	want := "golang.org/toolchain@v0.0.1-go" + goOfModule(t) + ".linux-amd64"
	for _, c := range []struct {
		name, uid, goTool string
		env               []string
		wants             string // what setup.sh says
		builds            bool
	}{
		{"old Go", "1000", oldGo, nil, "Using Go " + goOfModule(t), true},
		{"no Go, root", "0", "", nil, "There is no Go: installing Debian's.", true},
		{"no Go, not root", "1000", "", nil, "there is no Go: install Go ", false},
		{"old Go, told to use it", "1000", oldGo, []string{"GOTOOLCHAIN=local"}, "GOTOOLCHAIN=local forbids", false},
		{"old Go, no proxy", "1000", strings.Replace(oldGo, "[ -s go.sum ] || exit 1", "exit 1", 1), nil, "set GOPROXY", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log, later := filepath.Join(dir, "go.log"), filepath.Join(dir, "go")
			if err := os.WriteFile(later, []byte("#!/usr/bin/env bash\n"+oldGo+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			tools := map[string]string{
				"id": "echo " + c.uid, "git": "exit 1", "mkdir": "",
				"apt-get": `case "$*" in *" install "*golang-go*) cp "$GO_LATER" "$(dirname "$0")/go" ;; esac`,
			}
			if c.goTool != "" {
				tools["go"] = c.goTool
			}
			env := append([]string{"GO_LOG=" + log, "GO_LATER=" + later, "GO_CACHE=" + filepath.Join(dir, "cache")}, c.env...)
			output, err := setupIn(t, tools, env, "build")
			if !strings.Contains(output, c.wants) || (err == nil) != c.builds {
				t.Errorf("%v; want %q, got:\n%s", err, c.wants, output)
			}
			text, _ := os.ReadFile(log)
			if built := strings.Contains(string(text), "the new Go: build "); built != c.builds || built != strings.Contains(string(text), want) {
				t.Errorf("with %s the Go tools did:\n%s", want, text)
			}
			if strings.Contains(string(text), "the old Go") {
				t.Errorf("the old Go was used:\n%s", text)
			}
		})
	}
}

// goOfModule is the version that go.mod names.
func goOfModule(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(text)
	if version == nil {
		t.Fatal("go.mod names no Go")
	}
	return string(version[1])
}

// TestToolchainSums: .ci/toolchain.sum has the sum of the Go that go.mod names for every system to build on.
func TestToolchainSums(t *testing.T) {
	text, err := os.ReadFile("../../.ci/toolchain.sum")
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"} {
		for _, file := range []string{"", "/go.mod"} {
			if line := "golang.org/toolchain v0.0.1-go" + goOfModule(t) + "." + system + file + " h1:"; !strings.Contains(string(text), line) {
				t.Errorf("no line begins with %q", line)
			}
		}
	}
}

// TestNoStubsForOtherSystems: nothing is built only where the system is no Unix, so that a build for Windows fails instead of
// making a program that nobody has run, and README says what is supported.
func TestNoStubsForOtherSystems(t *testing.T) {
	stub := regexp.MustCompile(`(?m)^//go:build .*(!unix|windows)`)
	err := filepath.WalkDir("../..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		if found := stub.FindString(rig.ReadText(t, path)); found != "" || strings.HasSuffix(path, "_windows.go") {
			t.Errorf("%s is for systems that are not supported: %s", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(rig.ReadText(t, "../../README.md"), "**Systems:** Linux and macOS, amd64 and arm64. Windows is not supported") {
		t.Error("README.md does not say which systems are supported")
	}
}

// TestSetupBuildsForeignCheckout: git refuses to look into a checkout of another user, and the build does not mind.
func TestSetupBuildsForeignCheckout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example\n\ngo " + goOfModule(t) + "\n", "main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile("../../setup.sh")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "setup.sh"), script, 0o755)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, ".git"), 0o755)
	}
	bin := t.TempDir()
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\necho 'fatal: detected dubious ownership' >&2\nexit 128\n"), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("./setup.sh")
	cmd.Dir = dir
	// Without GOENV=off a machine where go env -w has -buildvcs=false would build with any setup.sh.
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GOFLAGS=", "GOENV=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if _, err := os.Stat(filepath.Join(dir, "cos-ftp-server")); err != nil {
		t.Error(err)
	}
}

// TestSetupTestsARM64: the emulator is installed where it is missing, the program is tested also where a package fails, and
// the tests that are named are there.
func TestSetupTestsARM64(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	tools := map[string]string{
		"id": "echo 0", "apt-get": `echo "apt-get $*" >> "$LOG"`,
		"go": `case "$*" in
"env GOVERSION") echo go99.0 ;;
list*) echo m/conf; echo m/compat_test/rig; echo m/ops/process ;;
*) echo "$GOARCH$COMPAT_ARM64_EMULATOR go $*" >> "$LOG"; [ -z "$GOARCH" ] ;;
esac`,
	}
	output, err := setupIn(t, tools, []string{"LOG=" + log}, "arm64")
	if err == nil {
		t.Errorf("a package that fails is no failure: %s", output)
	}
	text := rig.ReadText(t, log)
	for _, want := range []string{
		" install -y --no-install-recommends qemu-user\n",
		"\narm64 go test -exec qemu-aarch64 -count=1 -p 1 -timeout 1h m/conf\n",
		"\nqemu-aarch64 go test -count=1 ./compat_test/... -run ^(",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q among\n%s%s", want, text, output)
		}
	}
	source := ""
	files, _ := filepath.Glob("../*/*_test.go")
	for _, file := range files {
		source += rig.ReadText(t, file)
	}
	_, tests, _ := strings.Cut(text, "-run ^(")
	for name := range strings.SplitSeq(strings.TrimSuffix(tests, ")$\n"), "|") {
		if !strings.Contains(source, "func "+name+"(t *testing.T)") {
			t.Errorf("there is no %s", name)
		}
	}
}

// TestSetupReportsTests: setup.sh prints what failed, the slowest tests, and what could not be tested.
func TestSetupReportsTests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, err := os.ReadFile("../../setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"setup.sh": string(script),
		"go.mod":   "module example\n\ngo " + goOfModule(t) + "\n",
		"x_test.go": `package example

import (
	"testing"
	"time"
)

func TestFast(t *testing.T)   {}
func TestSlow(t *testing.T)   { time.Sleep(time.Second) }
func TestLess(t *testing.T)   { t.Log("not tested here: half of it (too small a machine)") }
func TestBroken(t *testing.T) { t.Error("this is why") }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("bash", "-c", ". ./setup.sh; tests ./...", "./setup.sh", "help")
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("a failed test is a success")
	}
	_, slowest, _ := strings.Cut(string(output), "The slowest tests:\n")
	if !strings.Contains(string(output), "this is why") {
		t.Errorf("nothing tells why a test failed:\n%s", output)
	}
	if !strings.HasPrefix(slowest, "example TestSlow ") {
		t.Errorf("the slowest test is not the first in the list:\n%s", output)
	}
	if !strings.Contains(slowest, "\nnot tested here: half of it (too small a machine)\n") {
		t.Errorf("nothing tells what was not tested:\n%s", output)
	}
}

// demonstration is a ./setup.sh demo that runs, with its own directory for temporary files.
type demonstration struct {
	cmd  *exec.Cmd
	text string // what it printed until it was ready
	temp string
	out  *bufio.Scanner
}

func startDemo(t *testing.T, args ...string) *demonstration {
	t.Helper()
	d := &demonstration{temp: t.TempDir(), cmd: exec.Command("./setup.sh", append([]string{"demo"}, args...)...)}
	setupTurn.Lock() // it builds the program
	defer setupTurn.Unlock()
	d.cmd.Dir = "../.."
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.temp)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell does with what it runs in the foreground
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stderr = d.cmd.Stdout
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) })
	d.out = bufio.NewScanner(out)
	for d.out.Scan() {
		d.text += d.out.Text() + "\n"
		if strings.Contains(d.out.Text(), "Ctrl-C") {
			return d
		}
	}
	t.Fatalf("the demo ends: %s", d.text)
	return nil
}

// interrupt presses Ctrl-C and returns the status that the demo ends with.
func (d *demonstration) interrupt(t *testing.T) int {
	t.Helper()
	if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for d.out.Scan() {
	}
	d.cmd.Wait()
	return d.cmd.ProcessState.ExitCode()
}

// TestDemo: the demo listens on 127.0.0.1 alone, on a free port, says what to try, and leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:2121") // or another test's demo, or something else, has it
	if err == nil {
		defer taken.Close()
	}
	d := startDemo(t)
	m := regexp.MustCompile(`ftp://user:password@127\.0\.0\.1:(\d+)\n`).FindStringSubmatch(d.text)
	if m == nil || m[1] == "2121" {
		t.Fatalf("no address on a free port:\n%s", d.text)
	}
	for _, want := range []string{"curl -T", "lftp ", "FileZilla"} {
		if !strings.Contains(d.text, want) {
			t.Errorf("the demo does not say what to try with %q:\n%s", want, d.text)
		}
	}
	p := (&rig.Abused{T: t, Addr: "127.0.0.1:" + m[1]}).LoginAs("user", "password")
	for _, err := range []error{p.PASV(), p.Want("1", "STOR a"), p.Upload([]byte("A")), p.WantReply("226")} {
		if err != nil {
			t.Error(err)
		}
	}
	if others, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.2", m[1]), time.Second); err == nil {
		others.Close()
		t.Error("the demo listens on other addresses than 127.0.0.1")
	}
	if code := d.interrupt(t); code != 0 {
		t.Errorf("Ctrl-C ends the demo with status %d", code)
	}
	if left, _ := os.ReadDir(d.temp); len(left) > 0 {
		t.Errorf("the demo leaves %v behind", left)
	}
	if pids := running(t, d.temp); len(pids) > 0 {
		t.Errorf("the demo leaves processes behind: %v", pids)
	}
}

// TestDemoOnAnotherAddress: others may reach it, so the password is none that everybody knows.
func TestDemoOnAnotherAddress(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "127.0.0.3")
	m := regexp.MustCompile(`ftp://user:([0-9a-f]{16})@127\.0\.0\.3:(\d+)\n`).FindStringSubmatch(d.text)
	if m == nil {
		t.Fatalf("no address with a password of its own:\n%s", d.text)
	}
	(&rig.Abused{T: t, Addr: "127.0.0.3:" + m[2]}).LoginAs("user", m[1])
	if code := d.interrupt(t); code != 0 {
		t.Errorf("Ctrl-C ends the demo with status %d", code)
	}
}

// TestDemoThatCannotStart: the store, which runs already, does not stay where the server cannot.
func TestDemoThatCannotStart(t *testing.T) {
	t.Parallel()
	setupTurn.Lock() // it builds the program
	defer setupTurn.Unlock()
	temp := t.TempDir()
	cmd := exec.Command("./setup.sh", "demo", "0.0.0.1") // no machine has this address
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out // a file: a process that stays does not keep the test waiting
	err = cmd.Run()
	if text := rig.ReadText(t, out.Name()); err == nil || !strings.Contains(text, "0.0.0.1") {
		t.Errorf("%v: %s", err, text)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("the demo leaves %v behind", left)
	}
	if pids := running(t, temp); len(pids) > 0 {
		t.Errorf("the demo leaves processes behind: %v", pids)
	}
}

// running returns the processes that were started with, or in, something below dir.
func running(t *testing.T, dir string) (pids []string) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		line, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		where, _ := os.Readlink(filepath.Join(process, "cwd"))
		if strings.Contains(string(line), dir) || strings.HasPrefix(where, dir) {
			pids = append(pids, filepath.Base(process))
		}
	}
	return pids
}
