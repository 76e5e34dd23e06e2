package admin

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// The documented words, to be typed as they stand.
const (
	startInBackground = `nohup python ftp_server.py >> /dev/null 2>&1 &`
	startDirectly     = `nohup ./cos-ftp-server >> /dev/null 2>&1 &`
	stopAll           = `ps -ef | grep python | grep ftp_server.py | grep -v grep | awk '{print $2}' | xargs -I{} kill {}`
)

// TestInstall swaps our program into a deployment of the Python tool and takes it out again, twice each.
func TestInstall(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, rig.NewStore(t))
	before := d.files()
	var installed map[string]string
	for range 2 {
		d.setup("install")
		if installed != nil && !maps.Equal(installed, d.files()) {
			t.Error("a second install changes something")
		}
		installed = d.files()
	}
	for _, name := range []string{"conf/vsftpd.conf", "conf/vsftpd.conf.example", "log/cos_v5.log"} {
		if installed[name] != before[name] {
			t.Errorf("install changed %s", name)
		}
	}
	if installed["ftp_server.py"] == before["ftp_server.py"] || installed["cos-ftp-server"] == "" {
		t.Error("install put neither launcher nor program there")
	}
	for name := range installed {
		if strings.HasPrefix(name, "ftp_v5/") {
			t.Errorf("%s of the Python tool is still in use", name)
		}
	}
	for range 2 {
		d.setup("uninstall")
		if after := d.files(); !maps.Equal(after, before) {
			t.Errorf("uninstall does not bring back what was there: %q instead of %q", keys(after), keys(before))
		}
	}
}

func keys(files map[string]string) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	return names
}

// TestStartAndStop works with an installed deployment in the documented words, with each kind of Python and
// without any.
func TestStartAndStop(t *testing.T) {
	for _, c := range []struct{ name, python, start string }{
		{"python2", python2(t), startInBackground},
		{"python2 replayed", standIn(t, "../../ftp_server.py"), startInBackground},
		{"python3", rig.FindCommand(t, "python3"), startInBackground},
		{"no python", "", startDirectly},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := rig.NewStore(t)
			d := newDeployment(t, store)
			d.setup("install")
			shell := newOperatorShell(t, d.dir, searchPath(t, c.python))
			for _, name := range []string{"first", "second"} {
				shell.run(c.start)
				d.use(store, name)
				if got := shell.titles(); got != "python ftp_server.py" {
					t.Errorf("ps shows %q", got)
				}
				shell.run(stopAll)
				if code := shell.run(`wait $!; echo $?`); lastLine(code) != "0" {
					t.Errorf("exit code %s", code)
				}
				if err := d.portFree(); err != nil {
					t.Errorf("after the stop: %v", err)
				}
			}
			d.checkLog()
		})
	}
}

func lastLine(text string) string { return text[strings.LastIndex(text, "\n")+1:] }

// searchPath is a directory with a python that is the given interpreter, and the system's tools; without one, only
// the tools that the test itself needs.
func searchPath(t *testing.T, python string) string {
	t.Helper()
	dir := t.TempDir()
	if python != "" {
		found, err := exec.LookPath(python)
		if err != nil {
			t.Fatal(err)
		}
		launcher := "#!/bin/sh\nexec '" + found + "' \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, "python"), []byte(launcher), 0o755); err != nil {
			t.Fatal(err)
		}
		return dir + ":" + os.Getenv("PATH")
	}
	for _, tool := range []string{"ps", "grep", "awk", "xargs", "kill", "nohup", "bash", "screen"} {
		if err := os.Symlink(rig.FindCommand(t, tool), filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// checkLog holds that the log goes on where the Python tool's ended, and tells logins and transfers.
func (d *deployment) checkLog() {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "log", "cos_v5.log"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, want := range []string{
		"an old line", "USER 'user0' logged in.", "-[user0] STOR ", "completed=1 bytes=4 seconds=", "FTP session opened (connect)",
	} {
		if !strings.Contains(string(text), want) {
			d.t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
}

// TestScreenAndControlC runs the server in screen and ends it with Ctrl+C on its terminal.
func TestScreenAndControlC(t *testing.T) {
	t.Parallel()
	rig.FindCommand(t, "screen")
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		notTested(t, "Ctrl+C in screen", err.Error()) // a chroot without /dev/pts
		return
	}
	terminal.Close()
	store := rig.NewStore(t)
	d := newDeployment(t, store)
	d.setup("install")
	shell := newOperatorShell(t, d.dir, searchPath(t, rig.FindCommand(t, "python3")))
	shell.run(`screen -dmS ftp bash --norc`)
	// What is typed before the shell in the window reads is lost.
	shell.run(`for i in {1..600}; do if [ -e typed ]; then break; fi; screen -S ftp -p 0 -X stuff $'touch typed\n'; sleep 0.1; done`)
	shell.run(`screen -S ftp -p 0 -X stuff $'python ftp_server.py; echo $? > exit-code\n'`)
	d.use(store, "in-screen")
	shell.run(`screen -S ftp -p 0 -X stuff $'\003'`)
	shell.await(`cat exit-code 2> /dev/null`, "0")
	if err := d.portFree(); err != nil {
		t.Errorf("after Ctrl+C: %v", err)
	}
	shell.run(`screen -S ftp -X quit`)
}

// TestInstallOverRunningServer: install leaves a running server alone, and the next start is the new one.
func TestInstallOverRunningServer(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	d := newDeployment(t, store)
	d.setup("install")
	shell := newOperatorShell(t, d.dir, searchPath(t, rig.FindCommand(t, "python3")))
	shell.run(startInBackground)
	p := d.session()
	defer p.Close()
	d.setup("install")
	if err := p.Want("257", "PWD"); err != nil {
		t.Errorf("a session over install: %v", err)
	}
	d.use(store, "after-install")
	d.setup("uninstall")
	if err := p.Want("257", "PWD"); err != nil {
		t.Errorf("a session over uninstall: %v", err)
	}
	d.setup("install")
	shell.run(stopAll + "; wait $!")
	shell.run(startInBackground)
	d.use(store, "restarted")
	shell.run(stopAll + "; wait $!")
}

// TestInstallPrintsWhatStartsHere: the command at the end of install is one that works on the machine.
func TestInstallPrintsWhatStartsHere(t *testing.T) {
	t.Parallel()
	setup := rig.ReadText(t, filepath.Join("../..", "setup.sh"))
	_, function, found := strings.Cut(setup, "\nstart_words() {")
	function, _, closed := strings.Cut(function, "\n}\n")
	if !found || !closed || !strings.Contains(setup, `nohup $(start_words) >> /dev/null 2>&1 &`) {
		t.Fatal("setup.sh does not print what starts the server")
	}
	script := "program=cos-ftp-server\nsay() { printf '%s\\n' \"$*\"; }\nstart_words() {" + function + "\n}\nstart_words\n"
	for _, c := range []struct {
		pythons []string // that run
		broken  []string // that are there, and end with an error
		want    string
	}{
		{[]string{"python", "python3"}, nil, "python ftp_server.py"},
		{[]string{"python3"}, nil, "python3 ftp_server.py"},
		{[]string{"python3"}, []string{"python"}, "python3 ftp_server.py"},
		{nil, []string{"python3"}, "./cos-ftp-server"},
		{nil, nil, "./cos-ftp-server"},
	} {
		dir := t.TempDir()
		for code, names := range [][]string{c.pythons, c.broken} {
			for _, name := range names {
				text := fmt.Sprintf("#!/bin/sh\nexit %d\n", code)
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd := exec.Command(rig.FindCommand(t, "bash"), "-c", script)
		cmd.Env = []string{"PATH=" + dir}
		if got, err := cmd.Output(); err != nil || strings.TrimSpace(string(got)) != c.want {
			t.Errorf("with %q, broken %q: %q, %v, want %q", c.pythons, c.broken, got, err, c.want)
		}
	}
}
