package cosfs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	maxParts    = 10000 // of an object (COS document 436/14518)
	copyWorkers = 8     // parts of one copy at once; COS moves the data, so it costs neither memory nor bandwidth here
)

// copyParts copies an object that is too big for one request. On failure nothing of it stays.
func (f *FS) copyParts(ctx context.Context, o object, target string) (time.Time, error) {
	source, err := f.copySource(o.key)
	if err != nil {
		return time.Time{}, err
	}
	c := &partCopy{f: f, source: source, from: o, target: target}
	c.partSize = max(f.copyPart, (o.size+maxParts-1)/maxParts)
	c.parts = make([]copiedPart, (o.size+c.partSize-1)/c.partSize)
	defer c.sweep(ctx)
	if err := c.initiate(ctx); err != nil {
		return time.Time{}, err
	}
	stored, err := c.finish(ctx)
	if err != nil {
		return time.Time{}, errors.Join(err, c.abort(ctx, c.upload))
	}
	return stored, nil
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
		lasting, cancel := context.WithTimeout(lasting, smallTimeout)
		defer cancel()
		res, resp, err := c.f.client.Object.InitiateMultipartUpload(lasting, c.target, opt)
		if err == nil && res.UploadID == "" {
			err = badAnswer("an initiate request without an upload ID")
		}
		if err != nil {
			c.doubtful = c.doubtful || statusOf(classify(err)) == 0
			return err
		}
		c.upload, c.started = res.UploadID, answeredAt(resp)
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
	return c.f.tryWithin(ctx, copyTimeout, c.op("part "+strconv.Itoa(number)), func(ctx context.Context) error {
		res, resp, err := c.f.client.Object.CopyPart(ctx, c.target, c.upload, number, c.source, opt)
		if err != nil {
			return err
		}
		part := &c.parts[number-1]
		part.etag = res.ETag
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
		err := c.completeOnce(ctx, opt)
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
		case headErr != nil:
			return headErr
		}
		return fmt.Errorf("the copy differs from its source: %d bytes, CRC64 %d instead of %d bytes, CRC64 %d",
			made.size, made.crc64, c.from.size, c.from.crc64)
	})
	return stored, err
}

func (c *partCopy) completeOnce(ctx context.Context, opt *cos.CompleteMultipartUploadOptions) error {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	_, _, err := c.f.client.Object.CompleteMultipartUpload(ctx, c.target, c.upload, opt)
	return err
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
	return c.f.call(context.WithoutCancel(ctx), c.op("abort"), func(ctx context.Context) error {
		resp, err := c.f.client.Object.AbortMultipartUpload(ctx, c.target, upload)
		if resp != nil && resp.StatusCode == http.StatusNotFound {
			return nil
		}
		return err
	})
}

// sweep deletes uploads that COS began for this copy without our hearing of their ID: those of exactly its key begun
// since we asked. It keeps away if a file of that name is being uploaded here.
func (c *partCopy) sweep(ctx context.Context) {
	if !c.doubtful || c.hasRival() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var found []string
	err := c.f.call(ctx, c.op("look for lost uploads"), func(ctx context.Context) error {
		res, resp, err := c.f.client.Object.ListUploads(ctx, &cos.ObjectListUploadsOptions{
			Prefix: c.target, EncodingType: "url",
		})
		if err != nil {
			return err
		}
		found = c.lost(res, time.Until(answeredAt(resp)))
		return nil
	})
	for _, id := range found {
		err = errors.Join(err, c.abort(ctx, id))
	}
	if err != nil {
		c.f.log.Warn("an empty upload may have been left in the bucket: let a lifecycle rule delete it",
			"key", c.target, "error", err)
	}
}

// lost picks the uploads to delete; COS's clock is ahead of ours.
func (c *partCopy) lost(res *cos.ObjectListUploadsResult, ahead time.Duration) []string {
	since := c.asked.Add(ahead - time.Second) // COS tells whole seconds
	var ids []string
	for _, u := range res.Upload {
		key, err := cos.DecodeURIComponent(u.Key)
		began, timeErr := time.Parse(time.RFC3339, u.Initiated)
		if errors.Join(err, timeErr) == nil && key == c.target && u.UploadID != c.upload && !began.Before(since) {
			ids = append(ids, u.UploadID)
		}
	}
	return ids
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
