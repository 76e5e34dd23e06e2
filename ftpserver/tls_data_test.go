package ftpserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTransfersOverTLS(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 200_000)
	for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		for _, reuse := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ts, config := startTLS(t, map[string]string{"/big": big, "/empty": ""}, func(o *Options) { o.TLSRequireReuse = reuse })
				config.MaxVersion = version
				c := ts.secureUser(t, config)
				if got := c.fetch("RETR big", config); got != big {
					t.Errorf("RETR: %s", short(got))
				}
				if got := c.fetch("RETR empty", config); got != "" {
					t.Errorf("RETR of nothing: %s", short(got))
				}
				if got := c.fetch("LIST", config); strings.Count(got, "\r\n") != 2 {
					t.Errorf("LIST: %q", got)
				}
				if got := c.store("STOR up", big, config); got != "226 Transfer complete." {
					t.Error(got)
				}
				if got := c.store("STOR nothing", "", config); got != "226 Transfer complete." {
					t.Error(got)
				}
				c.wantObject("/up", big)
				c.wantObject("/nothing", "")
				c.ask("PROT C", "200 *")
				if got := c.retr("RETR empty"); got != "" {
					t.Errorf("PROT C: %s", short(got))
				}
			})
		}
	}
}

func TestActiveModeOverTLS(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "text"})
	c := ts.secureUser(t, config)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	c.ask("EPRT |1|127.0.0.1|"+strconv.Itoa(port)+"|", "200 *")
	if c.data, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	c.ask("RETR a", "125 *")
	data, err := c.secureData(config)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(data); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	c.want("226 *")
}

// TestRequireReuse: only who holds a ticket of this very session gets a data connection.
func TestRequireReuse(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "text"}, func(o *Options) { o.TLSRequireReuse = true })
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		victim, other := config.Clone(), config.Clone()
		for _, each := range []*tls.Config{victim, other} {
			each.MaxVersion = version
			each.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		}
		c := ts.secureUser(t, victim)
		ts.secureUser(t, other) // fills the other's cache
		fresh := victim.Clone()
		fresh.ClientSessionCache = nil
		for name, stranger := range map[string]*tls.Config{"no session": fresh, "another session": other} {
			c.open("PASV")
			c.ask("RETR a", "1*")
			if data, err := c.secureData(stranger); err == nil {
				if got, _ := io.ReadAll(data); len(got) > 0 {
					t.Errorf("%s: got %q", name, got)
				}
			}
			c.want("522 TLS session of the control connection must be resumed on data connections.")
			c.open("PASV")
			c.ask("STOR forged", "1*")
			if data, err := c.secureData(stranger); err == nil {
				io.WriteString(data, "forged")
				data.Close()
			}
			c.want("522 *")
		}
		if _, there := ts.fs.content("/forged"); there {
			t.Error("an upload without the session was kept")
		}
		if got := c.fetch("RETR a", victim); got != "text" {
			t.Errorf("with the session: %q", got)
		}
	}
}

// TestTruncatedUploadOverTLS: a cut inside a record is an interrupted upload; a missing farewell between records is
// none, since many clients send none.
func TestTruncatedUploadOverTLS(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/cut": "old"}, func(o *Options) { o.KeepIncomplete = false })
	c := ts.secureUser(t, config)
	c.open("PASV")
	c.ask("STOR cut", "1*")
	short := &cutter{Conn: c.data, left: -1}
	data := tls.Client(short, config)
	if err := data.Handshake(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(data, "first")
	short.left = 20
	io.WriteString(data, strings.Repeat("x", 1000))
	c.data.(*net.TCPConn).CloseWrite()
	c.want("426 *")
	c.wantObject("/cut", "old")

	c.open("PASV")
	c.ask("STOR rude", "1*")
	data, err := c.secureData(config)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(data, "whole")
	c.data.(*net.TCPConn).CloseWrite()
	c.want("226 *")
	c.wantObject("/rude", "whole")
}

// TestStrictClose: with TLSStrictClose an upload is complete when the client says so by close_notify. One whose connection
// ends without, between two records, was cut by whoever can reach the line. Without TLSStrictClose that is an end, since
// many clients do so.
func TestStrictClose(t *testing.T) {
	t.Parallel()
	const old, sent = "old", "the beginning of it\r\n"
	for _, strict := range []bool{false, true} {
		for _, keep := range []bool{false, true} {
			for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
				t.Run(fmt.Sprintf("strict %v, keep %v, %s", strict, keep, name), func(t *testing.T) {
					t.Parallel()
					ts, config := startTLS(t, map[string]string{"/f": old}, func(o *Options) { o.TLSStrictClose, o.KeepIncomplete = strict, keep })
					config.MaxVersion = version
					c := ts.secureUser(t, config)
					for _, ascii := range []string{"TYPE I", "TYPE A"} {
						c.ask(ascii, "200 *")
						for _, content := range []string{sent, "", strings.Repeat(sent, 10_000)} {
							if got := c.store("STOR f", old, config); got != "226 Transfer complete." {
								t.Errorf("with close_notify: %s", got)
							}
							reply, want, holds := c.cut("STOR f", content, config), "226 Transfer complete.", content
							if strict {
								want = fmt.Sprintf("426 Transfer aborted; %d bytes transmitted.", len(content))
								if !keep {
									holds = old
								}
							}
							if reply != want {
								t.Errorf("%s, %d bytes: %s, want %s", ascii, len(content), reply, want)
							}
							if ascii == "TYPE I" || holds == old {
								c.wantObject("/f", holds)
							}
						}
					}
					if n := ts.log.count("WARN *-[user0] STOR f: the TLS data connection was cut without close_notify."); strict && n != 6 || !strict && n > 0 {
						t.Errorf("%d lines in the log: %q", n, ts.log.all())
					}
					if got := c.fetch("RETR f", config); got == "" {
						t.Error("a download is empty")
					}
					c.ask("PROT C", "200 *") // where there is nothing but the end of the connection
					if got := c.stor("STOR f", sent); got != "226 Transfer complete." {
						t.Errorf("in plain: %s", got)
					}
				})
			}
		}
	}
}

// cut is store by a client whose connection ends without close_notify, in order for TCP.
func (c *client) cut(command, content string, config *tls.Config) string {
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
	c.data.(*net.TCPConn).CloseWrite()
	return c.line()
}

// cutter lets left more bytes through and swallows the rest; negative lets all through.
type cutter struct {
	net.Conn
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left < 0 {
		return c.Conn.Write(p)
	}
	n := min(len(p), c.left)
	c.left -= n
	if _, err := c.Conn.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// TestFarewells: what ended in order ends with close_notify, what did not does not.
func TestFarewells(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 64<<20)
	ts, config := startTLS(t, map[string]string{"/a": "text", "/big": big})
	config.MaxVersion = tls.VersionTLS12 // alerts can be told by their type
	c := ts.connect(t)
	control := &recordTypes{Conn: c.conn}
	c.want("220 *")
	c.ask("AUTH SSL", "234 *")
	c.conn = control
	c.handshake(config)
	c.login("user0")
	c.ask("TYPE I", "200 *")
	c.open("PASV")
	c.ask("RETR a", "1*")
	whole := &recordTypes{Conn: c.data}
	if got, err := io.ReadAll(tls.Client(whole, config)); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	c.want("226 *")
	if !whole.alert {
		t.Error("the data connection ended without close_notify")
	}
	c.open("PASV")
	c.ask("RETR big", "1*")
	cut := &recordTypes{Conn: c.data}
	part := tls.Client(cut, config)
	if _, err := io.ReadFull(part, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.ask("ABOR", "426 *", "226 *")
	if n, _ := io.Copy(io.Discard, part); cut.alert || n+1000 >= int64(len(big)) {
		t.Errorf("the cut transfer sent %d bytes, with close_notify: %v", n+1000, cut.alert)
	}
	c.ask("QUIT", "221 *", "(closed)")
	if !control.alert {
		t.Error("the control connection ended without close_notify")
	}
}

// recordTypes notices whether an alert came.
type recordTypes struct {
	net.Conn
	buf   []byte
	alert bool
}

func (r *recordTypes) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.buf = append(r.buf, p[:n]...)
	for len(r.buf) >= recordHeader {
		length := recordHeader + int(r.buf[3])<<8 + int(r.buf[4])
		if len(r.buf) < length {
			break
		}
		r.alert = r.buf[0] == 21
		r.buf = r.buf[length:]
	}
	return n, err
}

func TestAborDuringDataHandshake(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, nil)
	c := ts.secureUser(t, config)
	c.open("PASV")
	c.ask("STOR b", "1*")
	c.ask("ABOR", "426 *", "226 ABOR command successful.")
	if got := c.store("STOR b", "text", config); got != "226 Transfer complete." {
		t.Error(got)
	}
}

func TestAborOverTLS(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, nil)
	c := ts.secureUser(t, config)
	c.open("PASV")
	c.ask("STOR b", "1*")
	data, err := c.secureData(config)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(data, "part")
	waitFor(t, "the bytes", func() bool {
		found := false
		c.send("STAT")
		for line := c.line(); line != "211 End of status."; line = c.line() {
			found = found || line == " Total bytes received: 4"
		}
		return found
	})
	c.ask("ABOR", "426 *", "226 *")
	c.wantObject("/b", "part")
}

// TestPlainDataUnderProtP: data in plain where TLS was agreed on is neither taken nor sent.
func TestPlainDataUnderProtP(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/a": "secret"})
	c := ts.secureUser(t, config)
	c.open("PASV")
	c.ask("STOR b", "1*")
	c.sendData("in plain, and long enough for a record")
	c.want("425 Can't open data connection: TLS handshake failed.")
	if _, there := ts.fs.content("/b"); there {
		t.Error("data in plain was stored")
	}
	c.open("PASV")
	c.ask("RETR a", "1*")
	c.sendData("\r\n\r\n\r\n")
	c.data.SetReadDeadline(time.Now().Add(patience))
	if got, _ := io.ReadAll(c.data); strings.Contains(string(got), "secret") {
		t.Errorf("got %q", got)
	}
	c.want("425 *")
}
