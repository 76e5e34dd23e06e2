package cosfs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	maxParts    = 10000 // of an object (COS document 436/14518)
	maxObject   = maxParts * maxPart
	copyWorkers = 8 // parts of one copy at once; COS moves the data, so it costs neither memory nor bandwidth here
)

// copyParts copies an object that is too big for one request. On failure nothing of it stays.
func (f *FS) copyParts(ctx context.Context, o object, target string) (time.Time, error) {
	if o.size > maxObject {
		return time.Time{}, badAnswer(fmt.Sprintf("a request about %q with a size of %d bytes", o.key, o.size))
	}
	source, err := f.copySource(o.key)
	if err != nil {
		return time.Time{}, err
	}
	c := &partCopy{f: f, source: source, from: o, target: target}
	c.partSize = max(f.copyPart, (o.size+maxParts-1)/maxParts)
	c.parts = make([]copiedPart, (o.size+c.partSize-1)/c.partSize)
	var stored time.Time
	guard(func(crashed error) { err = crashed }, func() { stored, err = c.run(ctx) })
	if err != nil && c.upload != "" {
		err = errors.Join(err, c.abort(ctx, c.upload))
	}
	c.sweep(ctx)
	f.engine.journal.settle(c.entry, err == nil, c.left)
	rethrow(err)
	return stored, err
}

// partCopy is one copy by parts.
type partCopy struct {
	f        *FS
	source   string // as COS wants it named
	from     object
	target   string
	upload   string    // ID
	asked    time.Time // by our clock, when the upload was first asked for
	started  time.Time // by COS's
	doubtful bool      // an answer to that was lost: there may be an upload with an unknown ID
	entry    *journaled
	left     bool // something of the upload may be left in the bucket
	partSize int64
	parts    []copiedPart
}

type copiedPart struct {
	etag   string
	crc64  uint64
	hasCRC bool
}

func (c *partCopy) op(what string) string {
	return what + " for the copy of " + strconv.Quote(c.from.key) + " to " + strconv.Quote(c.target)
}

func (c *partCopy) run(ctx context.Context) (time.Time, error) {
	if err := c.initiate(ctx); err != nil {
		return time.Time{}, err
	}
	return c.finish(ctx)
}

// initiate asks for an upload ID. A request on its way is not cut off at once when the session ends, since the upload
// that it makes would have to be looked for.
func (c *partCopy) initiate(ctx context.Context) error {
	header := restateAll(c.from)
	opt := &cos.InitiateMultipartUploadOptions{
		ObjectPutHeaderOptions: &cos.ObjectPutHeaderOptions{XOptionHeader: &header},
	}
	c.asked = time.Now()
	return c.f.try(ctx, c.op("initiate"), func(ctx context.Context) error {
		lasting, end := linger(ctx)
		defer end()
		lasting, cancel := context.WithTimeout(lasting, c.f.engine.opts.StallTimeout)
		defer cancel()
		c.entry = c.f.engine.journal.ask(c.entry, c.f.opts.Host, c.target)
		res, resp, err := c.f.client.Object.InitiateMultipartUpload(lasting, c.target, opt)
		if err == nil && res.UploadID == "" {
			err = badAnswer("an initiate request without an upload ID")
		}
		if err != nil {
			c.doubtful = c.doubtful || isUnanswered(err)
			return err
		}
		c.upload, c.started = res.UploadID, answeredAt(resp)
		c.f.engine.journal.begin(c.entry, c.upload)
		return nil
	})
}

// finish copies all parts, compares, and completes.
func (c *partCopy) finish(ctx context.Context) (time.Time, error) {
	if err := c.copyAll(ctx); err != nil {
		return time.Time{}, err
	}
	if crc, known := c.crc(); known && c.from.hasCRC && crc != c.from.crc64 {
		return time.Time{}, fmt.Errorf("%s: the parts differ from the source: CRC64 %d instead of %d",
			c.op("compare"), crc, c.from.crc64)
	}
	return c.complete(ctx)
}

// copyAll copies the parts, a few at a time. The first failure ends all, but lets those under way come to an end: a
// part that COS makes after the abort would stay.
func (c *partCopy) copyAll(ctx context.Context) error {
	return each(ctx, copyWorkers, len(c.parts), func(ctx context.Context, i int) error {
		return c.copyPart(ctx, i+1)
	})
}

func (c *partCopy) copyPart(ctx context.Context, number int) error {
	first := int64(number-1) * c.partSize
	last := min(first+c.partSize, c.from.size) - 1
	opt := &cos.ObjectCopyPartOptions{
		XCosCopySourceRange:   fmt.Sprintf("bytes=%d-%d", first, last),
		XCosCopySourceIfMatch: c.from.etag,
	}
	return c.f.tryWithin(ctx, c.f.engine.opts.CopyTimeout, c.op("part "+strconv.Itoa(number)), func(ctx context.Context) error {
		res, resp, err := c.f.client.Object.CopyPart(ctx, c.target, c.upload, number, c.source, opt)
		if err != nil {
			return err
		}
		part := &c.parts[number-1]
		if part.etag = res.ETag; part.etag == "" {
			return badAnswer("a copied part without an ETag")
		}
		part.crc64, err = strconv.ParseUint(resp.Header.Get("x-cos-hash-crc64ecma"), 10, 64)
		part.hasCRC = err == nil
		return nil
	})
}

// crc is the checksum of all parts together, if COS told that of each.
func (c *partCopy) crc() (sum uint64, known bool) {
	for i, part := range c.parts {
		if !part.hasCRC {
			return 0, false
		}
		first := int64(i) * c.partSize
		sum = cos.CRC64Combine(sum, part.crc64, min(c.partSize, c.from.size-first))
	}
	return sum, true
}

// complete makes the parts the object. COS may do it without our hearing of it, so after each failure the object itself
// is asked, and after a success too: COS moves much data behind one answer.
func (c *partCopy) complete(ctx context.Context) (stored time.Time, err error) {
	opt := &cos.CompleteMultipartUploadOptions{Parts: make([]cos.Object, len(c.parts))}
	for i, part := range c.parts {
		opt.Parts[i] = cos.Object{PartNumber: i + 1, ETag: part.etag}
	}
	err = c.f.try(ctx, c.op("complete"), func(ctx context.Context) error {
		resp, err := c.completeOnce(ctx, opt)
		if err != nil && !doubtfulComplete(err) {
			return err
		}
		made, headErr := c.f.head(ctx, c.target)
		switch {
		case headErr == nil && c.isOurs(made):
			stored = made.stored
			return nil
		case err != nil:
			return err
		case headErr != nil && c.isProven(resp):
			stored = answeredAt(resp)
			return nil
		case headErr != nil:
			return headErr
		}
		return fmt.Errorf("the copy differs from its source: %d bytes, CRC64 %d instead of %d bytes, CRC64 %d",
			made.size, made.crc64, c.from.size, c.from.crc64)
	})
	return stored, err
}

func (c *partCopy) completeOnce(ctx context.Context, opt *cos.CompleteMultipartUploadOptions) (*cos.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.f.engine.opts.CopyTimeout)
	defer cancel()
	_, resp, err := c.f.client.Object.CompleteMultipartUpload(ctx, c.target, c.upload, opt)
	return resp, err
}

// isProven reports whether the answer to the completion alone shows that the copy is whole.
func (c *partCopy) isProven(resp *cos.Response) bool {
	crc, err := strconv.ParseUint(resp.Header.Get("x-cos-hash-crc64ecma"), 10, 64)
	return err == nil && c.from.hasCRC && crc == c.from.crc64
}

// isOurs reports whether an object of the target's name is the copy, not one that was there before.
func (c *partCopy) isOurs(made object) bool {
	if made.size != c.from.size || made.stored.Before(c.started.Truncate(time.Second)) {
		return false
	}
	return !made.hasCRC || !c.from.hasCRC || made.crc64 == c.from.crc64
}

// abort gives the parts back, also when the session is gone: they would be billed for ever.
func (c *partCopy) abort(ctx context.Context, upload string) error {
	err := c.f.abortUpload(context.WithoutCancel(ctx), c.target, upload)
	if err != nil {
		c.f.abortLater(c.target, upload, err)
		c.left = true
	}
	return err
}

// sweep deletes uploads that COS began for this copy without our hearing of their ID: those of exactly its key begun
// since we asked. It keeps away if a file of that name is being uploaded here.
func (c *partCopy) sweep(ctx context.Context) {
	if !c.doubtful {
		return
	}
	if c.hasRival() {
		c.left = true
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if !c.f.sweep(ctx, lostUploads{key: c.target, not: c.upload, from: c.asked, to: time.Now()}) {
		c.left = true
	}
}

// hasRival reports whether this process has an upload of the target's name under way.
func (c *partCopy) hasRival() bool {
	for _, h := range c.f.engine.memory.holders() {
		if w, ok := h.(*writer); ok && w.key == c.target && w.f.opts.Bucket == c.f.opts.Bucket {
			return true
		}
	}
	return false
}
