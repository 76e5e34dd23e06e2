package ftpserver

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// passiveListener waits for the peer of a passive data connection, one only.
type passiveListener struct {
	ln      deadlineListener
	peer    chan arrival // holds one
	door    doorkeeper   // wait's own
	release func()
	freed   func() // called when the port is free

	mu    sync.Mutex // orders hurry against wait
	until time.Time  // when the peer must be there
	due   time.Time  // when a foreign peer has waited long enough; zero: none waits
}

// deadlineListener is what a passive data connection needs of *net.TCPListener.
type deadlineListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// arrival is the peer of a passive data connection, or why none came.
type arrival struct {
	conn net.Conn
	err  error
}

// comes waits for a peer. A panic on the way is the arrival's error.
func comes(wait func() (net.Conn, error)) (a arrival) {
	a.err = caught(func() (err error) {
		a.conn, err = wait()
		return err
	})
	return a
}

func (s *session) cmdPasv(request) reply {
	if !s.local.Addr().Is4() {
		return answer(425, "Can't open a passive connection: use EPSV over IPv6.")
	}
	port, refused := s.listenPassive()
	if !refused.isNone() {
		return refused
	}
	a := s.announced().As4()
	return answerf(227, "Entering passive mode (%d,%d,%d,%d,%d,%d).", a[0], a[1], a[2], a[3], port>>8, port&0xff)
}

// announced is the address that a 227 reply tells.
func (s *session) announced() netip.Addr {
	masquerade := s.srv.opts.Masquerade
	for _, route := range s.srv.opts.MasqueradeFor {
		if route.Clients.Contains(s.remote.Addr()) {
			masquerade = route.Address
			break
		}
	}
	if masquerade != nil {
		if a, err := netip.ParseAddr(masquerade(s.ctx)); err == nil && a.Unmap().Is4() {
			return a.Unmap()
		}
	}
	return s.local.Addr()
}

// protocol is the address family of the control connection as RFC 2428 numbers it.
func (s *session) protocol() string {
	if s.local.Addr().Is4() {
		return "1"
	}
	return "2"
}

func (s *session) cmdEpsv(r request) reply {
	mine := s.protocol()
	switch {
	case r.arg == "" || r.arg == mine:
	case r.arg == "1" || r.arg == "2":
		return answerf(522, "Network protocol not supported (use %s).", mine)
	case strings.EqualFold(r.arg, "ALL"):
		s.epsvOnly = true
		return answer(220, "Other commands other than EPSV are now disabled.")
	default:
		return answerf(501, "Unknown network protocol (use %s).", mine)
	}
	port, refused := s.listenPassive()
	if !refused.isNone() {
		return refused
	}
	return answerf(229, "Entering extended passive mode (|||%d|).", port)
}

// listenPassive opens a listener in place of any data connection there was.
func (s *session) listenPassive() (port int, refused reply) {
	s.closeUnused()
	if !s.srv.sockets.AddData() {
		return 0, s.tooManyConnections()
	}
	ln, err := s.listenFairly()
	if err != nil {
		s.srv.sockets.Release()
		s.log.Warn(fmt.Sprintf("Can't open a passive data connection: %v", err))
		return 0, answer(425, "Can't open passive data connection: no free port.")
	}
	s.passive = &passiveListener{ln: ln, peer: make(chan arrival, 1), door: s.doorkeeper(), release: s.srv.sockets.Release}
	s.passive.freed = s.srv.ports.add(s.passive, s.account.Name)
	s.passive.hurry(s.srv.opts.AcceptTimeout)
	go s.passive.wait()
	return ln.Addr().(*net.TCPAddr).Port, reply{}
}

func (s *session) tooManyConnections() reply {
	const text = "Too many connections. Can't open data channel."
	s.log.Warn(text)
	return answer(425, text)
}

// acceptRetry is how long a listener rests when accepting fails, for want of file descriptors most likely.
const acceptRetry = 20 * time.Millisecond

// wait gives the session the peer. The listener is closed first, so that the port is free for the next one when this
// peer is known.
func (p *passiveListener) wait() {
	a := comes(p.accept)
	p.ln.Close()
	p.freed()
	p.peer <- a
}

// accept returns the peer that the doorkeeper admits. A stranger does not spoil it for the client.
// The only errors are the deadline and the closing of the listener.
func (p *passiveListener) accept() (net.Conn, error) {
	defer p.door.close()
	for {
		conn, err := p.ln.Accept()
		switch {
		case err == nil:
			if p.door.admit(conn, time.Now()) {
				return conn, nil
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			over := p.isOver()
			if conn := p.door.next(time.Now(), over); conn != nil {
				return conn, nil
			}
			if over {
				return nil, p.timedOut(err)
			}
		case errors.Is(err, net.ErrClosed):
			return nil, err
		default:
			time.Sleep(acceptRetry)
		}
		p.wake(p.door.due())
	}
}

// timedOut returns why no peer was admitted.
func (p *passiveListener) timedOut(err error) error {
	if p.door.refused > 0 {
		return errOnlyForeign
	}
	return err
}

func (p *passiveListener) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !time.Now().Before(p.until)
}

// wake makes Accept return when a foreign peer has waited long enough.
func (p *passiveListener) wake(due time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = due
	p.arm()
}

// arm sets the listener's deadline. mu is held.
func (p *passiveListener) arm() {
	if !p.due.IsZero() && p.due.Before(p.until) {
		p.ln.SetDeadline(p.due)
	} else {
		p.ln.SetDeadline(p.until)
	}
}

func (p *passiveListener) arrival() <-chan arrival {
	if p == nil {
		return nil
	}
	return p.peer
}

// close gives the port back, and a peer that came meanwhile.
func (p *passiveListener) close() {
	if p == nil {
		return
	}
	p.ln.Close()
	if a := <-p.peer; a.conn != nil {
		a.conn.Close()
	}
	p.release()
}

// hurry sets the time in which the peer must come.
func (p *passiveListener) hurry(timeout time.Duration) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Now().Add(timeout)
	p.arm()
}

// pollPassive takes notice of a peer that is there already, so that it is seen before a command that came later.
func (s *session) pollPassive() {
	select {
	case a := <-s.passive.arrival():
		s.peerArrived(a)
		s.advance()
	default:
	}
}

// peerArrived ends the waiting of a passive listener.
func (s *session) peerArrived(a arrival) {
	release := s.passive.release
	s.passive = nil
	if a.err == nil {
		s.ready = newDataConn(a.conn, s.srv.opts.DataTimeout, release)
		s.ready.foreign = !s.srv.opts.AnyHost && peerOf(a.conn) != s.remote.Addr()
		return
	}
	release()
	passOn(a.err)
	refused := answer(421, "Passive data channel timed out.")
	s.log.Info(refused.text())
	if s.xfer != nil { // it gets this reply and no other, like the original
		s.xfer.drop()
		s.xfer = nil
		if errors.Is(a.err, errOnlyForeign) {
			refused = onlyForeign
		}
	}
	s.send(refused)
}

// listenInRange listens on a free port of first..last, tried in random order: an attacker must not know where
// the next data connection will be. The order is a random start and a random step that meets every port once.
func listenInRange(host netip.Addr, first, last int) (deadlineListener, error) {
	count := last - first + 1
	if last == 0 {
		first, count = 0, 1
	}
	if count < 1 {
		return nil, fmt.Errorf("passive ports %d to %d are none", first, last)
	}
	offset, step := randomBelow(count), randomStep(count)
	var err error
	for range count {
		var ln *net.TCPListener
		at := netip.AddrPortFrom(host, uint16(first+offset))
		ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err == nil {
			return ln, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return nil, err
		}
		offset = (offset + step) % count
	}
	return nil, fmt.Errorf("all %d passive ports from %d to %d are in use: %w", count, first, last, err)
}

// randomStep is a random number below count that has no divisor in common with it.
func randomStep(count int) int {
	for {
		step := 1 + randomBelow(count)
		if gcd(step, count) == 1 {
			return step
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// randomBelow is a number from 0 to n-1 that cannot be guessed. The remainder's bias is below 2^-47 for ports.
func randomBelow(n int) int {
	var b [8]byte
	rand.Read(b[:])
	return int(binary.BigEndian.Uint64(b[:]) % uint64(n))
}
