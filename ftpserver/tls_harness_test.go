package ftpserver

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// testCert is a self-signed certificate in files.
type testCert struct{ cert, key string }

// newCert makes a certificate for 127.0.0.1 that is valid until the given time.
func newCert(t *testing.T, name string, until time.Time) testCert {
	t.Helper()
	c := testCert{filepath.Join(t.TempDir(), "server.crt"), filepath.Join(t.TempDir(), "server.key")}
	c.write(t, name, until)
	return c
}

func (c testCert) write(t *testing.T, name string, until time.Time) {
	t.Helper()
	if err := c.make(name, until); err != nil {
		t.Fatal(err)
	}
}

func (c testCert) make(name string, until time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(writePEM(c.cert, "CERTIFICATE", der), writePEM(c.key, "PRIVATE KEY", keyDER))
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// load reads the certificate as a server does.
func (c testCert) load(t *testing.T, clientCA string) *Certificate {
	t.Helper()
	loaded, err := LoadCertificate(c.cert, c.key, clientCA, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// client is the configuration of a client that trusts the certificate and no other.
func (c testCert) client(t *testing.T) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(c.cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}

// clientWith is client with a certificate of its own.
func (c testCert) clientWith(t *testing.T, own testCert) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(own.cert, own.key)
	if err != nil {
		t.Fatal(err)
	}
	config := c.client(t)
	config.Certificates = []tls.Certificate{pair}
	return config
}

// startTLS runs a server with a certificate.
func startTLS(t *testing.T, files map[string]string, change ...func(*Options)) (*testServer, *tls.Config) {
	t.Helper()
	cert := newCert(t, "server", time.Now().Add(time.Hour))
	loaded := cert.load(t, "")
	with := func(o *Options) { o.Certificate = loaded }
	return start(t, files, append([]func(*Options){with}, change...)...), cert.client(t)
}

// secure begins TLS on the control connection.
func (c *client) secure(config *tls.Config) {
	c.t.Helper()
	c.ask("AUTH TLS", "234 AUTH TLS successful.")
	c.handshake(config)
}

func (c *client) handshake(config *tls.Config) {
	c.t.Helper()
	conn := tls.Client(c.conn, config)
	c.conn.SetDeadline(time.Now().Add(patience))
	if err := conn.Handshake(); err != nil {
		c.t.Fatalf("handshake: %v", err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
}

// secureUser is a session over TLS, logged in as user0, in binary mode with PROT P.
func (ts *testServer) secureUser(t *testing.T, config *tls.Config) *client {
	t.Helper()
	c := ts.connect(t)
	c.want("220 *")
	c.secure(config)
	c.login("user0")
	c.ask("PBSZ 0", "200 PBSZ=0 successful.")
	c.ask("PROT P", "200 Protection set to Private")
	c.ask("TYPE I", "200 *")
	return c
}

// secureData makes the data connection TLS, once the server has said 1xx.
func (c *client) secureData(config *tls.Config) (*tls.Conn, error) {
	conn := tls.Client(c.data, config)
	c.data.SetDeadline(time.Now().Add(patience))
	err := conn.Handshake()
	return conn, err
}

// fetch is retr over TLS.
func (c *client) fetch(command string, config *tls.Config) string {
	c.t.Helper()
	c.open("PASV")
	c.ask(command, "1*")
	data, err := c.secureData(config)
	if err != nil {
		c.t.Fatal(err)
	}
	got, err := io.ReadAll(data)
	if err != nil {
		c.t.Fatalf("%s: %v after %d bytes", command, err, len(got))
	}
	c.want("226 Transfer complete.")
	return string(got)
}

// store is stor over TLS.
func (c *client) store(command, content string, config *tls.Config) string {
	c.t.Helper()
	c.open("PASV")
	c.ask(command, "1*")
	data, err := c.secureData(config)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(data, content); err != nil {
		c.t.Fatal(err)
	}
	data.CloseWrite()
	if rest, err := io.ReadAll(data); err != nil || len(rest) > 0 {
		c.t.Errorf("%s: the server ends with %d bytes and %v", command, len(rest), err)
	}
	data.Close()
	return c.line()
}
