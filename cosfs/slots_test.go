package cosfs

import (
	"testing"
	"testing/synctest"
	"time"
)

// hog has a host take all slots it gets and wait for more.
func hog(t *testing.T, s *slots, host string, n int) {
	for range n {
		go func() { _ = s.acquire(t.Context(), host, host) }()
	}
	synctest.Wait()
}

// TestHungHostKeepsHalfOfTheSlots from nobody: another host gets its first slot within slotGrace, then up to half of them
// at once, and no more.
func TestHungHostKeepsHalfOfTheSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(8)
		hog(t, s, "hung", 40)
		if s.used != 8 {
			t.Fatalf("%d slots are used, want all 8 while nobody else wants one", s.used)
		}
		began := time.Now()
		for range 4 {
			if err := s.acquire(t.Context(), "healthy", "upload"); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > slotGrace {
			t.Errorf("four slots after %v", took)
		}
		hog(t, s, "healthy", 1)
		time.Sleep(10 * slotGrace)
		if held := s.hosts["healthy"].held; held != 4 {
			t.Errorf("the healthy host has %d slots, want half of 8", held)
		}
		s.release("healthy")
		synctest.Wait()
		if held := s.hosts["healthy"].held; held != 4 || s.used != 12 {
			t.Errorf("one given back: the healthy host has %d slots of %d in use, want 4 of 12", held, s.used)
		}
		for range 8 { // the hung one gives its slots back
			s.release("hung")
		}
		synctest.Wait()
		if healthy, hung := s.hosts["healthy"].held, s.hosts["hung"].held; healthy+hung != 8 || healthy != 4 {
			t.Errorf("in the end %d and %d slots are held, want 4 and 4", healthy, hung)
		}
	})
}

// TestBusyHostSharesItsSlots: where slots come back, a host that joins has half of them, and there are never more.
func TestBusyHostSharesItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(8)
		hog(t, s, "first", 100)
		hog(t, s, "second", 100)
		for range 20 {
			time.Sleep(slotGrace / 10)
			s.release("first")
			if s.hosts["second"].held > 0 {
				s.release("second")
			}
			synctest.Wait()
			if s.used != 8 {
				t.Fatalf("%d slots are used, want 8", s.used)
			}
		}
		if first, second := s.hosts["first"].held, s.hosts["second"].held; first != 4 || second != 4 {
			t.Errorf("%d and %d slots, want 4 each", first, second)
		}
	})
}
