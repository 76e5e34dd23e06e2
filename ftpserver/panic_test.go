package ftpserver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// panicConn panics when a word of the client comes.
type panicConn struct {
	net.Conn
	at []byte
}

func (c panicConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if bytes.HasPrefix(p[:n], c.at) {
		panic("the connection lost its mind")
	}
	return n, err
}

type panicListener struct {
	net.Listener
	at string
}

func (l panicListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return panicConn{conn, []byte(l.at)}, err
}

// serveAlso serves connections that panic at a word of the client, beside the others.
func (ts *testServer) serveAlso(t *testing.T, at string, serve func(net.Listener) error) *client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go serve(panicListener{ln, at})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := ts.connect(t)
	c.conn.Close()
	c.conn = conn
	c.r.Reset(conn)
	return c
}

// panicsAlone holds that a panic ended its session only, and is in the log.
func (ts *testServer) panicsAlone(t *testing.T, other *client) {
	t.Helper()
	other.ask("NOOP", "200 *")
	waitFor(t, "the panic in the log", func() bool { return ts.log.has("ERROR *panic: *lost its mind*") })
	waitFor(t, "the end of the session", func() bool {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		return len(ts.sessions) == 1
	})
}

const farewell421 = "421 Service not available, closing control connection."

// TestPanicOfTheReader and those below it: a panic beside the loop ended the process.
func TestPanicOfTheReader(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	other := ts.user(t)
	c := ts.serveAlso(t, "NOOP", ts.Serve)
	c.want("220 *")
	c.ask("NOOP", farewell421, "(closed)")
	ts.panicsAlone(t, other)
}

func TestPanicOfAHandshake(t *testing.T) {
	t.Parallel()
	const clientHello = "\x16\x03"
	for name, greet := range map[string]func(*testServer) *client{
		"explicit": func(ts *testServer) *client {
			c := ts.serveAlso(t, clientHello, ts.Serve)
			c.want("220 *")
			c.ask("AUTH TLS", "234 *")
			return c
		},
		"implicit": func(ts *testServer) *client { return ts.serveAlso(t, clientHello, ts.ServeTLS) },
	} {
		t.Run(name, func(t *testing.T) {
			ts, _ := startTLS(t, nil)
			other := ts.user(t)
			c := greet(ts)
			c.sendRaw(clientHello + strings.Repeat("\x01", 20))
			c.conn.SetReadDeadline(time.Now().Add(patience))
			if n, err := c.conn.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("behind the panic: %d bytes, %v", n, err)
			}
			ts.panicsAlone(t, other)
		})
	}
}

func TestPanicOfAnActiveDial(t *testing.T) {
	t.Parallel()
	ts := startWith(t, nil, func(srv *Server) {
		srv.dial = func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
			panic("the network lost its mind")
		}
	})
	other, c := ts.user(t), ts.user(t)
	c.ask("PORT 127,0,0,1,200,10", farewell421, "(closed)")
	ts.panicsAlone(t, other)
	waitFor(t, "the socket to be released", func() bool { return ts.open() == 2 })
}

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

// panicWriter panics when a reply is written, the farewell after the first panic included.
type panicWriter struct{ net.Conn }

func (panicWriter) Write([]byte) (int, error) { panic("the connection lost its mind") }

type panicWriterListener struct{ net.Listener }

func (l panicWriterListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return panicWriter{conn}, err
}

func TestPanicOfEveryReply(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	other := ts.user(t)
	c := ts.serveAlso(t, "", func(ln net.Listener) error { return ts.Serve(panicWriterListener{ln.(panicListener).Listener}) })
	c.want("(closed)")
	ts.panicsAlone(t, other)
}
