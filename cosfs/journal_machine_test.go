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

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
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

// TestClosedJournalIsInheritedAtOnce, also by another machine: a gateway that is moved to another one goes on there.
func TestClosedJournalIsInheritedAtOnce(t *testing.T) {
	c := newCrashable(t)
	c.store.Inject(costest.Fault{Op: "AbortMultipartUpload", Status: 503})
	moved, engine := c.on(elsewhere, journalBeat)
	u := &upload{f: moved, key: "left"}
	if err := u.begin(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	engine.Close()
	path := engine.journal.path
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "\n"+closedEvent+"\t") {
		t.Fatalf("%v: %s", err, text)
	}
	c.store.ClearFaults()
	c.process()
	c.awaitUploads()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the journal of the other machine: %v, want that it is gone", err)
	}
}

// TestIsClosed: nothing but the last line says so.
func TestIsClosed(t *testing.T) {
	closed := timeLine(closedEvent)
	for text, want := range map[string]bool{
		"":                               false,
		closed:                           true,
		elsewhere.line() + closed:        true,
		closed + timeLine(aliveEvent):    false,
		strings.TrimSuffix(closed, "\n"): false,
		(&journaled{number: 1, host: "h", key: "k\nclosed\t", upload: strings.Repeat("closed\t", 20)}).line(): false,
		strings.Repeat("x", 1000) + "\n" + closed:                                                             true,
	} {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := isClosed(f); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		f.Close()
	}
}

// TestTimeOfTheFileServer is taken from a file that does not stay. Without it nothing is old.
func TestTimeOfTheFileServer(t *testing.T) {
	j := newJournal(t.TempDir(), slog.New(slog.DiscardHandler))
	if at, err := j.fileTime(); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("the time is %v, %v", at, err)
	}
	if left, _ := filepath.Glob(filepath.Join(j.dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	j.dir = filepath.Join(j.dir, "missing")
	at, err := j.fileTime()
	if err == nil || !at.IsZero() || isOlder(os.DevNull, foreignAge, func() time.Time { return at }) {
		t.Errorf("the time is %v, %v", at, err)
	}
}

// TestLaterInheritanceKeepsWhatIsNewer: what an upload of this process has left counts more than what an older one
// elsewhere has.
func TestLaterInheritanceKeepsWhatIsNewer(t *testing.T) {
	c := newCrashable(t)
	f, engine := c.process()
	j, now := engine.journal, time.Now()
	p := f.place("k")
	ours := &remain{etag: "ours", since: now}
	ours.entry = j.leave(nil, p, ours)
	engine.remains.names.Add(p, ours)
	elder := &journaled{remains: true, host: p.bucket, key: p.key, upload: "theirs", asked: now.Add(-time.Hour)}
	other := &journaled{remains: true, host: p.bucket, key: "other", upload: "theirs", asked: now.Add(-time.Hour)}
	if !j.adopt([]*journaled{elder, other}) {
		t.Fatal("not adopted")
	}
	engine.remains.keepIn(j, []*journaled{elder, other})
	for key, want := range map[string]string{"k": "ours", "other": "theirs"} {
		if found, known := engine.remains.look(f.place(key)); !known || found.etag != want {
			t.Errorf("%s: %+v, want the ETag %s", key, found, want)
		}
	}
	if n := len(j.entries); n != 2 {
		t.Errorf("the journal names %d remains, want 2", n)
	}
}
