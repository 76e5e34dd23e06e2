// Package limit bounds what clients may use of a server: bytes per second, wrong passwords, sockets and sessions. It knows
// nothing of FTP.
package limit

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// rateSlack is how much time without bytes a Rate makes good. It absorbs late timers, and is what the first
	// bytes after a pause may exceed the rate by: 2 % over 5 s.
	rateSlack = 100 * time.Millisecond
	// rateStep is how often a limited transfer pauses. A piece is what its share of the lowest rate lets through in
	// it, so that the pieces of any number of transfers together exceed a rate by no more than that.
	rateStep = 50 * time.Millisecond
	// shortestPause is what is not worth a timer; it is waited with what comes next.
	shortestPause = 2 * time.Millisecond
)

// Rate bounds the bytes per second of one or many transfers together. Each byte takes a slot of time behind those
// that were asked for before, so that transfers that share a Rate take turns. It is safe for concurrent use.
type Rate struct {
	perByte float64      // nanoseconds
	users   atomic.Int64 // connections that share it
	mu      sync.Mutex
	free    time.Time // from when on no slot is taken
}

// NewRate makes a Rate of bytes per second; nil, which is no limit, for 0 and less.
func NewRate(bytesPerSecond int64) *Rate {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &Rate{perByte: float64(time.Second) / float64(bytesPerSecond)}
}

// take reserves the time of n bytes and returns when it is over: the caller waits until then.
func (r *Rate) take(now time.Time, n int) (until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if oldest := now.Add(-rateSlack); r.free.Before(oldest) {
		r.free = oldest
	}
	r.free = r.free.Add(r.timeOf(n))
	return r.free
}

// giveBack returns the time of n bytes that were not moved.
func (r *Rate) giveBack(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = r.free.Add(-r.timeOf(n))
}

// piece is a user's share of what goes through in rateStep, in bytes, at least 1.
func (r *Rate) piece() int {
	return max(1, int(float64(rateStep)/r.perByte)/int(max(1, r.users.Load())))
}

func (r *Rate) timeOf(n int) time.Duration { return time.Duration(r.perByte * float64(n)) }

// Throttle bounds one direction of a connection by several rates. It belongs to the goroutine that reads or writes,
// but for Close.
type Throttle struct {
	rates []*Rate
	until time.Time // before which no byte may move
	halt  <-chan struct{}
}

// NewThrottle returns a Throttle of the rates that are not nil, nil of none. halt ends its waiting.
func NewThrottle(halt <-chan struct{}, rates ...*Rate) *Throttle {
	t := &Throttle{halt: halt}
	for _, r := range rates {
		if r != nil {
			r.users.Add(1)
			t.rates = append(t.rates, r)
		}
	}
	if t.rates == nil {
		return nil
	}
	return t
}

// Close leaves the rates to the others. It is called once.
func (t *Throttle) Close() {
	if t == nil {
		return
	}
	for _, r := range t.rates {
		r.users.Add(-1)
	}
}

// cut shortens p to what may move before the next pause.
func (t *Throttle) cut(p []byte) []byte {
	n := len(p)
	for _, r := range t.rates {
		n = min(n, r.piece())
	}
	return p[:n]
}

// spend takes the time of n bytes from every rate; wait lets it pass.
func (t *Throttle) spend(n int) {
	now := time.Now()
	for _, r := range t.rates {
		if until := r.take(now, n); until.After(t.until) {
			t.until = until
		}
	}
}

// Read reads as much of p as the rates let through before the next pause.
func (t *Throttle) Read(p []byte, read func([]byte) (int, error)) (int, error) {
	if err := t.wait(); err != nil {
		return 0, err
	}
	n, err := read(t.cut(p))
	t.spend(n)
	return n, err
}

// Write passes p on in pieces that the rates let through.
func (t *Throttle) Write(p []byte, write func([]byte) (int, error)) (written int, err error) {
	for written < len(p) {
		piece := t.cut(p[written:])
		t.spend(len(piece))
		if err := t.wait(); err != nil {
			t.refund(len(piece))
			return written, err
		}
		n, err := write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// refund undoes a part of spend.
func (t *Throttle) refund(n int) {
	for _, r := range t.rates {
		r.giveBack(n)
	}
}

// ErrHalted is why no byte may move any more.
var ErrHalted = errors.New("halted while a rate was waited for")

// wait returns when bytes may move: nil, or ErrHalted as soon as halt is closed.
func (t *Throttle) wait() error {
	pause := time.Until(t.until)
	if pause < shortestPause {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.halt:
		return ErrHalted
	}
}

// Writer returns w made as slow as the throttle, or w itself where that is nil.
func (t *Throttle) Writer(w io.Writer) io.Writer {
	if t == nil {
		return w
	}
	return throttledWriter{w, t}
}

type throttledWriter struct {
	dst      io.Writer
	throttle *Throttle
}

func (w throttledWriter) Write(p []byte) (int, error) { return w.throttle.Write(p, w.dst.Write) }
