package cosfs

import "sync"

// move is one name that becomes another.
type move struct{ bucket, from, to string }

// moves are the renames that are under way, or of which only deletions are left to do.
type moves struct {
	mu         sync.Mutex
	running    map[move]*running
	unfinished map[move]struct{}
}

// running is shared by those who do the same rename at the same time: a client that timed out tries it again.
type running struct {
	n    int
	done bool // by one of them
}

// maxUnfinished bounds the memory; what is forgotten is a directory of which some files are left under the old name.
const maxUnfinished = 1000

func newMoves() *moves {
	return &moves{running: make(map[move]*running), unfinished: make(map[move]struct{})}
}

func (s *moves) begin(m move) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[m] == nil {
		s.running[m] = &running{}
	}
	s.running[m].n++
}

// end takes one of them out; done says that it did the rename.
func (s *moves) end(m move, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.running[m]
	r.done = r.done || done
	if r.n--; r.n == 0 {
		delete(s.running, m)
	}
}

// isDone reports whether another one that was under way at the same time has done the rename.
func (s *moves) isDone(m move) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[m].done
}

// leave notes a rename that has made all copies and not yet deleted all sources.
func (s *moves) leave(m move) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unfinished) >= maxUnfinished {
		clear(s.unfinished)
	}
	s.unfinished[m] = struct{}{}
}

func (s *moves) finish(m move) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unfinished, m)
}

// isLeft reports whether only deletions are left to do.
func (s *moves) isLeft(m move) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, left := s.unfinished[m]
	return left
}
