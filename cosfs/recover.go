package cosfs

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	recoverWorkers = 8
	// maxInherited bounds the uploads that are carried from start to start because nobody could abort them: those of
	// accounts that are gone from the configuration, above all.
	maxInherited = 10000
	// draftAge is the age at which the draft of a journal must be that of a dead process.
	draftAge = time.Hour
)

// KeepJournal writes down the multipart uploads of this process, and what interrupted uploads leave, in a file in dir
// from now on. It takes over what earlier processes with the same dir have left: the uploads of all that died without
// closing them are aborted, and those of a process that is alive are not. Whether a process of another machine is
// alive is told by the time of its journal only, so what that names is taken over after hours. Call it once, when all
// accounts are made and before the first upload. Aborting goes on in the background, through outages of COS, and Close
// ends it. What could not be aborted stays in the journal for the next start.
func (e *Engine) KeepJournal(dir string, log *slog.Logger) { e.keep(newJournal(dir, log)) }

func (e *Engine) keep(j *journal) {
	e.journal = j
	ctx, stop := context.WithCancel(context.Background())
	e.stopJournal = stop
	left := j.inherit(false)
	j.tellForeign(left.foreign)
	e.takeOver(ctx, left)
	e.keeping.Go(func() { j.keepSynced(ctx) })
	e.keeping.Go(func() { e.keepAlive(ctx) })
}

// takeOver goes on with what other processes have left.
func (e *Engine) takeOver(ctx context.Context, left legacy) {
	e.remains.keepIn(e.journal, left.remains)
	e.keeping.Go(func() {
		guard(func(err error) {
			e.journal.log.Error("uploads of an earlier run may stay in the bucket, panic", "error", err)
		}, func() { e.abandonAll(ctx, left.uploads) })
	})
}

// keepAlive shows other machines that this process lives, and takes over what they have left as soon as it is old enough.
func (e *Engine) keepAlive(ctx context.Context) {
	for sleep(ctx, e.journal.pulse) == nil {
		e.journal.beat()
		e.takeOver(ctx, e.journal.inherit(true))
	}
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

// abandonAll aborts the uploads that earlier processes have left open.
func (e *Engine) abandonAll(ctx context.Context, inherited []*journaled) {
	var aborted, failed, homeless atomic.Int64
	_ = each(ctx, recoverWorkers, len(inherited), func(ctx context.Context, i int) error {
		entry := inherited[i]
		there, err := e.abandon(ctx, entry)
		switch {
		case errors.Is(err, errNoAccount):
			homeless.Add(1)
		case err != nil:
			failed.Add(1)
			e.journal.log.Debug("an upload of an earlier run is not aborted yet", "key", entry.key, "error", err)
			e.leftovers.later(entry.host, func(ctx context.Context) error {
				there, err := e.abandon(ctx, entry)
				if there {
					e.journal.log.Info("an upload that an earlier run left open is aborted now", "key", entry.key)
				}
				return err
			})
		case there:
			aborted.Add(1)
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

// abandon aborts an inherited upload and notes it, or returns why it cannot; there reports whether COS still had it. The
// accounts of a bucket may have different rights, so one that may is enough; and different ways to different stores with
// a bucket of that name, so each way is tried.
func (e *Engine) abandon(ctx context.Context, entry *journaled) (there bool, err error) {
	trees := e.treesOf(entry.host)
	if len(trees) == 0 {
		return false, errNoAccount
	}
	failed := make(map[string]error) // by address
	for _, f := range trees {
		if err, tried := failed[f.opts.Address]; tried && err == nil {
			continue
		}
		left := upload{f: f, key: entry.key, id: entry.upload}
		had, err := left.tryAbort(ctx)
		there = there || had
		failed[f.opts.Address] = err
	}
	for _, failure := range failed {
		err = errors.Join(err, failure)
	}
	if err == nil {
		e.journal.end(entry, abortedEvent)
	}
	return there, err
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
