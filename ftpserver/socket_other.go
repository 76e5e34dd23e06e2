//go:build !unix

package ftpserver

import "net"

// urgentInline is for systems that have SO_OOBINLINE.
func urgentInline(net.Conn) {}

// peerHasClosed is for systems that can look at what was not read yet.
func peerHasClosed(net.Conn) bool { return false }
