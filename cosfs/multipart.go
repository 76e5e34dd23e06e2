package cosfs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	// abortTimeout is how long parts are tried to be deleted after a failed upload, with all repetitions.
	abortTimeout = 20 * time.Second
	// lastWord is how long the answer to a request is waited for whose session has ended.
	lastWord = 5 * time.Second
)

// multipart is the part of a writer that speaks to COS about parts.
type multipart struct {
	copied   int           // parts at the beginning that COS copies from the old object
	begun    bool          // guarded by the writer's lock
	ready    chan struct{} // closed when upload is known, or will never be
	upload   string        // ID
	asked    time.Time     // when the upload was first asked for
	doubtful bool          // an answer to that was lost: there may be an upload with an unknown ID
	entry    *journaled    // in the journal, nil before COS is asked
	left     bool          // something of the upload may be left in the bucket
}

// begin starts the multipart upload, once. The caller holds mu.
func (w *writer) begin() {
	if !w.begun {
		w.begun = true
		w.asked = time.Now()
		w.background(w.initiate)
	}
}

// initiate asks for an upload ID. A request on its way is not cut off at once when the session ends, since the upload
// that it makes would have to be looked for.
func (w *writer) initiate() {
	defer close(w.ready)
	opt := &cos.InitiateMultipartUploadOptions{
		ObjectPutHeaderOptions: &cos.ObjectPutHeaderOptions{XOptionHeader: w.header()},
	}
	err := w.f.try(w.ctx, "initiate upload of "+strconv.Quote(w.key), func(ctx context.Context) error {
		lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.f.engine.opts.StallTimeout)
		defer cancel()
		defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWord, cancel) })()
		w.entry = w.f.engine.journal.ask(w.entry, w.f.opts.Host, w.key)
		res, _, err := w.f.client.Object.InitiateMultipartUpload(lasting, w.key, opt)
		if err == nil && res.UploadID == "" {
			err = badAnswer("an initiate request without an upload ID")
		}
		if err != nil {
			w.doubtful = w.doubtful || isUnanswered(err)
			return err
		}
		w.upload = res.UploadID
		w.f.engine.journal.begin(w.entry, w.upload)
		return nil
	})
	if err != nil {
		w.fail(err)
	}
}

// sendPart sends one part.
func (w *writer) sendPart(p *part) {
	select {
	case <-w.ready:
	case <-w.ctx.Done():
	}
	if w.ctx.Err() != nil {
		return
	}
	op := fmt.Sprintf("upload part %d of %q", p.number, w.key)
	err := w.f.try(w.ctx, op, func(ctx context.Context) error {
		answer, crc, err := w.f.deliver(ctx, w, p.blocks, func(ctx context.Context, b io.Reader) (*cos.Response, error) {
			return w.f.client.Object.UploadPart(ctx, w.key, w.upload, p.number, b,
				&cos.ObjectUploadPartOptions{ContentLength: p.size})
		})
		if err != nil {
			return err
		}
		p.crc, p.etag = crc, answer.Get("ETag")
		if p.etag == "" {
			return badAnswer("a part without an ETag")
		}
		return nil
	})
	if err != nil {
		w.fail(err)
	}
}

// crc is the checksum of the whole object from those of its parts. What was copied as a whole has that of its source,
// which is no word of those who copied it.
func (w *writer) crc() uint64 {
	var sum uint64
	parts := w.parts
	if w.copiedWhole() && w.kept.hasCRC {
		sum = w.kept.crc64
		parts = parts[w.copied:]
	}
	for _, p := range parts {
		sum = crcCombine(sum, p.crc, p.size)
	}
	return sum
}

// copiedWhole reports whether the copied parts are all of the old object.
func (w *writer) copiedWhole() bool {
	var n int64
	for _, p := range w.parts[:w.copied] {
		n += p.size
	}
	return w.copied > 0 && n == w.kept.size
}

// verifiable reports whether the checksum of the whole is known: COS may tell none of what it copied.
func (w *writer) verifiable() bool {
	untold := slices.ContainsFunc(w.parts[:w.copied], func(p *part) bool { return p.noCRC })
	return !untold || w.copiedWhole() && w.kept.hasCRC
}

// complete makes the parts the object. COS may do it without our hearing of it, so any doubt is settled by asking
// for the object.
func (w *writer) complete() (stored time.Time, err error) {
	opt := &cos.CompleteMultipartUploadOptions{Parts: make([]cos.Object, len(w.parts))}
	for i, p := range w.parts {
		opt.Parts[i] = cos.Object{PartNumber: p.number, ETag: p.etag}
	}
	doubt := false
	err = w.f.try(w.ctx, "complete upload of "+strconv.Quote(w.key), func(ctx context.Context) error {
		resp, err := w.completeOnce(ctx, opt)
		if err == nil {
			stored = answeredAt(resp)
			return nil
		}
		if !doubtfulComplete(err) {
			return err
		}
		doubt = true
		made, headErr := w.f.head(ctx, w.key)
		if headErr == nil && w.isOurs(made) {
			stored = made.stored
			return nil
		}
		return err
	})
	if err == nil && doubt {
		// The object is there. Should it be an older one of the same content, the parts must go.
		w.abort()
	}
	return stored, err
}

func (w *writer) completeOnce(ctx context.Context, opt *cos.CompleteMultipartUploadOptions) (*cos.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, w.f.engine.opts.CopyTimeout)
	defer cancel()
	res, resp, err := w.f.client.Object.CompleteMultipartUpload(ctx, w.key, w.upload, opt)
	if err == nil && res.ETag == "" { // the SDK looks for it in a 200 only
		err = badAnswer(fmt.Sprintf("a complete request with status %d", resp.StatusCode))
	}
	if err != nil {
		return nil, err
	}
	if !w.verifiable() {
		return resp, nil
	}
	return resp, compare(resp.Header, w.crc())
}

// doubtfulComplete reports whether the object may be there in spite of the error: no answer or an unreadable one, an
// overloaded COS, an upload that is not there (any more), a wrong checksum.
func doubtfulComplete(err error) bool {
	err = classify(err)
	return isTemporary(err) || statusOf(err) == 0 || statusOf(err) == http.StatusOK || codeOf(err) == "NoSuchUpload"
}

// isOurs reports whether an object is what the parts make.
func (w *writer) isOurs(o object) bool {
	if o.size != w.size {
		return false
	}
	if o.hasCRC && w.verifiable() {
		return o.crc64 == w.crc()
	}
	suffix := fmt.Sprintf("-%d", len(w.parts))
	return strings.HasSuffix(strings.Trim(o.etag, `"`), suffix) && !o.stored.Before(w.asked.Add(-clockAhead))
}

// abort deletes the parts, also when the session is gone: they would be billed for ever. All who send must have ended,
// since a part that comes after the abort would stay.
func (w *writer) abort() {
	if w.upload != "" {
		w.abortUpload(w.upload)
	}
}

func (w *writer) abortUpload(id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTimeout)
	defer cancel()
	if err := w.f.abortUpload(ctx, w.key, id); err != nil {
		w.f.abortLater(w.key, id, err)
		w.left = true
	}
}

// sweep deletes uploads that COS began for us without our hearing of their ID: those of exactly this key begun since
// we asked. It keeps away if another upload of the key is under way here.
func (w *writer) sweep() {
	if !w.doubtful {
		return
	}
	if w.hasRival() {
		w.left = true
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTimeout)
	defer cancel()
	if !w.f.sweep(ctx, lostUploads{key: w.key, not: w.upload, from: w.asked, to: time.Now()}) {
		w.left = true
	}
}

// hasRival reports whether this process has another upload of the same key under way.
func (w *writer) hasRival() bool {
	for _, h := range w.f.engine.memory.holders() {
		other, ok := h.(*writer)
		if ok && other != w && other.key == w.key && other.f.opts.Bucket == w.f.opts.Bucket {
			return true
		}
	}
	return false
}
