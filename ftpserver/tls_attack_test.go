package ftpserver

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestDrippedHandshakeIsCut: bytes now and then do not put off the deadline of a handshake, be it before the greeting
// or behind AUTH.
func TestDrippedHandshakeIsCut(t *testing.T) {
	t.Parallel()
	ts, _ := startTLS(t, nil, func(o *Options) { o.HandshakeTimeout = 300 * time.Millisecond })
	implicit, err := net.Dial("tcp", serveImplicit(t, ts))
	if err != nil {
		t.Fatal(err)
	}
	defer implicit.Close()
	explicit := ts.connect(t)
	explicit.want("220 *")
	explicit.ask("AUTH TLS", "234 *")
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500)
	for name, conn := range map[string]net.Conn{"implicit": implicit, "explicit": explicit.conn} {
		sent := 0
		for deadline := time.Now().Add(patience); ; sent++ {
			if time.Now().After(deadline) {
				t.Fatalf("%s: a handshake of a byte now and then goes on", name)
			}
			conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil && !isTimeout(err) {
				break
			}
			io.WriteString(conn, hello[sent%len(hello):][:1])
		}
		if sent > len(hello)-10 {
			t.Errorf("%s: %d bytes were taken", name, sent)
		}
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// TestBrokenRecords: what is no whole, genuine record ends a session under TLS, and nothing in it is done.
func TestBrokenRecords(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]func(raw *tapped, secured *tls.Conn){
		"in plain": func(raw *tapped, _ *tls.Conn) { io.WriteString(raw.Conn, "DELE /a\r\n") },
		"too long": func(raw *tapped, _ *tls.Conn) {
			io.WriteString(raw.Conn, "\x17\x03\x03\xff\xff"+strings.Repeat("x", 1<<16))
		},
		"forged": func(raw *tapped, _ *tls.Conn) {
			io.WriteString(raw.Conn, "\x17\x03\x03\x00\x30"+strings.Repeat("x", 0x30))
		},
		"of no type": func(raw *tapped, _ *tls.Conn) { io.WriteString(raw.Conn, "\x63\x03\x03\x00\x01x") },
		"changed": func(raw *tapped, secured *tls.Conn) {
			raw.change = func(p []byte) []byte { p[len(p)-1] ^= 1; return p }
			io.WriteString(secured, "DELE /a\r\n")
		},
		"cut": func(raw *tapped, secured *tls.Conn) {
			raw.change = func(p []byte) []byte { return p[:len(p)-1] }
			io.WriteString(secured, "DELE /a\r\n")
			raw.Conn.(*net.TCPConn).CloseWrite()
		},
		"twice": func(raw *tapped, secured *tls.Conn) {
			var sent []byte
			raw.change = func(p []byte) []byte { sent = append(sent, p...); return p }
			io.WriteString(secured, "NOOP\r\n")
			raw.Conn.Write(sent)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts, config := startTLS(t, map[string]string{"/a": "a"})
			c := ts.connect(t)
			c.want("220 *")
			raw := &tapped{Conn: c.conn}
			c.conn = raw
			c.secure(config)
			c.login("user0")
			attack(raw, c.conn.(*tls.Conn))
			waitFor(t, "the session's end", func() bool { return ts.log.has("*FTP session closed*") })
			c.wantObject("/a", "a")
			plain := bufio.NewReader(raw.Conn)
			raw.Conn.SetReadDeadline(time.Now().Add(patience))
			if rest, _ := io.ReadAll(plain); strings.Contains(string(rest), "250") {
				t.Errorf("answered in plain: %q", rest)
			}
		})
	}
}

// tapped changes what is written to a connection, from when change is set.
type tapped struct {
	net.Conn
	change func([]byte) []byte
}

func (c *tapped) Write(p []byte) (int, error) {
	if c.change == nil {
		return c.Conn.Write(p)
	}
	_, err := c.Conn.Write(c.change(append([]byte(nil), p...)))
	return len(p), err
}
