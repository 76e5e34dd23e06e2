package cosfs

import (
	"os"
	"path/filepath"
	"time"
)

// inherit takes over the open uploads of all processes that have ended, and deletes their journals once its own names
// those uploads. A journal whose lock is held belongs to a process that lives.
func (j *journal) inherit() []*journaled {
	j.dropDrafts()
	var (
		entries []*journaled
		files   []*os.File
	)
	for _, path := range j.others() {
		f, err := os.OpenFile(path, os.O_RDWR, 0) // to write, since NFS locks nothing else
		if err != nil {
			continue // another process was faster, or it is another user's
		}
		defer f.Close()
		if lockFile(f) != nil {
			continue
		}
		found, err := readJournal(f)
		if err != nil {
			j.log.Warn("a journal of uploads cannot be read: parts may stay in the bucket", "file", path, "error", err)
			continue
		}
		entries = append(entries, found...)
		files = append(files, f)
	}
	if excess := len(entries) - maxInherited; excess > 0 {
		j.log.Warn("the journal names too many uploads that could not be aborted, and the first are forgotten: "+
			"let a lifecycle rule delete parts of unfinished uploads", "forgotten", excess)
		entries = entries[excess:]
	}
	if j.adopt(entries) {
		for _, f := range files {
			os.Remove(f.Name())
		}
	}
	return entries
}

// adopt makes the entries its own, and answers whether the file holds them.
func (j *journal) adopt(entries []*journaled) bool {
	if len(entries) == 0 {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range entries {
		j.last++
		e.number, e.inherited = j.last, true
		j.entries[e.number] = e
	}
	j.torn = true // the entries are only in memory yet
	j.append("")
	return !j.torn
}

// dropDrafts deletes what processes leave that end just while they write a journal anew.
func (j *journal) dropDrafts() {
	drafts, _ := filepath.Glob(filepath.Join(escapeGlob(j.dir), journalPattern+journalDraft)) // the pattern is right
	for _, path := range drafts {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > draftAge {
			os.Remove(path)
		}
	}
}
