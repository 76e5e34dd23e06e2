package auth

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
)

// queue lets passwords be hashed a few at a time: guessing them must not take the CPU from transfers. Networks take
// turns, so that many guesses from one of them hold up those of others by one hash at most.
type queue struct {
	turns chan struct{} // those at work

	mu    sync.Mutex
	lines map[netip.Prefix]*line
}

// line is where the guesses of one network wait for each other.
type line struct {
	first chan struct{} // holds the one whose turn it is
	users int           // in the line
}

// newQueue makes a queue that uses up to half of the machine's CPUs.
func newQueue() *queue { return newQueueOf(max(1, runtime.GOMAXPROCS(0)/2)) }

func newQueueOf(atOnce int) *queue {
	return &queue{turns: make(chan struct{}, atOnce), lines: map[netip.Prefix]*line{}}
}

// do runs work when the turn of the network has come. It reports whether it did: not if ctx ended before, which gives
// the place up at once, nor if wanted said no when the turn came.
func (q *queue) do(ctx context.Context, from netip.Prefix, wanted func() bool, work func()) bool {
	l := q.enter(from)
	defer q.leave(from, l)
	for _, place := range []chan struct{}{l.first, q.turns} {
		select {
		case place <- struct{}{}:
			defer func() { <-place }()
		case <-ctx.Done():
			return false
		}
	}
	if ctx.Err() != nil || wanted != nil && !wanted() {
		return false
	}
	work()
	return true
}

func (q *queue) enter(from netip.Prefix) *line {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[from]
	if l == nil {
		l = &line{first: make(chan struct{}, 1)}
		q.lines[from] = l
	}
	l.users++
	return l
}

func (q *queue) leave(from netip.Prefix, l *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(q.lines, from)
	}
}
