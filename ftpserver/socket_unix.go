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
