package clients

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// tlsSession is a client's session against a program with FTPS.
type tlsSession struct {
	clientSession
	cert     string
	implicit string // port
}

// startFTPS runs a program with a certificate, with implicit FTPS too.
func startFTPS(t *testing.T, change map[string]string) (*rig.Store, *tlsSession) {
	t.Helper()
	store := rig.NewStore(t)
	cert, key := rig.Certificate(t, time.Now().Add(24*time.Hour))
	values := map[string]string{"tls_cert_file": cert, "tls_key_file": key, "implicit_tls_port": fmt.Sprint(rig.FreePort(t))}
	for name, value := range change {
		values[name] = value
	}
	g := rig.StartGateway(t, store, values)
	host, port, err := net.SplitHostPort(g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return store, &tlsSession{
		clientSession: clientSession{t: t, host: host, port: port, dir: clientFiles(t)},
		cert:          cert, implicit: values["implicit_tls_port"],
	}
}

// tlsClients put big.bin as NAME, get it as out/NAME and list; explicit or implicit, passive or active.
var tlsClients = map[string]func(s *tlsSession, name string, implicit, active bool) string{
	"curl":   (*tlsSession).curl,
	"lftp":   (*tlsSession).lftp,
	"ftplib": (*tlsSession).ftplib,
}

func (s *tlsSession) curl(name string, implicit, active bool) string {
	base := "ftp://user0:pass0@" + s.host + ":" + s.port + "/"
	if implicit {
		base = "ftps://user0:pass0@" + s.host + ":" + s.implicit + "/"
	}
	args := []string{"-sS", "--ssl-reqd", "--cacert", s.cert}
	if active {
		args = append(args, "--ftp-port", "-")
	}
	curl, output := rig.FindCommand(s.t, "curl"), ""
	for _, rest := range [][]string{{"-T", "big.bin", base + name}, {base + name, "-o", "out/" + name}, {base}} {
		output += s.command("", curl, append(args, rest...)...)
	}
	return output
}

func (s *tlsSession) lftp(name string, implicit, active bool) string {
	scheme, port := "ftp", s.port
	if implicit {
		scheme, port = "ftps", s.implicit
	}
	script := fmt.Sprintf(`set net:max-retries 1
set cmd:fail-exit yes
set ssl:ca-file %q
set ssl:verify-certificate yes
set ftp:ssl-force yes
set ftp:ssl-protect-data yes
set ftp:ssl-protect-list yes
set ftp:passive-mode %v
open -u user0,pass0 -p %s %s://%s
put big.bin -o %s
get %s -o out/%s
cls -l
`, s.cert, !active, port, scheme, s.host, name, name, name)
	return s.command(script, rig.FindCommand(s.t, "lftp"))
}

func (s *tlsSession) ftplib(name string, implicit, active bool) string {
	port, how := s.port, "explicit"
	if implicit {
		port, how = s.implicit, "implicit"
	}
	return s.python(port, how, map[bool]string{false: "passive", true: "active"}[active], "fresh", name)
}

func (s *tlsSession) python(args ...string) string {
	script, err := filepath.Abs(filepath.Join("testdata", "clients", "ftplib_tls.py"))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.command("", rig.FindCommand(s.t, "python3"), append([]string{script, s.cert, s.host}, args...)...)
}

func TestTLSClients(t *testing.T) {
	t.Parallel()
	store, s := startFTPS(t, map[string]string{"tls_required": "all"})
	for client, run := range tlsClients {
		for _, implicit := range []bool{false, true} {
			for _, active := range []bool{false, true} {
				if client == "curl" && active {
					continue // curl 7.88 forgets TLS on data connections that it accepts, see TestPlainDataUnderProtP
				}
				name := fmt.Sprintf("%s-%v-%v.bin", client, implicit, active)
				t.Run(name, func(t *testing.T) {
					mine := *s
					mine.t = t
					mine.checkRoundTrip(store, name, run(&mine, name, implicit, active))
				})
			}
		}
	}
}

// checkRoundTrip compares what a client put and got, and whether it saw its file in the list.
func (s *tlsSession) checkRoundTrip(store *rig.Store, name, output string) {
	s.t.Helper()
	big := make([]byte, bigSize)
	rig.FillPattern(big)
	stored := ""
	for _, o := range store.Objects(rig.BucketName(0)) {
		if o.Key == name {
			stored = string(o.Data)
		}
	}
	if stored != string(big) {
		s.t.Errorf("the bucket holds %s", rig.Describe([]byte(stored)))
	}
	if got, err := os.ReadFile(filepath.Join(s.dir, "out", name)); err != nil || string(got) != string(big) {
		s.t.Errorf("downloaded: %v, %s", err, rig.Describe(got))
	}
	if !strings.Contains(output, name) || !strings.Contains(output, fmt.Sprint(bigSize)) {
		s.t.Errorf("the listing lacks the file: %s", output)
	}
}

// TestTLSReuseRequired: clients that resume the control connection's session pass, one that does not is refused.
func TestTLSReuseRequired(t *testing.T) {
	t.Parallel()
	store, s := startFTPS(t, map[string]string{"tls_required": "all", "tls_require_reuse": "true"})
	reusing := maps.Clone(tlsClients)
	reusing["ftplib"] = func(s *tlsSession, name string, implicit, active bool) string {
		port, how := s.port, "explicit"
		if implicit {
			port, how = s.implicit, "implicit"
		}
		return s.python(port, how, map[bool]string{false: "passive", true: "active"}[active], "reused", name)
	}
	for client, run := range reusing {
		for _, implicit := range []bool{false, true} {
			for _, active := range []bool{false, true} {
				if client == "curl" && active {
					continue // as in TestTLSClients
				}
				name := fmt.Sprintf("%s-%v-%v.bin", client, implicit, active)
				t.Run(name, func(t *testing.T) {
					mine := *s
					mine.t = t
					mine.checkRoundTrip(store, name, run(&mine, name, implicit, active))
				})
			}
		}
	}
	t.Run("ftplib without reuse", func(t *testing.T) {
		mine := *s
		mine.t = t
		if output := mine.python(s.port, "explicit", "passive", "refused", "fresh.bin"); !strings.Contains(output, "522 TLS session of the control connection must be resumed") {
			t.Errorf("a fresh TLS session: %s", output)
		}
	})
	for _, o := range store.Objects(rig.BucketName(0)) {
		if o.Key == "fresh.bin" {
			t.Error("the refused upload became an object")
		}
	}
}

// TestTLSVersions scans for weak protocol versions. The client is told to offer what it would not of itself.
func TestTLSVersions(t *testing.T) {
	t.Parallel()
	_, s := startFTPS(t, nil)
	openssl := rig.FindCommand(t, "openssl")
	for version, good := range map[string]bool{"-tls1": false, "-tls1_1": false, "-tls1_2": true, "-tls1_3": true} {
		for port, starttls := range map[string][]string{s.port: {"-starttls", "ftp"}, s.implicit: nil} {
			args := append([]string{"s_client", "-connect", net.JoinHostPort(s.host, port), version, "-cipher", "ALL:@SECLEVEL=0",
				"-CAfile", s.cert, "-verify_return_error"}, starttls...)
			cmd := exec.Command(openssl, args...)
			cmd.Stdin = strings.NewReader("QUIT\r\n")
			output, err := cmd.CombinedOutput()
			verified := strings.Contains(string(output), "Verify return code: 0 (ok)") && !strings.Contains(string(output), "Cipher is (NONE)")
			refused := strings.Contains(string(output), "alert protocol version")
			if verified != good || (err == nil) != good || refused == good {
				t.Errorf("%s %v: %v\n%s", version, starttls, err, output)
			}
		}
	}
}

// TestTLSCiphers scans TLS 1.2, with a certificate that every key exchange could use. TLS 1.3 has no weak ones.
func TestTLSCiphers(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := rig.CertificateFor(t, private, time.Now().Add(24*time.Hour))
	_, s := startFTPS(t, map[string]string{"tls_cert_file": cert, "tls_key_file": key})
	openssl := rig.FindCommand(t, "openssl")
	for ciphers, good := range map[string]bool{
		"ECDHE-RSA-AES128-GCM-SHA256": true, "ECDHE-RSA-AES256-GCM-SHA384": true, "ECDHE-RSA-CHACHA20-POLY1305": true,
		"aNULL": false, "eNULL": false, "kRSA": false, "kDHE": false, "ECDHE-RSA-AES128-SHA256": false,
	} {
		cmd := exec.Command(openssl, "s_client", "-connect", net.JoinHostPort(s.host, s.implicit), "-tls1_2", "-cipher", ciphers+":@SECLEVEL=0")
		cmd.Stdin = strings.NewReader("QUIT\r\n")
		output, err := cmd.CombinedOutput()
		refused := strings.Contains(string(output), "alert handshake failure")
		if (err == nil) != good || refused == good {
			t.Errorf("%s: %v\n%s", ciphers, err, output)
		}
	}
}

// TestClearCommandChannel: curl does not answer TLS's farewell, or does, and lftp says its own.
func TestClearCommandChannel(t *testing.T) {
	t.Parallel()
	store, s := startFTPS(t, map[string]string{"tls_required": "login"})
	base := "ftp://user0:pass0@" + s.host + ":" + s.port + "/"
	big := make([]byte, bigSize)
	rig.FillPattern(big)
	for _, mode := range []string{"passive", "active"} {
		output := s.command("", rig.FindCommand(t, "curl"), "-v", "--ssl-reqd", "--cacert", s.cert, "--ftp-ssl-ccc-mode", mode, "-T", "big.bin", base+mode)
		if !strings.Contains(output, "200 CCC command successful") {
			t.Errorf("curl sent no CCC: %s", output)
		}
	}
	script := fmt.Sprintf("set ssl:ca-file %q\nset ftp:ssl-force yes\nset ftp:ssl-use-ccc yes\nset net:max-retries 1\ndebug 5\nopen -u user0,pass0 -p %s %s\nput big.bin -o lftp\n", s.cert, s.port, s.host)
	if output := s.command(script, rig.FindCommand(t, "lftp")); !strings.Contains(output, "CCC") {
		t.Errorf("lftp sent no CCC: %s", output)
	}
	kept := map[string]string{}
	for _, o := range store.Objects(rig.BucketName(0)) {
		kept[o.Key] = string(o.Data)
	}
	for _, name := range []string{"passive", "active", "lftp"} {
		if kept[name] != string(big) {
			t.Errorf("%s: %s", name, rig.Describe([]byte(kept[name])))
		}
	}
}

// TestListenAddresses: IPv4 and IPv6 side by side, in plain and over TLS.
func TestListenAddresses(t *testing.T) {
	t.Parallel()
	store, s := startFTPS(t, map[string]string{"listen_address": "127.0.0.1, ::1"})
	curl := rig.FindCommand(t, "curl")
	for i, host := range []string{"127.0.0.1", "[::1]"} {
		at := fmt.Sprintf("user0:pass0@%s:", host)
		name := fmt.Sprint("file", i)
		s.command("", curl, "-sS", "-g", "-T", "big.bin", "ftp://"+at+s.port+"/"+name)
		for _, args := range [][]string{{"--ssl-reqd", "ftp://" + at + s.port + "/"}, {"ftps://" + at + s.implicit + "/"}, {"--ftp-port", "-", "ftp://" + at + s.port + "/"}} {
			if output := s.command("", curl, append([]string{"-sS", "-g", "--cacert", s.cert}, args...)...); !strings.Contains(output, name) {
				t.Errorf("%q: %s", args, output)
			}
		}
	}
	if got := len(store.Objects(rig.BucketName(0))); got != 2 {
		t.Errorf("%d objects, want 2", got)
	}
}

// TestCertificateAtStart: one that cannot be used is an error, an expired one a warning, also of -check.
func TestCertificateAtStart(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	good, goodKey := rig.Certificate(t, time.Now().Add(24*time.Hour*30))
	_, otherKey := rig.Certificate(t, time.Now().Add(24*time.Hour*30))
	expired, expiredKey := rig.Certificate(t, time.Now().Add(-time.Hour))
	for _, c := range []struct {
		what, cert, key, want string
		starts                bool
	}{
		{"good", good, goodKey, ": ok, ", true},
		{"another's key", good, otherKey, "private key does not match public key", false},
		{"missing", good + "x", goodKey, "no such file or directory", false},
		{"expired", expired, expiredKey, "expired on ", true},
	} {
		home := rig.Homes(t)
		file := filepath.Join(t.TempDir(), "vsftpd.conf")
		text := rig.ConfText(store, home, filepath.Join(home, "log"), 0, map[string]string{"tls_cert_file": c.cert, "tls_key_file": c.key})
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command(rig.Binary, "-conf", file, "-check").CombinedOutput()
		if (err == nil) != c.starts || !strings.Contains(string(output), c.want) {
			t.Errorf("-check, %s: %v\n%s", c.what, err, output)
		}
		for _, check := range []string{"true", "false"} {
			quick := strings.Replace(text, "[OPTIONAL]\n", "[OPTIONAL]\nconfig_check_enable = "+check+"\n", 1)
			if err := os.WriteFile(file, []byte(quick), 0o600); err != nil {
				t.Fatal(err)
			}
			proc := rig.StartProgram(t, exec.Command(rig.Binary, "-conf", file))
			if proc.Ready() != c.starts {
				t.Errorf("%s, config_check_enable = %s: started %v\n%s", c.what, check, !c.starts, proc.Output())
			}
			if said := proc.Output(); c.what != "good" && !strings.Contains(said, c.want) {
				t.Errorf("%s, config_check_enable = %s: %s", c.what, check, said)
			}
			proc.Stop(t)
		}
	}
}

// TestTLSStrictClose: tls_strict_close takes an upload whose connection ends without close_notify for an interrupted one.
// curl, lftp and Python's ftplib end theirs with it.
func TestTLSStrictClose(t *testing.T) {
	t.Parallel()
	for strict, want := range map[string]string{"true": "426", "false": "226"} {
		store, s := startFTPS(t, map[string]string{"tls_strict_close": strict, "incomplete_upload": "discard"})
		for client, run := range tlsClients {
			t.Run(client+" "+strict, func(t *testing.T) {
				mine := *s
				mine.t = t
				mine.checkRoundTrip(store, client+".bin", run(&mine, client+".bin", false, false))
			})
		}
		t.Run("a cut "+strict, func(t *testing.T) {
			if reply := s.cutUpload("cut.bin"); !strings.HasPrefix(reply, want) {
				t.Errorf("%s, want %s", reply, want)
			}
			stored := slices.ContainsFunc(store.Objects(rig.BucketName(0)), func(o costest.Object) bool { return o.Key == "cut.bin" })
			if stored != (strict == "false") {
				t.Errorf("stored: %v", stored)
			}
		})
	}
}

// cutUpload uploads over implicit FTPS, ends the data connection without close_notify and returns the last reply.
func (s *tlsSession) cutUpload(name string) string {
	s.t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	conn, err := tls.Dial("tcp", net.JoinHostPort(s.host, s.implicit), config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(rig.ReplyTime))
	control := textproto.NewConn(conn)
	ask := func(line string) string {
		reply, err := control.ReadLine()
		if err == nil && line != "" {
			err = control.PrintfLine("%s", line)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		return reply
	}
	for _, line := range []string{"USER user0", "PASS pass0", "TYPE I", "EPSV"} {
		ask(line)
	}
	reply := ask("STOR " + name)
	raw, err := net.Dial("tcp", net.JoinHostPort(s.host, strings.Split(reply, "|")[3]))
	if err != nil {
		s.t.Fatal(err)
	}
	defer raw.Close()
	ask("")
	data := tls.Client(raw, config)
	if _, err := io.WriteString(data, "the beginning"); err != nil {
		s.t.Fatal(err)
	}
	raw.(*net.TCPConn).CloseWrite()
	return ask("")
}
