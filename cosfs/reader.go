package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// directRange is the size in bytes of a range that is not read ahead. It streams through one block, so it costs no
// memory to be long; but reading ahead starts behind it.
const directRange = 8 << 20

// Open starts reading at offset. One request brings the first MiB of data, all of a small file, and tells size and
// version. More is read ahead by parallel requests as far as the client keeps up, and memory and slots are to spare;
// a slow client costs one block. All ranges must be of the same version: syscall.ESTALE if the file changes. A
// connection that breaks is replaced where it stopped; if that fails for good the error is that, and never a clean
// end before the last byte. The file is an io.WriterTo, which is the short way for the data.
//
// The data's CRC64 is not computed, since it would cost more than all the rest: size and version are checked.
func (f *FS) Open(ctx context.Context, name string, offset int64) (fs.File, error) {
	key, err := f.keyOf(name)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %q at %d: %w", key, offset, fs.ErrInvalid)
	}
	r := &reader{source: source{f: f, key: key}, at: offset}
	r.ctx, r.cancel = context.WithCancel(lasting.with(ctx))
	if err := r.start(); err != nil {
		r.cancel()
		return nil, err
	}
	r.account = f.engine.memory.join(r, f)
	r.account.loose = true
	return r, nil
}

// reader is an open file. The goroutine that reads takes data from one piece after the other: a stream that it reads
// itself, or a span that was read ahead.
type reader struct {
	source  source
	object  object
	ctx     context.Context
	cancel  context.CancelFunc
	account *account
	work    sync.WaitGroup

	use    sync.Mutex // one Read, WriteTo or Close at a time
	closed bool
	at     int64   // of the next byte to fetch
	rest   []byte  // fetched, but not read yet
	own    block   // for direct
	lent   block   // of the current span
	direct *stream // nil for none
	pace   pace
	passed time.Time // when the last data was handed over

	mu      sync.Mutex
	current *span   // nil for none
	next    int64   // where the current piece ends
	ahead   []*span // behind it, without gaps
	planned int64   // where the last of them ends
}

// start makes the first request.
func (r *reader) start() error {
	if r.at > maxObject {
		return r.startAtEnd()
	}
	first := &stream{source: &r.source, at: r.at, end: r.at + minRange}
	err := r.source.f.try(opening.with(r.ctx), "open "+strconv.Quote(r.source.key), func(ctx context.Context) (err error) {
		r.object, err = first.open(ctx)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.missing(err)
	case statusOf(err) == http.StatusRequestedRangeNotSatisfiable:
		return r.startAtEnd()
	case err != nil:
		return err
	}
	r.source.etag = r.object.etag
	first.end = min(first.end, r.object.size)
	r.direct, r.next, r.planned = first, first.end, first.end
	return nil
}

// missing tells a directory from nothing.
func (r *reader) missing(err error) error {
	is, listErr := r.source.f.isDir(brief.with(r.ctx), r.source.key)
	switch {
	case listErr != nil:
		return listErr
	case is:
		return fmt.Errorf("open %q: %w", r.source.key, syscall.EISDIR)
	}
	return err
}

// startAtEnd is start where there is nothing to read: past the end, or in an empty file.
func (r *reader) startAtEnd() error {
	o, err := r.source.f.file(brief.with(r.ctx), r.source.key)
	if err != nil {
		return err
	}
	if o.size > r.at {
		return fmt.Errorf("open %q: %w", r.source.key, syscall.ESTALE)
	}
	r.object, r.source.etag = o, o.etag
	return nil
}

// Stat tells about the version of the file that is read.
func (r *reader) Stat() (fs.FileInfo, error) { return r.object.info(), nil }

func (r *reader) Read(p []byte) (int, error) {
	r.use.Lock()
	defer r.use.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.rest) == 0 {
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo writes all that is left.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	r.use.Lock()
	defer r.use.Unlock()
	var total int64
	for {
		if len(r.rest) == 0 {
			if err := r.fetch(); err == io.EOF {
				return total, nil
			} else if err != nil {
				return total, err
			}
		}
		n, err := w.Write(r.rest)
		total += int64(n)
		r.rest = r.rest[n:]
		if err != nil {
			return total, err
		}
	}
}

// Close ends all requests and gives all memory back.
func (r *reader) Close() error {
	r.cancel()
	r.use.Lock()
	defer r.use.Unlock()
	if r.closed {
		return fmt.Errorf("close %q: %w", r.source.key, fs.ErrClosed)
	}
	r.closed = true
	r.rest = nil
	r.giveBack()
	r.dropCurrent()
	r.dropDirect()
	r.yield()
	r.work.Wait()
	r.account.close()
	return nil
}

// fetch gets the next data into rest, and starts to read ahead while the client is busy with it.
func (r *reader) fetch() error {
	if r.closed {
		return fmt.Errorf("read %q: %w", r.source.key, fs.ErrClosed)
	}
	r.giveBack()
	if r.at >= r.object.size {
		return io.EOF
	}
	asked := time.Now()
	data, err := r.piece()
	if err != nil {
		return r.explain(err)
	}
	now := time.Now()
	slow := !r.passed.IsZero() && r.pace.add(int64(len(data)), now.Sub(asked), asked.Sub(r.passed))
	r.passed = now
	r.at += int64(len(data))
	r.rest = data
	if slow {
		r.slowDown()
	} else {
		r.readAhead()
	}
	return nil
}

func (r *reader) explain(err error) error {
	if ended := r.ctx.Err(); ended != nil {
		return fmt.Errorf("read %q: %w", r.source.key, ended)
	}
	return err
}

// piece gets data from where the reader is.
func (r *reader) piece() ([]byte, error) {
	for {
		switch {
		case r.current != nil:
			b, err := r.current.next(r.ctx)
			if err != nil || b != nil {
				r.lent = b
				return b, err
			}
			r.dropCurrent()
		case r.direct != nil && r.at < r.direct.end:
			return r.readDirect()
		default:
			r.dropDirect()
			r.turn()
		}
	}
}

func (r *reader) readDirect() ([]byte, error) {
	if r.own == nil {
		b, err := r.account.grow(r.ctx)
		if err != nil {
			return nil, err
		}
		r.own = b
	}
	n, err := r.direct.read(r.ctx, r.own[:blockSize])
	return r.own[:n], err
}

// turn goes to the next piece.
func (r *reader) turn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ahead) > 0 {
		r.current, r.ahead = r.ahead[0], r.ahead[1:]
		r.current.hurry()
		r.next = r.current.stream.end
		return
	}
	r.direct = &stream{source: &r.source, at: r.at, end: min(r.at+directRange, r.object.size)}
	r.next, r.planned = r.direct.end, r.direct.end
}

// giveBack returns the block of a span that the client has taken.
func (r *reader) giveBack() {
	if r.lent != nil {
		r.account.drop(r.lent)
		r.lent = nil
	}
}

func (r *reader) dropCurrent() {
	if r.current != nil {
		r.current.drop()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.current = nil
	}
}

func (r *reader) dropDirect() {
	if r.direct != nil {
		r.direct.close()
		r.direct = nil
	}
	if r.own != nil {
		r.account.drop(r.own)
		r.own = nil
	}
}

// slowDown gives up all that was read ahead of a slow client; data that it still needs is asked for again.
func (r *reader) slowDown() {
	r.yield()
	if r.current != nil {
		r.dropCurrent()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.next, r.planned = r.at, r.at
	}
}

// readAhead begins further ranges, as many as pace, memory and slots allow.
func (r *reader) readAhead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := min(maxAheadSize, int64(r.account.m.limit)*blockSize/4)
	for len(r.ahead) < r.pace.window && r.planned < r.object.size && r.planned-r.at < limit {
		if last := len(r.ahead) - 1; last >= 0 && r.ahead[last].isWaiting() {
			return
		}
		want := int((min(r.pace.rangeSize(), r.object.size-r.planned) + blockSize - 1) / blockSize)
		blocks := r.account.m.tryTake(r.account, min(want, minRange/blockSize/2), want)
		if blocks == nil {
			return
		}
		end := min(r.planned+int64(len(blocks))*blockSize, r.object.size)
		s := newSpan(r.ctx, r.account, stream{source: &r.source, at: r.planned, end: end}, blocks)
		r.ahead = append(r.ahead, s)
		r.planned = end
		r.work.Go(s.run)
	}
}

// yield drops what is read ahead of the current piece.
func (r *reader) yield() {
	r.mu.Lock()
	dropped := r.ahead
	r.ahead = nil
	r.planned = r.next
	r.mu.Unlock()
	for _, s := range dropped {
		s.drop()
	}
}

// A download is never ended for the memory it holds: it yields instead.
func (r *reader) behind() time.Duration { return 0 }
func (r *reader) evict(time.Duration)   {}
