package cosfs

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// crashable is a store and a directory for journals, on which processes live and die.
type crashable struct {
	t        *testing.T
	store    *costest.Server
	addr     string
	dir      string
	log      *logLines
	patience time.Duration // of its processes
}

func newCrashable(t *testing.T) *crashable {
	t.Helper()
	store := costest.New(costest.WithBucket(treeBucket), costest.WithCredentials("id", treeSecret), costest.WithoutMD5())
	listener := httptest.NewServer(store)
	t.Cleanup(func() {
		store.ClearFaults()
		listener.Close()
	})
	return &crashable{t: t, store: store, addr: listener.Listener.Addr().String(), dir: t.TempDir(), log: &logLines{}, patience: testPatience}
}

// process is an engine with a journal and one account, as a program has it.
func (c *crashable) process() (*FS, *Engine) {
	c.t.Helper()
	f, engine := c.tree()
	engine.KeepJournal(c.dir, slog.New(slog.NewTextHandler(c.log, nil)))
	return f, engine
}

func (c *crashable) tree() (*FS, *Engine) {
	c.t.Helper()
	engine := NewEngine(EngineOptions{UploadThreads: 4, DownloadThreads: 4, Memory: 32 << 20, RetryBase: time.Millisecond, Patience: c.patience})
	c.t.Cleanup(engine.Close)
	f, err := New(Options{
		SecretID: "id", SecretKey: treeSecret, Bucket: treeBucket, Host: costest.Host(treeBucket),
		Scheme: "http", Address: c.addr, PartSize: testPart, MaxFileSize: testMax,
	}, engine)
	if err != nil {
		c.t.Fatal(err)
	}
	return f, engine
}

// open begins a multipart upload; end commits it.
func (c *crashable) open(f *FS, name string) (end func() error) {
	c.t.Helper()
	w, err := f.Create(c.t.Context(), name)
	if err == nil {
		_, err = w.Write(noise(2*testPart + 1))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { w.Close() })
	waitFor(c.t, "a part of "+name, func() bool {
		for _, u := range c.store.Uploads(treeBucket) {
			if u.Key == name[1:] && u.Parts == 2 {
				return true
			}
		}
		return false
	})
	return w.Close
}

// die leaves the journal of an engine as kill -9 does: the lock is gone, the file is there.
func (c *crashable) die(e *Engine) {
	c.t.Helper()
	j := e.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
}

// uploads counts the open uploads that the journal names.
func (j *journal) uploads() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries {
		if !e.remains {
			n++
		}
	}
	return n
}

func (c *crashable) uploads() (keys []string) {
	for _, u := range c.store.Uploads(treeBucket) {
		keys = append(keys, u.Key)
	}
	return keys
}

func (c *crashable) awaitUploads(want ...string) {
	c.t.Helper()
	waitFor(c.t, fmt.Sprintf("the open uploads to be %q", want), func() bool {
		return fmt.Sprint(c.uploads()) == fmt.Sprint(want)
	})
}

func (c *crashable) journals() []string {
	c.t.Helper()
	all, err := os.ReadDir(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, entry := range all {
		names = append(names, entry.Name())
	}
	return names
}

// TestNextStartAbortsWhatWasLeftOpen, and only that: uploads of a living process with the same directory go on.
func TestNextStartAbortsWhatWasLeftOpen(t *testing.T) {
	c := newCrashable(t)
	alive, _ := c.process()
	finish := c.open(alive, "/alive")
	dead, deadEngine := c.process()
	c.open(dead, "/dead")
	if err := c.open(dead, "/complete")(); err != nil {
		t.Fatal(err)
	}
	c.die(deadEngine)
	if n := len(c.journals()); n != 2 {
		t.Fatalf("there are %d journals, want 2: %q", n, c.journals())
	}

	_, engine := c.process()
	c.awaitUploads("alive")
	if err := finish(); err != nil {
		t.Errorf("the upload of the living process: %v", err)
	}
	for key, size := range map[string]int{"alive": 2*testPart + 1, "complete": 2*testPart + 1} {
		if o, _ := c.store.Get(treeBucket, key); !bytes.Equal(o.Data, noise(size)) {
			t.Errorf("%s holds %d bytes that are not what was sent", key, len(o.Data))
		}
	}
	waitFor(t, "the news", func() bool {
		return strings.Contains(c.log.String(), `msg="uploads that an earlier run left open are aborted" aborted=1`)
	})
	engine.remains.forget(place{treeBucket, "dead"})
	engine.Close()
	if n := len(c.journals()); n != 1 {
		t.Errorf("the journals left are %q, want that of the living process", c.journals())
	}
}

// TestJournalGoesWithItsProcess: one that ends in order leaves no file.
func TestJournalGoesWithItsProcess(t *testing.T) {
	c := newCrashable(t)
	f, engine := c.process()
	w, err := f.Create(t.Context(), "/small")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("small")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.open(f, "/large")(); err != nil {
		t.Fatal(err)
	}
	if names := c.journals(); len(names) != 1 {
		t.Errorf("after a large upload there is %q", names)
	}
	engine.Close()
	if names := c.journals(); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
}

// TestRecoveryOutlastsAnOutage of COS, and what it cannot do stays for the start after that.
func TestRecoveryOutlastsAnOutage(t *testing.T) {
	c := newCrashable(t)
	c.patience = 200 * time.Millisecond
	dead, deadEngine := c.process()
	c.open(dead, "/dead")
	c.die(deadEngine)
	c.store.Inject(costest.Fault{Op: "AbortMultipartUpload", Status: 503})

	_, second := c.process()
	waitFor(t, "attempts to abort", func() bool { return c.store.Count("AbortMultipartUpload") >= 2 })
	second.Close()
	if names := c.journals(); len(names) != 1 {
		t.Fatalf("the journals left are %q, want one", names)
	}
	third, _ := c.tree()
	third.engine.KeepJournal(c.dir, slog.New(slog.DiscardHandler))
	seen := c.store.Count("AbortMultipartUpload")
	waitFor(t, "more attempts", func() bool { return c.store.Count("AbortMultipartUpload") >= seen+5 })
	c.store.ClearFaults()
	c.awaitUploads()
	waitFor(t, "no upload in the journal", func() bool { return third.engine.journal.uploads() == 0 })
}

// TestUploadsOfARemovedAccountWait until a configuration has the account again.
func TestUploadsOfARemovedAccountWait(t *testing.T) {
	c := newCrashable(t)
	dead, deadEngine := c.process()
	c.open(dead, "/dead")
	c.die(deadEngine)

	without := NewEngine(EngineOptions{})
	without.KeepJournal(c.dir, slog.New(slog.NewTextHandler(c.log, nil)))
	waitFor(t, "the warning", func() bool { return strings.Contains(c.log.String(), "level=WARN msg=\"parts of uploads") })
	without.Close()
	c.awaitUploads("dead")

	c.process()
	c.awaitUploads()
}

// TestCopyByPartsIsInTheJournal: a large rename too may be cut off by a crash.
func TestCopyByPartsIsInTheJournal(t *testing.T) {
	c := newCrashable(t)
	f, engine := c.process()
	f.copyLimit, f.copyPart = 2*testPart, testPart
	c.store.Put(treeBucket, "big", noise(3*testPart))
	c.store.Inject(costest.Fault{Op: "CompleteMultipartUpload", Hang: true})
	renamed := make(chan error, 1)
	go func() { renamed <- f.Rename(t.Context(), "/big", "/moved") }()
	waitFor(t, "the upload in the journal", func() bool {
		names, _ := filepath.Glob(filepath.Join(c.dir, journalPattern))
		if len(names) != 1 {
			return false
		}
		text, err := os.ReadFile(names[0])
		return err == nil && strings.Contains(string(text), "begun\t") && strings.Contains(string(text), "\t\"moved\"\n")
	})
	c.store.ClearFaults()
	if err := <-renamed; err != nil {
		t.Fatal(err)
	}
	engine.journal.mu.Lock()
	defer engine.journal.mu.Unlock()
	if n := len(engine.journal.entries); n != 0 {
		t.Errorf("%d entries are open after the rename", n)
	}
}

// TestJournalTroubleFailsNoUpload: the directory vanishes and cannot be made again; later it can.
func TestJournalTroubleFailsNoUpload(t *testing.T) {
	c := newCrashable(t)
	c.dir = filepath.Join(c.dir, "log")
	f, engine := c.process()
	finish := c.open(f, "/one")
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/two", "/three"} {
		if err := c.open(f, name)(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := strings.Count(c.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1: %s", n, c.log.String())
	}
	if err := os.Remove(c.dir); err != nil {
		t.Fatal(err)
	}
	finishFour := c.open(f, "/four")
	text, err := os.ReadFile(engine.journal.path)
	if err != nil || !strings.Contains(string(text), `"one"`) || !strings.Contains(string(text), `"four"`) {
		t.Errorf("the journal does not name the open uploads: %v\n%s", err, text)
	}
	for _, err := range []error{finish(), finishFour()} {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestJournalStaysSmall: it is written anew without the uploads that have ended.
func TestJournalStaysSmall(t *testing.T) {
	j := newJournal(t.TempDir(), slog.New(slog.DiscardHandler))
	defer j.close()
	j.begin("host", "kept", "kept's id")
	key := strings.Repeat("k", 850)
	for range 5000 {
		j.end(j.begin("host", key, "id"), completedEvent)
	}
	info, err := os.Stat(j.path)
	if err != nil || info.Size() > journalGrowth+4096 {
		t.Fatalf("%v, %v", info, err)
	}
	f, err := os.Open(j.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	open, err := readJournal(f)
	if err != nil || len(open) != 1 || open[0].key != "kept" || open[0].upload != "kept's id" {
		t.Errorf("open: %v, %v", open, err)
	}
}

// TestInheritanceIsBounded: a crash a minute without the account must not fill the disk.
func TestInheritanceIsBounded(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString(thisMachine().line())
	for n := range maxInherited + 5 {
		text.WriteString((&journaled{number: int64(n + 1), host: "h", key: fmt.Sprint(n), upload: "id"}).line())
	}
	if err := os.WriteFile(filepath.Join(dir, "uploads.1-1.journal"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJournal(dir, slog.New(slog.DiscardHandler))
	defer j.close()
	if uploads := j.inherit(false).uploads; len(uploads) != maxInherited || uploads[0].key != "5" {
		t.Errorf("%d entries from %q on, want the newest %d", len(uploads), uploads[0].key, maxInherited)
	}
	if all, _ := filepath.Glob(filepath.Join(dir, "*")); len(all) != 1 || all[0] != j.path {
		t.Errorf("the directory holds %q, want %q only", all, j.path)
	}
}

// TestReadJournal: keys of any bytes come back, and a line cut off by the crash counts for nothing.
func TestReadJournal(t *testing.T) {
	at := time.Date(2026, 11, 21, 1, 2, 3, 4, time.UTC)
	keys := []string{"a", "tab\tand\nline", "中文", "not UTF-8: \xff\xfe", `"quoted" \`}
	var text strings.Builder
	for n, key := range keys {
		e := &journaled{number: int64(n + 1), host: "h", key: key, asked: at, upload: "id of " + key, remains: n%2 == 1}
		text.WriteString(e.line())
	}
	ended := &journaled{number: 99, host: "h", key: "ended"}
	text.WriteString(ended.line() + endedLine(ended, abortedEvent) + "nonsense\n\n" + "begun\t77\t\"nobody\"\n")
	text.WriteString("completed\t1") // no line end: it may be that of 12
	entries, err := readJournal(strings.NewReader(text.String()))
	if err != nil || len(entries) != len(keys) {
		t.Fatalf("%d entries, %v, want %d", len(entries), err, len(keys))
	}
	for n, e := range entries {
		if e.key != keys[n] || e.upload != "id of "+keys[n] || e.host != "h" || !e.asked.Equal(at) || e.remains != (n%2 == 1) {
			t.Errorf("entry %d is %+v", n, e)
		}
	}
}

// FuzzReadJournal: whatever stands in the directory, reading it ends, and what it gives is complete.
func FuzzReadJournal(f *testing.F) {
	f.Add("asked\t1\t2026-11-21T00:00:00Z\t2026-11-21T00:00:01Z\t\"h\"\t\"k\"\nbegun\t1\t\"id\"\ncompleted\t1\n")
	f.Add("begun\t1\nasked\t\t\t\t\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := readJournal(io.LimitReader(strings.NewReader(text), 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.host == "" || e.key == "" {
				t.Fatalf("%+v", e)
			}
		}
	})
}

// BenchmarkJournal is what the journal costs one multipart upload.
func BenchmarkJournal(b *testing.B) {
	j := newJournal(b.TempDir(), slog.New(slog.DiscardHandler))
	defer j.close()
	for b.Loop() {
		e := j.begin("bucket-1250000000.cos.ap-guangzhou.myqcloud.com", "a/directory/and a file.bin",
			"1700000000abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
		j.end(e, completedEvent)
	}
}

// TestAnyAccountOfTheBucketWillDo: the first that the configuration names may have lost its rights.
func TestAnyAccountOfTheBucketWillDo(t *testing.T) {
	c := newCrashable(t)
	dead, deadEngine := c.process()
	c.open(dead, "/dead")
	c.die(deadEngine)
	f, engine := c.tree()
	refused := f.opts
	refused.SecretKey = "revoked"
	engine.trees = make(map[string][]*FS)
	for _, opts := range []Options{refused, f.opts} {
		if _, err := New(opts, engine); err != nil {
			t.Fatal(err)
		}
	}
	engine.KeepJournal(c.dir, slog.New(slog.DiscardHandler))
	c.awaitUploads()
	waitFor(t, "no upload in the journal", func() bool { return engine.journal.uploads() == 0 })
}
