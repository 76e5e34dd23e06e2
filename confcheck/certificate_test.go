package confcheck

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// makeCertificate writes a certificate that is valid from and until times from now, and its key.
func makeCertificate(t *testing.T, from, until time.Duration) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificateFindings(t *testing.T) {
	const day = 24 * time.Hour
	goodCert, goodKey := makeCertificate(t, -day, 90*day)
	otherCert, otherKey := makeCertificate(t, -day, 90*day)
	expiredCert, expiredKey := makeCertificate(t, -2*day, -day)
	earlyCert, earlyKey := makeCertificate(t, day, 90*day)
	lateCert, lateKey := makeCertificate(t, -day, 2*day)
	for _, c := range []struct {
		what, cert, key, ca string
		problem, warning    string
	}{
		{"good", goodCert, goodKey, otherCert, "", ""},
		{"no FTPS", "", "", "", "", ""},
		{"another's key", goodCert, otherKey, "", "private key does not match public key; want a PEM certificate and the key that belongs to it", ""},
		{"missing", goodCert + "x", goodKey, "", "no such file or directory", ""},
		{"key for a certificate", goodKey, goodKey, "", "[NETWORK] tls_cert_file = ", ""},
		{"expired", expiredCert, expiredKey, "", "", "expired on "},
		{"early", earlyCert, earlyKey, "", "", "not valid before "},
		{"about to expire", lateCert, lateKey, "", "", "expires on "},
		{"no authorities", goodCert, goodKey, goodKey, "tls_client_ca_file = " + goodKey + ": holds no certificate", ""},
		{"missing authorities", goodCert, goodKey, goodKey + "x", "no such file", ""},
	} {
		cfg := goodConfig()
		cfg.TLSCertFile, cfg.TLSKeyFile, cfg.TLSClientCAFile = c.cert, c.key, c.ca
		report := Run(context.Background(), cfg, fakeMachine(), Options{})
		for want, got := range map[string][]string{c.problem: report.Problems, c.warning: report.Warnings} {
			if c.problem != c.warning && ((want == "") != (len(got) == 0) || !strings.Contains(strings.Join(got, "\n"), want)) {
				t.Errorf("%s: %q, want …%s…", c.what, got, want)
			}
		}
		if c.problem == c.warning && len(report.Problems)+len(report.Warnings) != 0 {
			t.Errorf("%s: %q %q", c.what, report.Problems, report.Warnings)
		}
	}
}

func TestReadableKey(t *testing.T) {
	cfg := goodConfig()
	cfg.TLSCertFile, cfg.TLSKeyFile = makeCertificate(t, -time.Hour, 9999*time.Hour)
	if err := os.Chmod(cfg.TLSKeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	report := Run(context.Background(), cfg, fakeMachine(), Options{})
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "every user of this machine can read the key") {
		t.Errorf("%q", report.Warnings)
	}
}

// TestListenAddresses: each address is tried with both ports, and a bad address is told as such.
func TestListenAddresses(t *testing.T) {
	cfg, m := goodConfig(), fakeMachine()
	cfg.ListenAddresses = []netip.Addr{everywhere, netip.IPv6Unspecified(), netip.MustParseAddr("192.0.2.1")}
	cfg.ImplicitTLSPort = 990
	var tried []string
	m.ListenAt = func(address netip.Addr, port int) error {
		at := netip.AddrPortFrom(address, uint16(port)).String()
		tried = append(tried, at)
		switch at {
		case "192.0.2.1:2121":
			return syscall.EADDRNOTAVAIL
		case "[::]:990":
			return syscall.EADDRINUSE
		}
		return nil
	}
	report := Run(context.Background(), cfg, m, Options{})
	if want := []string{"[::]:2121", "192.0.2.1:2121", "[::]:990"}; !slices.Equal(tried, want) {
		t.Errorf("tried %q, want %q", tried, want)
	}
	if len(report.Problems) != 2 || !strings.Contains(report.Problems[0], "listen_address = 192.0.2.1: cannot assign requested address; want an address of this machine") ||
		!strings.Contains(report.Problems[1], "implicit_tls_port = 990: port 990 is in use") {
		t.Errorf("%q", report.Problems)
	}
}

func TestGatewaysOfNetworks(t *testing.T) {
	cfg, m := goodConfig(), fakeMachine()
	cfg.MasqueradeNets = []conf.MasqueradeNet{{Address: "10.1.2.3"}, {Address: "gw.invalid"}}
	m.Resolve = func(_ context.Context, host string) error { return syscall.ENOENT }
	report := Run(context.Background(), cfg, m, Options{})
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "masquerade_address = gw.invalid: ") {
		t.Errorf("%q", report.Warnings)
	}
}
