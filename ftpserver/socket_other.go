//go:build !unix

package ftpserver

import "net"

// urgentInline is for systems that have SO_OOBINLINE.
func urgentInline(net.Conn) {}
