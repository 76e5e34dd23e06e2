package cosfs

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// multipart is what a writer knows of its upload in parts.
type multipart struct {
	upload *upload
	copied int           // parts at the beginning that COS copies from the old object
	begun  bool          // guarded by the writer's lock
	ready  chan struct{} // closed when the upload has an ID, or will never have one
}

// begin starts the multipart upload, once. The caller holds mu.
func (w *writer) begin() {
	if w.begun {
		return
	}
	w.begun = true
	w.background(func() {
		defer close(w.ready)
		if err := w.upload.begin(w.ctx, w.header()); err != nil {
			w.fail(err)
		}
	})
}

// sendPart sends one part.
func (w *writer) sendPart(p *part) {
	select {
	case <-w.ready:
	case <-w.ctx.Done():
	}
	if w.ctx.Err() != nil || w.upload.id == "" {
		return
	}
	op := fmt.Sprintf("upload part %d of %q", p.number, w.key)
	attempt := 0
	err := w.f.try(w.ctx, op, func(ctx context.Context) error {
		attempt++
		answer, crc, err := w.f.deliver(ctx, w, p.blocks, func(ctx context.Context, b io.Reader) (*cos.Response, error) {
			return w.f.client.Object.UploadPart(ctx, w.key, w.upload.id, p.number, b,
				&cos.ObjectUploadPartOptions{ContentLength: p.size})
		})
		if err != nil && attempt > 1 {
			if p.etag, err = w.upload.settlePart(ctx, p.number, p.size, err); err == nil {
				p.crc = crcOf(p.blocks)
				return nil
			}
		}
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

// complete makes the parts the object.
func (w *writer) complete() (version, error) {
	want := whole{size: w.size, crc: w.crc(), hasCRC: w.verifiable()}
	for _, p := range w.parts {
		want.etags = append(want.etags, p.etag)
	}
	w.upload.isNew = w.extends && w.kept == nil
	w.upload.looksAgain, w.upload.mayReplace = w.looksAgain, w.mayReplace
	return w.upload.complete(w.ctx, want)
}
