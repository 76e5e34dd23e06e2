package ftpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPortsFollowNoRule draws many passive ports: all parts of the range come as often, none follows another by a rule,
// and two servers do not draw alike. The numbers are those that chance exceeds less than once in a million runs.
func TestPortsFollowNoRule(t *testing.T) {
	const first, count, draws = 20000, 1000, 4000
	ports := make([]int, draws)
	for i := range ports {
		ln, err := listenInRange(netip.MustParseAddr("127.0.0.1"), first, first+count-1)
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = ln.Addr().(*net.TCPAddr).Port - first
		ln.Close()
	}
	tenths, steps, pairs := make([]int, 10), make([]int, count), make([]int, 100)
	for i, port := range ports {
		tenths[port*10/count]++
		if i > 0 {
			steps[(port-ports[i-1]+count)%count]++
			pairs[ports[i-1]*10/count*10+port*10/count]++
		}
	}
	t.Logf("%d draws of %d ports: tenths %v; the commonest step came %d times; pairs of tenths %d to %d times",
		draws, count, tenths, slices.Max(steps), slices.Min(pairs), slices.Max(pairs))
	if slices.Min(tenths) < 300 || slices.Max(tenths) > 500 {
		t.Errorf("the tenths of the range came %v times, want about %d each", tenths, draws/10)
	}
	if most := slices.Max(steps); most > 24 {
		t.Errorf("one step from port to port came %d times, want about %d", most, draws/count)
	}
	if slices.Min(pairs) < 10 || slices.Max(pairs) > 80 {
		t.Errorf("pairs of tenths came %d to %d times, want about %d", slices.Min(pairs), slices.Max(pairs), draws/100)
	}
}

// TestRandomnessCannotBeGuessed: nothing in this package draws from a generator whose state can be found out.
func TestRandomnessCannotBeGuessed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(text), `"math/rand`) {
			t.Errorf("%s draws from math/rand", file)
		}
	}
}

// TestDataPortIsOpenOnlyWhileNeeded: whatever ends the need for a passive port closes it.
func TestDataPortIsOpenOnlyWhileNeeded(t *testing.T) {
	t.Parallel()
	active, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { active.Close() })
	port := active.Addr().(*net.TCPAddr).Port
	for name, end := range map[string]func(c *client, addr string){
		"the peer is in":  func(c *client, addr string) { c.dialData(addr); c.ask("NLST", "1*", "226 *") },
		"the transfer":    func(c *client, addr string) { c.dialData(addr); c.ask("RETR a", "1*"); c.receive(); c.want("226 *") },
		"ABOR":            func(c *client, addr string) { c.ask("ABOR", "225 *") },
		"PASV":            func(c *client, addr string) { c.listenElsewhere("PASV", addr) },
		"EPSV":            func(c *client, addr string) { c.listenElsewhere("EPSV", addr) },
		"PORT":            func(c *client, addr string) { c.ask(fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff), "200 *") },
		"REIN":            func(c *client, addr string) { c.ask("REIN", "230 *") },
		"USER":            func(c *client, addr string) { c.ask("USER user1", "331 *") },
		"QUIT":            func(c *client, addr string) { c.ask("QUIT", "221 *", "(closed)") },
		"the client":      func(c *client, addr string) { c.conn.Close() },
		"time":            func(c *client, addr string) { c.want("421 Passive data channel timed out.") },
		"aborted waiting": func(c *client, addr string) { c.ask("RETR a", "150 *"); c.ask("ABOR", "*", "22*") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, last := freeRange(t, 4) // of this test alone
			ts := start(t, map[string]string{"/a": "A"}, func(o *Options) {
				o.PassiveFirst, o.PassiveLast = first, last
				if o.AcceptTimeout = patience; name == "time" {
					o.AcceptTimeout = 50 * time.Millisecond
				}
			})
			c := ts.user(t)
			addr := c.listen("PASV")
			end(c, addr)
			if name == "the client" { // whose end nothing announces
				waitFor(t, "the end", func() bool { return ts.open() == 1 })
			}
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Close()
				t.Error("the port is still open")
			}
		})
	}
}

// listenElsewhere opens passive ports until it gets another one than it had.
func (c *client) listenElsewhere(command, had string) {
	c.t.Helper()
	for c.listen(command) == had {
	}
}

// dialRecorder refuses to connect and remembers where to.
type dialRecorder struct {
	mu      sync.Mutex
	targets []netip.AddrPort
}

func (d *dialRecorder) dial(_ context.Context, _, target netip.AddrPort) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.targets = append(d.targets, target)
	return nil, errors.New("no connection here")
}

// TestBounce: no way to write an address makes the server connect to another host than the client's, or to a port of a
// system service (RFC 2577 3).
func TestBounce(t *testing.T) {
	t.Parallel()
	recorder := &dialRecorder{}
	ts := startWith(t, nil, func(s *Server) { s.dial = recorder.dial })
	c := ts.user(t)
	for _, command := range []string{
		"PORT 127,0,0,2,200,10", "PORT 192,0,2,1,200,10", "PORT 255,255,255,255,200,10", "PORT 169,254,169,254,0,80",
		"PORT 127,0,0,1,0,21", "PORT 127,0,0,1,3,255", "PORT 127,0,0,1,0,0", "PORT 383,0,0,1,200,10", "PORT -127,0,0,1,200,10", "PORT 127,0,0,257,200,10",
		"PORT 0x7f,0,0,2,200,10", "PORT 127,0,0,2", "PORT 127,0,0,2,200,10,1", "PORT 127.0.0.2,200,10", "PORT 127,0,0,1,200,10;127,0,0,2,200,10",
		"PORT localhost,200,10", "EPRT |1|127.0.0.2|50000|", "EPRT |1|127.0.0.1|80|", "EPRT |1|127.0.0.1|0|", "EPRT |1|127.0.0.1|65536|", "EPRT |1|localhost|50000|",
		"EPRT |1|127.2|50000|", "EPRT |1|2130706434|50000|", "EPRT |1|0177.0.0.2|50000|", "EPRT |2|::1|50000|", "EPRT |2|::ffff:127.0.0.2|50000|",
		"EPRT |1|::ffff:127.0.0.1|50000|", "EPRT |1|127.0.0.2%eth0|50000|", "EPRT ||127.0.0.2|50000|", "EPRT |1||50000|", "EPRT |1|[127.0.0.2]|50000|",
		"EPRT |1|169.254.169.254|8000|",
	} {
		c.ask(command, "5*")
	}
	// 0.0.0.0 would be this machine; it means the client.
	for _, command := range []string{"PORT 127,0,0,1,200,10", "PORT 0,0,0,0,200,10", "EPRT |1|127.0.0.1|51210|", "EPRT |1|0.0.0.0|51210|"} {
		c.ask(command, "425 *")
	}
	want := slices.Repeat([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:51210")}, 4)
	if !slices.Equal(recorder.targets, want) {
		t.Errorf("connected to %v, want %v", recorder.targets, want)
	}
}

// TestCrowdOfStrangersAtADataPort: connections from other addresses, before and while the client comes, get nothing and
// keep nothing from the client.
func TestCrowdOfStrangersAtADataPort(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/secret": "secret"}, func(o *Options) { o.SameHostOnly = true })
	c := ts.user(t)
	for round := range 10 {
		addr := c.listen("PASV")
		var strangers []net.Conn
		for i := range 10 {
			strangers = append(strangers, connectFrom(t, fmt.Sprintf("127.0.1.%d", i+2), addr))
		}
		c.dialData(addr)
		c.ask("RETR secret", "1*")
		if got := c.receive(); got != "secret" {
			t.Fatalf("round %d: the client got %q", round, got)
		}
		c.want("226 *")
		for _, s := range strangers {
			s.SetDeadline(time.Now().Add(patience))
			if got, _ := io.ReadAll(s); len(got) > 0 {
				t.Errorf("round %d: a stranger got %q", round, got)
			}
			s.Close()
		}
	}
}
