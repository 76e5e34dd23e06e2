package conf

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func networkText(lines string) string { return account + "[NETWORK]\n" + lines + "\n" }

func TestNetworkDefaultsAreTheOriginals(t *testing.T) {
	c := mustLoad(t, networkText(""))
	got := fmt.Sprintln(c.ListenAddresses, c.ActiveMode, c.PermitForeign, c.AcceptTimeout, c.ConnectTimeout, c.IdleCtrlTimeout, c.IdleDataTimeout,
		c.MaxConnsPerIP, c.MaxConnsPerUser, c.BanAfter, c.BanWindow, c.BanTime, c.TLSCertFile+c.TLSKeyFile+c.TLSClientCAFile, c.TLSRequired, c.TLSRequireReuse, c.TLSStrictClose, c.TLSClientUser, c.ImplicitTLSPort, len(c.MasqueradeNets))
	if want := "[0.0.0.0] true passive 30s 10s 5m0s 5m0s 0 0 0 10m0s 10m0s  none false false none 0 0\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNetworkValues(t *testing.T) {
	c := mustLoad(t, networkText(`listen_address = 127.0.0.1, ::1, 10.0.0.1
active_mode_enable = no
permit_foreign_addresses = True
accept_timeout = 5
connect_timeout = 6
idle_ctrl_timeout = 7
idle_data_timeout = 86400
max_conns_per_ip = 3
max_conns_per_user = 4
ban_after = 5
ban_window = 60
ban_time = 3600
tls_cert_file = tls/server.crt
tls_key_file = /etc/server.key
tls_client_ca_file = ca.crt
tls_client_user = CN
tls_required = ALL
tls_require_reuse = yes
tls_strict_close = 1
implicit_tls_port = 990
masquerade_address = 10.0.0.0/8=10.1.2.3, 192.168.1.9 = inner.example.com, gw.example.com`))
	got := fmt.Sprintln(c.ListenAddresses, c.ActiveMode, c.PermitForeign, c.AcceptTimeout, c.ConnectTimeout, c.IdleCtrlTimeout, c.IdleDataTimeout,
		c.MaxConnsPerIP, c.MaxConnsPerUser, c.BanAfter, c.BanWindow, c.BanTime, c.TLSRequired, c.TLSRequireReuse, c.TLSStrictClose, c.TLSClientUser, c.ImplicitTLSPort, c.MasqueradeNets, c.MasqueradeAddress)
	want := "[127.0.0.1 ::1 10.0.0.1] false true 5s 6s 7s " + (24 * time.Hour).String() +
		" 3 4 5 1m0s 1h0m0s all true true cn 990 [10.0.0.0/8=10.1.2.3 192.168.1.9/32=inner.example.com] gw.example.com\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	dir := filepath.Dir(c.File)
	if c.TLSCertFile != filepath.Join(dir, "tls/server.crt") || c.TLSKeyFile != "/etc/server.key" || c.TLSClientCAFile != filepath.Join(dir, "ca.crt") {
		t.Errorf("files %q %q %q", c.TLSCertFile, c.TLSKeyFile, c.TLSClientCAFile)
	}
	if text := c.masqueradeText(); text != "10.0.0.0/8=10.1.2.3, 192.168.1.9/32=inner.example.com, gw.example.com" {
		t.Error(text)
	}
	if c := mustLoad(t, networkText("tls_cert_file = both.pem")); c.TLSKeyFile != c.TLSCertFile || c.TLSKeyFile == "" {
		t.Errorf("without tls_key_file it is %q", c.TLSKeyFile)
	}
}

func TestNetworkErrorsSayWhatWouldDo(t *testing.T) {
	for line, want := range map[string]string{
		"listen_address = ftp.example.com":          "want addresses of this machine",
		"listen_address = 1.2.3.4,":                 "want addresses of this machine",
		"listen_address = ::1, ::1":                 "::1 is given twice",
		"active_mode_enable = maybe":                "want true or false",
		"permit_foreign_addresses = all":            "want passive, true or false",
		"accept_timeout = 0":                        "want seconds, 1 to 86400",
		"connect_timeout = 86401":                   "want seconds, 1 to 86400",
		"idle_ctrl_timeout = 1m":                    "want seconds",
		"idle_data_timeout = -1":                    "want seconds",
		"max_conns_per_ip = -1":                     "want a number of connections, or 0",
		"max_conns_per_user = few":                  "want a number of connections, or 0",
		"ban_after = 101":                           "want a number of failed logins, 1 to 100, or 0",
		"ban_after = -1":                            "want a number of failed logins",
		"ban_window = 0":                            "want seconds, 1 to 86400",
		"ban_time = x":                              "want seconds",
		"tls_required = yes":                        "want none, login or all",
		"tls_required = login":                      "want tls_cert_file, too",
		"tls_key_file = x":                          "want tls_cert_file, too",
		"tls_client_ca_file = x":                    "want tls_cert_file, too",
		"tls_client_user = dn":                      "want none or cn",
		"tls_client_user = cn":                      "want tls_cert_file, too",
		"tls_client_user=cn\ntls_cert_file = x":     "want tls_client_ca_file, too",
		"tls_strict_close = maybe":                  "want true or false",
		"tls_strict_close = true":                   "want tls_cert_file, too",
		"tls_require_reuse = true":                  "want tls_cert_file, too",
		"implicit_tls_port = 990":                   "want tls_cert_file, too",
		"implicit_tls_port = 65536":                 "want a port, 1 to 65535 (990 is usual), or 0 for none",
		"tls_cert_file = x\nimplicit_tls_port=2121": "listen_port is the same",
		"masquerade_address = 10.0.0.0/8=::1":       "want elements NETWORK=ADDRESS",
		"masquerade_address = 10.0.0.0/8=a, x=b":    "and not x=b",
		"masquerade_address = 10.0.0.0/8=a, b, c":   "and not c",
	} {
		_, err := loadText(t, networkText(line))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "[NETWORK]") {
			t.Errorf("%q: %v, want …%s…", line, err, want)
		}
	}
}

// TestClientCertificatesNeedTLS: a client that had no certificate logged in without TLS.
func TestClientCertificatesNeedTLS(t *testing.T) {
	const files = "tls_cert_file = x\ntls_client_ca_file = ca.crt\n"
	for more, want := range map[string]string{"": "login", "tls_required = none": "login", "tls_required = login": "login", "tls_required = all": "all"} {
		c := mustLoad(t, networkText(files+more))
		if c.TLSRequired != want {
			t.Errorf("%q: tls_required is %s", more, c.TLSRequired)
		}
		told := len(c.Warnings) == 1 && strings.Contains(c.Warnings[0], "tls_client_ca_file = ca.crt: logins need TLS") && strings.Contains(c.Warnings[0], "tls_required = login")
		if given := strings.HasSuffix(more, want); told == given || given && len(c.Warnings) > 0 {
			t.Errorf("%q: warnings %q", more, c.Warnings)
		}
	}
	if c := mustLoad(t, networkText("tls_cert_file = x")); c.TLSRequired != "none" || len(c.Warnings) != 0 {
		t.Errorf("without authorities: %s, %q", c.TLSRequired, c.Warnings)
	}
}

// TestNamesOfOtherServers: the names that a C++ FTP server has for the same.
func TestNamesOfOtherServers(t *testing.T) {
	for _, c := range []struct {
		text, warning string
		connections   int
	}{
		{"maximum_clients = 100\n", "maximum_clients = 100: taken as max_connection_num = 201", 201},
		{"maximum_clients = 0 # none\n", "taken as max_connection_num = 0,", 0},
		{"[OPTIONAL]\nmaximum_clients = 9\n", "[OPTIONAL] maximum_clients = 9: taken as max_connection_num = 19", 19},
		{"maximum_clients = 9\n[OPTIONAL]\nmax_connection_num = 50\n", "maximum_clients = 9: ignored: max_connection_num is given too", 50},
		{"local_umask = 022\n", "local_umask = 022: has no effect", 512},
	} {
		cfg := mustLoad(t, networkText(c.text))
		if cfg.MaxConnectionNum != c.connections || len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0], c.warning) {
			t.Errorf("%q: %d connections, warnings %q", c.text, cfg.MaxConnectionNum, cfg.Warnings)
		}
	}
	if _, err := loadText(t, networkText("maximum_clients = many")); err == nil || !strings.Contains(err.Error(), "want a number of clients") {
		t.Errorf("got %v", err)
	}
}
