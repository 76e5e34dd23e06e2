package cosfs

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

// inherit takes over the entries of all processes that have ended, and deletes their journals once its own names those
// entries. A journal whose lock is held belongs to a process that lives.
func (j *journal) inherit() (uploads, remains []*journaled) {
	j.dropDrafts()
	var files []*os.File
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
		for _, e := range found {
			switch {
			case e.remains:
				remains = append(remains, e)
			case e.upload != "": // what never had an ID has no parts
				uploads = append(uploads, e)
			}
		}
		files = append(files, f)
	}
	if excess := len(uploads) - maxInherited; excess > 0 {
		j.log.Warn("the journal names too many uploads that could not be aborted, and the first are forgotten: "+
			"let a lifecycle rule delete parts of unfinished uploads", "forgotten", excess)
		uploads = uploads[excess:]
	}
	if j.adopt(slices.Concat(remains, uploads)) {
		for _, f := range files {
			os.Remove(f.Name())
		}
	}
	return uploads, remains
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
func (j *journal) dropDrafts() {
	drafts, _ := filepath.Glob(filepath.Join(escapeGlob(j.dir), journalPattern+journalDraft)) // the pattern is right
	for _, path := range drafts {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > draftAge {
			os.Remove(path)
		}
	}
}
