package ftpserver

import (
	"sync"
	"sync/atomic"
)

// sockets counts the sockets of the server (listeners, control, passive listeners, data) against
// max_connection_num, with the original's arithmetic: a control connection counts itself before it is judged,
// a data connection does not. So N sockets in all keep out new sessions, but one more data connection goes in.
type sockets struct {
	mu   sync.Mutex
	max  int // 0: no limit
	open int
}

// add counts a socket that is not judged (a listener).
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

// mostNobodys is how many sessions one network may have in which nobody has logged in, where MaxConnections is most: a
// stranger must not hold all of them. A crowd of clients behind one address stays below, for each logs in at once.
func mostNobodys(most int) int {
	if most == 0 {
		return 0
	}
	const everybodys = 64
	return max(everybodys, most/4)
}

// enter counts a new session and says why it may not stay, "" if it may.
func (s *session) enter(banned bool) (refused string) {
	if banned {
		return bannedText
	}
	if s.counted = s.srv.sockets.control(); !s.counted {
		s.srv.sockets.release() // before the client hears of it and tries again
		return "Too many connections. Service temporarily unavailable."
	}
	from := networkOf(s.remote.Addr())
	if s.ofHost = s.srv.hosts.take(from, s.srv.opts.MaxPerHost); !s.ofHost {
		return "Too many connections from the same IP address."
	}
	if s.nobodys = s.srv.nobodys.take(from, mostNobodys(s.srv.opts.MaxConnections)); !s.nobodys {
		return "Too many connections without a login from the same IP address."
	}
	return ""
}

// leave is the reverse of enter. Calling it again does nothing.
func (s *session) leave() {
	if s.counted {
		s.srv.sockets.release()
	}
	if s.ofHost {
		s.srv.hosts.release(networkOf(s.remote.Addr()))
	}
	s.counted, s.ofHost = false, false
	s.leaveNobodys()
	s.seat.leave()
}

// enterNobodys counts a session that was logged in among those in which nobody is. It stays, however many there are.
func (s *session) enterNobodys() {
	if !s.nobodys {
		s.nobodys = s.srv.nobodys.take(networkOf(s.remote.Addr()), 0)
	}
}

// leaveNobodys takes a session out of those in which nobody is logged in.
func (s *session) leaveNobodys() {
	if s.nobodys {
		s.srv.nobodys.release(networkOf(s.remote.Addr()))
		s.nobodys = false
	}
}

// seat is a place among the sessions of a user, against MaxPerUser. It is safe for concurrent use.
type seat struct{ taken atomic.Pointer[taken] }

// taken is whose place it is.
type taken struct {
	user string
	of   *tally[string]
}

// leave gives the place up, if there is one.
func (s *seat) leave() {
	if t := s.taken.Swap(nil); t != nil {
		t.of.release(t.user)
	}
}

// moveTo hands the place over to one that has none, and else gives it up.
func (s *seat) moveTo(other *seat) {
	if t := s.taken.Swap(nil); t != nil && !other.taken.CompareAndSwap(nil, t) {
		t.of.release(t.user)
	}
}

// enterUser counts a session that logs in, and reports whether it may.
func (s *session) enterUser(user string) bool {
	if !s.srv.users.take(user, s.srv.opts.MaxPerUser) {
		return false
	}
	s.seat.taken.Store(&taken{user, &s.srv.users})
	return true
}
