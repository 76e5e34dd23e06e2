package ftpserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

const bannedReply = "421 " + bannedText

// testClock is a clock that a test turns on.
type testClock struct{ ahead atomic.Int64 }

func (c *testClock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *testClock) turn(by time.Duration) { c.ahead.Add(int64(by)) }
func withClock(clock *testClock) func(s *Server) {
	return func(s *Server) {
		s.bans = limit.NewBans(s.opts.BanAfter, s.opts.BanWindow, s.opts.BanTime, clock.now)
	}
}

// connectAs connects from another address of this host.
func (ts *testServer) connectAs(t *testing.T, local string) *client {
	t.Helper()
	c := ts.connect(t)
	c.conn.Close()
	c.conn = connectFrom(t, local, ts.addr)
	c.r.Reset(c.conn)
	return c
}

func (c *client) guess(password, want string) {
	c.t.Helper()
	c.ask("USER user0", "331 *")
	c.ask("PASS "+password, want)
}

// TestBan: what a banned address may and may not do, what the log says of it, and that it ends.
func TestBan(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	ts := startWith(t, nil, withClock(clock), func(o *Options) {
		o.BanAfter, o.BanWindow, o.BanTime, o.MaxLogins = 3, time.Minute, time.Hour, 10
	})
	const guesser = "127.0.0.3"
	inside, waiting := ts.connectAs(t, guesser), ts.connectAs(t, guesser)
	inside.want("220 *")
	inside.login("user0")
	waiting.want("220 *")
	c := ts.connectAs(t, guesser)
	c.want("220 *")
	c.guess("a", "530 Authentication failed.")
	c.login("user1") // counts for nothing
	c.ask("REIN", "230 *")
	c.guess("b", "530 Authentication failed.")
	c.guess("c", "530 Authentication failed. Disconnecting.")
	c.want("(closed)")

	waiting.ask("USER user0", "331 *")
	waiting.ask("PASS pass0", bannedReply, "(closed)")
	inside.ask("PWD", "257 *")
	inside.ask("USER user0", "331 *")
	inside.ask("PASS pass0", bannedReply, "(closed)")
	ts.user(t).ask("PWD", "257 *") // another address
	want := "WARN " + guesser + ":*-[user0] 3 failed logins within 1m0s: 127.0.0.3/32 is banned for 1h0m0s."
	if !ts.log.has(want) {
		t.Errorf("the log lacks %s: %q", want, ts.log.all())
	}
	before := len(ts.log.all())
	for range 50 {
		refused := ts.connectAs(t, guesser)
		refused.want(bannedReply, "(closed)")
		refused.close()
	}
	waitFor(t, "the refused to be gone", func() bool { return ts.open() == 2 })
	if lines := ts.log.all()[before:]; strings.Contains(strings.Join(lines, "\n"), guesser) {
		t.Errorf("connections that a ban refuses are logged: %q", lines)
	}
	clock.turn(time.Hour)
	again := ts.connectAs(t, guesser)
	again.want("220 *")
	again.guess("d", "530 Authentication failed.")
	again.login("user0")
}

func TestNobodyIsBannedUnlessAsked(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for range 40 {
		c := ts.connect(t)
		c.want("220 *")
		c.guess("wrong", "530 *")
		c.close()
	}
	ts.user(t)
}

// TestGuessesAtOnce: passwords that are checked at the same time over many connections are not more guesses than a ban
// allows: once it begins even a right one gets in no more.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	const crowd, allowed = 40, 5
	var asked sync.WaitGroup
	asked.Add(crowd)
	var ts *testServer
	ts = start(t, nil, func(o *Options) {
		o.BanAfter = allowed
		o.Login = func(ctx context.Context, a Attempt) *Account {
			asked.Done()
			asked.Wait()
			if a.Password == "pass0" { // the check of the right one takes longest
				for !ts.bans.Holds(netip.MustParseAddr("127.0.0.1")) {
					time.Sleep(time.Millisecond)
				}
			}
			return ts.login(ctx, a)
		}
	})
	var clients []*client
	for i := range crowd {
		c := ts.connect(t)
		c.want("220 *")
		c.ask("USER user0", "331 *")
		password := "wrong"
		if i == 0 {
			password = "pass0"
		}
		c.send("PASS " + password)
		clients = append(clients, c)
	}
	answers := map[string]int{}
	for _, c := range clients {
		answers[c.line()[:3]]++
	}
	t.Logf("%d passwords at once: %v", crowd, answers)
	if answers["230"] != 0 || answers["530"] != allowed || answers["421"] != crowd-allowed {
		t.Errorf("%d passwords at once are answered %v, want %d times 530 and 421 for the rest", crowd, answers, allowed)
	}
	if n := strings.Count(strings.Join(ts.log.all(), "\n"), "is banned for"); n != 1 {
		t.Errorf("%d lines about one ban", n)
	}
}

// TestGuessAndRunIsCounted: a guesser that leaves without waiting for the delayed reply is counted all the same.
func TestGuessAndRunIsCounted(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.BanAfter, o.AuthDelay = 5, time.Hour })
	for range 5 {
		c := ts.connect(t)
		c.want("220 *")
		c.ask("USER user0", "331 *")
		c.send("PASS wrong")
		c.ask("NOOP", "200 *") // the PASS is read
		c.conn.(*net.TCPConn).SetLinger(0)
		c.close()
	}
	ts.connect(t).want(bannedReply, "(closed)")
}

// TestLoginDeadline: commands, whole or byte by byte, keep nobody's connection open; a login does.
func TestLoginDeadline(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	for name, bytes := range map[string]string{"commands": "NOOP\r\n", "bytes": "N", "refused logins": "USER x\r\nPASS y\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := start(t, nil, func(o *Options) { o.IdleTimeout, o.MaxLogins = limit, 1<<30 })
			c := ts.connect(t)
			sent := 0
			for end := time.Now().Add(patience); ts.open() > 1 || sent == 0; sent++ {
				if time.Now().After(end) {
					t.Fatal("the connection is still open")
				}
				fmt.Fprint(c.conn, bytes) // fails at the end
				time.Sleep(limit / 20)
			}
			if !ts.log.has("INFO *-[*] Control connection timed out.") {
				t.Errorf("the log has %q", ts.log.all())
			}
			t.Logf("ended after %d times %q", sent, bytes)
		})
	}
	ts := start(t, nil, func(o *Options) { o.IdleTimeout = lull })
	c := ts.user(t)
	for range 25 {
		c.ask("NOOP", "200 *")
		time.Sleep(lull / 20)
	}
	c.ask("REIN", "230 *")
	c.want("421 Control connection timed out.", "(closed)")
}
