package ftpserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestWithoutCertificateNoTLS(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	for _, command := range []string{"AUTH TLS", "PBSZ 0", "PROT P", "CCC"} {
		verb, _, _ := strings.Cut(command, " ")
		c.ask(command, `500 Command "`+verb+`" not understood.`)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ts.ServeTLS(ln); err == nil {
		t.Error("implicit FTPS without a certificate")
	}
}

// TestArgumentsOfAuthPbszProt: each argument is checked, order is kept, and a second AUTH makes no TLS inside TLS.
func TestArgumentsOfAuthPbszProt(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, nil)
	c := ts.connect(t)
	c.want("220 *")
	c.ask("AUTH", "501 Syntax error: command needs an argument.")
	c.ask("AUTH GSSAPI", "504 Unrecognized encryption type (use TLS or SSL).")
	c.ask("AUTH TLS 1", "504 *")
	c.ask("PBSZ 0", "503 PBSZ not allowed on insecure control connection.")
	c.ask("PROT P", "503 PROT not allowed on insecure control connection.")
	c.ask("NOOP", "200 *")
	c.ask("auth tls-c", "234 AUTH TLS-C successful.")
	c.handshake(config)
	c.ask("AUTH TLS", "503 Already using TLS.")
	c.ask("PROT P", "503 You must issue the PBSZ command prior to PROT.")
	c.ask("PBSZ", "501 *")
	c.ask("PBSZ x", "501 Invalid parameter.")
	c.ask("PBSZ -1", "501 *")
	c.ask("PBSZ 4096", "200 PBSZ=0 successful.")
	c.ask("PROT", "501 *")
	c.ask("PROT c", "200 Protection set to Clear")
	c.ask("PROT S", "536 PROT S unsupported (use C or P).")
	c.ask("PROT E", "536 *")
	c.ask("PROT X", "504 Unrecognized PROT type (use C or P).")
	c.ask("PROT P", "200 Protection set to Private")
	c.send("FEAT")
	features := ""
	for line := c.line(); line != "211 End FEAT."; line = c.line() {
		features += line + "\n"
	}
	for _, feature := range []string{" AUTH TLS\n", " PBSZ\n", " PROT\n", " CCC\n"} {
		if !strings.Contains(features, feature) {
			t.Errorf("FEAT lacks %q", feature)
		}
	}
}

// TestPlainBehindAuth: commands that somebody put behind AUTH in plain must not run as if they had come over TLS.
func TestPlainBehindAuth(t *testing.T) {
	t.Parallel()
	ts, _ := startTLS(t, map[string]string{"/a": "a"})
	c := ts.user(t)
	c.sendRaw("AUTH TLS\r\nUSER user0\r\nPASS pass0\r\nDELE /a\r\n")
	c.want("421 Commands behind AUTH must wait for its reply, closing control connection.", "(closed)")
	c.wantObject("/a", "a")
}

func TestPlainInsteadOfHandshake(t *testing.T) {
	t.Parallel()
	ts, _ := startTLS(t, map[string]string{"/a": "a"})
	c := ts.user(t)
	c.ask("AUTH TLS", "234 *")
	c.sendRaw("DELE /a\r\n")
	for line := c.line(); line != "(closed)"; line = c.line() { // an alert at most
		if strings.HasPrefix(line, "2") || strings.HasPrefix(line, "5") {
			t.Fatalf("answered %q", line)
		}
	}
	c.wantObject("/a", "a")
	waitFor(t, "the log line", func() bool { return ts.log.has("WARN *TLS handshake failed: *") })
}

func TestAuthEndsTheLogin(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/d/": ""})
	c := ts.user(t)
	c.ask("CWD /d", "250 *")
	c.secure(config)
	c.ask("PWD", "530 Log in with USER and PASS first.")
	c.login("user1")
	c.ask("PWD", `257 "/" is the current directory.`)
	c.ask("REIN", "230 *")
	c.ask("PROT P", "503 You must issue the PBSZ command prior to PROT.")
	c.ask("QUIT", "221 *", "(closed)")
}

func TestAuthDuringTransfer(t *testing.T) {
	t.Parallel()
	ts, _ := startTLS(t, nil)
	c := ts.user(t)
	c.begin("f", "abc")
	c.ask("AUTH TLS", "503 AUTH is not allowed while another command is under way.")
	c.ask("NOOP", "200 *")
	c.data.Close()
	c.want("226 *")
	c.wantObject("/f", "abc")
}

// TestAuthSSLImpliesProtP: clients that say AUTH SSL send no PROT.
func TestAuthSSLImpliesProtP(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "text"})
	c := ts.connect(t)
	c.want("220 *")
	c.ask("AUTH SSL", "234 *")
	c.handshake(config)
	c.login("user0")
	c.ask("TYPE I", "200 *")
	if got := c.fetch("RETR a", config); got != "text" {
		t.Error(got)
	}
}

func TestHandshakeDeadlines(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "a"}, func(o *Options) { o.HandshakeTimeout = lull })
	silent := ts.connect(t)
	silent.want("220 *")
	silent.ask("AUTH TLS", "234 *", "(closed)")
	c := ts.secureUser(t, config)
	c.open("PASV")
	c.ask("RETR a", "1*", "425 Can't open data connection: TLS handshake failed.")
	c.open("PASV")
	c.ask("STOR b", "1*")
	c.sendData("in plain")
	c.want("425 *")
	c.open("PASV")
	c.ask("STOR b", "1*")
	c.data.Close()
	c.want("425 *")
	if _, there := ts.fs.content("/b"); there {
		t.Error("an upload whose handshake failed was kept")
	}
	c.ask("NOOP", "200 *")
}

func TestTLSRequired(t *testing.T) {
	t.Parallel()
	for _, required := range []TLSRequirement{TLSForLogin, TLSForAll} {
		ts, config := startTLS(t, map[string]string{"/a": "text"}, func(o *Options) { o.TLSRequired = required })
		c := ts.connect(t)
		c.want("220 *")
		c.ask("USER user0", "530 This server requires TLS: send AUTH TLS first.")
		c.ask("PASS pass0", "530 *")
		c.ask("FEAT", "211-*")
		for c.line() != "211 End FEAT." {
		}
		c.secure(config)
		c.login("user0")
		c.ask("TYPE I", "200 *")
		if required == TLSForLogin {
			if got := c.retr("RETR a"); got != "text" {
				t.Error(got)
			}
			continue
		}
		c.ask("CCC", "534 *")
		for _, command := range []string{"RETR a", "STOR b", "LIST", "NLST", "MLSD"} {
			c.ask(command, "521 Data connection cannot be opened with this PROT setting: *")
		}
		c.ask("PBSZ 0", "200 *")
		c.ask("PROT C", "534 *")
		c.ask("PROT P", "200 *")
		if got := c.fetch("RETR a", config); got != "text" {
			t.Error(got)
		}
	}
}

// TestCCC: the session goes on in plain, whether or not the client says farewell to TLS.
func TestCCC(t *testing.T) {
	t.Parallel()
	for _, polite := range []bool{true, false} {
		ts, config := startTLS(t, map[string]string{"/a": "text"})
		plain := ts.connect(t)
		plain.want("220 *")
		plain.ask("CCC", "530 *")
		plain.login("user0")
		plain.ask("CCC", "533 *")
		c := ts.secureUser(t, config)
		c.ask("CCC", "200 CCC command successful, control connection is clear.")
		secured := c.conn.(*tls.Conn)
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
			t.Errorf("behind the reply: %q, %v", rest, err)
		}
		if polite {
			secured.CloseWrite()
		}
		c.conn = secured.NetConn()
		c.conn.SetDeadline(time.Time{})
		c.r = bufio.NewReader(c.conn)
		c.ask("PWD", `257 "/" is the current directory.`)
		if got := c.fetch("RETR a", config); got != "text" {
			t.Errorf("PROT P after CCC: %q", got)
		}
		c.secure(config)
		c.ask("PWD", "530 *")
	}
}

// TestLinesOverTLS: the rules for lines hold: nothing incomplete runs, nothing too long, and order is kept.
func TestLinesOverTLS(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/b": "b", "/b.bak": "bak"})
	c := ts.secureUser(t, config)
	c.sendRaw("NOOP\r\nPWD\r\nFOO\r\n")
	c.want("200 *", "257 *", "500 *")
	c.sendRaw("NOOP " + strings.Repeat("x", 3000) + "\r\n")
	c.want("500 Command too long.")
	c.sendRaw("MKD /in two ")
	c.sendRaw("halves\r\n")
	c.want("257 *")
	c.sendRaw("DELE /b") // of DELE /b.bak
	c.conn.(*tls.Conn).NetConn().Close()
	waitFor(t, "the end", func() bool { return ts.log.has("*FTP session closed*") })
	c.wantObject("/b", "b")
}

func TestIdleAndShutdownOverTLS(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, nil, func(o *Options) { o.IdleTimeout = lull })
	c := ts.secureUser(t, config)
	c.want("421 Control connection timed out.", "(closed)")
	late, config := startTLS(t, nil)
	c = late.secureUser(t, config)
	half := late.connect(t)
	half.want("220 *")
	half.ask("AUTH TLS", "234 *") // and no handshake: the shutdown does not wait for it
	began := time.Now()
	late.stop(t)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the shutdown took %v", took)
	}
	c.want("421 Service shutting down.", "(closed)")
}

// serveImplicit adds a listener for implicit FTPS and returns its address.
func serveImplicit(t *testing.T, ts *testServer) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- ts.ServeTLS(ln) }()
	t.Cleanup(func() {
		ts.stop(t)
		if err := <-done; err != nil {
			t.Errorf("ServeTLS: %v", err)
		}
	})
	return ln.Addr().String()
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "text"}, func(o *Options) { o.TLSRequired = TLSForAll; o.MaxPerHost = 2 })
	addr := serveImplicit(t, ts)
	dial := func() *client {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return &client{t: t, ts: ts, conn: conn, r: bufio.NewReader(conn)}
	}
	c := dial()
	c.handshake(config)
	c.want("220 *")
	c.ask("AUTH TLS", "503 Already using TLS.")
	c.login("user0")
	c.ask("TYPE I", "200 *")
	if got := c.fetch("RETR a", config); got != "text" { // PROT P is implied
		t.Error(got)
	}
	plain := dial()
	plain.sendRaw("USER user0\r\n")
	if line := plain.line(); strings.HasPrefix(line, "220") || strings.HasPrefix(line, "331") {
		t.Errorf("plain on the TLS port: %q", line)
	}
	plain.close()
	waitFor(t, "the session's end", func() bool { return ts.open() == 3 }) // two listeners, one session
	dial().handshake(config)
	crowd := dial()
	if line := crowd.line(); line != "(closed)" {
		t.Errorf("over the limit: %q", line)
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		old := config.Clone()
		old.MinVersion, old.MaxVersion = version, version
		c := ts.connect(t)
		c.want("220 *")
		c.ask("AUTH TLS", "234 *")
		if err := tls.Client(c.conn, old).HandshakeContext(context.Background()); err == nil {
			t.Errorf("%s was accepted", tls.VersionName(version))
		}
	}
}
