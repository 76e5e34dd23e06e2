package ftpserver

import (
	"sync"
	"sync/atomic"
)

// sockets counts the sockets of the server (listeners, control, passive listeners, data) against
// max_connection_num, with the original's arithmetic: a control connection counts itself before the limit is looked at,
// a data connection does not. So N sockets in all keep out new sessions, but one more data connection goes in.
type sockets struct {
	mu   sync.Mutex
	max  int // 0: no limit
	open int
}

// add counts a socket that the limit does not apply to (a listener).
func (c *sockets) add() {
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
}

// control counts a control connection and reports whether it may stay; it is counted in any case.
func (c *sockets) control() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	return c.max == 0 || c.open <= c.max
}

// data counts a passive listener or data connection, unless the limit forbids it.
func (c *sockets) data() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.max != 0 && c.open > c.max {
		return false
	}
	c.open++
	return true
}

func (c *sockets) release() {
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
}

// count returns how many sockets are open.
func (c *sockets) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// tally counts sessions by whom they belong to.
type tally[K comparable] struct {
	mu    sync.Mutex
	count map[K]int
}

// take counts one more, unless there are most already; 0 is no limit.
func (t *tally[K]) take(who K, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if most > 0 && t.count[who] >= most {
		return false
	}
	if t.count == nil {
		t.count = map[K]int{}
	}
	t.count[who]++
	return true
}

func (t *tally[K]) release(who K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[who]--; t.count[who] == 0 {
		delete(t.count, who)
	}
}

// seat is a place that a tally counts. It is safe for concurrent use.
type seat struct{ release atomic.Pointer[func()] }

// take takes a place in a tally, and reports whether there was one. The seat must be empty.
func (s *seat) take(in *tally[string], who string, most int) bool {
	if !in.take(who, most) {
		return false
	}
	release := func() { in.release(who) }
	s.release.Store(&release)
	return true
}

// leave gives the place up, if there is one.
func (s *seat) leave() {
	if release := s.release.Swap(nil); release != nil {
		(*release)()
	}
}

// moveTo hands the place over to a seat that has none, and else gives it up.
func (s *seat) moveTo(other *seat) {
	if release := s.release.Swap(nil); release != nil && !other.release.CompareAndSwap(nil, release) {
		(*release)()
	}
}
