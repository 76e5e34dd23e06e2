//go:build !unix

package ftpserver

import (
	"net"
	"syscall"
)

// urgentInline is for systems that have SO_OOBINLINE.
func urgentInline(net.Conn) {}

// peerHasClosed is for systems that can look at what was not read yet.
func peerHasClosed(net.Conn) bool { return false }

// reuseAddress is for systems on which a port is not free again at once.
func reuseAddress(string, string, syscall.RawConn) error { return nil }
