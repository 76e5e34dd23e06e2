//go:build unix

package ftpserver

import (
	"errors"
	"net"
	"syscall"
)

// urgentInline keeps urgent bytes in the stream. Some clients send all of "ABOR CR LF" as urgent data, of
// which the system takes out the last byte, the LF, and the line would never end.
func urgentInline(conn net.Conn) {
	_ = onSocket(conn, func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
	})
}

// onSocket does something with the socket of a connection. It does nothing where there is none, and fails where the
// connection is closed.
func onSocket(conn net.Conn, do func(fd uintptr)) error {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	c, err := raw.SyscallConn()
	if err != nil {
		return nil
	}
	return c.Control(do)
}

// peerHasClosed reports whether the other side has ended a connection, and nothing is left to read before that end.
func peerHasClosed(conn net.Conn) bool {
	closed := false
	err := onSocket(conn, func(fd uintptr) {
		var next [1]byte
		n, _, err := syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = err == nil && n == 0 || err == syscall.ECONNRESET
	})
	return closed || err != nil
}

// reuseAddress lets a socket be bound to a port of which other connections are still there.
func reuseAddress(_, _ string, raw syscall.RawConn) error {
	var failure error
	err := raw.Control(func(fd uintptr) {
		failure = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	})
	return errors.Join(err, failure)
}
