package auth

import (
	"container/list"
	"context"
	"net/netip"
	"runtime"
	"sync"
)

// queue lets passwords be hashed a few at a time: guessing them must not take the CPU from transfers. Networks take
// turns, so that however many guesses come from one, another waits for one of them only.
type queue struct {
	mu    sync.Mutex
	free  int                         // turns that nobody has
	lines map[netip.Prefix]*list.List // of chan struct{}, which are closed when the turn has come; none is empty
	next  list.List                   // of the networks that have a line
}

// newQueue makes a queue that uses up to half of the machine's CPUs.
func newQueue() *queue { return newQueueOf(max(1, runtime.GOMAXPROCS(0)/2)) }

func newQueueOf(atOnce int) *queue {
	return &queue{free: atOnce, lines: map[netip.Prefix]*list.List{}}
}

// do runs work when the turn of the network has come. It reports whether it did: not if ctx ended before, which gives
// the place up at once, nor if wanted said no when the turn came.
func (q *queue) do(ctx context.Context, from netip.Prefix, wanted func() bool, work func()) bool {
	if !q.await(ctx, from) {
		return false
	}
	defer q.pass()
	if ctx.Err() != nil || wanted != nil && !wanted() {
		return false
	}
	work()
	return true
}

// await waits for a turn, and reports whether it came before ctx ended.
func (q *queue) await(ctx context.Context, from netip.Prefix) bool {
	q.mu.Lock()
	if q.free > 0 {
		q.free--
		q.mu.Unlock()
		return true
	}
	if q.lines[from] == nil {
		q.lines[from] = list.New()
		q.next.PushBack(from)
	}
	turn := make(chan struct{})
	place := q.lines[from].PushBack(turn)
	q.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-turn: // at the last moment
		q.passLocked()
	default:
		q.remove(from, place)
	}
	return false
}

// pass gives a turn to the next network.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.passLocked()
}

func (q *queue) passLocked() {
	front := q.next.Front()
	if front == nil {
		q.free++
		return
	}
	q.next.MoveToBack(front)
	from := front.Value.(netip.Prefix)
	first := q.lines[from].Front()
	q.remove(from, first)
	close(first.Value.(chan struct{}))
}

// remove takes a place out of a line. The caller holds mu.
func (q *queue) remove(from netip.Prefix, place *list.Element) {
	line := q.lines[from]
	line.Remove(place)
	if line.Len() > 0 {
		return
	}
	delete(q.lines, from)
	for e := q.next.Front(); e != nil; e = e.Next() {
		if e.Value.(netip.Prefix) == from {
			q.next.Remove(e)
			return
		}
	}
}
