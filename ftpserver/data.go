package ftpserver

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// writePiece is how much is written under one deadline: a client that takes it in less than DataTimeout is
// slow, not stalled.
const writePiece = 256 << 10

// errStopped is what a data connection's reader gets once stop was called.
var errStopped = errors.New("data connection stopped")

// errCut is what a strict data connection's reader gets at an end that the peer has not told.
var errCut = errors.New("the TLS data connection was cut without close_notify")

// data is a session's side of its data connection, on whatever way it is, and the transfer on it.
type data struct {
	passive  *passiveListener // waits for its peer
	dial     *activeDial      // reaches for its peer
	ready    *dataConn        // is there, unused
	xfer     *transfer        // waits for data, or runs
	aborting bool             // ABOR waits for the transfer's end

	keepsData bool // the client waits for a 226 before it ends the data connection

	uploadRate, downloadRate *limit.Rate // the session's own; nil: no limit
}

// closeData drops the data connection, on whatever way it is, and a transfer that waits for it.
func (s *session) closeData() {
	if s.xfer != nil && !s.xfer.running {
		s.xfer.drop()
		s.xfer = nil
	}
	s.closeUnused()
}

// closeUnused drops the data connection unless a transfer has it.
func (d *data) closeUnused() {
	d.passive.close()
	d.dial.close()
	if d.ready != nil {
		d.ready.Close()
	}
	d.passive, d.dial, d.ready = nil, nil, nil
}

// transferMayStart reports whether a transfer waits for a data connection that may still come.
func (d *data) transferMayStart() bool { return d.xfer != nil && d.passive != nil }

// dataConn is one data connection, passive or active: it counts, and each read and write has a deadline that
// is renewed at most once a second. One goroutine at a time reads or writes; the others methods are for any.
type dataConn struct {
	conn   net.Conn
	stream io.ReadWriter // conn, or TLS on it; the reading or writing goroutine's own
	strict *tcpEnd       // under TLS, where its end must be told by close_notify; nil: need not
	opened time.Time
	// foreign says that the peer has another address than the client, has not shown by TLS that it is the client, and was
	// taken because the client did not come.
	foreign bool

	sent, received atomic.Int64
	in, out        *limit.Throttle // nil: no limit

	timeout atomic.Int64 // nanoseconds
	armed   time.Time    // when the deadline was set; the reading or writing goroutine's own
	mu      sync.Mutex   // orders stop and hurry against the renewing of deadlines
	stopped bool
	halt    chan struct{} // closed by stop, for throttles; nil without

	failure error // first error of the connection itself; the reading or writing goroutine's own

	closeOnce sync.Once
	release   func() // gives the socket back to the count
}

func newDataConn(conn net.Conn, timeout time.Duration, release func()) *dataConn {
	d := &dataConn{conn: conn, stream: conn, opened: time.Now(), release: release}
	d.timeout.Store(int64(timeout))
	return d
}

// arm renews the deadline when it has aged.
func (d *dataConn) arm() error {
	timeout := time.Duration(d.timeout.Load())
	now := time.Now()
	if now.Sub(d.armed) < min(time.Second, timeout/4) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return errStopped
	}
	d.armed = now
	return d.conn.SetDeadline(now.Add(timeout))
}

// limit bounds what is read by some rates and what is written by others; nil is no limit. It is called before
// anything moves.
func (d *dataConn) limit(in, out []*limit.Rate) {
	halt := make(chan struct{})
	d.in, d.out = limit.NewThrottle(halt, in...), limit.NewThrottle(halt, out...)
	if d.in == nil && d.out == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halt = halt
	if d.stopped {
		close(halt)
	}
}

func (d *dataConn) Read(p []byte) (int, error) {
	if d.in == nil {
		return d.read(p)
	}
	n, err := d.in.Read(p, d.read)
	if err != nil && err != io.EOF {
		d.fail(err)
	}
	return n, err
}

func (d *dataConn) read(p []byte) (int, error) {
	if err := d.arm(); err != nil {
		return 0, d.fail(err)
	}
	n, err := d.stream.Read(p)
	d.received.Add(int64(n))
	if err == io.EOF && d.strict != nil && d.strict.reached {
		err = errCut
	}
	if err != nil && err != io.EOF {
		d.fail(err)
	}
	return n, err
}

func (d *dataConn) Write(p []byte) (int, error) {
	if d.out == nil {
		return d.write(p)
	}
	n, err := d.out.Write(p, d.write)
	if err != nil {
		d.fail(err)
	}
	return n, err
}

func (d *dataConn) write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if err := d.arm(); err != nil {
			return written, d.fail(err)
		}
		n, err := d.stream.Write(p[written:min(written+writePiece, len(p))])
		written += n
		d.sent.Add(int64(n))
		if err != nil {
			return written, d.fail(err)
		}
	}
	return written, nil
}

func (d *dataConn) fail(err error) error {
	if d.failure == nil {
		d.failure = err
	}
	return err
}

// failed reports whether err, the result of a copy, is the data connection's and not the storage's.
func (d *dataConn) failed(err error) bool {
	return err != nil && d.failure != nil && errors.Is(err, d.failure)
}

// stalled reports whether the data connection failed because nothing moved.
func (d *dataConn) stalled() bool { return errors.Is(d.failure, os.ErrDeadlineExceeded) }

// stop makes reads and writes fail from now on, also the one under way.
func (d *dataConn) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.halt != nil && !d.stopped {
		close(d.halt)
	}
	d.stopped = true
	d.conn.SetDeadline(time.Unix(1, 0))
}

// hurry shortens the time in which something must move.
func (d *dataConn) hurry(timeout time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || timeout >= time.Duration(d.timeout.Load()) {
		return
	}
	d.timeout.Store(int64(timeout))
	d.conn.SetDeadline(time.Now().Add(timeout))
}

// isIdleForeigner reports whether the peer is foreign and has sent nothing: a port scan looks like this.
func (d *dataConn) isIdleForeigner() bool { return d.foreign && d.received.Load() == 0 }

func (d *dataConn) bytes() int64 { return d.sent.Load() + d.received.Load() }

// extend gives the connection time for something that is no transfer yet.
func (d *dataConn) extend(timeout time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return errStopped
	}
	return d.conn.SetDeadline(time.Now().Add(min(timeout, time.Duration(d.timeout.Load()))))
}

// farewell tells a TLS peer that what it got is all, unless it is not.
func (d *dataConn) farewell() {
	d.mu.Lock()
	stopped := d.stopped
	d.mu.Unlock()
	if conn, ok := d.stream.(*tls.Conn); ok && !stopped && d.failure == nil && d.arm() == nil {
		conn.CloseWrite()
	}
}

// Close ends the connection in order: the peer gets what was written, then its end.
func (d *dataConn) Close() {
	d.closeOnce.Do(func() {
		d.farewell()
		d.conn.Close()
		d.in.Close()
		d.out.Close()
		d.release()
	})
}

// closeWhenRead is Close, but the peer has some time to end its side first. It reports whether the peer did, or was not
// waited for.
func (d *dataConn) closeWhenRead(wait time.Duration) (ended bool) {
	defer d.Close()
	tcp, ok := d.conn.(*net.TCPConn)
	if !ok || wait == 0 {
		return true
	}
	d.farewell()
	if tcp.CloseWrite() != nil || d.extend(wait) != nil {
		return true
	}
	_, err := tcp.Read(make([]byte, 1)) // its end, or TLS's close_notify
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// reset ends the connection with an error for the peer, so that what it got cannot pass for the whole.
func (d *dataConn) reset() {
	d.stop()
	if tcp, ok := d.conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	d.Close()
}
