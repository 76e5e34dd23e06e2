package cosfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// probeSize is how much is read at first where a client may not send anything: into memory of the session, so that
// a client which only waits holds no block.
const probeSize = 4 << 10

// errSilent ends an upload whose client hardly sends while others wait for memory.
var errSilent = errors.New("the client sends less than 4 KiB/s while others wait for transfer memory")

// Create starts an upload that replaces name when Close returns nil. Nothing is asked of COS before it returns; that
// the name is not a directory is found out while data arrives, and makes a Write or Close fail with syscall.EISDIR.
// A Write beyond Options.MaxFileSize (where it is 0: what 10,000 parts hold) fails with syscall.EFBIG, and nothing is stored. The writer is an
// io.ReaderFrom, which is the short way for the data. Close must be called in any case.
func (f *FS) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	key, err := f.keyOf(name)
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	w := f.newWriter(ctx, key, false)
	w.expectLast()
	f.engine.remains.begin(w)
	w.looking, w.checked = make(chan struct{}), make(chan struct{})
	w.background(w.checkNotDir)
	return w, nil
}

// expectLast notes the object that this process knows under the name. Others see the upload already, so what removes or
// describes the object meanwhile must come after, which mu sees to.
func (w *writer) expectLast() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ours := w.f.recent.last(w.key); ours && !c.removed {
		w.before = version{etag: c.etag}
	}
}

// writer turns a stream into one PUT, or into a multipart upload as soon as there is more than one part. Data is read
// into blocks; a full part goes to its own goroutine, which sends it, while reading goes on. Memory bounds how many,
// and the number of slots does: more parts than can be sent at once, and one to go on with, would be of no use.
type writer struct {
	f       *FS
	key     string
	kept    *object // whose attributes the new object keeps, nil for none
	extends bool    // the new object begins with the data of kept, or the name must be free where that is nil
	limits  partLimits
	order   int64 // see rivals
	met     bool  // there was another upload of the name at the same time; guarded by rivals
	client  string
	opened  time.Time

	caller  context.Context
	ctx     context.Context // made from it
	cancel  context.CancelCauseFunc
	account *account
	work    sync.WaitGroup

	probe []byte
	once  sync.Once
	ended error // of Close

	mu      sync.Mutex
	full    []block // of the part being filled
	fullLen int64
	cur     block // being filled by the goroutine that writes
	stock   []block
	target  int64 // of the part being filled
	size    int64 // of all that was written
	sent    int64 // of all parts
	parts   []*part
	flying  int // parts that are being sent or wait for it
	landed  chan struct{}
	heard   time.Time // until when the client has sent enough: each byte pays for its time at leastRate
	blocked bool      // waits for memory
	closing bool
	storing bool          // a simple PUT is on its way
	looking chan struct{} // closed when the question what stands at the name is on its way
	checked chan struct{} // closed when found is known, or never will be; nil: not asked
	known   bool          // the check has ended
	found   occupied      // at the name
	before  version       // what stood there when the upload began, a zero time standing for that; version{} where nobody knows
	free    bool          // nothing stood there
	freed   bool          // what stood there has been deleted since
	failure error

	end leaving // of the client

	multipart
}

func (f *FS) newWriter(ctx context.Context, key string, extends bool) *writer {
	now := time.Now()
	w := &writer{f: f, key: key, extends: extends, limits: newPartLimits(f.opts), opened: now, heard: now, caller: ctx}
	w.upload, w.client = &upload{f: f, key: key}, f.opts.ClientOf(ctx)
	w.ready, w.landed = make(chan struct{}), make(chan struct{}, 1)
	w.ctx, w.cancel = context.WithCancelCause(lasting.with(ctx))
	w.account = f.engine.memory.join(w, f)
	f.engine.rivals.enter(w)
	return w
}

func (w *writer) place() place { return w.f.place(w.key) }

// Interrupted says, before Close returns, that the client has broken off or may have: what was written is the beginning
// of its file. CreateAt may go on with it, and if Close was not called yet it commits only what replaces no newer file.
// told is whether the client is told all the same that its file is stored; waited is whether it was there for a while
// after the end of its data, so that it did not die in the middle.
func (w *writer) Interrupted(told, waited bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !told:
		w.end = brokeOff
	case !waited:
		w.end = vanished
	default:
		w.end = left
	}
}

func (w *writer) ending() leaving {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

// isInterrupted reports whether the client did not send the rest of its file, or may not have.
func (w *writer) isInterrupted() bool { return w.ending() != there }

// checkNotDir looks what stands at the name while data comes. Without an answer the upload goes on: the check is for
// the client's sake, and an account may be allowed to write and not to list. So it is tried once only: more requests
// would help nobody where COS is overloaded.
func (w *writer) checkNotDir() {
	defer close(w.checked)
	began := time.Now()
	asked := sync.OnceFunc(func() { close(w.looking) })
	defer asked()
	ctx, cancel := context.WithTimeout(once.with(w.ctx), checkLimit)
	defer cancel()
	found, err := w.f.occupied(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { asked() },
	}), w.key)
	if w.ctx.Err() == nil {
		w.f.noteCheck(time.Since(began))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = true
	if err != nil {
		w.f.log.Debug("not known whether an upload goes to the name of a directory", "key", w.key, "error", err)
		return
	}
	w.found = found
	if time.Since(w.opened) < clockGrain { // later it may be what another gateway has stored since
		w.free = !found.file
		if w.before.etag == "" && found.file && !w.freed {
			w.before = version{etag: found.etag}
		}
	}
	if !w.storing && found.dir && !found.file {
		w.failLocked(w.isDirectory())
	}
}

func (w *writer) isDirectory() error { return fmt.Errorf("upload %q: %w", w.key, syscall.EISDIR) }

// Write keeps p. It waits while memory is short. An error is final.
func (w *writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		room, err := w.room()
		if err != nil {
			return written, err
		}
		n := copy(room, p)
		if err := w.advance(n); err != nil {
			return written, err
		}
		p = p[n:]
		written += n
	}
	return written, nil
}

// ReadFrom reads the source straight into blocks. It returns the source's error as it is; the bytes before it count
// as written.
func (w *writer) ReadFrom(src io.Reader) (int64, error) {
	var total int64
	for idle := 0; idle < 100; idle++ {
		room, err := w.roomNow()
		if err != nil {
			return total, err
		}
		n, readErr := src.Read(room)
		if n > 0 {
			idle = 0
			if err := w.keep(room[:n]); err != nil {
				return total, err
			}
			total += int64(n)
		}
		if readErr == io.EOF {
			return total, nil
		}
		if readErr != nil {
			return total, readErr
		}
	}
	return total, io.ErrNoProgress
}

// roomNow is where to read to next: the rest of the block, or the probe where the upload would begin a part with it.
func (w *writer) roomNow() ([]byte, error) {
	if w.atStartOfPart() {
		if w.probe == nil {
			w.probe = make([]byte, probeSize)
		}
		return w.probe, w.err()
	}
	return w.room()
}

func (w *writer) atStartOfPart() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cur == nil && (len(w.full) == 0 || w.fullLen == w.target)
}

// keep counts what was read to roomNow.
func (w *writer) keep(data []byte) error {
	if w.probe != nil && &data[0] == &w.probe[0] {
		_, err := w.Write(data)
		return err
	}
	return w.advance(len(data))
}

// room is the free part of the block being filled, of a new one if need be.
func (w *writer) room() ([]byte, error) {
	for {
		w.mu.Lock()
		if err := w.errLocked(); err != nil {
			w.mu.Unlock()
			return nil, err
		}
		if w.cur != nil {
			room := w.cur[len(w.cur):w.capacity()]
			w.mu.Unlock()
			return room, nil
		}
		ask := w.nextBlock()
		w.mu.Unlock()
		if ask == nil {
			continue
		}
		if err := ask(); err != nil {
			return nil, w.broken(err)
		}
	}
}

// capacity is how long the current block may get. All blocks but the last of a part are full. The caller holds mu.
func (w *writer) capacity() int {
	return int(min(blockSize, w.target-w.fullLen))
}

// nextBlock gets a block if that needs no waiting, else it answers how to wait for it. The caller holds mu.
func (w *writer) nextBlock() (wait func() error) {
	if w.fullLen > 0 && w.fullLen == w.target { // kept back, since it might have been all
		w.cut()
	}
	switch {
	case len(w.stock) > 0:
		last := len(w.stock) - 1
		w.cur, w.stock = w.stock[last][:0], w.stock[:last]
		return nil
	case len(w.full) == 0 && w.flying > w.f.engine.uploads.total:
		return w.land
	case len(w.full) == 0:
		w.target = w.limits.target(w.sent, len(w.parts))
		if !w.limits.mayCut(w.sent+minPart, len(w.parts)) {
			return w.growWhole
		}
		return w.grow
	case w.fullLen < minPart:
		return w.grow
	}
	b, ok := w.account.tryGrow()
	if !ok {
		w.cut()
		return nil
	}
	w.cur = b[:0]
	return nil
}

func (w *writer) grow() error {
	w.setBlocked(true)
	defer w.setBlocked(false)
	b, err := w.account.grow(w.ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cur = b[:0]
	return nil
}

// growWhole gets all blocks of a part that may not be cut short.
func (w *writer) growWhole() error {
	w.setBlocked(true)
	defer w.setBlocked(false)
	stock, err := w.account.growWhole(w.ctx, int((w.target+blockSize-1)/blockSize))
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stock = stock
	// Less than asked for if the memory is too small for the configured parts: then the part is, too.
	w.target = min(w.target, int64(len(stock))*blockSize)
	return nil
}

// land waits for a part to be sent, or to fail.
func (w *writer) land() error {
	select {
	case <-w.landed:
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

func (w *writer) setBlocked(blocked bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocked = blocked
	w.heard = time.Now() // it is heard again once there is a block to read to
}

// advance counts n more bytes in the current block.
func (w *writer) advance(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.errLocked(); err != nil {
		return err
	}
	if w.size+int64(n) > w.limits.maxSize {
		err := fmt.Errorf("upload %q: more than %d bytes: %w", w.key, w.limits.maxSize, syscall.EFBIG)
		w.failLocked(err)
		return err
	}
	if paid := w.heard.Add(time.Duration(n) * time.Second / leastRate); paid.Before(time.Now()) {
		w.heard = paid
	} else {
		w.heard = time.Now()
	}
	w.size += int64(n)
	w.cur = w.cur[:len(w.cur)+n]
	if len(w.cur) == w.capacity() {
		w.full = append(w.full, w.cur)
		w.fullLen += int64(len(w.cur))
		w.cur = nil
	}
	// The first part waits for a byte more: one part alone is a simple PUT.
	if w.fullLen == w.target && len(w.parts) > 0 {
		w.cut()
	}
	return nil
}

// cut sends the full blocks as a part. The caller holds mu.
func (w *writer) cut() {
	p := &part{number: len(w.parts) + 1, blocks: w.full, size: w.fullLen}
	w.parts = append(w.parts, p)
	w.sent += p.size
	w.full, w.fullLen = nil, 0
	w.target = w.limits.target(w.sent, len(w.parts))
	w.flying++
	w.account.send(len(p.blocks))
	w.begin()
	w.background(func() {
		defer w.finished(p)
		w.sendPart(p)
	})
}

// background does something beside the caller, whose Close waits for it.
func (w *writer) background(work func()) {
	w.work.Go(func() { guard(w.fail, work) })
}

// finished gives back the memory of a part that is sent, or has failed.
func (w *writer) finished(p *part) {
	w.account.sent(p.blocks)
	p.blocks = nil
	w.mu.Lock()
	w.flying--
	w.mu.Unlock()
	select {
	case w.landed <- struct{}{}:
	default:
	}
}

// yield sends the full blocks now, if they make a part; the client may be slow to send more.
func (w *writer) yield() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closing && w.errLocked() == nil && w.fullLen >= minPart && w.limits.mayCut(w.sent+w.fullLen, len(w.parts)) {
		w.cut()
	}
}

func (w *writer) behind() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.behindLocked()
}

func (w *writer) behindLocked() time.Duration {
	if w.closing || w.blocked || w.failure != nil || len(w.full)+len(w.stock) == 0 {
		return 0
	}
	return time.Since(w.heard)
}

// evict ends the upload. The block to which the client's next bytes are being read stays until they come.
func (w *writer) evict(behind time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.behindLocked() >= behind {
		w.giveUpLocked(fmt.Errorf("upload %q: %w", w.key, errSilent))
	}
}

// giveUp ends the upload and gives its memory back, but for the block to which the client's next bytes are being read.
func (w *writer) giveUp(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.giveUpLocked(err)
}

func (w *writer) giveUpLocked(err error) {
	w.failLocked(err)
	w.account.drop(append(w.full, w.stock...)...)
	w.full, w.stock, w.fullLen = nil, nil, 0
}

// err is why the upload cannot go on, nil if it can.
func (w *writer) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errLocked()
}

func (w *writer) errLocked() error {
	if w.failure != nil {
		return w.failure
	}
	// The caller's context first: it tells of its end before those made from it do.
	if err := cmp.Or(w.caller.Err(), w.ctx.Err()); err != nil {
		return fmt.Errorf("upload %s: %w", strconv.Quote(w.key), err)
	}
	return nil
}

// broken answers the upload's own failure, of which err may only be a consequence.
func (w *writer) broken(err error) error {
	if own := w.err(); own != nil {
		return own
	}
	return fmt.Errorf("upload %q: %w", w.key, err)
}

// fail ends the upload with its first error.
func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failLocked(err)
}

func (w *writer) failLocked(err error) {
	if w.failure == nil && err != nil {
		w.failure = err
		w.cancel(err)
	}
}
