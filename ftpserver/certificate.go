package ftpserver

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often, at most, the files of a certificate are looked at.
const certificateCheck = time.Second

// Certificate is the server's certificate for FTPS, read from files and read anew when they change. Sessions that
// are under way keep the one they began with.
type Certificate struct {
	certFile, keyFile, clientCAFile string
	log                             *slog.Logger
	now                             func() time.Time

	mu      sync.Mutex
	current *tls.Config
	stamps  [3]string // of the files that current was made from
	checked time.Time
	failure string // of the last reading, told once; "" if it went well
}

// LoadCertificate reads a certificate chain and its key (PEM). With clientCAFile not "", clients must have a
// certificate of one of the authorities in that file. An error says which file is wrong; an expired certificate is
// none, see Dates. A change of the files that cannot be used is told to log as an error, and what was read before
// stays.
func LoadCertificate(certFile, keyFile, clientCAFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, clientCAFile: clientCAFile, log: log, now: time.Now}
	c.stamps, c.checked = c.stamp(), c.now()
	var err error
	c.current, err = c.read()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// asksClients reports whether clients must have a certificate.
func (c *Certificate) asksClients() bool { return c != nil && c.clientCAFile != "" }

// read makes a configuration of what the files hold now.
func (c *Certificate) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	config := &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		Certificates:                []tls.Certificate{pair},
		NextProtos:                  []string{"ftp"}, // a client that offers none is taken, one that offers others only is not
		DynamicRecordSizingDisabled: true,            // files, not pages: large records from the start
	}
	if c.clientCAFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(c.clientCAFile)
	if err != nil {
		return nil, fmt.Errorf("authorities of client certificates: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("authorities of client certificates: %s holds no PEM certificate", c.clientCAFile)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// stamp tells the files apart from other versions of them.
func (c *Certificate) stamp() (stamps [3]string) {
	for i, name := range []string{c.certFile, c.keyFile, c.clientCAFile} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size())
		}
	}
	return stamps
}

// config is the newest usable configuration. It must not be changed.
func (c *Certificate) config() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		c.refresh()
	}
	return c.current
}

// refresh reads changed files. Those that will not do are tried again at each check: a certificate and its key
// are rarely written at the same moment.
func (c *Certificate) refresh() {
	stamps := c.stamp()
	if stamps == c.stamps && c.failure == "" {
		return
	}
	config, err := c.read()
	if err != nil {
		if c.failure != err.Error() {
			c.failure = err.Error()
			c.log.Error("the changed TLS certificate is not used, the one before stays: " + printable(c.failure))
		}
		return
	}
	c.current, c.stamps, c.failure = config, stamps, ""
	c.log.Info("TLS certificate read anew from " + printable(c.certFile))
	if err := c.dates(); err != nil {
		c.log.Error(printable(err.Error()))
	}
}

// Dates is an error where the certificate is not valid now: clients will refuse it.
func (c *Certificate) Dates() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dates()
}

func (c *Certificate) dates() error {
	if err := validNow(c.current.Certificates[0].Leaf, c.now()); err != nil {
		return fmt.Errorf("TLS certificate %s: %w; clients will refuse it", c.certFile, err)
	}
	return nil
}

func validNow(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return errors.New("expired on " + leaf.NotAfter.UTC().Format(time.DateTime))
	case now.Before(leaf.NotBefore):
		return errors.New("not valid before " + leaf.NotBefore.UTC().Format(time.DateTime))
	}
	return nil
}

// sameClient reports whether two connections were made with the same client certificate, or both without.
func sameClient(a, b tls.ConnectionState) bool {
	if len(a.PeerCertificates) == 0 || len(b.PeerCertificates) == 0 {
		return len(a.PeerCertificates) == len(b.PeerCertificates)
	}
	return bytes.Equal(a.PeerCertificates[0].Raw, b.PeerCertificates[0].Raw)
}
