package ftpserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

var webVerbs = []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}

// attackOfAPage is what a browser sends for a form of a web page whose target is the FTP port.
const attackOfAPage = "POST /<script>alert(1)</script> HTTP/1.1\r\nHost: ftp.example.com\r\nContent-Type: text/plain\r\n" +
	"Content-Length: 60\r\n\r\nUSER user0\r\nPASS pass0\r\nDELE /a\r\nMKD <script>alert(1)</script>\r\n"

// TestWebPagesCannotSpeakFTP: the lines of a POST that are no commands were answered with 500, those in its body were
// executed: a web page deleted files behind a firewall. Over TLS, with the session of a browser that was led astray, the
// replies also put the page's script under the name of another server (ALPACA).
func TestWebPagesCannotSpeakFTP(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"plain", "explicit", "implicit"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			ts, config := startTLS(t, map[string]string{"/a": "A"})
			var conn net.Conn
			switch how {
			case "implicit":
				raw, err := net.Dial("tcp", serveImplicit(t, ts))
				if err != nil {
					t.Fatal(err)
				}
				conn = tls.Client(raw, config)
			default:
				c := ts.connect(t)
				c.want("220 *")
				if how == "explicit" {
					c.secure(config)
				}
				conn = c.conn
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			io.WriteString(conn, attackOfAPage)
			got, err := io.ReadAll(conn)
			if err != nil {
				t.Error(err)
			}
			if reply := strings.TrimPrefix(string(got), "220 Welcome to COS FTP Service\r\n"); reply != "421 This is not a web server. Closing control connection.\r\n" {
				t.Errorf("the page gets %q", reply)
			}
			(&client{t: t, ts: ts}).wantObject("/a", "A")
			waitFor(t, "the session's end", func() bool { return ts.log.has("*session closed*") })
			if n := ts.log.count("WARN *The client speaks another protocol than FTP, HTTP most likely: session ends."); n != 1 || ts.log.has("*script*") {
				t.Errorf("the log has %q", ts.log.all())
			}
		})
	}
}

// TestOtherProtocolsEndAStrangersSession: nor is anything done that comes in other forms of a browser's making.
func TestOtherProtocolsEndAStrangersSession(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/f": "data"})
	for _, line := range []string{
		"PROPFIND / HTTP/1.1", "PRI * HTTP/2.0", " POST / HTTP/1.1", "xyz a b HTTP/1.1", "HTTP/1.1",
		"SSH-2.0-OpenSSH_9.2", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x16\x03\x03",
	} {
		c := ts.connect(t)
		c.want("220 *")
		c.ask(line+"\r\nUSER user0\r\nPASS pass0\r\nDELE f", "421 This is not a web server. Closing control connection.", "(closed)")
	}
	user := ts.user(t)
	user.wantObject("/f", "data")
	for _, line := range []string{"XHTTP 1.1", "FOO HTTP/", "FOO HTTP/x", "SSH"} {
		c := ts.connect(t)
		c.want("220 *")
		c.ask(line, "500 *")
	}
	user.ask("PROPFIND / HTTP/1.1", "500 *") // behind a login it is an unknown command
}

// TestHTTPEndsAStrangersSession: each verb does, as the first word of a line, in any case, wherever it stands before the
// login. Behind one it is an unknown command, and HELP and FEAT never know it.
func TestHTTPEndsAStrangersSession(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.Extended = true })
	user := ts.user(t)
	for _, verb := range webVerbs {
		for _, line := range []string{verb, strings.ToLower(verb) + " / HTTP/1.1", verb[:1] + strings.ToLower(verb[1:]) + " * secret"} {
			for _, before := range []string{"", "USER user0", "NOOP"} {
				c := ts.connect(t)
				c.want("220 *")
				if before != "" {
					c.ask(before, "*")
				}
				c.ask(line+"\r\nNOOP\r\nUSER user0", "421 This is not a web server. Closing control connection.", "(closed)")
			}
			user.ask(line, fmt.Sprintf(`500 Command "%s" not understood.`, verb))
			user.ask("HELP "+verb, "501 Unrecognized command.")
		}
		c := ts.connect(t) // an answer that begins with it, or a longer word, is none
		c.want("220 *")
		c.ask(" "+verb, "500 *")
		c.ask(verb+"S /", "500 *")
		c.ask("SITE "+verb, "500 *")
		for _, list := range []string{"HELP", "FEAT"} {
			c.send(list)
			for line := c.line(); line[3] == '-' || line[0] == ' '; line = c.line() {
				for word := range strings.FieldsSeq(line) {
					if word == verb {
						t.Errorf("%s lists %s", list, verb)
					}
				}
			}
		}
	}
	if ts.log.has("*secret*") {
		t.Errorf("what was sent is in the log: %q", ts.log.all())
	}
}
