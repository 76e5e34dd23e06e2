package ftpserver

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCertificatesThatWillNotDo(t *testing.T) {
	t.Parallel()
	good, other := newCert(t, "a", time.Now().Add(time.Hour)), newCert(t, "b", time.Now().Add(time.Hour))
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, files := range map[string][3]string{
		"missing": {junk + "x", good.key, ""}, "junk": {junk, good.key, ""}, "no key": {good.cert, junk, ""},
		"another's key": {good.cert, other.key, ""}, "no authorities": {good.cert, good.key, junk}, "missing authorities": {good.cert, good.key, junk + "x"},
	} {
		_, err := LoadCertificate(files[0], files[1], files[2], slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), string(filepath.Separator)) {
			t.Errorf("%s: %v, want an error that names the file", what, err)
		}
	}
}

func TestDatesOfCertificate(t *testing.T) {
	t.Parallel()
	for until, want := range map[time.Duration]string{-time.Hour: "expired on", 72 * time.Hour: "not valid before", time.Hour: ""} {
		cert := newCert(t, "x", time.Now().Add(until))
		if err := cert.load(t, "").Dates(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", until, err, want)
		}
	}
}

// TestChangedCertificate: new sessions get the new one, old ones go on, a broken one changes nothing and is told once.
func TestChangedCertificate(t *testing.T) {
	t.Parallel()
	files := newCert(t, "first", time.Now().Add(time.Hour))
	first := files.client(t)
	log := newLogRecorder()
	loaded, err := LoadCertificate(files.cert, files.key, "", slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	loaded.now = func() time.Time { return now }
	ts := start(t, map[string]string{"/a": "text"}, func(o *Options) { o.Certificate = loaded })
	old := ts.secureUser(t, first)

	if err := os.WriteFile(files.cert, []byte("half of a cert"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		now = now.Add(certificateCheck)
		ts.secureUser(t, first.Clone())
	}
	if got := strings.Count(strings.Join(log.all(), "\n"), "ERROR"); got != 1 {
		t.Errorf("%d errors in the log: %q", got, log.all())
	}

	files.write(t, "second", time.Now().Add(2*time.Hour))
	second := files.client(t)
	unseen := ts.connect(t)
	unseen.want("220 *")
	unseen.secure(first.Clone()) // within the second
	now = now.Add(certificateCheck)
	fresh := ts.secureUser(t, second)
	if name := fresh.conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName; name != "second" {
		t.Errorf("the new session has %q", name)
	}
	withoutCache := first.Clone()
	withoutCache.ClientSessionCache = nil
	if got := old.fetch("RETR a", withoutCache); got != "text" {
		t.Errorf("the old session: %q", got)
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	server, mine, foreign := newCert(t, "server", time.Now().Add(time.Hour)), newCert(t, "mine", time.Now().Add(time.Hour)), newCert(t, "foreign", time.Now().Add(time.Hour))
	loaded := server.load(t, mine.cert)
	ts := start(t, map[string]string{"/a": "text"}, func(o *Options) { o.Certificate = loaded })
	with := func(c testCert) *tls.Config { return server.clientWith(t, c) }
	plain := ts.connect(t)
	plain.want("220 *")
	plain.ask("USER user0", "530 This server requires TLS: send AUTH TLS first.")
	plain.ask("PASS pass0", "530 This server requires TLS: send AUTH TLS first.")
	c := ts.secureUser(t, with(mine))
	if got := c.fetch("RETR a", with(mine)); got != "text" {
		t.Error(got)
	}
	for what, config := range map[string]*tls.Config{"none": server.client(t), "another authority's": with(foreign)} {
		c := ts.connect(t)
		c.want("220 *")
		c.ask("AUTH TLS", "234 *")
		conn := tls.Client(c.conn, config)
		c.conn.SetDeadline(time.Now().Add(patience))
		if conn.Handshake() == nil { // TLS 1.3 clients hear of it at their first read
			if n, err := conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: read %d bytes", what, n)
			}
		}
	}
}

// TestUserOfCertificate: with CertificateUser a certificate is for the login of one user.
func TestUserOfCertificate(t *testing.T) {
	t.Parallel()
	const until = time.Hour
	server, mine, nobody := newCert(t, "server", time.Now().Add(until)), newCert(t, "user1", time.Now().Add(until)), newCert(t, "", time.Now().Add(until))
	both := filepath.Join(t.TempDir(), "ca.crt")
	writeAll(t, both, mine.cert, nobody.cert)
	ts := start(t, nil, func(o *Options) { o.Certificate, o.CertificateUser = server.load(t, both), true })
	c := ts.connect(t)
	c.want("220 *")
	c.secure(server.clientWith(t, mine))
	for _, other := range []string{"user0", "USER1", "user1 ", "user", "user11", "user1\x00", "anonymous"} {
		c.ask("USER "+other, "530 This client certificate is for another user.")
		c.ask("PASS pass0", "503 Login with USER first.")
	}
	c.login("user1")
	c.ask("USER user0", "530 *")
	c.ask("PWD", "257 *") // nothing has changed
	c.ask("REIN", "230 *")
	c.ask("USER user0", "530 *")
	c.login("user1")
	if n := ts.log.count("WARN *USER 'user0' refused: the client certificate is for 'user1'."); n != 3 {
		t.Errorf("the log tells it %d times: %q", n, ts.log.all())
	}
	c = ts.connect(t)
	c.want("220 *")
	c.secure(server.clientWith(t, nobody))
	c.ask("USER user1", "530 This client certificate is for another user.")
	c.ask("USER", "501 *")
}

// writeAll makes one file of several.
func writeAll(t *testing.T, file string, parts ...string) {
	t.Helper()
	var all []byte
	for _, part := range parts {
		text, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
}
