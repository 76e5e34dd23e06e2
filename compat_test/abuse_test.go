package compat_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// abuse is something a client, or the storage, may do to an engine. Its run returns an error where the engine
// shows the defect.
type abuse struct {
	name   string
	files  map[string]string
	limits abuseLimits
	hook   func(*memFS)
	cos    func(*store) // the storage is COS, prepared so, in place of a memFS
	fixes  string       // the defects that it is about, see defects_test.go
	alone  bool         // measures what others beside it would spoil
	run    func(a *abused) error
}

// abused is an engine under one abuse.
type abused struct {
	t      *testing.T
	addr   string
	files  *memFS
	store  *store
	limits abuseLimits
}

// login opens a session; the test fails where even that does not work.
func (a *abused) login() *peer {
	a.t.Helper()
	return a.loginAs("user", "pass")
}

func (a *abused) loginAs(user, password string) *peer {
	a.t.Helper()
	p := &peer{addr: a.addr}
	if err := p.connect(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(p.close)
	for _, err := range []error{
		p.wantReply("220"), p.want("331", "USER %s", user), p.want("230", "PASS %s", password), p.want("200", "TYPE I"),
	} {
		if err != nil {
			a.t.Fatal(err)
		}
	}
	return p
}

// transfer logs in, opens a passive data connection and starts a command on it.
func (a *abused) transfer(command string) (*peer, error) {
	p := a.login()
	if err := p.pasv(); err != nil {
		return p, err
	}
	return p, p.want("1", "%s", command)
}

// pasv opens a data connection.
func (p *peer) pasv() error {
	if err := p.want("227", "PASV"); err != nil {
		return err
	}
	return p.open("")
}

// want sends a command and checks the beginning of its reply.
func (p *peer) want(code, format string, args ...any) error {
	if reply := p.command(format, args...); !strings.HasPrefix(reply, code) {
		return fmt.Errorf("%s is answered %q, want %s", fmt.Sprintf(format, args...), reply, code)
	}
	return nil
}

// wantReply checks the next reply without sending anything.
func (p *peer) wantReply(code string) error {
	if reply := p.reply(replyTime); !strings.HasPrefix(reply, code) {
		return fmt.Errorf("got %q, want %s", reply, code)
	}
	return nil
}

func (x *abuse) try(t *testing.T, e engineUnderAbuse) error {
	if x.cos != nil {
		s := newStore(t)
		x.cos(s)
		account := storeAccounts(t, s, t.TempDir())["user0 pass0"]
		return x.run(&abused{t: t, addr: e.start(t, account.FS, x.limits), store: s, limits: x.limits})
	}
	files := newMemFS(x.files)
	if x.hook != nil {
		x.hook(files)
	}
	return x.run(&abused{t: t, addr: e.start(t, files, x.limits), files: files, limits: x.limits})
}

// TestAbuse holds that our engine withstands everything that was found to break the library.
func TestAbuse(t *testing.T) {
	for _, x := range abuses {
		t.Run(x.name, func(t *testing.T) {
			if !x.alone {
				t.Parallel()
			}
			if err := x.try(t, engines[0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// libraryProcess is set in the process that runs the library: it has data races, which the race detector would
// count against us, and panics may end it.
const libraryProcess = "COMPAT_LIBRARY_PROCESS"

// TestLibraryUnderAbuse runs the same, and the dialogues, against ftpserverlib and compares what fails with the list
// of its known failures: both a new failure and one that is gone must be looked at.
func TestLibraryUnderAbuse(t *testing.T) {
	if os.Getenv(libraryProcess) != "" {
		tryLibrary(t)
		return
	}
	t.Parallel()
	known := knownFailures(t)
	failed := runLibraryProcess(t)
	listed := map[string]bool{}
	var all []string
	for _, x := range abuses {
		all = append(all, x.name)
	}
	for _, d := range loadDialogues(t) {
		all = append(all, dialoguePrefix+d.name)
	}
	for _, name := range all {
		why, ran := failed[name]
		entry := knownAs(known, name)
		listed[entry] = true
		switch {
		case !ran:
			t.Errorf("%s did not run against the library", name)
		case strings.HasPrefix(entry, sometimes):
		case why != "" && entry == "":
			t.Errorf("%s: the library fails, and testdata/known_failures.txt does not say so: %s", name, why)
		case why == "" && entry != "":
			t.Errorf("%s: the library passes now: take it out of testdata/known_failures.txt", name)
		}
	}
	for entry := range known {
		if !listed[entry] {
			t.Errorf("testdata/known_failures.txt lists %s, which is no test", entry)
		}
	}
}

// sometimes marks an entry of the list that fails or passes as the library's goroutines happen to run.
const sometimes = "~"

// knownAs is the entry of the list, a name or a pattern, that a test belongs to.
func knownAs(known map[string]string, name string) string {
	for entry := range known {
		if matched, err := path.Match(strings.TrimPrefix(entry, sometimes), name); err == nil && matched {
			return entry
		}
	}
	return ""
}

const (
	resultMark     = "RESULT\t"
	dialoguePrefix = "dialogue/"
)

func tryLibrary(t *testing.T) {
	tell := func(name, why string) {
		fmt.Printf("\n%s%s\t%s\n", resultMark, name, strings.ReplaceAll(why, "\n", " "))
	}
	for _, x := range abuses {
		t.Run(x.name, func(t *testing.T) {
			if !x.alone {
				t.Parallel()
			}
			why := ""
			if err := x.try(t, engines[1]); err != nil {
				why = err.Error()
			}
			tell(x.name, why)
		})
	}
	diffs := loadDifferences(t)
	for _, d := range loadDialogues(t) {
		t.Run(dialoguePrefix+d.name, func(t *testing.T) {
			t.Parallel()
			tell(dialoguePrefix+d.name, replayAgainstLibrary(t, d, diffs))
		})
	}
}

// replayAgainstLibrary plays a dialogue up to the first thing that is not as wanted, which it returns.
func replayAgainstLibrary(t *testing.T, d *dialogue, diffs *differences) (why string) {
	r := newReplay(t, d, diffs, startLibrary)
	r.wrong = func(format string, args ...any) bool {
		why, _, _ = strings.Cut(fmt.Sprintf(format, args...), "\n")
		return false
	}
	r.run()
	return why
}

// runLibraryProcess returns what failed and why, "" for what passed.
func runLibraryProcess(t *testing.T) map[string]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^TestLibraryUnderAbuse$", "-test.timeout", "3m")
	cmd.Env = append(os.Environ(), libraryProcess+"=1")
	// Its exit code and its errors are of no interest: the race detector and leaks make it fail.
	output, _ := cmd.Output()
	failed := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(output))
	for lines.Scan() {
		if result, found := strings.CutPrefix(lines.Text(), resultMark); found {
			name, why, _ := strings.Cut(result, "\t")
			failed[name] = why
		}
	}
	return failed
}

// knownFailures reads lines "NAME: reason".
func knownFailures(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "known_failures.txt"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, why, found := strings.Cut(strings.TrimSpace(line), ": ")
		if found && !strings.HasPrefix(line, "#") {
			known[name] = why
		}
	}
	return known
}
