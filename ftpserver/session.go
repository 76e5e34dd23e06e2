package ftpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

const (
	// replyTimeout is how long a client may take to read a reply, forcedWriteTimeout the same when the server
	// cannot wait any longer.
	replyTimeout       = 30 * time.Second
	forcedWriteTimeout = time.Second
	// readerLag is how long the reader may take to come to an end that has arrived. It may wait for a loop far behind.
	readerLag = time.Second
	// deathLag is how long the end of the control connection may take to come behind that of the data connection where
	// both are of a client that was killed: its system closes one after the other, the data connection mostly first.
	// Measured on a busy machine: 0.03 to 8 ms.
	deathLag = 50 * time.Millisecond
)

// session is one FTP session. Its four parts belong to the goroutine of serve, except for the fields marked otherwise:
// that goroutine alone decides what is answered, and in which order.
type session struct {
	srv    *Server
	ctx    context.Context // ends with the session
	cancel context.CancelFunc

	control // the control connection
	login   // who the session belongs to
	state   // what commands leave behind for later ones
	data    // the data connection, and the transfer on it
}

// state is what commands leave behind for later ones. newState makes it as it is before the first command.
type state struct {
	cwd      string
	ascii    bool
	utf8     bool // OPTS UTF8 ON was said
	facts    factSet
	hashing  int // chosen of hashAlgorithms
	epsvOnly bool
	sized    bool // PBSZ came
	private  bool // PROT P
	armed
}

// newState makes the state at the beginning of a session. Implicit FTPS has PBSZ and PROT P behind it.
func newState(implicit bool) state {
	return state{cwd: "/", ascii: true, facts: defaultFacts, sized: implicit, private: implicit}
}

// armed is what REST, RANG and RNFR say about a command to come. The rows of the table of commands tell which command
// takes it, and which ones may stand between.
type armed struct {
	rest  int64  // restart offset
	until int64  // end of RANG, not included; 0: none
	from  string // name of RNFR, "" for none
}

// only returns the chosen pieces of what is armed.
func (a armed) only(which pieces) (part armed) {
	if which&restart != 0 {
		part.rest, part.until = a.rest, a.until
	}
	if which&rename != 0 {
		part.from = a.from
	}
	return part
}

// pieces are a choice of what can be armed.
type pieces uint8

const (
	restart pieces = 1 << iota // of REST and RANG
	rename                     // of RNFR
)

func newSession(srv *Server, conn net.Conn, implicit bool) *session {
	s := &session{srv: srv, control: newControl(conn, implicit), state: newState(implicit)}
	s.uploadRate, s.downloadRate = limit.NewRate(srv.opts.MaxUploadRate), limit.NewRate(srv.opts.MaxDownloadRate)
	s.metered = slog.New(meter{Handler: srv.log.Handler(), written: &s.written})
	s.setUser("")
	s.ctx, s.cancel = context.WithCancel(srv.ctx)
	return s
}

// serve runs the session from greeting to end. A panic ends this session only.
func (s *session) serve() {
	defer s.close()
	defer func() {
		if p := recover(); p != nil {
			s.endAfterPanic(p)
		}
	}()
	s.local, s.remote = addrPort(s.conn.LocalAddr()), addrPort(s.conn.RemoteAddr())
	s.setUser("")
	banned := s.srv.bans.Holds(s.remote.Addr())
	if banned {
		s.log = slog.New(slog.DiscardHandler) // the ban is in the log; who comes all the same must not fill it
	}
	s.log.Info("FTP session opened (connect)")
	urgentInline(s.raw)
	refused := s.enter(banned)
	if refused != "" {
		s.log.Warn(refused)
	}
	if s.implicit && (refused != "" || !s.beginTLS()) {
		return // a crowd must not cost handshakes
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

func (s *session) endAfterPanic(p any) {
	s.log.Error("session ends, " + panicked(p).Error())
	_ = caught(func() error { // the connection may be what panics
		s.send(answer(421, "Service not available, closing control connection."))
		return nil
	})
	s.over = true
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}

// loop handles one event after the other.
func (s *session) loop() {
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
		case <-s.xfer.looks():
			s.lookAfterTransfer()
		case err := <-s.readerPanic:
			passOn(err)
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

// advance runs what has become possible, and ends the session when nothing is left to wait for.
func (s *session) advance() {
	if s.xfer != nil && !s.xfer.running && s.ready != nil {
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

// touch puts off the end of a session that somebody is logged in to. One of nobody ends in time whatever it sends, or
// a command now and then would hold a connection for ever.
func (s *session) touch() {
	if s.account != nil {
		s.idle.Reset(s.srv.opts.IdleTimeout)
	}
}

// idleTooLong ends a session that sent no command for long. A running transfer has its own timeout; after it the
// session's counts again, also where nobody is logged in any more.
func (s *session) idleTooLong() {
	if s.xfer.isRunning() || s.dial != nil {
		s.idle.Reset(s.srv.opts.IdleTimeout)
		return
	}
	s.log.Info("Control connection timed out.")
	s.send(answer(421, "Control connection timed out."))
	s.over = true
}

// stop is called once, when the server shuts down: a running transfer may finish, nothing else happens.
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

// force ends the session at the shutdown deadline.
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

// lost is called when the client will send no more. It may still listen (a script piped into a connection), so
// what it began goes on, but not for long without a move.
func (s *session) lost() {
	s.ended = true
	if s.xfer.isRunning() {
		s.xfer.data.hurry(s.srv.lostGrace)
	}
	s.passive.hurry(s.srv.lostGrace)
}

// close releases all a session holds, in the order in which things depend on each other.
func (s *session) close() {
	s.closeData()
	if s.xfer.isRunning() {
		s.xfer.abort(abortShutdown)
		s.transferLog(<-s.xfer.done)
		s.xfer.leave()
	}
	s.logRefusal()
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
