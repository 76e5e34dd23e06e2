package confcheck

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// checkCertificate looks at what FTPS needs. A certificate that cannot be used keeps the server from starting; one
// that clients will refuse does not, for they might not look, and plain FTP goes on.
func (c *checks) checkCertificate() {
	cfg := c.cfg
	if cfg.TLSCertFile == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLSCertFile, cfg.TLSKeyFile)
	if err != nil {
		c.problem("NETWORK", "tls_cert_file", cfg.TLSCertFile, fmt.Sprintf("with tls_key_file = %s: %v; want a PEM certificate and the key that belongs to it%s", cfg.TLSKeyFile, err, c.readable(err)))
	} else {
		c.checkDates(pair.Leaf)
	}
	if info, err := os.Stat(cfg.TLSKeyFile); err == nil && info.Mode().Perm()&0o004 != 0 {
		c.warn("NETWORK", "tls_key_file", cfg.TLSKeyFile, "every user of this machine can read the key: chmod 600")
	}
	if cfg.TLSClientCAFile == "" {
		return
	}
	text, err := os.ReadFile(cfg.TLSClientCAFile)
	if err != nil {
		c.problem("NETWORK", "tls_client_ca_file", cfg.TLSClientCAFile, err.Error()+c.readable(err))
	} else if !x509.NewCertPool().AppendCertsFromPEM(text) {
		c.problem("NETWORK", "tls_client_ca_file", cfg.TLSClientCAFile, "holds no certificate: want PEM")
	}
}

// readable says what would do where it is the user of run_as that may not read a file.
func (c *checks) readable(err error) string {
	if c.cfg.RunAs == "" || !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	return fmt.Sprintf("; want it readable for run_as = %s, after each renewal too: chgrp and chmod 640, also for the directories above", c.cfg.RunAs)
}

func (c *checks) checkDates(leaf *x509.Certificate) {
	now := time.Now()
	from, until := leaf.NotBefore.UTC().Format(time.DateTime), leaf.NotAfter.UTC().Format(time.DateTime)
	trouble := ""
	switch {
	case now.After(leaf.NotAfter):
		trouble = "expired on " + until + ": clients will refuse it; want a new one"
	case now.Before(leaf.NotBefore):
		trouble = "not valid before " + from + ": clients will refuse it; is this machine's clock right?"
	case now.Add(soon).After(leaf.NotAfter):
		trouble = "expires on " + until + ": a new one is read without a restart"
	default:
		return
	}
	c.warn("NETWORK", "tls_cert_file", c.cfg.TLSCertFile, trouble)
}
