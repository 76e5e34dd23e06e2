package ftpserver

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestOneUserLeavesPassivePortsToOthers: who holds all of a small range loses the port that has waited longest to a user
// who has none; a user's own sessions take nothing from each other.
func TestOneUserLeavesPassivePortsToOthers(t *testing.T) {
	t.Parallel()
	first, last := freeRange(t, 4)
	ts := start(t, map[string]string{"/f": "data"}, func(o *Options) { o.PassiveFirst, o.PassiveLast = first, last })
	var holders []*client
	for range 4 {
		c := ts.user(t)
		c.ask("PASV", "227 *")
		holders = append(holders, c)
	}
	ts.user(t).ask("PASV", "425 Can't open passive data connection: no free port.")
	other := ts.connect(t)
	other.want("220 *")
	other.login("user1")
	other.ask("TYPE I", "200 *")
	other.open("PASV")
	holders[0].want("421 Passive data channel timed out.")
	holders[0].ask("PWD", "257 *")
	if got := other.retr("RETR f"); got != "data" {
		t.Errorf("got %q", got)
	}
	for _, c := range holders[1:] {
		c.ask("NOOP", "200 *")
	}
	other.ask("PASV", "227 *") // the port that it has had
	// With one of four it has less than the other with three: that loses one more, and then none.
	third := ts.connect(t)
	third.want("220 *")
	third.login("user1")
	third.ask("PASV", "227 *")
	holders[1].want("421 Passive data channel timed out.")
	fourth := ts.connect(t)
	fourth.want("220 *")
	fourth.login("user1")
	fourth.ask("PASV", "425 *")
}

// TestStrangersLeaveSessionsToOthers: one address cannot hold all sessions without a login, and who logs in is not
// counted.
func TestStrangersLeaveSessionsToOthers(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.MaxConnections = 300 })
	strangers := []*client{}
	for range 75 {
		c := ts.connect(t)
		c.want("220 *")
		strangers = append(strangers, c)
	}
	ts.connect(t).want("421 Too many connections without a login from the same IP address.", "(closed)")
	elsewhere := ts.connectAs(t, "127.0.0.3")
	elsewhere.want("220 *")
	strangers[0].login("user0")
	again := ts.connect(t)
	again.want("220 *")
	ts.connect(t).want("421 Too many connections without a login*", "(closed)")
	again.close()
	waitFor(t, "the place of one that left", func() bool {
		c := ts.connectUntied(t)
		defer c.close()
		return strings.HasPrefix(c.line(), "220 ")
	})
}

// TestLogoutMakesAStranger: who logs in and out again is one more stranger, so that an account is no way around.
func TestLogoutMakesAStranger(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"REIN", "USER user1"} {
		ts := start(t, nil, func(o *Options) { o.MaxConnections = 300 })
		for range 75 {
			c := ts.connect(t)
			c.want("220 *")
			c.login("user0")
			c.ask(command, "*")
		}
		ts.connect(t).want("421 Too many connections without a login*", "(closed)")
		ts.connectAs(t, "127.0.0.3").want("220 *")
	}
}

// TestSmallServersKeepNoStrangersOut: with up to 64 connections in all nothing is new.
func TestSmallServersKeepNoStrangersOut(t *testing.T) {
	for most, want := range map[int]int{0: 0, 1: 64, 64: 64, 512: 128, 10_000: 2500} {
		if got := mostNobodys(most); got != want {
			t.Errorf("of %d connections %d may be strangers of one address, want %d", most, got, want)
		}
	}
}

// TestHostsOfIPv6AreNetworks: a client of IPv6 has a network of addresses, which count as one.
func TestHostsOfIPv6AreNetworks(t *testing.T) {
	ts := start(t, nil, func(o *Options) { o.MaxPerHost = 2 })
	enter := func(from string) string {
		s := &session{srv: ts.Server}
		s.remote = netip.AddrPortFrom(netip.MustParseAddr(from), 1)
		t.Cleanup(s.leave)
		return s.enter(false)
	}
	for _, c := range []struct {
		from string
		in   bool
	}{
		{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3:0:0:1", false}, {"2001:db8:0:1::1", true},
		{"192.0.2.1", true}, {"192.0.2.2", true}, {"192.0.2.1", true}, {"192.0.2.1", false},
	} {
		if refused := enter(c.from); (refused == "") != c.in {
			t.Errorf("%s: %q", c.from, refused)
		}
	}
}

// TestHashKeepsToTheRates: what HASH and its kin read counts as a download.
func TestHashKeepsToTheRates(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/f": strings.Repeat("x", 60_000)}, func(o *Options) { o.Extended, o.MaxDownloadRate = true, 100_000 })
	c := ts.user(t)
	for _, command := range []string{"HASH f", "MD5 f", "XCRC f", `XSHA1 "f" 10 50010`} {
		began := time.Now()
		c.ask(command, "2*")
		const slack = 100 * time.Millisecond // that a rate makes good after a pause
		if took, least := time.Since(began), 400*time.Millisecond-slack; took < least {
			t.Errorf("%s took %v, at 100 KB/s it takes %v at least", command, took, least)
		}
	}
}
