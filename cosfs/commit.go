package cosfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// Close commits what was written, unless ctx has ended or something failed: then nothing is stored, parts already
// sent are deleted, and the error says why. It waits for everything the upload has started. Further calls answer
// the same.
func (w *writer) Close() error {
	w.once.Do(func() {
		w.ended = w.finish()
	})
	rethrow(w.ended)
	return w.ended
}

func (w *writer) finish() error {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	var err error
	guard(func(crashed error) { err = crashed }, func() { err = w.commit() })
	w.cancel(err)
	w.work.Wait()
	if err != nil {
		w.upload.abort(w.ctx)
	}
	w.f.engine.rivals.leave(w)
	w.account.drop(w.rest()...)
	w.account.close()
	return err
}

// rest takes all blocks that are left.
func (w *writer) rest() []block {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := append(w.full, w.stock...)
	if w.cur != nil {
		rest = append(rest, w.cur)
	}
	w.full, w.stock, w.cur, w.fullLen = nil, nil, nil, 0
	return rest
}

// commit makes the data the object. It holds the name meanwhile, so that what it looks at before stays as it is.
func (w *writer) commit() error {
	w.lastPart()
	single := w.single()
	if single {
		w.awaitCheck()
	} else {
		w.work.Wait()
	}
	if err := w.err(); err != nil {
		return err
	}
	release, err := w.claimName(&single)
	if err != nil {
		return w.broken(err)
	}
	defer release()
	if err := w.mayReplace(); err != nil {
		return err
	}
	store := w.complete
	if single {
		store = w.putChecked
	}
	began := time.Now()
	made, err := store()
	if err != nil {
		return w.broken(err)
	}
	w.note(made, time.Since(began))
	return nil
}

// claimName claims the name for the commit. Where it has to wait, data that was to be stored with one request is sent as a
// part first: it must not hold memory that others want, perhaps until a great directory is renamed.
func (w *writer) claimName(single *bool) (release func(), err error) {
	if release, free := w.f.tryClaim(w.key); free {
		return release, nil
	}
	if *single && w.sendAll() {
		*single = false
		w.work.Wait()
		if err := w.err(); err != nil {
			return nil, err
		}
	}
	return w.f.claim(w.ctx, []string{w.key}, nil)
}

// sendAll sends all data as one part, and reports whether there was any.
func (w *writer) sendAll() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fullLen == 0 {
		return false
	}
	w.cut()
	return true
}

// note tells what others must know of a committed upload, and how long the commit took.
func (w *writer) note(made version, took time.Duration) {
	w.f.wrote(w.key, w.size, made)
	latest := version{made.etag, made.at.Add(took)} // COS may have told the time at which it got the request
	w.f.engine.rivals.committed(w, latest)
	if w.isInterrupted() {
		w.f.engine.remains.kept(w, made.etag)
	} else {
		w.f.engine.remains.stored(w)
	}
}

// mayReplace looks whether what stands at the name is still what the upload was to replace: for one that extends it, and
// for the beginning of a file, which must not replace a whole one that somebody else stored meanwhile.
func (w *writer) mayReplace() error {
	if err := w.err(); err != nil || !w.looksAgain() {
		return err
	}
	asked := time.Now()
	now, err := w.f.head(w.ctx, w.key)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return w.broken(err)
	case w.extends && missing && w.kept == nil, !w.extends && missing && !w.isTakenAway():
		return nil
	case w.extends && !missing && w.kept != nil && bareETag(now.etag) == bareETag(w.kept.etag) &&
		(w.single() || !laterSecond(now.stored, w.kept.stored)):
		w.kept = &now // its metadata may have been changed
		return nil
	case !w.extends && !missing && w.isUnchanged(now, asked):
		return nil
	}
	return fmt.Errorf("upload %q: it was changed by somebody else meanwhile: %w", w.key, syscall.ESTALE)
}

// looksAgain reports whether the upload looks at what it replaces just before it does.
func (w *writer) looksAgain() bool {
	return (w.extends || w.isInterrupted()) && !w.f.engine.opts.Careless
}

// isTakenAway reports whether somebody else has deleted what stood there when the upload began.
func (w *writer) isTakenAway() bool {
	w.mu.Lock()
	before, freed := w.before.etag, w.freed
	w.mu.Unlock()
	c, ours := w.f.recent.last(w.key)
	return before != "" && !freed && !(ours && c.removed)
}

// isUnchanged reports whether an upload whose client has left may replace an object: one that was there when the upload
// began, known from then or by its time; or what another upload of this process has left, see stored.yields. The time of
// an object that was made of parts may be that of its first one: then it was begun before this upload, and only a whole
// file may replace it. asked is when COS was asked for the object.
func (w *writer) isUnchanged(now object, asked time.Time) bool {
	w.mu.Lock()
	before, end := w.before, w.end
	known := before.etag != "" || w.free || w.freed
	w.mu.Unlock()
	if last := w.f.engine.rivals.storedSince(w); last != nil {
		return last.yields(w.order, end) && last.version.is(now)
	}
	if before.etag != "" && bareETag(now.etag) == bareETag(before.etag) {
		if before.at.IsZero() {
			before.at = now.answered.Add(-asked.Sub(w.opened))
		}
		return before.is(now) // the same data may have been stored anew
	}
	switch {
	case known && w.f.knownAccelerated(), // where what is renamed keeps its time
		strings.Contains(now.etag, "-") && end != left:
		return false
	}
	return now.stored.Before(now.answered.Add(-time.Since(w.opened) - clockGrain))
}

// clockGrain is what two of COS's times may differ by that are told in whole seconds.
const clockGrain = 2 * time.Second

func (w *writer) single() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.parts) == 0
}

// awaitCheck waits for the check of the name, for as long as that costs little, or until what was there before is known.
// From then on the check does not end the upload.
func (w *writer) awaitCheck() {
	if w.checked != nil {
		select {
		case <-w.looking: // before the PUT, whose object it would else show
		case <-w.ctx.Done():
		}
		wait := w.f.checkGrace()
		if w.isInterrupted() {
			wait = checkLimit
		}
		w.awaitAnswer(wait)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.storing = true
}

// putChecked stores all data with one request. Waiting for the check of the name before that would cost a small upload a
// second round trip. So where its answer is not known yet the request replaces nothing (x-cos-forbid-overwrite): should the
// name turn out to be a directory's, what was stored is removed again, if it is what a HEAD shows. Where there is an
// object already, the name is a file's, and it is replaced.
func (w *writer) putChecked() (version, error) {
	w.mu.Lock()
	unknown := w.checked != nil && !w.known && !w.found.file
	w.mu.Unlock()
	if !unknown || w.wroteBefore() {
		return w.put(false)
	}
	made, err := w.put(true)
	if errors.Is(err, fs.ErrExist) {
		if err := w.mayReplace(); err != nil {
			return version{}, err
		}
		return w.put(false)
	}
	if err != nil {
		return version{}, err
	}
	w.awaitAnswer(checkLimit - time.Since(w.opened))
	if !w.isOfDirectory(made) {
		return made, nil
	}
	return made, w.unput(made)
}

// isOfDirectory reports whether the check has found a directory of the name, and no file but the one that was just made:
// a bucket with versions replaces one in spite of the header.
func (w *writer) isOfDirectory(made version) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found.dir && (!w.found.file || w.found.etag == "" || w.found.etag == bareETag(made.etag))
}

// wroteBefore reports whether this process has stored a file of the name a moment ago.
func (w *writer) wroteBefore() bool {
	c, ours := w.f.recent.last(w.key)
	return ours && !c.removed
}

// unput removes what was stored at the name of a directory.
func (w *writer) unput(made version) error {
	ctx, cancel := context.WithTimeout(brief.with(context.WithoutCancel(w.ctx)), abortTimeout)
	defer cancel()
	o, err := w.f.head(ctx, w.key)
	if err == nil && bareETag(o.etag) == bareETag(made.etag) {
		_, err = w.f.delete(ctx, w.key, o.version())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.f.log.Error("a file with the name of a directory was stored and cannot be removed", "key", w.key, "error", err)
	}
	return w.isDirectory()
}

func (w *writer) awaitAnswer(atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-w.checked:
	case <-timer.C:
	}
}

// lastPart makes a block that is not full the end of the data, and sends it if the upload has parts.
func (w *writer) lastPart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.cur) > 0 {
		w.full = append(w.full, w.cur)
		w.fullLen += int64(len(w.cur))
		w.cur = nil
	}
	if w.fullLen > 0 && len(w.parts) > 0 && w.errLocked() == nil {
		w.cut()
	}
}

// put stores all data with one request. It replaces the whole object, so it can be repeated. With isNew it is fs.ErrExist
// where there is an object.
func (w *writer) put(isNew bool) (made version, err error) {
	header, began, attempt := w.header(), time.Now(), 0
	if isNew || w.extends && w.kept == nil {
		header = &http.Header{}
		header.Set(forbidOverwrite, "true")
	}
	err = w.f.try(w.ctx, "put "+strconv.Quote(w.key), func(ctx context.Context) error {
		if attempt++; attempt > 1 && w.looksAgain() {
			o, ok, err := w.f.isMade(ctx, w.key, began, w.isWhole)
			if ok {
				made = o.version()
				return nil
			}
			if err == nil {
				err = w.mayReplace()
			}
			if err != nil {
				return err
			}
		}
		// Cut off it may take effect afterwards, over what others store then.
		lingering, end := linger(ctx)
		defer end()
		answer, _, err := w.f.deliver(lingering, w, w.full, func(ctx context.Context, b io.Reader) (*cos.Response, error) {
			if w.fullLen == 0 {
				b = bytes.NewReader(nil) // the SDK's way to a Content-Length of 0
			}
			return w.f.client.Object.Put(ctx, w.key, b, &cos.ObjectPutOptions{
				ObjectPutHeaderOptions: &cos.ObjectPutHeaderOptions{ContentLength: w.fullLen, XOptionHeader: header},
			})
		})
		if err != nil {
			return err
		}
		made = version{answer.Get("ETag"), dateOf(answer)}
		return checkStored(answer)
	})
	if o, ok := w.f.made(w.ctx, err, w.key, began, w.isWhole); ok {
		return o.version(), nil
	}
	return made, err
}

// isWhole reports whether an object holds what one request was to store.
func (w *writer) isWhole(o object) bool {
	if o.size != w.fullLen || w.fullLen > 0 && !o.hasCRC {
		return false
	}
	return w.fullLen == 0 || o.crc64 == crcOf(w.full)
}

// header is what the new object keeps of an old one, nil for nothing.
func (w *writer) header() *http.Header {
	if w.kept == nil {
		return nil
	}
	h := restateAll(*w.kept)
	h.Del(metaTime) // the file changes now
	return &h
}

func dateOf(h http.Header) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return time.Now()
}
