package ftpserver

import (
	"net"
	"net/netip"
	"testing"
)

// panicAccept is a passive listener that panics instead of accepting.
type panicAccept struct{ deadlineListener }

func (panicAccept) Accept() (net.Conn, error) { panic("the listener lost its mind") }

func TestPanicOfAPassiveListener(t *testing.T) {
	t.Parallel()
	ts := startWith(t, nil, func(srv *Server) {
		srv.listen = func(host netip.Addr, first, last int) (deadlineListener, error) {
			ln, err := listenInRange(host, first, last)
			return panicAccept{ln}, err
		}
	})
	other, c := ts.user(t), ts.user(t)
	c.ask("PASV", "227 *", farewell421, "(closed)")
	ts.panicsAlone(t, other)
	waitFor(t, "the socket to be released", func() bool { return ts.open() == 2 })
}
