package ftpserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// unread returns how many bytes wait in a connection's socket, up to 64 KiB.
func unread(t *testing.T, conn net.Conn) (n int) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 64<<10), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	if err != nil {
		t.Fatal(err)
	}
	return max(n, 0)
}

// storeUnread uploads as Ruby's net/ftp and Perl's Net::FTP do: what comes behind the handshake is never read.
func (c *client) storeUnread(command, content string, config *tls.Config, farewell bool) string {
	c.t.Helper()
	c.open("EPSV")
	c.ask(command, "1*")
	c.data.SetDeadline(time.Now().Add(10 * patience))     // the race detector makes TLS slow
	data := tls.Client(&recordConn{Conn: c.data}, config) // never a byte behind a record, as OpenSSL reads
	if err := data.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(data, content); err != nil {
		c.t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // for what a server sends behind the client's last handshake message
	if n := unread(c.t, c.data); n > 0 {
		c.t.Errorf("%s: the server sent %d bytes behind the handshake", command, n)
	}
	if farewell {
		data.CloseWrite()
	}
	c.data.Close()
	return c.line()
}

// TestUploadOfAClientThatReadsNothing: a session ticket on the data connection stayed unread, so that closing the socket
// became a reset, and the file was lost.
func TestUploadOfAClientThatReadsNothing(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 512<<10)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, how := range []string{"without resumption", "with resumption", "resumption required", "with a client certificate"} {
			t.Run(tls.VersionName(version)+" "+how, func(t *testing.T) {
				t.Parallel()
				ts, config := startTicketTest(t, how)
				config.MaxVersion = version
				c := ts.secureUser(t, config)
				onData := config.Clone()
				if how == "without resumption" {
					onData.ClientSessionCache = nil
				}
				for i, size := range []int{0, 0, 1, 1, 100 << 10, 100 << 10, len(big)} {
					name := fmt.Sprint(i, "-", size)
					if got := c.storeUnread("STOR "+name, big[:size], onData, i%2 == 1); got != "226 Transfer complete." {
						t.Errorf("%s: %s", name, got)
					}
					c.wantObject("/"+name, big[:size])
				}
			})
		}
	}
}

// startTicketTest is startTLS; how says what the server asks of the client.
func startTicketTest(t *testing.T, how string) (*testServer, *tls.Config) {
	t.Helper()
	if how != "with a client certificate" {
		return startTLS(t, nil, func(o *Options) { o.TLSRequireReuse = how == "resumption required" })
	}
	cert := newCert(t, "server", time.Now().Add(time.Hour))
	loaded := cert.load(t, cert.cert)
	config := cert.client(t)
	pair, err := tls.LoadX509KeyPair(cert.cert, cert.key)
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{pair}
	return start(t, nil, func(o *Options) { o.Certificate = loaded }), config
}

// onceCache gives each session away once, as RFC 8446 C.4 wants of clients.
type onceCache struct {
	mu       sync.Mutex
	sessions []*tls.ClientSessionState
}

func (c *onceCache) Get(string) (*tls.ClientSessionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sessions) == 0 {
		return nil, false
	}
	last := c.sessions[len(c.sessions)-1]
	c.sessions = c.sessions[:len(c.sessions)-1]
	return last, true
}

func (c *onceCache) Put(_ string, session *tls.ClientSessionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if session != nil {
		c.sessions = append(c.sessions, session)
	}
}

// TestTicketsThatAreUsedOnce: a client that resumes each session once gets the next ticket from its data connection.
func TestTicketsThatAreUsedOnce(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "text", "/empty": ""}, func(o *Options) { o.TLSRequireReuse = true })
	config.ClientSessionCache = &onceCache{}
	c := ts.secureUser(t, config)
	for range 3 {
		if got := c.fetch("RETR a", config); got != "text" {
			t.Errorf("RETR: %q", got)
		}
		if got := c.fetch("RETR empty", config); got != "" {
			t.Errorf("RETR of nothing: %q", got)
		}
		for _, content := range []string{"", "text"} {
			if got := c.store("STOR up", content, config); got != "226 Transfer complete." {
				t.Errorf("STOR: %s", got)
			}
			c.wantObject("/up", content)
		}
	}
}
