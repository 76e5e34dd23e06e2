package ftpserver

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestALPN: who offers protocols on a TLS connection and FTP is not among them is no FTP client, but a browser that was
// led astray, most likely. No client has to offer any: curl, lftp and Python's ftplib do not.
func TestALPN(t *testing.T) {
	t.Parallel()
	for offer, want := range map[string]string{
		"":                     "",
		"ftp":                  "ftp",
		"x-filezilla-ftp ftp":  "ftp", // FileZilla; its own protocol has rules of its own
		"h2 http/1.1 ftp":      "ftp",
		"http/1.1":             "refused",
		"http/1.0":             "refused",
		"h2":                   "refused",
		"h2 http/1.1":          "refused",
		"imap pop3 smtp":       "refused",
		"FTP":                  "refused",
		"x-filezilla-ftp http": "refused",
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(offer+" "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				ts, config := startTLS(t, map[string]string{"/a": "text"}, func(o *Options) { o.TLSRequireReuse = true })
				config.MaxVersion = version
				offering := config.Clone()
				offering.NextProtos = strings.Fields(offer)

				c := ts.connect(t)
				c.want("220 *")
				c.ask("AUTH TLS", "234 *")
				c.wantALPN("explicit", tls.Client(c.conn, offering), want)

				raw, err := net.Dial("tcp", serveImplicit(t, ts))
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				c.wantALPN("implicit", tls.Client(raw, offering), want)

				c = ts.secureUser(t, config)
				offering.ClientSessionCache = config.ClientSessionCache
				c.open("PASV")
				c.ask("RETR a", "1*")
				data := tls.Client(c.data, offering)
				c.wantALPN("data", data, want)
				if want == "refused" {
					c.want("425 Can't open data connection: TLS handshake failed.")
					return
				}
				if got, err := io.ReadAll(data); err != nil || string(got) != "text" {
					t.Errorf("data: %q, %v", got, err)
				}
				c.want("226 *")
			})
		}
	}
}

// TestALPNOfDataConnections: some clients have a protocol of their own for them.
func TestALPNOfDataConnections(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "text"})
	c := ts.secureUser(t, config)
	for _, offer := range []string{"ftp-data", "ftp ftp-data"} {
		c.open("PASV")
		c.ask("RETR a", "1*")
		offering := config.Clone()
		offering.NextProtos = strings.Fields(offer)
		c.wantALPN(offer, tls.Client(c.data, offering), "ftp-data")
		c.want("226 *")
	}
	c = ts.connect(t)
	c.want("220 *")
	c.ask("AUTH TLS", "234 *")
	config.NextProtos = []string{"ftp-data"}
	c.wantALPN("control", tls.Client(c.conn, config), "refused")
}

// wantALPN begins TLS and compares the protocol that was agreed on.
func (c *client) wantALPN(what string, conn *tls.Conn, want string) {
	c.t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	err := conn.Handshake()
	got := conn.ConnectionState().NegotiatedProtocol
	if err != nil {
		got = "refused"
		if !strings.Contains(err.Error(), "no application protocol") { // the name of the alert
			c.t.Errorf("%s: the handshake fails with %v", what, err)
		}
	}
	if got != want {
		c.t.Errorf("%s: agreed on %q, want %q", what, got, want)
	}
}
