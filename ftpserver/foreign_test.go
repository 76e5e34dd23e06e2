package ftpserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

const foreignHost = "127.0.0.2"

// startForeign is a server with the files /a and /old, at whose data ports foreign peers wait for a time.
func startForeign(t *testing.T, wait time.Duration, change ...func(*Options)) *testServer {
	t.Helper()
	set := func(o *Options) { o.ForeignWait = wait }
	return start(t, map[string]string{"/a": "A", "/old": "old"}, append([]func(*Options){set}, change...)...)
}

// wantEnd reads a connection that must end without a byte.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(conn); len(got) > 0 || isTimeout(err) {
		t.Errorf("the stranger got %q, %v", got, err)
	}
	conn.Close()
}

// wantWarning waits for the line in the log about the foreign host.
func (ts *testServer) wantWarning(t *testing.T, about string) {
	t.Helper()
	line := fmt.Sprintf("WARN *-[user0] Foreign address %s %s of client 127.0.0.1.", foreignHost, about)
	waitFor(t, line, func() bool { return ts.log.has(line) })
}

// TestForeignPeerIsAllowed: for clients that have several addresses, as in the original, but not at once.
func TestForeignPeerIsAllowed(t *testing.T) {
	t.Parallel()
	const wait = 100 * time.Millisecond
	ts := startForeign(t, wait)
	c := ts.user(t)
	began := time.Now()
	c.data = connectFrom(t, foreignHost, c.listen("PASV"))
	c.ask("RETR a", "1*")
	if got := c.receive(); got != "A" {
		t.Errorf("got %q", got)
	}
	c.want("226 *")
	if took := time.Since(began); took < wait {
		t.Errorf("the foreign peer was taken after %v", took)
	}
	ts.wantWarning(t, "takes the data connection")
	c.data = connectFrom(t, foreignHost, c.listen("PASV"))
	c.ask("STOR b", "1*")
	c.sendData("B")
	c.data.Close() // most likely before it is taken
	c.want("226 *")
	c.wantObject("/b", "B")
}

// TestClientGoesBeforeForeignPeer: who was first at a passive port got the file.
func TestClientGoesBeforeForeignPeer(t *testing.T) {
	t.Parallel()
	ts := startForeign(t, patience)
	c := ts.user(t)
	for _, crowd := range []int{1, maxForeign, maxForeign + 3} {
		addr := c.listen("PASV")
		var strangers []net.Conn
		for range crowd {
			strangers = append(strangers, connectFrom(t, foreignHost, addr))
		}
		c.ask("RETR a", "150 *")
		c.dialData(addr)
		if got := c.receive(); got != "A" {
			t.Errorf("got %q", got)
		}
		c.want("226 *")
		for _, stranger := range strangers {
			wantEnd(t, stranger)
		}
		ts.wantWarning(t, "is turned away from the data port")

		addr = c.listen("EPSV")
		stranger := connectFrom(t, foreignHost, addr)
		io.WriteString(stranger, "forged")
		c.ask("STOR b", "150 *")
		c.dialData(addr)
		c.sendData("mine")
		c.data.Close()
		c.want("226 *")
		c.wantObject("/b", "mine")
		stranger.Close()
	}
}

// TestPortScanIsNoUpload: a foreign peer that came and left made an upload of 0 bytes, with 226.
func TestPortScanIsNoUpload(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep %v", keep), func(t *testing.T) {
			t.Parallel()
			ts := startForeign(t, lull/40, func(o *Options) { o.KeepIncomplete, o.AcceptTimeout = keep, lull })
			c := ts.user(t)
			scan := func(addr string) {
				for range 2 * maxForeign {
					connectFrom(t, foreignHost, addr).Close()
				}
			}
			addr := c.listen("PASV")
			scan(addr)
			c.ask("STOR old", "150 *")
			time.Sleep(lull / 20) // the scan's time is over
			c.dialData(addr)
			c.sendData("new")
			c.data.Close()
			c.want("226 *")
			c.wantObject("/old", "new")
			ts.wantWarning(t, "left the data port")

			for _, command := range []string{"STOR old", "APPE old", "RETR a", "NLST"} {
				scan(c.listen("PASV"))
				c.ask(command, "150 *", "425 Can't open data connection: only a foreign address came, and sent nothing.")
			}
			scan(c.listen("PASV"))
			c.want("421 Passive data channel timed out.")
			c.wantObject("/old", "new")
			c.ask("NOOP", "200 *")
		})
	}
}

// TestPortScansFillNoLog: of many that come to one port some are named, and the rest is a number.
func TestPortScansFillNoLog(t *testing.T) {
	t.Parallel()
	ts := startForeign(t, time.Hour)
	c := ts.user(t)
	addr := c.listen("PASV")
	const many = 300
	for range many {
		connectFrom(t, foreignHost, addr).Close()
	}
	c.dialData(addr)
	c.ask("NLST", "1*")
	c.want("226 *")
	waitFor(t, "the number", func() bool {
		return ts.log.has("WARN * more connections of foreign addresses came to the data port of client 127.0.0.1 and got nothing.")
	})
	if n := ts.log.count("WARN *"); n > maxForeignTold+1 {
		t.Errorf("%d connections wrote %d warnings", many, n)
	}
}

// TestForeignPeerThatSendsNothing: one that stays until it is taken, and then sends nothing, replaces nothing.
func TestForeignPeerThatSendsNothing(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		ts := startForeign(t, time.Millisecond, func(o *Options) { o.KeepIncomplete = keep })
		c := ts.user(t)
		for name, end := range map[string]func(){
			"close": func() { c.data.Close(); c.want("425 *") },
			"reset": func() { c.resetData(); c.want("425 *") },
			"ABOR":  func() { c.ask("ABOR", "426 *", "226 *") },
		} {
			c.data = connectFrom(t, foreignHost, c.listen("PASV"))
			waitFor(t, name, func() bool { c.send("STAT"); return c.hasLine(" Data connection open", "211 End of status.") })
			c.ask("STOR old", "125 *")
			end()
			c.wantObject("/old", "old")
		}
	}
}

// hasLine reads lines to the last one, and reports whether one is as wanted.
func (c *client) hasLine(wanted, last string) (found bool) {
	c.t.Helper()
	for line := c.line(); line != last; line = c.line() {
		found = found || matches(wanted+"*", line)
	}
	return found
}

// TestWaitOfForeignPeerEnds: what ends the need for a data connection ends the wait of strangers, and closes the port.
func TestWaitOfForeignPeerEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *client, addr string){
		"ABOR":          func(c *client, _ string) { c.ask("ABOR", "225 *") },
		"ABOR, waiting": func(c *client, _ string) { c.ask("STOR old", "150 *"); c.ask("ABOR", "426 *", "226 *") },
		"PASV":          func(c *client, addr string) { c.listenElsewhere("PASV", addr) },
		"EPSV, waiting": func(c *client, addr string) { c.ask("STOR old", "150 *"); c.listenElsewhere("EPSV", addr) },
		"REIN":          func(c *client, _ string) { c.ask("REIN", "230 *") },
		"USER":          func(c *client, _ string) { c.ask("USER user1", "331 *") },
		"QUIT":          func(c *client, _ string) { c.ask("QUIT", "221 *", "(closed)") },
		"the client":    func(c *client, _ string) { c.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := startForeign(t, patience/2)
			c := ts.user(t)
			addr := c.listen("PASV")
			strangers := []net.Conn{connectFrom(t, foreignHost, addr), connectFrom(t, foreignHost, addr)}
			began := time.Now()
			end(c, addr)
			for _, stranger := range strangers {
				wantEnd(t, stranger)
			}
			if took := time.Since(began); took > patience/4 {
				t.Errorf("the stranger stayed for %v", took)
			}
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Close()
				t.Error("the port is still open")
			}
			if got, _ := ts.fs.content("/old"); got != "old" {
				t.Errorf("the old file holds %q", got)
			}
		})
	}
}

// TestQuitWaitsForForeignPeer: QUIT behind a transfer that waits for its data connection ends nothing yet.
func TestQuitWaitsForForeignPeer(t *testing.T) {
	t.Parallel()
	c := startForeign(t, 50*time.Millisecond).user(t)
	c.data = connectFrom(t, foreignHost, c.listen("PASV"))
	c.ask("RETR a", "1*")
	c.send("QUIT")
	if got := c.receive(); got != "A" {
		t.Errorf("got %q", got)
	}
	for got := c.line(); got != "(closed)"; got = c.line() {
		if !matches("22*", got) {
			t.Errorf("got %q", got)
		}
	}
}

// TestForeignPeerAtTheEnd: a wait that is longer than the time for the peer to come ends with it.
func TestForeignPeerAtTheEnd(t *testing.T) {
	t.Parallel()
	c := startForeign(t, patience, func(o *Options) { o.AcceptTimeout = 50 * time.Millisecond }).user(t)
	c.data = connectFrom(t, foreignHost, c.listen("PASV"))
	c.ask("RETR a", "1*")
	if got := c.receive(); got != "A" {
		t.Errorf("got %q", got)
	}
	c.want("226 *")
}

// TestAnyHostIsTakenAtOnce: where any host may have a data connection, another server most likely, the first gets it.
func TestAnyHostIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	ts := startForeign(t, time.Hour, func(o *Options) { o.AnyHost = true })
	c := ts.user(t)
	c.data = connectFrom(t, foreignHost, c.listen("PASV"))
	c.ask("STOR old", "1*")
	c.data.Close()
	c.want("226 *")
	c.wantObject("/old", "")
	if want := "INFO *-[user0] Foreign address 127.0.0.2 takes the data connection of client 127.0.0.1."; !ts.log.has(want) {
		t.Errorf("the log lacks %q", want)
	}
}

// TestForeignPeerThatResumes: TLS shows that a foreign peer is the client, so that its empty file is one.
func TestForeignPeerThatResumes(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/old": "old"}, func(o *Options) { o.ForeignWait = time.Millisecond })
	c := ts.secureUser(t, config)
	fresh := config.Clone()
	fresh.ClientSessionCache = nil
	for _, step := range []struct {
		config *tls.Config
		want   string
		holds  string
	}{{fresh, "425 *", "old"}, {config, "226 *", ""}} {
		c.data = connectFrom(t, foreignHost, c.listen("PASV"))
		c.ask("STOR old", "1*")
		data, err := c.secureData(step.config)
		if err != nil {
			t.Fatal(err)
		}
		data.CloseWrite()
		c.want(step.want)
		c.data.Close()
		c.wantObject("/old", step.holds)
	}
}
