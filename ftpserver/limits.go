package ftpserver

import "sync"

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

// control counts a control connection and says whether it may stay; it is counted in any case.
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
