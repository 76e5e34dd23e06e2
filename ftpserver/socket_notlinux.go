//go:build !linux

package ftpserver

import "net"

// hasEnded is peerHasClosed where the system does not tell of an end before what is left to read.
func hasEnded(conn net.Conn) bool { return peerHasClosed(conn) }
