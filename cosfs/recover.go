package cosfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	recoverWorkers = 8
	// maxInherited bounds the uploads that are carried from start to start because nobody could abort them: those of
	// accounts that are gone from the configuration, above all.
	maxInherited = 10000
	// nextLook is when an upload whose ID was never read is looked for again, the first time: the request for it may
	// still be on its way to COS when the next process starts.
	nextLook = time.Second
	// draftAge is the age at which the draft of a journal must be that of a dead process.
	draftAge = time.Hour
)

// KeepJournal writes down the multipart uploads of this process in a file in dir, from now on, and aborts those that
// earlier processes with the same dir have left open: all that died without closing them, and no upload of a process
// that is alive. Call it once, when all accounts are made and before the first upload. It returns at once; aborting goes
// on in the background, through outages of COS, and Close ends it. What could not be aborted stays in the journal for
// the next start.
func (e *Engine) KeepJournal(dir string, log *slog.Logger) {
	e.journal = newJournal(dir, log)
	ctx, stop := context.WithCancel(context.Background())
	e.stopJournal = stop
	e.keeping.Go(func() {
		guard(func(err error) { log.Error("uploads of an earlier run may stay in the bucket, panic", "error", err) },
			func() { e.recover(ctx) })
	})
	e.keeping.Go(func() { e.journal.keepSynced(ctx) })
}

// closeJournal ends what KeepJournal has begun.
func (e *Engine) closeJournal() {
	if e.journal == nil {
		return
	}
	e.stopJournal()
	e.keeping.Wait()
	e.journal.close()
}

// keepSynced brings the file to the disk, once in journalSync at most.
func (j *journal) keepSynced(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.unsynced:
		}
		if sleep(ctx, journalSync) != nil {
			return
		}
		j.sync()
	}
}

// recover aborts what earlier processes have left open. Uploads that COS may yet begin for them are looked for again
// until it no longer can.
func (e *Engine) recover(ctx context.Context) {
	inherited := e.journal.inherit()
	for pause := nextLook; len(inherited) > 0; pause *= 3 {
		var late []*journaled
		for _, entry := range inherited {
			if e.mayBegin(entry) {
				late = append(late, entry)
			}
		}
		e.abandonAll(ctx, inherited)
		if inherited = late; len(late) == 0 || sleep(ctx, pause) != nil {
			return
		}
	}
}

// mayBegin reports whether COS may yet begin an upload for a request of a process that has ended.
func (e *Engine) mayBegin(entry *journaled) bool {
	return entry.isLost() && time.Since(entry.again) < e.opts.StallTimeout && len(e.treesOf(entry.host)) > 0
}

// isLost reports whether COS may have begun an upload without its process hearing of the ID.
func (e *journaled) isLost() bool { return e.upload == "" || e.again.After(e.asked) }

func (e *Engine) abandonAll(ctx context.Context, inherited []*journaled) {
	var aborted, failed, homeless atomic.Int64
	_ = each(ctx, recoverWorkers, len(inherited), func(ctx context.Context, i int) error {
		entry := inherited[i]
		n, err := e.abandon(ctx, entry)
		aborted.Add(int64(n))
		switch {
		case errors.Is(err, errNoAccount):
			homeless.Add(1)
		case err != nil && e.mayBegin(entry): // looked for again soon
		case err != nil:
			failed.Add(1)
			e.journal.log.Debug("an upload of an earlier run is not aborted yet", "key", entry.key, "error", err)
			e.leftovers.later(func(ctx context.Context) error {
				n, err := e.abandon(ctx, entry)
				if n > 0 {
					e.journal.log.Info("an upload that an earlier run left open is aborted now", "key", entry.key)
				}
				return err
			})
		}
		return nil
	})
	if n := homeless.Load(); n > 0 {
		e.journal.log.Warn("parts of uploads of an earlier run stay in buckets of which the configuration has no account: "+
			"they are deleted at the first start with that account", "uploads", n)
	}
	if aborted.Load() > 0 || failed.Load() > 0 {
		e.journal.log.Info("uploads that an earlier run left open are aborted",
			"aborted", aborted.Load(), "tried again later", failed.Load())
	}
}

// errNoAccount is the end of an upload to a bucket that no account has.
var errNoAccount = errors.New("no account has the bucket")

// abandon aborts what COS may still have of an inherited entry and notes it, or says why it cannot; n is how many
// uploads there were. The accounts of a bucket may have different rights, so one that may is enough; and different ways
// to different stores with a bucket of that name, so each way is tried.
func (e *Engine) abandon(ctx context.Context, entry *journaled) (n int, err error) {
	trees, more := e.treesOf(entry.host), e.mayBegin(entry)
	if len(trees) == 0 {
		return 0, errNoAccount
	}
	failed := make(map[string]error) // by address
	for _, f := range trees {
		if err, tried := failed[f.opts.Address]; tried && err == nil {
			continue
		}
		aborted, err := f.abandon(ctx, entry)
		n += aborted
		failed[f.opts.Address] = err
	}
	for _, failure := range failed {
		err = errors.Join(err, failure)
	}
	if err == nil && !more {
		e.journal.end(entry, abortedEvent)
	}
	return n, err
}

// abandon aborts the upload whose ID an entry tells, and looks for those whose ID was never read.
func (f *FS) abandon(ctx context.Context, entry *journaled) (n int, err error) {
	ids := []string{entry.upload}
	if entry.isLost() {
		lost, err := f.orphans(ctx, entry)
		if err != nil {
			return 0, err
		}
		ids = append(ids, lost...)
	}
	for _, id := range ids {
		if id == "" {
			continue
		}
		there, err := f.abortLeft(ctx, entry.key, id)
		if err != nil {
			return n, err
		}
		if there {
			n++
		}
	}
	return n, nil
}

// abortLeft aborts an upload of a process that has ended; there tells whether COS still had it.
func (f *FS) abortLeft(ctx context.Context, key, id string) (there bool, err error) {
	err = f.call(ctx, "abort upload of "+strconv.Quote(key), func(ctx context.Context) error {
		resp, err := f.client.Object.AbortMultipartUpload(ctx, key, id)
		if resp != nil && resp.StatusCode == http.StatusNotFound {
			return nil
		}
		there = there || err == nil
		return err
	})
	return there, err
}

// errRival puts off looking for lost uploads of a key for which a new one is just being asked for.
var errRival = errors.New("a new upload of the key is being asked for")

// orphans finds the uploads that COS began for an entry without its process hearing of their ID, and that no living
// process has. The last request may have been on its way for a while.
func (f *FS) orphans(ctx context.Context, entry *journaled) ([]string, error) {
	found, err := f.findLost(ctx, lostUploads{
		key: entry.key, not: entry.upload,
		from: entry.asked, to: entry.again.Add(f.engine.opts.StallTimeout),
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return f.engine.journal.withoutRivals(found, entry)
}

// withoutRivals leaves out the uploads that this or another living process knows as its own.
func (j *journal) withoutRivals(ids []string, entry *journaled) ([]string, error) {
	known := make(map[string]bool)
	for _, rival := range append(j.living(), j.othersEntries()...) {
		switch {
		case rival.host != entry.host || rival.key != entry.key:
		case rival.upload == "":
			return nil, fmt.Errorf("upload of %q: %w", entry.key, errRival)
		default:
			known[rival.upload] = true
		}
	}
	var lost []string
	for _, id := range ids {
		if !known[id] {
			lost = append(lost, id)
		}
	}
	return lost, nil
}

// living are copies of the entries of this process's own uploads.
func (j *journal) living() []journaled {
	j.mu.Lock()
	defer j.mu.Unlock()
	var own []journaled
	for _, e := range j.entries {
		if !e.inherited {
			own = append(own, *e)
		}
	}
	return own
}

// othersEntries are the open uploads of the other processes with this directory.
func (j *journal) othersEntries() []journaled {
	var all []journaled
	for _, path := range j.others() {
		f, err := os.Open(path)
		if err != nil {
			continue // it has just ended
		}
		entries, _ := readJournal(f)
		f.Close()
		for _, e := range entries {
			all = append(all, *e)
		}
	}
	return all
}

// others are the journals of other processes, dead or alive.
func (j *journal) others() []string {
	all, _ := filepath.Glob(filepath.Join(escapeGlob(j.dir), journalPattern)) // the pattern is right
	var others []string
	for _, path := range all {
		if path != j.path {
			others = append(others, path)
		}
	}
	return others
}

// escapeGlob makes a directory's name stand for itself in a pattern.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
