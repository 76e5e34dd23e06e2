package ftpserver

import (
	"errors"
	"slices"
	"sync"
	"syscall"
)

// passivePorts knows the passive listeners of all users, so that none of them can hold a small range for itself.
type passivePorts struct {
	mu   sync.Mutex
	held map[string][]*heldPort // by user, the oldest first
}

// heldPort is a passive port that waits for its peer.
type heldPort struct {
	listener *passiveListener
	free     chan struct{} // closed when it is
}

// add notes a user's listener. The function returned is called once, when its port is free.
func (p *passivePorts) add(l *passiveListener, user string) (freed func()) {
	port := &heldPort{l, make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[string][]*heldPort{}
	}
	p.held[user] = append(p.held[user], port)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		rest := slices.DeleteFunc(p.held[user], func(other *heldPort) bool { return other == port })
		if p.held[user] = rest; len(rest) == 0 {
			delete(p.held, user)
		}
		close(port.free)
	}
}

// oldestOfMost returns the port that has waited longest of the user who holds most, if that is more than user would hold
// with one more; else nil.
func (p *passivePorts) oldestOfMost(user string) (oldest *heldPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := len(p.held[user]) + 1
	for _, ports := range p.held {
		if len(ports) > most {
			most, oldest = len(ports), ports[0]
		}
	}
	return oldest
}

// listenFairly opens a passive port. Where all are taken, a listener whose peer has not come is ended early, of the user
// who holds most.
func (s *session) listenFairly() (deadlineListener, error) {
	for {
		ln, err := s.srv.listen(s.local.Addr(), s.srv.opts.PassiveFirst, s.srv.opts.PassiveLast)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return ln, err
		}
		taken := s.srv.ports.oldestOfMost(s.account.Name)
		if taken == nil {
			return nil, err
		}
		taken.listener.hurry(0)
		<-taken.free
	}
}
