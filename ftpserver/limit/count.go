package limit

import (
	"sync"
	"sync/atomic"
)

// Sockets counts the sockets of the server (listeners, control, passive listeners, data) against
// max_connection_num, with the original's arithmetic: a control connection counts itself before the limit is looked at,
// a data connection does not. So N sockets in all keep out new sessions, but one more data connection goes in.
type Sockets struct {
	mu   sync.Mutex
	Max  int // 0: no limit
	open int
}

// Add counts a socket that the limit does not apply to (a listener).
func (c *Sockets) Add() {
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
}

// AddControl counts a control connection and reports whether it may stay; it is counted in any case.
func (c *Sockets) AddControl() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	return c.Max == 0 || c.open <= c.Max
}

// AddData counts a passive listener or data connection, unless the limit forbids it.
func (c *Sockets) AddData() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Max != 0 && c.open > c.Max {
		return false
	}
	c.open++
	return true
}

// Release counts a socket that is closed.
func (c *Sockets) Release() {
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
}

// Open returns how many sockets are open.
func (c *Sockets) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// Tally counts sessions by whom they belong to.
type Tally[K comparable] struct {
	mu    sync.Mutex
	count map[K]int
}

// Take counts one more, unless there are most already; 0 is no limit.
func (t *Tally[K]) Take(who K, most int) bool {
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

// Release counts one less.
func (t *Tally[K]) Release(who K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[who]--; t.count[who] == 0 {
		delete(t.count, who)
	}
}

// Seat is a place that a tally counts. It is safe for concurrent use.
type Seat struct{ release atomic.Pointer[func()] }

// Take takes a place in a tally, and reports whether there was one. The seat must be empty.
func (s *Seat) Take(in *Tally[string], who string, most int) bool {
	if !in.Take(who, most) {
		return false
	}
	release := func() { in.Release(who) }
	s.release.Store(&release)
	return true
}

// Leave gives the place up, if there is one.
func (s *Seat) Leave() {
	if release := s.release.Swap(nil); release != nil {
		(*release)()
	}
}

// MoveTo hands the place over to a seat that has none, and else gives it up.
func (s *Seat) MoveTo(other *Seat) {
	if release := s.release.Swap(nil); release != nil && !other.release.CompareAndSwap(nil, release) {
		(*release)()
	}
}
