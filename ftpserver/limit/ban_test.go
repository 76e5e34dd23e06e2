package limit

import (
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// TestBanWindow: the failures of any window count, not of fixed periods.
func TestBanWindow(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	b := NewBans(3, 10*time.Second, time.Minute, func() time.Time { return clock })
	host := netip.MustParseAddr("192.0.2.1")
	for i, step := range []struct {
		after  time.Duration
		banned bool
	}{
		{0, false}, {9 * time.Second, false}, {2 * time.Second, false}, {7 * time.Second, true}, // at 0, 9, 11 and 18
		{time.Second, false}, {time.Second, false}, {time.Minute, false}, {0, false}, {0, true},
	} {
		clock = clock.Add(step.after)
		if got, _ := b.Failed(host); got != step.banned {
			t.Errorf("failure %d bans: %v", i, got)
		}
	}
	clock = clock.Add(time.Minute - time.Nanosecond)
	if !b.Holds(host) {
		t.Error("the ban ended early")
	}
	clock = clock.Add(time.Nanosecond)
	if b.Holds(host) {
		t.Error("the ban did not end")
	}
}

func TestWhoIsBanned(t *testing.T) {
	t.Parallel()
	b := NewBans(1, time.Minute, time.Minute, time.Now)
	for _, host := range []string{"192.0.2.1", "2001:db8:0:1::1"} {
		b.Failed(netip.MustParseAddr(host))
	}
	for host, banned := range map[string]bool{
		"192.0.2.1": true, "192.0.2.2": false, "2001:db8:0:1:ffff::2": true, "2001:db8:0:2::1": false, "fe80::1%eth0": false,
	} {
		if got := b.Holds(netip.MustParseAddr(host)); got != banned {
			t.Errorf("%s is banned: %v", host, got)
		}
	}
}

// TestBanTableIsBounded measures the table with as many addresses as it holds, each with as many failures as an entry
// can hold; more addresses push out those that were quiet for the longest time, and what is over goes by itself.
func TestBanTableIsBounded(t *testing.T) {
	clock := time.Now()
	const mostFailures = 99 // the conf's greatest ban_after, less the one that bans
	b := NewBans(mostFailures+1, time.Hour, time.Hour, func() time.Time { return clock })
	host := func(i int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
	}
	before := heapInUse()
	const addresses = maxOffenders + 2000
	for i := range addresses {
		for range mostFailures {
			b.Failed(host(i))
		}
	}
	after := heapInUse()
	t.Logf("%d addresses with %d failed logins each take %d KiB, %d bytes per address", len(b.known), mostFailures, (after-before)>>10, (after-before)/maxOffenders)
	if len(b.known) != maxOffenders || b.recent.Len() != maxOffenders {
		t.Errorf("%d addresses in the table and %d in the queue, want %d", len(b.known), b.recent.Len(), maxOffenders)
	}
	if limit := int64(16 << 20); after-before > limit {
		t.Errorf("the table takes %d bytes, want at most %d", after-before, limit)
	}
	last := host(addresses - 1)
	if banned, _ := b.Failed(last); !banned || !b.Holds(last) {
		t.Error("the newest address was forgotten")
	}
	clock = clock.Add(time.Hour)
	if b.Failed(host(0)); len(b.known) != 1 {
		t.Errorf("%d addresses are remembered when all is over, want 1", len(b.known))
	}
	runtime.KeepAlive(b)
}

// heapInUse is the bytes of the heap that are reachable.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
