package cosfs

import (
	"container/list"
	"context"
	"sync"
	"time"
)

const (
	// answerTimeout is how long COS may take to answer a request that it has received.
	answerTimeout = 60 * time.Second
	// slotGrace is how long a host that has less than half of the slots waits for those of others, which may hang.
	slotGrace = 500 * time.Millisecond
)

// slots bounds the transfers in flight of the whole process, and how long one may be without progress. Those who wait are
// served in turn by host, and within a host by owner, so that one upload with many parts waiting does not hold up one
// with a single part.
//
// A host gets no more than half of the slots while another one waits. One that has less and was not served within
// slotGrace gets more slots than there are, up to that half: those of a host that is out of order may not come back for a
// minute. So n hosts have (n + 1) / 2 times as many in flight at most.
type slots struct {
	total        int
	move, answer time.Duration // see EngineOptions

	mu    sync.Mutex
	used  int
	hosts map[any]*slotHost
	turns list.List // of *slotHost: those with waiters, who is next in front
}

// slotHost is what one host has of the slots, and who waits for one of them.
type slotHost struct {
	key     any
	held    int
	starved bool          // it was not served within slotGrace, and since then no slot was free
	turn    *list.Element // in slots.turns, nil while nobody waits
	lines   map[any]*slotLine
	turns   list.List // of *slotLine, who is next in front
}

// slotLine is the queue of one owner.
type slotLine struct {
	owner any
	turn  *list.Element
	queue list.List // of chan struct{}
}

func newSlots(n int) *slots {
	return &slots{total: n, hosts: make(map[any]*slotHost), move: smallTimeout, answer: answerTimeout}
}

// newTransferSlots is newSlots with the times of the options.
func newTransferSlots(n int, o EngineOptions) *slots {
	s := newSlots(n)
	s.move, s.answer = o.StallTimeout, o.AnswerTimeout
	return s
}

// half is what a host may have while others wait.
func (s *slots) half() int { return max(s.total/2, 1) }

// acquire waits for a slot for a request to a host, or until ctx ends, whose error it then returns.
func (s *slots) acquire(ctx context.Context, host, owner any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	h := s.hosts[host]
	if h == nil {
		h = &slotHost{key: host, lines: make(map[any]*slotLine)}
		s.hosts[host] = h
	}
	if s.mayHave(h) {
		s.take(h)
		s.mu.Unlock()
		return nil
	}
	line, place := s.enqueue(h, owner)
	s.mu.Unlock()
	return s.await(ctx, h, line, place)
}

// await waits for the grant of a place in a queue.
func (s *slots) await(ctx context.Context, h *slotHost, line *slotLine, place *list.Element) error {
	granted := place.Value.(chan struct{})
	grace := time.NewTimer(slotGrace)
	defer grace.Stop()
	for {
		select {
		case <-granted:
			return nil
		case <-grace.C:
			s.starve(h)
			continue
		case <-ctx.Done():
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		select {
		case <-granted: // at the last moment: the next one has it
			s.giveBack(h)
		default:
			line.queue.Remove(place)
			s.dissolve(h, line)
		}
		return ctx.Err()
	}
}

// release gives a slot back.
func (s *slots) release(host any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBack(s.hosts[host])
}

// starve notes that a host waits for too long.
func (s *slots) starve(h *slotHost) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.turn != nil {
		h.starved = true
		s.serve()
	}
}

// mayHave reports whether a host may have a slot at once. The caller holds mu, as for all below.
func (s *slots) mayHave(h *slotHost) bool {
	return s.used < s.total || h.starved && h.held < s.half()
}

func (s *slots) take(h *slotHost) {
	h.starved = h.starved && s.used >= s.total
	s.used++
	h.held++
}

func (s *slots) giveBack(h *slotHost) {
	s.used--
	h.held--
	s.serve()
	s.forget(h)
}

// serve grants what may be granted.
func (s *slots) serve() {
	for h := s.next(); h != nil; h = s.next() {
		line := h.turns.Front().Value.(*slotLine)
		close(line.queue.Remove(line.queue.Front()).(chan struct{}))
		s.take(h)
		s.turns.MoveToBack(h.turn)
		h.turns.MoveToBack(line.turn)
		s.dissolve(h, line)
	}
}

// next returns the host that is served next, nil for none: one that has half of the slots only where no other waits.
func (s *slots) next() (next *slotHost) {
	for turn := s.turns.Front(); turn != nil; turn = turn.Next() {
		h := turn.Value.(*slotHost)
		switch {
		case !s.mayHave(h):
		case h.held < s.half():
			return h
		case next == nil:
			next = h
		}
	}
	return next
}

// enqueue puts an owner's request at the end of its line.
func (s *slots) enqueue(h *slotHost, owner any) (*slotLine, *list.Element) {
	if h.turn == nil {
		h.turn = s.turns.PushBack(h)
	}
	line := h.lines[owner]
	if line == nil {
		line = &slotLine{owner: owner}
		line.turn = h.turns.PushBack(line)
		h.lines[owner] = line
	}
	return line, line.queue.PushBack(make(chan struct{}))
}

// dissolve forgets a line in which nobody waits, and the turn of a host that has none.
func (s *slots) dissolve(h *slotHost, line *slotLine) {
	if line.queue.Len() > 0 {
		return
	}
	h.turns.Remove(line.turn)
	delete(h.lines, line.owner)
	if h.turns.Len() == 0 {
		s.turns.Remove(h.turn)
		h.turn = nil
		s.forget(h)
	}
}

// forget forgets a host that has no slots and wants none.
func (s *slots) forget(h *slotHost) {
	if h.held == 0 && h.turn == nil {
		delete(s.hosts, h.key)
	}
}
