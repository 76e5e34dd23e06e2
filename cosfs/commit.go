package cosfs

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
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
	err := w.commit()
	w.cancel(err)
	w.work.Wait()
	if err != nil {
		w.abort()
	}
	w.sweep()
	w.f.engine.journal.settle(w.entry, err == nil, w.left)
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

func (w *writer) commit() error {
	w.lastPart()
	store := w.complete
	if w.single() {
		store = w.putBeside
	} else {
		w.work.Wait()
	}
	if err := w.err(); err != nil {
		return err
	}
	stored, err := store()
	if err != nil {
		return w.broken(err)
	}
	w.f.wrote(w.key, w.size, stored)
	return nil
}

func (w *writer) single() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.parts) == 0
}

// awaitCheck waits for the check of the name, which does not end the upload from then on.
func (w *writer) awaitCheck(atMost time.Duration) {
	if w.checked != nil {
		select {
		case <-w.looking: // before the PUT, whose object it would else show
		case <-w.ctx.Done():
		}
		timer := time.NewTimer(atMost)
		defer timer.Stop()
		select {
		case <-w.checked:
		case <-timer.C:
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.storing = true
}

// putBeside stores the data while the name is still being checked: waiting for the check would cost a small upload a
// second round trip. Should the name turn out to be a directory's, and no file's, what was stored is removed again. A
// file that the check saw may be the new one, which hides whether there was an old one: then nothing is removed.
func (w *writer) putBeside() (stored time.Time, err error) {
	w.awaitCheck(w.f.checkGrace())
	if err := w.err(); err != nil {
		return time.Time{}, err
	}
	stored, err = w.put()
	w.work.Wait()
	if !w.found.dir || w.found.file {
		return stored, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTimeout)
	defer cancel()
	if _, err := w.f.delete(ctx, w.key); err != nil {
		w.f.log.Error("a file with the name of a directory was stored and cannot be removed", "key", w.key, "error", err)
	}
	return stored, w.isDirectory()
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

// put stores all data with one request. It replaces the whole object, so it can be repeated.
func (w *writer) put() (stored time.Time, err error) {
	header, began := w.header(), time.Now()
	err = w.f.try(w.ctx, "put "+strconv.Quote(w.key), func(ctx context.Context) error {
		answer, _, err := w.f.deliver(ctx, w, w.full, func(ctx context.Context, b io.Reader) (*cos.Response, error) {
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
		stored = dateOf(answer)
		return checkStored(answer)
	})
	if o, ok := w.f.made(w.ctx, err, w.key, began, w.isWhole); ok {
		return o.stored, nil
	}
	return stored, err
}

// isWhole reports whether an object holds what one request was to store.
func (w *writer) isWhole(o object) bool {
	if o.size != w.fullLen || w.fullLen > 0 && !o.hasCRC {
		return false
	}
	var sum uint64
	for _, b := range w.full {
		sum = crcUpdate(sum, b)
	}
	return w.fullLen == 0 || o.crc64 == sum
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
