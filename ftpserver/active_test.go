package ftpserver

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func FuzzParsePort(f *testing.F) {
	for _, seed := range []string{
		"127,0,0,1,195,169", "1,2,3", "300,0,0,1,2,3", "1,2,3,4,5,6,7", "a,b,c,d,e,f", ",,,,,", "-1,0,0,1,2,3",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		got, ok := parsePort(arg)
		if !ok {
			return
		}
		a := got.Addr().As4()
		again := fmt.Sprintf("%d,%d,%d,%d,%d,%d", a[0], a[1], a[2], a[3], got.Port()>>8, got.Port()&0xff)
		if back, ok := parsePort(again); !ok || back != got {
			t.Fatalf("%q is %v, but %q is %v, %v", arg, got, again, back, ok)
		}
	})
}

func FuzzSplitEprt(f *testing.F) {
	for _, seed := range []string{
		"|1|127.0.0.1|6275|", "|2|::1|6275|", "!2!::1!6275!", "|1|127.0.0.1|65536|", "||||", "x", "", "11111", "|1||6275|",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		protocol, host, port, ok := splitEprt(arg)
		if !ok {
			return
		}
		d := arg[:1]
		if strings.Contains(protocol+host, d) {
			t.Fatalf("%q: delimiter in %q or %q", arg, protocol, host)
		}
		p, h, n, ok := splitEprt(fmt.Sprint(d, protocol, d, host, d, port, d))
		if d < "0" && (!ok || p != protocol || h != host || n != port) {
			t.Fatalf("%q: %q %q %d does not come back", arg, protocol, host, port)
		}
	})
}

func TestActiveConnections(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a.txt": "AAA"})
	c := ts.user(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	for _, command := range []string{
		fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff),
		fmt.Sprintf("EPRT |1|127.0.0.1|%d|", port),
	} {
		c.ask(command, "200 Active data connection established.")
		c.ask("RETR a.txt", "125 Data connection already open. Transfer starting.")
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(conn); err != nil || string(b) != "AAA" {
			t.Errorf("%s: got %q, %v", command, b, err)
		}
		conn.Close()
		c.want("226 Transfer complete.")
	}
	ln.Close()
	c.ask(fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff), "425 Can't connect to specified address.")
	c.ask("NOOP", "200 *")
}

// TestPasvThenPortReleasesListener: ftpserverlib leaves the listener open, with multiplexing for good.
func TestPasvThenPortReleasesListener(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	before := ts.open()
	for range 20 {
		passive := c.listen("PASV")
		c.ask(fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff), "200 *")
		if conn, err := net.Dial("tcp", passive); err == nil {
			conn.Close()
			t.Fatal("passive port still open after PORT")
		}
	}
	c.ask("ABOR", "225 *")
	if ts.open() != before {
		t.Errorf("%d sockets, %d before", ts.open(), before)
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Logf("no IPv6 on this machine (%v): only the family rules are tested", err)
		s := &session{control: control{local: netip.MustParseAddrPort("[::1]:21")}, srv: New(Options{})}
		if r := s.cmdPasv(request{}); r.code != 425 {
			t.Errorf("PASV over IPv6: %v", r)
		}
		if r := s.cmdEpsv(request{arg: "1"}); r.code != 522 {
			t.Errorf("EPSV 1 over IPv6: %v", r)
		}
		return
	}
	ts := start(t, map[string]string{"/a.txt": "AAA"})
	go ts.Serve(ln)
	ts.addr = ln.Addr().String()
	c := ts.user(t)
	c.ask("PASV", "425 *")
	c.ask("EPSV 1", "522 Network protocol not supported (use 2).")
	c.open("EPSV 2")
	c.ask("RETR a.txt", "1*")
	if got := c.receive(); got != "AAA" {
		t.Errorf("got %q", got)
	}
	c.want("226 *")
	c.ask("EPRT |1|127.0.0.1|5000|", "522 Network protocol not supported (use 2).")
	data, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	c.ask(fmt.Sprintf("EPRT |2|::1|%d|", data.Addr().(*net.TCPAddr).Port), "200 *")
	c.ask("NLST", "125 *", "226 *")
	c.ask(fmt.Sprintf("EPRT |2|::|%d|", data.Addr().(*net.TCPAddr).Port), "200 *") // lftp 4.9 says so
	c.ask("NLST", "125 *", "226 *")
}

// TestActiveToUnspecifiedAddress: 0.0.0.0 and :: are the client itself, whatever listens on other addresses.
func TestActiveToUnspecifiedAddress(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	for _, command := range []string{"PORT 0,0,0,0,%d,%d", "EPRT |1|0.0.0.0|%d|"} {
		data, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		port := data.Addr().(*net.TCPAddr).Port
		args := []any{port >> 8, port & 0xff}
		if strings.HasPrefix(command, "EPRT") {
			args = []any{port}
		}
		c := ts.user(t)
		c.ask(fmt.Sprintf(command, args...), "200 *")
		conn, err := data.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.ask("RETR a", "125 *", "226 *")
		if got, err := io.ReadAll(conn); string(got) != "A" || err != nil {
			t.Errorf("%s: %q, %v", command, got, err)
		}
		conn.Close()
	}
}

// TestAborDuringConnect: a client that cannot be reached does not make the session deaf.
func TestAborDuringConnect(t *testing.T) {
	t.Parallel()
	dialing := make(chan struct{}, 1)
	ts := startWith(t, nil, func(s *Server) {
		s.dial = func(ctx context.Context, _, _ netip.AddrPort) (net.Conn, error) {
			dialing <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	c := ts.user(t)
	c.send("PORT 127,0,0,1,200,10")
	<-dialing
	c.sendRaw("PWD\r\nABOR\r\n")
	c.want("425 Can't connect to specified address.", "225 No transfer to abort.", "257 *")
	c.send("PORT 127,0,0,1,200,10")
	<-dialing
	c.conn.Close() // and nothing is left behind when the session ends meanwhile
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	never := func(ctx context.Context, _, _ netip.AddrPort) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ts := startWith(t, nil, func(s *Server) { s.dial = never },
		func(o *Options) { o.ConnectTimeout = 10 * time.Millisecond })
	c := ts.user(t)
	c.ask("PORT 127,0,0,1,200,10", "425 Can't connect to specified address.")
	c.ask("NOOP", "200 *")
}

// TestActiveSourcePort: several data connections come from that port at once, and again to a client that was just served.
func TestActiveSourcePort(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	source := probe.Addr().(*net.TCPAddr).Port
	probe.Close()
	ts := start(t, map[string]string{"/a": "A"}, func(o *Options) { o.ActiveSourcePort = source })
	var open []net.Conn
	var clients []*client
	for range 3 {
		data, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		port := data.Addr().(*net.TCPAddr).Port
		c := ts.user(t)
		c.ask(fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff), "200 *")
		conn, err := data.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if from := conn.RemoteAddr().(*net.TCPAddr).Port; from != source {
			t.Errorf("the data connection comes from port %d, want %d", from, source)
		}
		open, clients = append(open, conn), append(clients, c)
	}
	for i, conn := range open {
		clients[i].ask("RETR a", "125 *")
		if got, err := io.ReadAll(conn); string(got) != "A" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		conn.Close()
		clients[i].want("226 *")
	}
}

// TestActiveSourcePortThatIsDenied, or that somebody else has: the client is told as ever, the operator why. Of a client
// that cannot be reached nothing is said about the port.
func TestActiveSourcePortThatIsDenied(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call  string
		errno syscall.Errno
		told  bool
	}{
		{"bind", syscall.EACCES, true},
		{"bind", syscall.EADDRINUSE, true},
		{"connect", syscall.ECONNREFUSED, false},
	} {
		denied := func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError(c.call, c.errno)}
		}
		ts := startWith(t, nil, func(s *Server) { s.dial = denied }, func(o *Options) { o.ActiveSourcePort = 20 })
		client := ts.user(t)
		client.ask("PORT 127,0,0,1,200,10", "425 Can't connect to specified address.")
		line := fmt.Sprintf("ERROR * No active data connection can be made from port 20, see active_source_port: *%v.", c.errno)
		if ts.log.has(line) != c.told {
			t.Errorf("log: %q, want %q: %v", ts.log.all(), line, c.told)
		}
	}
}
