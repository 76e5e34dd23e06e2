package ftpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// replyTimeout is how long a client may take to read a reply, forcedWriteTimeout the same when the server
	// cannot wait any longer.
	replyTimeout       = 30 * time.Second
	forcedWriteTimeout = time.Second
	// maxPending is how many commands may wait for a transfer. What comes then stays in the network.
	maxPending = 64
	// maxStrange is the same before login: nobody's peer shall fill memory with long lines.
	maxStrange = 4
)

// session is one control connection. Everything but the fields marked otherwise belongs to the goroutine of
// serve: it alone decides what is answered, and in which order.
type session struct {
	srv           *Server
	raw           net.Conn // the TCP connection; for any goroutine
	conn          net.Conn // what is spoken on: raw, or TLS on it
	implicit      bool     // TLS from the first byte
	local, remote netip.AddrPort
	log           *slog.Logger
	ctx           context.Context // ends with the session
	cancel        context.CancelFunc
	reader        sync.WaitGroup
	input         chan input
	turned        chan io.Reader // holds one: where the reader goes on
	controlGone   atomic.Bool    // the reader saw the end; for any goroutine
	quitSeen      atomic.Bool    // the reader saw QUIT; for any goroutine

	pending []request   // commands that wait their turn
	heard   []input     // what came while a handler waited for the storage
	opening *opening    // what it waits for, nil for nothing
	idle    *time.Timer // for IdleTimeout
	refusal *refusal    // a refused PASS that is not answered yet

	user     string
	account  *Account // nil: not logged in
	failures int      // refused logins
	counted  bool     // against MaxConnections
	ofHost   bool     // counted against MaxPerHost
	ofUser   string   // the user it is counted for against MaxPerUser, "" for none
	cwd      string
	ascii    bool
	utf8     bool // OPTS UTF8 ON was said
	facts    factSet
	rest     int64  // restart offset
	until    int64  // end of RANG, not included; 0: none
	hashing  int    // chosen of hashAlgorithms
	from     string // of RNFR
	epsvOnly bool

	passive *passiveListener // waits for its peer
	dial    *activeDial      // reaches for its peer
	data    *dataConn        // is there, unused
	xfer    *transfer        // waits for data, or runs
	tls     protection

	uploadRate, downloadRate *Rate // the session's own, nil for none

	aborting bool // ABOR waits for the transfer's end
	quitting bool // QUIT was answered
	ended    bool // the client will send no more
	stopping bool // the server shuts down
	over     bool // nothing more to do
	deaf     bool // the client takes no more replies
}

func newSession(srv *Server, conn net.Conn, implicit bool) *session {
	s := &session{srv: srv, raw: conn, conn: conn, implicit: implicit, input: make(chan input, 4), turned: make(chan io.Reader, 1)}
	s.uploadRate, s.downloadRate = NewRate(srv.opts.MaxUploadRate), NewRate(srv.opts.MaxDownloadRate)
	s.ctx, s.cancel = context.WithCancel(srv.ctx)
	return s
}

// reset is the state before login.
func (s *session) reset() {
	s.leaveUser()
	s.setUser("")
	s.account = nil
	s.failures = 0
	s.cwd = "/"
	s.ascii = true
	s.utf8 = false
	s.facts = defaultFacts
	s.rest, s.until = 0, 0
	s.hashing = 0
	s.from = ""
}

// setUser changes who the log says the session belongs to.
func (s *session) setUser(user string) {
	s.user = user
	prefix := fmt.Sprintf("%s-[%s]", s.remote, printable(user))
	s.log = s.srv.log.With("session", prefix)
}

// serve runs the session from greeting to end.
func (s *session) serve() {
	s.local, s.remote = addrPort(s.conn.LocalAddr()), addrPort(s.conn.RemoteAddr())
	s.reset()
	banned := s.srv.bans.holds(s.remote.Addr())
	if banned {
		s.log = slog.New(slog.DiscardHandler) // the ban is in the log; who comes all the same shall not fill it
	}
	s.log.Info("FTP session opened (connect)")
	urgentInline(s.raw)
	defer s.close()
	refused := s.enter(banned)
	if refused != "" {
		s.log.Warn(refused)
	}
	if s.implicit && (refused != "" || !s.beginTLS()) {
		return // a crowd shall not cost handshakes
	}
	s.reader.Go(s.read)
	if refused != "" {
		s.send(answer(421, refused))
		return
	}
	s.idle = time.NewTimer(s.srv.opts.IdleTimeout)
	defer s.idle.Stop()
	s.loop()
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}

// loop handles one event after the other. A panic in a handler ends this session only.
func (s *session) loop() {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error(fmt.Sprintf("session ends, panic: %v\n%s", p, debug.Stack()))
			s.send(answer(421, "Service not available, closing control connection."))
		}
	}()
	s.send(answer(220, s.srv.opts.Banner))
	stopping, forced := (<-chan struct{})(s.srv.stopping), s.ctx.Done()
	for !s.over {
		select {
		case in := <-s.lines():
			s.receive(in)
		case arrived := <-s.passive.arrival():
			s.peerArrived(arrived)
		case reached := <-s.dial.end():
			s.peerReached(reached)
		case end := <-s.xfer.end():
			s.transferEnded(end)
		case <-s.refusal.due():
			s.refuse()
		case <-s.idle.C:
			s.idleTooLong()
		case <-stopping:
			stopping = nil
			s.stop()
		case <-forced:
			forced = nil
			s.force()
		}
		s.advance()
		s.rehear()
	}
}

// lines is where the next line comes from: nowhere when none may come, or too many wait already.
func (s *session) lines() <-chan input {
	if s.ended || s.stopping || s.quitting || len(s.pending) >= s.mayPend() {
		return nil
	}
	return s.input
}

func (s *session) mayPend() int {
	if s.account == nil {
		return maxStrange
	}
	return maxPending
}

// advance runs what has become possible, and ends the session when nothing is left to wait for.
func (s *session) advance() {
	if s.xfer != nil && !s.xfer.running && s.data != nil {
		s.startTransfer()
	}
	for len(s.pending) > 0 && !s.over && !s.quitting && !s.blocked(s.pending[0]) {
		next := s.pending[0]
		s.pending = s.pending[1:]
		s.execute(next)
	}
	if len(s.pending) == 0 {
		s.pending = nil
	}
	switch {
	case s.over || s.refusal != nil || s.dial != nil || s.xfer.isRunning():
	case s.quitting:
		s.over = !s.transferMayStart()
	case s.ended && len(s.pending) == 0:
		s.over = !s.transferMayStart()
	}
}

// transferMayStart says whether a transfer waits for a data connection that may still come.
func (s *session) transferMayStart() bool { return s.xfer != nil && s.passive != nil }

// touch puts off the end of a session that somebody is logged in to. One of nobody ends in time whatever it sends, or
// a command now and then would hold a connection for ever.
func (s *session) touch() {
	if s.account != nil {
		s.idle.Reset(s.srv.opts.IdleTimeout)
	}
}

// idleTooLong ends a session that sent no command for long. A running transfer has its own time.
func (s *session) idleTooLong() {
	if s.xfer.isRunning() || s.dial != nil {
		return
	}
	s.log.Info("Control connection timed out.")
	s.send(answer(421, "Control connection timed out."))
	s.over = true
}

// stop is told once that the server shuts down: a running transfer may finish, nothing else happens.
func (s *session) stop() {
	s.stopping = true
	s.pending = nil
	if !s.xfer.isRunning() {
		s.sayShutdown()
	}
}

func (s *session) sayShutdown() {
	s.send(answer(421, "Service shutting down."))
	s.over = true
}

// force is told once that nobody waits any longer.
func (s *session) force() {
	if s.xfer.isRunning() {
		s.xfer.abort(abortShutdown)
		return
	}
	s.over = true
}

// send writes a reply.
func (s *session) send(r reply) { s.sendShowing(r, r.text()) }

// sendShowing writes a reply that the log shows as text. It is the only way to the control connection.
func (s *session) sendShowing(r reply, text string) {
	if s.log.Enabled(s.ctx, slog.LevelDebug) {
		s.log.Debug(fmt.Sprintf("-> %d %s", r.code, printable(text)))
	}
	s.write(encoded(s.charset(), r.wire()))
}

func (s *session) write(b []byte) {
	if s.over {
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(replyTimeout))
	if s.srv.ctx.Err() != nil {
		s.conn.SetWriteDeadline(time.Now().Add(forcedWriteTimeout))
	}
	if _, err := s.conn.Write(b); err != nil {
		// Nobody listens. The reader will notice as well, unless the client is only stuck.
		s.controlGone.Store(true)
		s.deaf = true
		s.over = !s.xfer.isRunning()
		s.pending = nil
		s.lost()
	}
}

// lost is told when the client will send no more. It may still listen (a script piped into a connection), so
// what it began goes on, but not for long without a move.
func (s *session) lost() {
	s.ended = true
	if s.xfer.isRunning() {
		s.xfer.data.hurry(s.srv.lostGrace)
	}
	s.passive.hurry(s.srv.lostGrace)
}

// isGone reports whether the client has ended the control connection without QUIT. One that died sends the same end of
// data as one that is done, and may have ended the control connection just before: the reader may not have come to it.
func (s *session) isGone() bool {
	return !s.quitSeen.Load() && (s.controlGone.Load() || peerHasClosed(s.raw))
}

// close releases all a session holds, in the order in which things depend on each other.
func (s *session) close() {
	s.closeData()
	if s.xfer.isRunning() {
		s.xfer.abort(abortShutdown)
		s.transferLog(<-s.xfer.done)
	}
	s.log.Info("FTP session closed (disconnect).")
	s.leave()
	s.cancel()
	if conn, ok := s.conn.(*tls.Conn); ok && !s.deaf {
		conn.CloseWrite() // TLS's own farewell: without it the client could take the end for a cut
	}
	if half, ok := s.raw.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		s.raw.SetReadDeadline(time.Now().Add(s.srv.linger))
	} else {
		s.raw.Close()
	}
	s.reader.Wait()
	s.raw.Close()
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
func (s *session) closeUnused() {
	s.passive.close()
	s.dial.close()
	if s.data != nil {
		s.data.Close()
	}
	s.passive, s.dial, s.data = nil, nil, nil
}
