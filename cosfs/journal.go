package cosfs

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	journalPattern = "uploads.*.journal"
	journalDraft   = ".new" // behind the name of a journal that is being written anew

	// journalGrowth is the size in bytes up to which a journal grows before it is written anew without the uploads that
	// have ended, and by how much it must have grown since.
	journalGrowth = 1 << 20
	// journalSync is how long an entry may wait for its fsync. Entries survive the end of the process at once, and a
	// power cut after this time; one fsync serves all that were written meanwhile.
	journalSync = time.Second
)

// journal is the file that names the multipart uploads which this process has open, so that the next one can abort them
// should this one be killed, and the remains of interrupted uploads. It is made with the first upload, held with a lock,
// and deleted at the end if it names nothing. Its first line names the machine, since a lock tells nothing where it is
// another one's. A nil journal keeps nothing.
//
// Trouble with the file never fails an upload: it is told once, and the whole file is written anew at the next event.
type journal struct {
	dir, path string
	log       *slog.Logger
	machine   machine       // of this process
	pulse     time.Duration // see beat

	mu      sync.Mutex
	entries map[int64]*journaled
	last    int64 // number of the newest entry
	file    *os.File
	info    os.FileInfo // of file, to see when it is moved away or deleted
	size    int64
	limit   int64 // of size, see journalGrowth
	torn    bool  // the end of the file is not as it should be
	trouble bool  // and the log knows it
	closed  bool

	unsynced chan struct{} // holds one when the file has changed
}

// journaled is one line of it: an upload, or what is left of one (see remains). Its fields are guarded by the journal's
// lock.
type journaled struct {
	number    int64
	remains   bool
	host, key string    // for remains the bucket in place of its host
	asked     time.Time // when it was written down, by our clock
	upload    string    // ID; for remains the ETag
	client    string    // of remains
}

func newJournal(dir string, log *slog.Logger) *journal {
	name := fmt.Sprintf("uploads.%d-%d.journal", time.Now().UnixNano(), os.Getpid())
	return &journal{
		dir: dir, path: filepath.Join(dir, name), log: log,
		machine: thisMachine(), pulse: journalBeat,
		entries:  make(map[int64]*journaled),
		limit:    journalGrowth,
		unsynced: make(chan struct{}, 1),
	}
}

// begin notes an upload that COS has begun.
func (j *journal) begin(host, key, upload string) *journaled {
	return j.add(&journaled{host: host, key: key, upload: upload})
}

// leave notes what an upload has left under a name, in place of the entry known, which is nil for a name without one.
func (j *journal) leave(known *journaled, p place, left *remain) *journaled {
	if j == nil || known == nil {
		return j.add(&journaled{remains: true, host: p.bucket, key: p.key, upload: left.etag, client: left.client})
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	known.upload, known.client, known.asked = left.etag, left.client, time.Now()
	j.append(known.line())
	return known
}

// add writes down a new entry.
func (j *journal) add(e *journaled) *journaled {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.number, e.asked = j.last, time.Now()
	j.entries[e.number] = e
	j.append(e.line())
	return e
}

// end notes that an entry is of no use any more. A nil entry is that of an upload that was never written down.
func (j *journal) end(e *journaled, how string) {
	if j == nil || e == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, open := j.entries[e.number]; open {
		delete(j.entries, e.number)
		j.append(endedLine(e, how))
	}
}

// append writes the line of a change that the entries hold already. The caller holds mu.
func (j *journal) append(line string) {
	if j.closed || j.file == nil && len(j.entries) == 0 {
		return
	}
	var err error
	if j.file == nil || j.torn || j.size > j.limit || j.moved() {
		err = j.rewrite()
	} else if _, err = j.file.WriteString(line); err == nil {
		j.size += int64(len(line))
	}
	j.torn = err != nil
	j.tell(err)
	select {
	case j.unsynced <- struct{}{}:
	default:
	}
}

// moved reports whether somebody has moved or deleted the file. The caller holds mu.
func (j *journal) moved() bool {
	info, err := os.Stat(j.path)
	return err != nil || !os.SameFile(info, j.info)
}

// rewrite puts a file with nothing but the open uploads in the place of the journal, in one step. It has its lock
// before it has the name under which others look for it. The caller holds mu.
func (j *journal) rewrite() (err error) {
	if err := os.MkdirAll(j.dir, 0o777); err != nil {
		return err
	}
	draft, err := os.OpenFile(j.path+journalDraft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			draft.Close()
			os.Remove(draft.Name())
		}
	}()
	if err := lockFile(draft); err != nil {
		return fmt.Errorf("lock %s: %w", draft.Name(), err)
	}
	text := j.text()
	if _, err := draft.Write(text); err != nil {
		return err
	}
	info, err := draft.Stat()
	if err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), j.path); err != nil {
		return err
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.info, j.size = draft, info, int64(len(text))
	j.limit = max(journalGrowth, 2*j.size)
	return nil
}

// text is the file with nothing but what is open, oldest first. The caller holds mu.
func (j *journal) text() []byte {
	var text bytes.Buffer
	text.WriteString(j.machine.line())
	for _, number := range slices.Sorted(maps.Keys(j.entries)) {
		text.WriteString(j.entries[number].line())
	}
	return text.Bytes()
}

// tell logs the beginning and the end of trouble with the file. The caller holds mu.
func (j *journal) tell(err error) {
	switch {
	case err != nil && !j.trouble:
		j.log.Warn("uploads go on, but those that a crash breaks off now may leave parts in the bucket: "+
			"the journal of uploads cannot be written", "file", j.path, "error", err)
	case err == nil && j.trouble:
		j.log.Info("the journal of uploads is written again", "file", j.path)
	}
	j.trouble = err != nil
}

// sync brings what was written to the disk, the name of the file too.
func (j *journal) sync() {
	j.mu.Lock()
	f := j.file
	j.mu.Unlock()
	if f == nil {
		return
	}
	// A file that was replaced meanwhile is closed, and its successor's turn comes.
	_ = f.Sync()
	if dir, err := os.Open(j.dir); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
}

// close ends the journal. Its file stays if it names uploads that are left open.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.file == nil {
		return
	}
	switch {
	case j.moved(): // it is no longer ours
	case len(j.entries) == 0:
		os.Remove(j.path)
	default:
		_, _ = j.file.WriteString(timeLine(closedEvent)) // without it other machines wait
	}
	j.file.Close()
	j.file = nil
}
