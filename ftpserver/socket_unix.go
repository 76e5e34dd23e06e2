//go:build unix

package ftpserver

import (
	"net"
	"syscall"
)

// urgentInline keeps urgent bytes in the stream. Some clients send all of "ABOR CR LF" as urgent data, of
// which the system takes out the last byte, the LF, and the line would never end.
func urgentInline(conn net.Conn) {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	if c, err := raw.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
		})
	}
}

// peerHasClosed reports whether the other side has ended a connection, and nothing is left to read before that end.
func peerHasClosed(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	c, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	closed := false
	err = c.Control(func(fd uintptr) {
		var next [1]byte
		n, _, err := syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = err == nil && n == 0 || err == syscall.ECONNRESET
	})
	return closed || err != nil
}
