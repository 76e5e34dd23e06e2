//go:build unix

package cosfs

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var elsewhere = machine{name: "elsewhere", boot: "4f7d3ac2"}

// on is a process on a machine, whose journal has that pulse.
func (c *crashable) on(m machine, pulse time.Duration) (*FS, *Engine) {
	c.t.Helper()
	f, engine := c.tree()
	j := newJournal(c.dir, slog.New(slog.NewTextHandler(c.log, nil)))
	j.machine, j.pulse = m, pulse
	engine.keep(j)
	return f, engine
}

// unseen makes the lock of an engine's journal one that no other machine sees, as with NFS and nolock.
func (c *crashable) unseen(e *Engine) {
	c.t.Helper()
	e.journal.mu.Lock()
	defer e.journal.mu.Unlock()
	if err := syscall.Flock(int(e.journal.file.Fd()), syscall.LOCK_UN); err != nil {
		c.t.Fatal(err)
	}
}

// age makes a journal one that has not changed for so long.
func (c *crashable) age(path string, d time.Duration) {
	c.t.Helper()
	at := time.Now().Add(-d)
	if err := os.Chtimes(path, at, at); err != nil {
		c.t.Fatal(err)
	}
}

// TestLiveUploadsOfAnotherMachineGoOn, although their journal's lock is not seen here; the log tells it once.
func TestLiveUploadsOfAnotherMachineGoOn(t *testing.T) {
	c := newCrashable(t)
	alive, engine := c.on(elsewhere, journalBeat)
	finish := c.open(alive, "/alive")
	dead, deadEngine := c.process()
	c.open(dead, "/dead")
	c.die(deadEngine)
	c.unseen(engine)
	c.age(engine.journal.path, foreignAge-time.Minute)

	c.process()
	c.awaitUploads("alive")
	c.process()
	if err := finish(); err != nil {
		t.Errorf("the upload of the other machine: %v", err)
	}
	if o, _ := c.store.Get(treeBucket, "alive"); !bytes.Equal(o.Data, noise(2*testPart+1)) {
		t.Errorf("%d bytes are not what was sent", len(o.Data))
	}
	if _, err := os.Stat(engine.journal.path); err != nil {
		t.Errorf("the journal of the other machine: %v", err)
	}
	if n := strings.Count(c.log.String(), "journals of uploads of other machines"); n != 2 {
		t.Errorf("%d lines tell of the other machine, want one at each of two starts:\n%s", n, c.log.String())
	}
}

// TestDeadMachineIsInherited when its journal has not changed for hours: at the start, or while a process runs. What its
// interrupted uploads have left comes with it.
func TestDeadMachineIsInherited(t *testing.T) {
	for name, running := range map[string]bool{"at the start": false, "while running": true} {
		t.Run(name, func(t *testing.T) {
			c := newCrashable(t)
			dead, deadEngine := c.on(elsewhere, journalBeat)
			c.open(dead, "/dead")
			path := deadEngine.journal.path
			c.die(deadEngine)
			if !running {
				c.age(path, foreignAge+time.Minute)
			}
			_, engine := c.on(thisMachine(), time.Millisecond)
			if running {
				waitFor(t, "the warning", func() bool { return strings.Contains(c.log.String(), "journals of uploads of other") })
				if uploads := c.uploads(); len(uploads) != 1 {
					t.Errorf("the open uploads are %q, want that of the other machine", uploads)
				}
				if _, known := engine.remains.look(place{treeBucket, "dead"}); known {
					t.Error("what the other machine's upload leaves is taken over at once")
				}
				c.age(path, foreignAge+time.Minute)
			}
			c.awaitUploads()
			waitFor(t, "what the upload leaves", func() bool {
				_, known := engine.remains.look(place{treeBucket, "dead"})
				return known
			})
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("the journal of the other machine: %v, want that it is gone", err)
			}
		})
	}
}

// TestJournalWithoutAMachine is that of an earlier version, which may run elsewhere.
func TestJournalWithoutAMachine(t *testing.T) {
	c := newCrashable(t)
	dead, deadEngine := c.process()
	c.open(dead, "/dead")
	path := deadEngine.journal.path
	c.die(deadEngine)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, old, _ := bytes.Cut(text, []byte("\n"))
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}

	c.on(thisMachine(), time.Millisecond)
	waitFor(t, "the warning", func() bool { return strings.Contains(c.log.String(), "or of an earlier version") })
	if uploads := c.uploads(); len(uploads) != 1 {
		t.Errorf("the open uploads are %q, want that of the earlier version", uploads)
	}
	c.age(path, foreignAge+time.Minute)
	c.awaitUploads()
}

// TestJournalShowsThatItsProcessLives, also when nothing happens, and when the file has gone.
func TestJournalShowsThatItsProcessLives(t *testing.T) {
	c := newCrashable(t)
	f, engine := c.on(thisMachine(), time.Millisecond)
	c.open(f, "/open")
	path := engine.journal.path
	for range 2 {
		c.age(path, foreignAge)
		waitFor(t, "a sign of life", func() bool {
			info, err := os.Stat(path)
			return err == nil && time.Since(info.ModTime()) < time.Hour
		})
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the file", func() bool { _, err := os.Stat(path); return err == nil })
	}
	read, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if m := readMachine(read); m != thisMachine() {
		t.Errorf("the journal is that of %+v, want %+v", m, thisMachine())
	}
}

// TestMachineLineIsNoneOfEarlierVersions: their rules make nothing of the new lines.
func TestMachineLineIsNoneOfEarlierVersions(t *testing.T) {
	j := newJournal(t.TempDir(), slog.New(slog.DiscardHandler))
	defer j.close()
	j.machine = machine{name: "17\t\"quoted\"\nname", boot: "7"}
	j.begin("host", "key", "id")
	j.beat()
	text, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	if m := readMachine(bytes.NewReader(text)); m != j.machine {
		t.Errorf("read %+v, want %+v", m, j.machine)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		open := map[int64]*journaled{17: {}, 7: {}}
		readLine(open, strings.Split(line, "\t"))
		isNew := strings.HasPrefix(line, machineEvent) || strings.HasPrefix(line, aliveEvent)
		if isNew && len(open) != 2 {
			t.Errorf("an earlier version takes %q for one of its lines", line)
		}
	}
	if entries, err := readJournal(bytes.NewReader(text)); err != nil || len(entries) != 1 || entries[0].upload != "id" {
		t.Errorf("%v, %v, want one entry", entries, err)
	}
}

// TestWhoseLocksAreSeen: two containers of one kernel see each other's, and a host sees those of its own from before it
// was started anew; a name that every host may have tells nothing.
func TestWhoseLocksAreSeen(t *testing.T) {
	for _, c := range []struct {
		a, b machine
		want bool
	}{
		{machine{"gw1", "x"}, machine{"gw1", "x"}, true},
		{machine{"container1", "x"}, machine{"container2", "x"}, true},
		{machine{"gw1", "x"}, machine{"gw1", "y"}, true},
		{machine{"gw1", ""}, machine{"gw1", ""}, true},
		{machine{"gw1", "x"}, machine{"gw2", "y"}, false},
		{machine{"gw1", ""}, machine{"gw2", ""}, false},
		{machine{"localhost.localdomain", "x"}, machine{"localhost.localdomain", "y"}, false},
		{machine{"gw1", "x"}, machine{}, false},
		{machine{}, machine{}, false},
	} {
		if got := c.a.sharesLocks(c.b); got != c.want || c.b.sharesLocks(c.a) != got {
			t.Errorf("%+v and %+v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// FuzzReadMachine: whatever stands in the first line, what is read is what a line says.
func FuzzReadMachine(f *testing.F) {
	f.Add("machine\t\"gw1\"\t\"boot\"\n")
	f.Add("machine\t\"\t\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := readMachine(strings.NewReader(text))
		if again := readMachine(strings.NewReader(m.line())); len(text) < maxMachine/8 && again != m {
			t.Fatalf("%+v, %+v", m, again)
		}
	})
}

// TestTimeOfTheFileServer is taken from a file that does not stay.
func TestTimeOfTheFileServer(t *testing.T) {
	j := newJournal(t.TempDir(), slog.New(slog.DiscardHandler))
	if at := j.fileTime(); time.Since(at).Abs() > time.Hour {
		t.Errorf("the time is %v", at)
	}
	if left, _ := filepath.Glob(filepath.Join(j.dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	var log bytes.Buffer
	j = newJournal(filepath.Join(j.dir, "missing"), slog.New(slog.NewTextHandler(&log, nil)))
	if at := j.fileTime(); !at.IsZero() || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("the time is %v, the log %q", at, log.String())
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isAbandoned(f, time.Time{}) {
		t.Error("without a time a journal counts as old")
	}
}
