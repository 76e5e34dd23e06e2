package ftpserver

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
)

// nextRange is where freeRange looks next, so that no two tests get the same ports.
var nextRange atomic.Int32

// freeRange finds n ports next to each other that are free, below those the system gives to clients.
func freeRange(t *testing.T, n int) (first, last int) {
	t.Helper()
	for range 1000 {
		first = 21000 + int(nextRange.Add(int32(n))) - n
		var held []net.Listener
		for port := first; port < first+n; port++ {
			if ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
				held = append(held, ln)
			}
		}
		for _, ln := range held {
			ln.Close()
		}
		if len(held) == n {
			return first, first + n - 1
		}
	}
	t.Fatalf("no %d free ports", n)
	return 0, 0
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	return int(netip.MustParseAddrPort(addr).Port())
}

// TestPassiveRange: both ends are used, nothing outside, and a used-up range is 425, as documented. The
// original leaves out the end and takes any port when none is free.
func TestPassiveRange(t *testing.T) {
	t.Parallel()
	first, last := freeRange(t, 3)
	ts := start(t, map[string]string{"/a": "A"}, func(o *Options) { o.PassiveFirst, o.PassiveLast = first, last })
	var clients []*client
	var ports []int
	for range 3 {
		c := ts.user(t)
		clients = append(clients, c)
		ports = append(ports, portOf(t, c.listen("PASV")))
	}
	slices.Sort(ports)
	if want := []int{first, first + 1, last}; !slices.Equal(ports, want) {
		t.Errorf("got ports %v, want %v", ports, want)
	}
	late := ts.user(t)
	late.ask("PASV", "425 Can't open passive data connection: no free port.")
	late.ask("EPSV", "425 *")
	late.ask("NOOP", "200 *")
	clients[0].ask("ABOR", "225 *")
	late.retr("RETR a")
}

// TestPortIsFreeOnceThePeerIsIn: ftpserverlib holds it for the whole transfer, so that a range of n ports
// limits the server to n transfers.
func TestPortIsFreeOnceThePeerIsIn(t *testing.T) {
	t.Parallel()
	port, _ := freeRange(t, 1)
	ts := start(t, map[string]string{"/a": "A"}, func(o *Options) { o.PassiveFirst, o.PassiveLast = port, port })
	var running []*client
	for i := range 5 {
		c := ts.user(t)
		c.begin("up"+strconv.Itoa(i), "x")
		running = append(running, c)
	}
	for _, c := range running {
		c.data.Close()
		c.want("226 *")
	}
}

func TestPassivePortsAreNotPredictable(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 200 {
		ln, err := listenInRange(netip.MustParseAddr("127.0.0.1"), 20000, 29999)
		if err != nil {
			t.Fatal(err)
		}
		seen[ln.Addr().(*net.TCPAddr).Port] = true
		ln.Close()
	}
	if len(seen) < 150 {
		t.Errorf("only %d different ports in 200", len(seen))
	}
}

func TestRandomStepMeetsEveryPortOnce(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 2, 3, 10, 100, 5536} {
		for range 20 {
			step, at := randomStep(count), randomBelow(count)
			seen := make([]bool, count)
			for range count {
				seen[at] = true
				at = (at + step) % count
			}
			if slices.Contains(seen, false) {
				t.Fatalf("step %d of %d leaves ports out", step, count)
			}
		}
	}
}

func TestBadPassiveRange(t *testing.T) {
	t.Parallel()
	if ln, err := listenInRange(netip.MustParseAddr("127.0.0.1"), 2000, 1000); err == nil {
		ln.Close()
		t.Error("a reversed range has ports")
	}
}

func TestPassiveTimeout(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"}, func(o *Options) { o.AcceptTimeout = lull })
	c := ts.user(t)
	c.listen("PASV")
	c.want("421 Passive data channel timed out.")
	c.ask("NOOP", "200 *")
	c.listen("PASV")
	c.ask("RETR a", "150 *", "421 Passive data channel timed out.")
	c.ask("NOOP", "200 *")
	if !ts.log.has("INFO *-[user0] Passive data channel timed out.") {
		t.Error("not in the log")
	}
	c.retr("RETR a")
}

func TestNewPasvClosesTheOld(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	first := c.listen("PASV")
	second := c.listen("PASV")
	if conn, err := net.Dial("tcp", first); err == nil {
		conn.Close()
		t.Error("the first port is still open")
	}
	c.dialData(second)
	c.listen("EPSV")
	if got := c.receive(); got != "" {
		t.Errorf("got %q", got)
	}
}

// connectFrom connects from another address of this host.
func connectFrom(t *testing.T, local, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}, Timeout: patience}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestStrangerCannotTakePassiveConnection: in ftpserverlib a stranger spoils the transfer, and the next one
// uses the stranger's connection.
func TestStrangerCannotTakePassiveConnection(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/secret": "secret"}, func(o *Options) { o.SameHostOnly = true })
	c := ts.user(t)
	addr := c.listen("PASV")
	stranger := connectFrom(t, "127.0.0.9", addr)
	defer stranger.Close()
	c.ask("RETR secret", "150 *")
	if got, _ := io.ReadAll(stranger); len(got) != 0 {
		t.Errorf("the stranger got %q", got)
	}
	c.dialData(addr)
	if got := c.receive(); got != "secret" {
		t.Errorf("got %q", got)
	}
	c.want("226 *")
}

func TestMasquerade(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"1.2.3.4": "1,2,3,4", "": "127,0,0,1", "gw.example.com": "127,0,0,1", "::1": "127,0,0,1",
		"::ffff:1.2.3.4": "1,2,3,4",
	} {
		ts := start(t, nil, func(o *Options) { o.Masquerade = func(context.Context) string { return answer } })
		c := ts.user(t)
		c.ask("PASV", fmt.Sprintf("227 Entering passive mode (%s,*,*).", want))
		c.ask("EPSV", "229 Entering extended passive mode (|||*|).")
	}
}

// poorTCPListener cannot accept for a while.
type poorTCPListener struct {
	deadlineListener
	fails int
}

func (l *poorTCPListener) Accept() (net.Conn, error) {
	if l.fails--; l.fails >= 0 {
		return nil, syscall.EMFILE
	}
	return l.deadlineListener.Accept()
}

func TestPassiveAcceptRecovers(t *testing.T) {
	t.Parallel()
	ln, err := listenInRange(netip.MustParseAddr("127.0.0.1"), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &passiveListener{freed: func() {}, ln: &poorTCPListener{ln, 2}, peer: make(chan arrival, 1), release: func() {}}
	p.door.client = netip.MustParseAddr("127.0.0.1")
	p.hurry(patience)
	go p.wait()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a := <-p.peer
	if a.err != nil {
		t.Fatal(a.err)
	}
	a.conn.Close()
}

// TestPassivePortIsFreedWhenTheClientIsGone: it may have been a script's half-close, so a moment is given.
func TestPassivePortIsFreedWhenTheClientIsGone(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.user(t)
	c.listen("PASV")
	c.ask("RETR a", "150 *")
	c.conn.Close()
	waitFor(t, "all to be released", func() bool { return ts.open() == 1 })
}
