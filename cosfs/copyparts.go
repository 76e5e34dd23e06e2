package cosfs

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	maxParts    = 10000 // of an object (COS document 436/14518)
	maxObject   = maxParts * maxPart
	copyWorkers = 8 // parts of one copy at once; COS moves the data, so it costs neither memory nor bandwidth here
)

// copyParts copies an object that is too big for one request; with isNew it does not replace one. On failure nothing of
// it stays.
func (f *FS) copyParts(ctx context.Context, o object, target string, isNew bool) (made version, err error) {
	if o.size > maxObject {
		return version{}, badAnswer(fmt.Sprintf("a request about %q with a size of %d bytes", o.key, o.size))
	}
	source, err := f.copySource(o.key)
	if err != nil {
		return version{}, err
	}
	c := &partCopy{f: f, source: source, from: o, upload: &upload{f: f, key: target, isNew: isNew}}
	c.partSize = max(f.copyPart, (o.size+maxParts-1)/maxParts)
	c.parts = make([]copiedPart, (o.size+c.partSize-1)/c.partSize)
	guard(func(crashed error) { err = crashed }, func() { made, err = c.run(ctx) })
	if err != nil {
		c.upload.abort(ctx)
	}
	rethrow(err)
	return made, err
}

// partCopy is one copy by parts.
type partCopy struct {
	f        *FS
	source   string // as COS wants it named
	from     object
	upload   *upload
	partSize int64
	parts    []copiedPart
}

type copiedPart struct {
	etag   string
	crc64  uint64
	hasCRC bool
}

func (c *partCopy) op(what string) string {
	return what + " for the copy of " + strconv.Quote(c.from.key) + " to " + strconv.Quote(c.upload.key)
}

// run copies all parts, compares, and completes.
func (c *partCopy) run(ctx context.Context) (version, error) {
	header := restateAll(c.from)
	if err := c.upload.begin(ctx, &header); err != nil {
		return version{}, err
	}
	if err := c.copyAll(ctx); err != nil {
		return version{}, err
	}
	if crc, known := c.crc(); known && c.from.hasCRC && crc != c.from.crc64 {
		return version{}, fmt.Errorf("%s: the parts differ from the source: CRC64 %d instead of %d",
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
	size := min(c.partSize, c.from.size-first)
	return c.f.ifUnchanged(ctx, c.from, func(condition string) error {
		return c.f.tryWithin(ctx, c.f.engine.opts.CopyTimeout, c.op("part "+strconv.Itoa(number)), func(ctx context.Context) error {
			made, err := c.upload.copyPart(ctx, number, c.source, first, size, condition)
			c.parts[number-1] = made
			return err
		})
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

// complete makes the parts the object, and looks at it: COS moves much data behind one answer.
func (c *partCopy) complete(ctx context.Context) (version, error) {
	want := whole{size: c.from.size, crc: c.from.crc64, hasCRC: c.from.hasCRC}
	for _, part := range c.parts {
		want.etags = append(want.etags, part.etag)
	}
	made, err := c.upload.complete(ctx, want)
	if err != nil {
		return version{}, err
	}
	o, err := c.f.head(ctx, c.upload.key)
	if err == nil && !c.upload.isMade(o, want) {
		err = fmt.Errorf("the copy differs from its source: %d bytes, CRC64 %d instead of %d bytes, CRC64 %d",
			o.size, o.crc64, c.from.size, c.from.crc64)
	}
	return made, err
}
