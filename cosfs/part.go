package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// maxPart is the greatest part, and the greatest object of one request (COS document 436/14518).
const maxPart = 5 << 30

// partLimits are the rules by which a stream is cut into parts. Memory may be short, so a part may be smaller than
// wanted; but COS takes 10,000, and the file must still be able to reach its greatest size.
type partLimits struct {
	want    int64 // the configured size of a part
	maxSize int64 // of the file
}

func newPartLimits(o Options) partLimits {
	want := min(max(o.PartSize, minPart), maxPart)
	if o.MaxFileSize <= 0 {
		return partLimits{want: want, maxSize: want * maxParts}
	}
	return partLimits{want: want, maxSize: min(o.MaxFileSize, maxParts*maxPart)}
}

// target is the size of the next part in bytes when used parts have taken sent bytes: as configured, or more if the
// parts that are left could else not hold the rest of the greatest file.
func (l partLimits) target(sent int64, used int) int64 {
	return max(l.want, l.needed(sent, used))
}

// needed is the least size with which the parts that are left hold the rest of the greatest file.
func (l partLimits) needed(sent int64, used int) int64 {
	left := int64(max(maxParts-used, 1))
	return (l.maxSize - sent + left - 1) / left
}

// mayCut reports whether a part may end early when it brings the bytes sent to sent: those after it must not have to
// be greater than one and a half of the configured size. After that about a third of the parts is used up, and each
// further part waits until all its memory can be had in one piece.
func (l partLimits) mayCut(sent int64, used int) bool {
	return used+1 < maxParts && l.needed(sent, used+1) <= min(l.want+l.want/2, maxPart)
}

// part is one piece of an upload. It belongs to the goroutine that sends it, and is read by others after that.
type part struct {
	number int
	size   int64
	blocks []block // nil for one that COS copies
	etag   string
	crc    uint64
	noCRC  bool // COS copied it and did not tell
}

// mismatch is the error of data that COS has received other than it was sent. Another try may do better.
type mismatch struct{ sent, stored uint64 }

func (m mismatch) Error() string {
	return fmt.Sprintf("CRC64 of what COS has is %d, of what was sent %d", m.stored, m.sent)
}
func (mismatch) Temporary() bool { return true }

// compare checks an answer's checksum. COS sends one with every answer to an upload; an answer without it (older
// private clouds) is taken as it is, TCP's and TLS's own checks being all there is.
func compare(h http.Header, sent uint64) error {
	stored, err := strconv.ParseUint(h.Get("x-cos-hash-crc64ecma"), 10, 64)
	if err == nil && stored != sent {
		return mismatch{sent: sent, stored: stored}
	}
	return nil
}

// body is what one attempt sends. The SDK could not seek in it, so it cannot resend it while net/http still reads
// (a data race of the SDK). After revoke the blocks are never touched again, even if net/http holds on to it.
type body struct {
	mu     sync.Mutex
	blocks []block
	rest   []byte // of the block under way
	crc    uint64
	ended  bool // all was read
	gone   bool
	moved  func(ended bool)
}

var errRevoked = errors.New("request body is no longer needed")

func newBody(blocks []block, moved func(ended bool)) *body {
	return &body{blocks: blocks, moved: moved}
}

// Read computes the checksum of each block just before it is sent, while the processor is about to fetch it anyway.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return 0, errRevoked
	}
	n := 0
	for n < len(p) {
		if len(b.rest) == 0 {
			if len(b.blocks) == 0 {
				break
			}
			b.rest, b.blocks = b.blocks[0], b.blocks[1:]
			b.crc = crcUpdate(b.crc, b.rest)
		}
		c := copy(p[n:], b.rest)
		b.rest = b.rest[c:]
		n += c
	}
	b.ended = len(b.rest) == 0 && len(b.blocks) == 0
	b.moved(b.ended)
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close is net/http's word that it has done with the body.
func (b *body) Close() error { return nil }

// revoke takes the blocks away, and answers the checksum if all was read.
func (b *body) revoke() (crc uint64, complete bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone, b.rest, b.blocks = true, nil, nil
	return b.crc, b.ended
}

// deliver sends blocks in one attempt of a request and compares what COS says of them. put makes the request.
func (f *FS) deliver(ctx context.Context, owner any, blocks []block,
	put func(ctx context.Context, b io.Reader) (*cos.Response, error)) (http.Header, uint64, error) {
	slots := f.engine.uploads
	if err := slots.acquire(ctx, f.endpoint, owner); err != nil {
		return nil, 0, err
	}
	defer slots.release(f.endpoint)
	dog := watch(ctx, slots.move)
	defer dog.stop()
	b := newBody(blocks, func(ended bool) {
		if ended {
			dog.expect(slots.answer)
		} else {
			dog.expect(slots.move)
		}
	})
	resp, err := put(dog.ctx, b)
	crc, complete := b.revoke()
	if err != nil {
		return nil, 0, dog.explain(err)
	}
	if !complete && len(blocks) > 0 {
		return nil, 0, badAnswer("an upload that it has not read to its end")
	}
	return resp.Header, crc, compare(resp.Header, crc)
}
