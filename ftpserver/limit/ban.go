package limit

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxOffenders is how many addresses are remembered. Beyond, those that were quiet for the longest time are forgotten:
// who has that many addresses is a matter for a firewall.
const maxOffenders = 10_000

// Bans refuses addresses that many wrong passwords came from. A right password in between changes nothing, or a guesser
// with an account of his own would never be banned.
type Bans struct {
	after  int           // failed logins that ban; 0: nobody is banned
	window time.Duration // within which they must come
	last   time.Duration // of a ban
	now    func() time.Time
	began  time.Time

	mu     sync.Mutex
	known  map[netip.Prefix]*list.Element
	recent list.List // of *offender, the one that was quiet for the longest time first
}

// offender is a network from which logins failed.
type offender struct {
	from     netip.Prefix
	failures []time.Duration // when, from Bans.began; at most Bans.after, those since the last ban
	quiet    time.Time       // when there will be nothing left to remember
	until    time.Time       // of the ban
}

// NewBans returns bans that last for a while, by the clock now, of addresses from which so many logins fail within a
// window. After 0 nobody is banned.
func NewBans(after int, window, last time.Duration, now func() time.Time) *Bans {
	return &Bans{after: after, window: window, last: last, now: now, began: now(), known: map[netip.Prefix]*list.Element{}}
}

// NetworkOf is what is banned for an address: the address itself, or the network of IPv6 that a single client has.
func NetworkOf(host netip.Addr) netip.Prefix {
	bits := 32
	if host.Is6() {
		bits = 64
	}
	network, _ := host.Prefix(bits)
	return network
}

// Holds reports whether an address is banned.
func (b *Bans) Holds(host netip.Addr) bool {
	if b.after == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.known[NetworkOf(host)]
	return e != nil && b.now().Before(e.Value.(*offender).until)
}

// Failed counts a failed login and reports whether this is the one that bans its address, or whether it was under way when
// another one did.
func (b *Bans) Failed(host netip.Addr) (bans, late bool) {
	if b.after == 0 {
		return false, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.forget(now)
	o := b.offender(NetworkOf(host))
	if now.Before(o.until) {
		return false, true
	}
	age := now.Sub(b.began)
	o.failures = slices.DeleteFunc(o.failures, func(at time.Duration) bool { return age-at >= b.window })
	o.failures = append(o.failures, age)
	o.quiet = now.Add(b.window)
	if len(o.failures) < b.after {
		return false, false
	}
	o.failures = nil
	o.until = now.Add(b.last)
	o.quiet = o.until
	return true, false
}

// offender finds or makes the entry of a network, and moves it to the end of the queue.
func (b *Bans) offender(from netip.Prefix) *offender {
	if e := b.known[from]; e != nil {
		b.recent.MoveToBack(e)
		return e.Value.(*offender)
	}
	if len(b.known) >= maxOffenders {
		b.remove(b.recent.Front())
	}
	o := &offender{from: from}
	b.known[from] = b.recent.PushBack(o)
	return o
}

// forget drops what is over from the front of the queue.
func (b *Bans) forget(now time.Time) {
	for e := b.recent.Front(); e != nil && !now.Before(e.Value.(*offender).quiet); e = b.recent.Front() {
		b.remove(e)
	}
}

func (b *Bans) remove(e *list.Element) {
	delete(b.known, e.Value.(*offender).from)
	b.recent.Remove(e)
}
