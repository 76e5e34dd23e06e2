package ftpserver

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

const (
	// maxPending is how many commands may wait for a transfer. What comes then stays in the network.
	maxPending = 64
	// maxStrange is the same before login: an unauthenticated client must not fill memory with long lines.
	maxStrange = 4
)

// control is a session's control connection: what is spoken on it, what was read from it and waits, and how far it is.
type control struct {
	raw           net.Conn // the TCP connection; for any goroutine
	conn          net.Conn // what is spoken on: raw, or TLS on it
	implicit      bool     // TLS from the first byte
	tls           protection
	local, remote netip.AddrPort
	counted       bool       // against MaxConnections
	ofHost        bool       // counted against MaxPerHost
	seat          limit.Seat // among the sessions of the user, against MaxPerUser
	nobodys       bool       // counted among those in which nobody is logged in
	failures      int        // refused logins in a row
	unknown       int        // lines that were no command, without a login

	metered *slog.Logger // the server's, counting
	written atomic.Int64 // bytes logged, without a login

	reader      sync.WaitGroup
	input       chan input
	readerPanic chan error     // holds one
	switched    chan io.Reader // holds one: where the reader goes on
	controlGone atomic.Bool    // the reader saw the end; for any goroutine
	readToEnd   chan struct{}  // closed by the reader then
	quitSeen    atomic.Bool    // the reader saw QUIT; for any goroutine

	pending []request   // commands that wait their turn
	heard   []input     // what came while a command asked the storage
	asking  *asking     // the command that asks the storage; nil: none does
	idle    *time.Timer // for IdleTimeout

	quitting bool // QUIT was answered
	ended    bool // the client will send no more
	stopping bool // the server shuts down
	over     bool // nothing more to do
	deaf     bool // the client takes no more replies
	deserted bool // the client has left, and what it waited for was given up
}

func newControl(conn net.Conn, implicit bool) control {
	return control{raw: conn, conn: conn, implicit: implicit,
		input: make(chan input, 4), readerPanic: make(chan error, 1), switched: make(chan io.Reader, 1), readToEnd: make(chan struct{})}
}

// lines returns the channel of the input, or nil while no command may be read.
func (s *session) lines() <-chan input {
	if s.ended || s.stopping || s.quitting || len(s.pending) >= s.mayPend() {
		return nil
	}
	return s.input
}

func (s *session) mayPend() int {
	if s.account == nil {
		return maxStrange
	}
	return maxPending
}
