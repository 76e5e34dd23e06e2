package ftpserver

import (
	"net"
	"syscall"
	"unsafe"
)

// The states of a TCP connection whose other side has ended it (include/net/tcp_states.h).
const (
	tcpTimeWait  = 6
	tcpClose     = 7
	tcpCloseWait = 8
	tcpLastAck   = 9
	tcpClosing   = 11
)

// hasEnded reports whether the other side has ended a connection, also where there is something left to read before
// that end.
func hasEnded(conn net.Conn) bool {
	var state byte // the first of struct tcp_info
	var errno syscall.Errno
	err := onSocket(conn, func(fd uintptr) {
		size := uint32(1)
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&state)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil {
		return true // closed here
	}
	if errno != 0 {
		return false
	}
	switch state {
	case tcpTimeWait, tcpClose, tcpCloseWait, tcpLastAck, tcpClosing:
		return true
	}
	return false
}
