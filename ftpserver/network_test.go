package ftpserver

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

func TestActiveModeOff(t *testing.T) {
	t.Parallel()
	c := start(t, nil, func(o *Options) { o.NoActive = true }).user(t)
	c.ask("PORT 127,0,0,1,200,1", "502 Active mode is not available here: use PASV or EPSV.")
	c.ask("EPRT |1|127.0.0.1|50000|", "502 *")
	if got := c.retr("LIST"); got != "" {
		t.Errorf("passive mode: %q", got)
	}
}

// TestForeignActive: PORT to another host is refused unless it is allowed; privileged ports always are.
func TestForeignActive(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	command := "PORT 127,0,0,2," + strconv.Itoa(port>>8) + "," + strconv.Itoa(port&0xff)
	start(t, nil).user(t).ask(command, "501 Rejected data connection to foreign address *")
	c := start(t, nil, func(o *Options) { o.AnyHost = true }).user(t)
	c.ask(command, "200 *")
	c.ask("PORT 127,0,0,2,0,80", "501 PORT against the privileged port *")
}

func TestSessionsPerHost(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.MaxPerHost = 2 })
	first := ts.user(t)
	ts.user(t)
	ts.connect(t).want("421 Too many connections from the same IP address.", "(closed)")
	elsewhere, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	b := make([]byte, 3)
	if _, err := elsewhere.Read(b); err != nil || string(b) != "220" {
		t.Errorf("another host: %q, %v", b, err)
	}
	first.ask("QUIT", "221 *", "(closed)")
	waitFor(t, "room", func() bool {
		c := ts.connectUntied(t)
		defer c.close()
		return strings.HasPrefix(c.line(), "220")
	})
}

func TestSessionsPerUser(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.MaxPerUser = 1 })
	first := ts.user(t)
	second := ts.connect(t)
	second.want("220 *")
	second.ask("USER user0", "331 *")
	second.ask("PASS pass0", "530 Too many connections of this user.")
	second.login("user1")
	first.ask("REIN", "230 *")
	second.ask("USER user0", "331 *")
	second.ask("PASS pass0", "230 *")
	second.close()
	waitFor(t, "the session's end", func() bool {
		first.send("USER user0")
		first.line()
		first.send("PASS pass0")
		return first.line() == "230 Login successful."
	})
}

func TestMasqueradeByNetwork(t *testing.T) {
	t.Parallel()
	inner := MasqueradeRoute{netip.MustParsePrefix("127.0.0.0/8"), Masquerade("10.1.2.3")}
	outer := MasqueradeRoute{netip.MustParsePrefix("0.0.0.0/0"), Masquerade("192.0.2.1")}
	for want, routes := range map[string][]MasqueradeRoute{
		"10,1,2,3":    {inner, outer},
		"192,0,2,1":   {outer, inner},
		"198,51,100,": {{netip.MustParsePrefix("172.16.0.0/12"), Masquerade("10.1.2.3")}},
		"127,0,0,1":   {{inner.Clients, nil}},
	} {
		ts := start(t, nil, func(o *Options) {
			o.MasqueradeFor = routes
			o.Masquerade = func(context.Context) string { return "198.51.100.7" }
		})
		ts.user(t).ask("PASV", "227 Entering passive mode ("+want+"*")
	}
}
