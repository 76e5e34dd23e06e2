package ftpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// activeDial is an active data connection on its way to the client.
type activeDial struct {
	peer    chan arrival // holds one
	cancel  context.CancelFunc
	release func()
}

func (d *activeDial) end() <-chan arrival {
	if d == nil {
		return nil
	}
	return d.peer
}

func (d *activeDial) close() {
	if d == nil {
		return
	}
	d.cancel()
	if a := <-d.peer; a.conn != nil {
		a.conn.Close()
	}
	d.release()
}

func (s *session) cmdPort(r request) reply {
	target, ok := parsePort(r.arg)
	if !ok {
		return answer(501, "Invalid PORT format.")
	}
	return s.connectTo(target)
}

// parsePort reads h1,h2,h3,h4,p1,p2 (RFC 959 4.1.2).
func parsePort(arg string) (netip.AddrPort, bool) {
	fields := strings.Split(arg, ",")
	if len(fields) != 6 {
		return netip.AddrPort{}, false
	}
	var b [6]byte
	for i, f := range fields {
		n, err := strconv.ParseUint(strings.TrimSpace(f), 10, 8)
		if err != nil {
			return netip.AddrPort{}, false
		}
		b[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])), true
}

func (s *session) cmdEprt(r request) reply {
	protocol, host, port, ok := splitEprt(r.arg)
	if !ok {
		return answer(501, "Invalid EPRT format.")
	}
	mine := s.protocol()
	switch {
	case protocol != "1" && protocol != "2":
		return answerf(501, "Unknown network protocol (use %s).", mine)
	case protocol != mine:
		return answerf(522, "Network protocol not supported (use %s).", mine)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Is4() != (protocol == "1") || addr.Zone() != "" {
		return answer(501, "Invalid EPRT format.")
	}
	return s.connectTo(netip.AddrPortFrom(addr, port))
}

// splitEprt reads <d>protocol<d>address<d>port<d>, where <d> is any one character (RFC 2428 2).
func splitEprt(arg string) (protocol, host string, port uint16, ok bool) {
	if arg == "" {
		return "", "", 0, false
	}
	fields := strings.Split(arg, arg[:1])
	if len(fields) != 5 || fields[4] != "" {
		return "", "", 0, false
	}
	n, err := strconv.ParseUint(fields[3], 10, 16)
	return fields[1], fields[2], uint16(n), err == nil
}

// connectTo reaches for the client, and nobody else unless told so: a server that connects wherever it is told is
// a weapon against third hosts (RFC 2577 3). The original connects to anybody. The reply comes when it is known.
func (s *session) connectTo(target netip.AddrPort) reply {
	if target.Addr().IsUnspecified() { // lftp 4.9 over IPv6 means itself
		target = netip.AddrPortFrom(s.remote.Addr(), target.Port())
	}
	if !s.srv.opts.AnyHost && target.Addr().Unmap() != s.remote.Addr() {
		return s.warned(501, fmt.Sprintf("Rejected data connection to foreign address %s.", target))
	}
	if target.Port() < 1024 {
		return s.warned(501, fmt.Sprintf("PORT against the privileged port \"%d\" refused.", target.Port()))
	}
	s.closeUnused()
	if !s.srv.sockets.AddData() {
		return s.tooManyConnections()
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.srv.opts.ConnectTimeout)
	s.dial = &activeDial{peer: make(chan arrival, 1), cancel: cancel, release: s.srv.sockets.Release}
	local, peer := netip.AddrPortFrom(s.local.Addr(), uint16(s.srv.opts.ActiveSourcePort)), s.dial.peer
	go func() {
		peer <- comes(func() (net.Conn, error) { return s.srv.dial(ctx, local, target) })
	}()
	return reply{}
}

// dialFrom connects from the address that the client knows the server by, and from a port of it unless that is 0.
func dialFrom(ctx context.Context, local, target netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local)}
	if local.Port() != 0 {
		dialer.Control = reuseAddress
	}
	return dialer.DialContext(ctx, "tcp", target.String())
}

// warned is a refusal that an operator may want to see.
func (s *session) warned(code int, text string) reply {
	s.log.Warn(text)
	return answer(code, text)
}

// peerReached answers PORT or EPRT.
func (s *session) peerReached(a arrival) {
	d := s.dial
	s.dial = nil
	d.cancel()
	s.touch()
	if a.err != nil {
		d.release()
		passOn(a.err)
		var call *os.SyscallError
		if port := s.srv.opts.ActiveSourcePort; port != 0 && errors.As(a.err, &call) && call.Syscall == "bind" {
			s.log.Error(fmt.Sprintf("No active data connection can be made from port %d, see active_source_port: %v.", port, a.err))
		}
		s.send(answer(425, "Can't connect to specified address."))
		return
	}
	s.ready = newDataConn(a.conn, s.srv.opts.DataTimeout, d.release)
	s.send(answer(200, "Active data connection established."))
}
