// Package ftpserver speaks FTP (RFC 959, 2389, 2428, 3659) on control and data connections. It knows replies,
// order, limits and time; it knows nothing of where files are kept: that is the FileSystem each login brings.
//
// One goroutine per session decides everything that is answered (session.go); a second one only reads lines
// (reader.go), and a third moves the bytes of a transfer (transfer.go). What sets one command apart from another is
// in the table of commands (commands.go).
package ftpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// Server answers FTP clients on any number of listeners.
type Server struct {
	opts     Options
	log      *slog.Logger
	commands map[string]*command
	sockets  limit.Sockets
	hosts    limit.Tally[netip.Prefix] // sessions by the network of the client
	nobodys  limit.Tally[netip.Prefix] // those of them in which nobody is logged in
	users    limit.Tally[string]
	ports    passivePorts
	bans     *limit.Bans
	outages  outages

	ctx       context.Context // ends the transfers that a shutdown may not wait for any longer
	cancel    context.CancelFunc
	closing   chan struct{} // closed when Shutdown begins
	accepting sync.WaitGroup
	stopping  chan struct{} // closed when nothing listens any more
	goroutine sync.WaitGroup

	mu        sync.Mutex
	stopped   bool
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}

	now       func() time.Time
	dial      func(ctx context.Context, local, target netip.AddrPort) (net.Conn, error)
	observe   func(*session, request, reply) // called after each command, before its reply is sent
	listen    func(host netip.Addr, first, last int) (deadlineListener, error)
	lostGrace time.Duration // how long a transfer may stall once its control connection is gone
	linger    time.Duration // how long a closed session still reads, so that its last reply arrives
	readWait  time.Duration // see the constant

	maxUnknown     int // see stranger.go
	maxStrangerLog int64
}

// New makes a server. It does nothing before Serve.
func New(opts Options) *Server {
	opts.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		opts:      opts,
		log:       opts.Logger,
		commands:  commandTable(opts.Certificate != nil, opts.Extended),
		sockets:   limit.Sockets{Max: opts.MaxConnections},
		bans:      limit.NewBans(opts.BanAfter, opts.BanWindow, opts.BanTime, time.Now),
		ctx:       ctx,
		cancel:    cancel,
		closing:   make(chan struct{}),
		stopping:  make(chan struct{}),
		listeners: map[net.Listener]struct{}{},
		sessions:  map[*session]struct{}{},
		now:       time.Now,
		dial:      dialFrom,
		listen:    listenInRange,
		observe:   func(*session, request, reply) {},
		lostGrace: time.Second,
		linger:    250 * time.Millisecond,
		readWait:  readWait,

		maxUnknown:     maxUnknown,
		maxStrangerLog: maxStrangerLog,
	}
}

// ErrServerClosed is what Serve returns when Shutdown came before it.
var ErrServerClosed = errors.New("ftp server is shut down")

// Serve accepts control connections until Shutdown (then it returns nil) or until the listener fails for good.
// It closes the listener.
func (srv *Server) Serve(ln net.Listener) error { return srv.accept(ln, false) }

// ServeTLS is Serve for clients that speak TLS from the first byte (implicit FTPS). It needs Options.Certificate.
func (srv *Server) ServeTLS(ln net.Listener) error {
	if srv.opts.Certificate == nil {
		ln.Close()
		return errors.New("implicit FTPS needs a certificate")
	}
	return srv.accept(ln, true)
}

func (srv *Server) accept(ln net.Listener, implicit bool) error {
	defer ln.Close()
	if !srv.register(ln) {
		return ErrServerClosed
	}
	defer srv.unregister(ln)
	pause := acceptPause{stop: srv.closing, log: srv.log}
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause.reset()
			srv.welcome(conn, implicit)
		case srv.isStopping():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		default:
			pause.after(err)
		}
	}
}

func (srv *Server) register(ln net.Listener) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.stopped {
		return false
	}
	srv.listeners[ln] = struct{}{}
	srv.accepting.Add(1)
	srv.sockets.Add()
	return true
}

func (srv *Server) unregister(ln net.Listener) {
	srv.mu.Lock()
	delete(srv.listeners, ln)
	srv.mu.Unlock()
	srv.sockets.Release()
	srv.accepting.Done()
}

func (srv *Server) isStopping() bool {
	select {
	case <-srv.closing:
		return true
	default:
		return false
	}
}

// welcome starts a session for a new control connection, in a goroutine of its own: nothing a client does may
// hold up the accepting.
func (srv *Server) welcome(conn net.Conn, implicit bool) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.stopped {
		conn.Close()
		return
	}
	s := newSession(srv, conn, implicit)
	srv.sessions[s] = struct{}{}
	srv.goroutine.Add(1)
	go func() {
		defer srv.goroutine.Done()
		defer srv.forget(s)
		s.serve()
	}()
}

func (srv *Server) forget(s *session) {
	srv.mu.Lock()
	delete(srv.sessions, s)
	srv.mu.Unlock()
}

// Shutdown closes the listeners at once, ends idle sessions with 421 and lets running transfers finish until
// ctx ends; those left are then ended and their uploads abandoned. It returns when every goroutine is gone:
// nil if all ended by themselves, else ctx's error.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.mu.Lock()
	first := !srv.stopped
	srv.stopped = true
	if first {
		close(srv.closing)
	}
	for ln := range srv.listeners {
		ln.Close()
	}
	srv.mu.Unlock()
	// A socket is closed when the last Accept on it has returned: nobody shall hear of the end before that.
	srv.accepting.Wait()
	if first {
		close(srv.stopping)
	}

	gone := make(chan struct{})
	go func() {
		srv.goroutine.Wait()
		close(gone)
	}()
	var err error
	select {
	case <-gone:
	case <-ctx.Done():
		err = ctx.Err()
	}
	srv.cancel()
	srv.hurrySessions()
	<-gone
	return err
}

// hurrySessions bounds what a session may still wait for while it writes to a client that does not read.
func (srv *Server) hurrySessions() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for s := range srv.sessions {
		s.raw.SetWriteDeadline(time.Now().Add(forcedWriteTimeout))
	}
}

// acceptPause waits ever longer between failing accepts (out of file descriptors, most often), and says so once.
type acceptPause struct {
	stop  <-chan struct{}
	log   *slog.Logger
	delay time.Duration
}

func (p *acceptPause) reset() { p.delay = 0 }

func (p *acceptPause) after(err error) {
	const first, last = 5 * time.Millisecond, time.Second
	if p.delay == 0 {
		p.log.Error(fmt.Sprintf("accept a control connection: %v; trying on", err))
		p.delay = first
	} else {
		p.delay = min(2*p.delay, last)
	}
	select {
	case <-time.After(p.delay):
	case <-p.stop:
	}
}
