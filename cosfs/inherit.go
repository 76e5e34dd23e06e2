package cosfs

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// legacy is what other processes have left in their journals.
type legacy struct {
	uploads, remains []*journaled
	foreign          []string // journals of other machines that are left alone, since their processes may be alive
}

// inherit takes over the entries of all processes that have ended, and deletes their journals once its own names those
// entries. A journal whose lock is held belongs to a process that lives. The lock of one of another machine, or of a
// version that named none, may be free all the same: either its process has closed it, or it must not have changed for
// foreignAge. With foreignOnly those of this machine are left to the next start.
func (j *journal) inherit(foreignOnly bool) (left legacy) {
	now := sync.OnceValue(func() time.Time {
		at, err := j.fileTime()
		if err != nil && !foreignOnly {
			j.log.Warn("journals of uploads of other machines are left alone: no file can be written beside them",
				"directory", j.dir, "error", err)
		}
		return at // zero after an error: nothing is old
	})
	j.dropDrafts(now)
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, path := range j.others() {
		f := openLocked(path)
		if f == nil {
			continue
		}
		here := j.machine.sharesLocks(readMachine(f))
		if here && foreignOnly {
			f.Close()
			continue
		}
		if !here && !isClosed(f) && !isOlder(f.Name(), foreignAge, now) {
			f.Close()
			left.foreign = append(left.foreign, path)
			continue
		}
		if err := left.read(f); err != nil {
			f.Close()
			j.log.Warn("a journal of uploads cannot be read: parts may stay in the bucket", "file", path, "error", err)
			continue
		}
		files = append(files, f)
	}
	if excess := len(left.uploads) - maxInherited; excess > 0 {
		j.log.Warn("the journal names too many uploads that could not be aborted, and the first are forgotten: "+
			"let a lifecycle rule delete parts of unfinished uploads", "forgotten", excess)
		left.uploads = left.uploads[excess:]
	}
	if j.adopt(slices.Concat(left.remains, left.uploads)) {
		for _, f := range files {
			os.Remove(f.Name())
		}
	}
	return left
}

// openLocked opens the journal of another process and takes its lock. It returns nil where another process was faster, or
// the file is another user's.
func openLocked(path string) *os.File {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // to write, since NFS locks nothing else
	if err != nil {
		return nil
	}
	if lockFile(f) != nil {
		f.Close()
		return nil
	}
	return f
}

// isOlder reports whether a file has not changed for so long. now is the time of the file server.
func isOlder(path string, age time.Duration, now func() time.Time) bool {
	info, err := os.Stat(path)
	return err == nil && now().Sub(info.ModTime()) > age
}

// read adds the entries of a journal.
func (l *legacy) read(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	found, err := readJournal(f)
	if err != nil {
		return err
	}
	for _, e := range found {
		switch {
		case e.remains:
			l.remains = append(l.remains, e)
		case e.upload != "": // what never had an ID has no parts
			l.uploads = append(l.uploads, e)
		}
	}
	return nil
}

// tellForeign logs the journals that are left alone.
func (j *journal) tellForeign(paths []string) {
	if len(paths) == 0 {
		return
	}
	j.log.Warn("journals of uploads of other machines, or of an earlier version, are left alone until they have not changed "+
		"for hours: give each machine a log_dir of its own; if that machine is gone, nothing need be done",
		"journals", len(paths), "first", paths[0], "hours", foreignAge.Hours(), "this machine", j.machine.name)
}

// adopt makes the entries its own, and reports whether the file holds them.
func (j *journal) adopt(entries []*journaled) bool {
	if len(entries) == 0 {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range entries {
		j.last++
		e.number = j.last
		j.entries[e.number] = e
	}
	j.torn = true // the entries are only in memory yet
	j.append("")
	return !j.torn
}

// dropDrafts deletes what processes leave that end just while they write a journal anew.
func (j *journal) dropDrafts(now func() time.Time) {
	drafts, _ := filepath.Glob(filepath.Join(escapeGlob(j.dir), journalPattern+journalDraft)) // the pattern is right
	for _, path := range drafts {
		if isOlder(path, draftAge, now) {
			os.Remove(path)
		}
	}
}
