package cosfs

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// answerTimeout is how long COS may take to answer a request that it has received.
const answerTimeout = 60 * time.Second

// slots bounds the transfers in flight of the whole process, and how long one may be without progress. Those who
// wait are served in turn by owner, so that one upload with many parts waiting does not hold up one with a single
// part.
type slots struct {
	total        int
	move, answer time.Duration // see EngineOptions

	mu    sync.Mutex
	free  int
	lines map[any]*slotLine
	turns list.List // of *slotLine: those with waiters, who is next in front
}

// slotLine is the queue of one owner.
type slotLine struct {
	owner any
	turn  *list.Element
	queue list.List // of chan struct{}
}

func newSlots(n int) *slots {
	return &slots{
		total: n, free: n, lines: make(map[any]*slotLine),
		move: smallTimeout, answer: answerTimeout,
	}
}

// newTransferSlots is newSlots with the times of the options.
func newTransferSlots(n int, o EngineOptions) *slots {
	s := newSlots(n)
	s.move, s.answer = o.StallTimeout, o.AnswerTimeout
	return s
}

// acquire waits for a slot, or until ctx ends, whose error it then returns.
func (s *slots) acquire(ctx context.Context, owner any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return nil
	}
	line, ok := s.lines[owner]
	if !ok {
		line = &slotLine{owner: owner}
		line.turn = s.turns.PushBack(line)
		s.lines[owner] = line
	}
	granted := make(chan struct{})
	place := line.queue.PushBack(granted)
	s.mu.Unlock()

	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-granted: // at the last moment: the next one has it
		s.pass()
	default:
		line.queue.Remove(place)
		s.dissolve(line)
	}
	return ctx.Err()
}

// release gives a slot back.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
}

// pass hands one slot on. The caller holds mu.
func (s *slots) pass() {
	front := s.turns.Front()
	if front == nil {
		s.free++
		return
	}
	line := front.Value.(*slotLine)
	close(line.queue.Remove(line.queue.Front()).(chan struct{}))
	s.turns.MoveToBack(front)
	s.dissolve(line)
}

// dissolve forgets a line in which nobody waits. The caller holds mu.
func (s *slots) dissolve(line *slotLine) {
	if line.queue.Len() == 0 {
		s.turns.Remove(line.turn)
		delete(s.lines, line.owner)
	}
}
