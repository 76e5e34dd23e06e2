package cosfs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// quiet is a holder that never gives anything.
type quiet struct{}

func (quiet) yield()                {}
func (quiet) behind() time.Duration { return 0 }
func (quiet) evict(time.Duration)   {}

func TestMemoryHasAMinimum(t *testing.T) {
	for limit, want := range map[int64]int{0: 16, 1: 16, 2 << 20: 16, 3<<20 + 1: 24} {
		if m := newMemory(limit); m.limit != want {
			t.Errorf("newMemory(%d) holds %d blocks, want %d", limit, m.limit, want)
		}
	}
}

func TestMemoryOfSeveralAccountsHasALimitForEach(t *testing.T) {
	for blocks, want := range map[int]int{16: 16, 17: 16, 24: 16, 32: 16, 48: 32, 64: 48, 128: 96} {
		m := newMemory(int64(blocks) * blockSize)
		if o := m.join(quiet{}, new(FS)).owner; o.limit != m.limit {
			t.Errorf("the only account may have %d of %d blocks", o.limit, m.limit)
		}
		m.share()
		if o := m.join(quiet{}, new(FS)).owner; o.limit != want {
			t.Errorf("one of several accounts may have %d of %d blocks, want %d", o.limit, m.limit, want)
		}
	}
}

// Who waits because its owner has all it may have is passed over by others, but by nobody of its own.
func TestMemoryPassesOverAnOwnerAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(8 << 20)
		m.share()
		full, other := new(FS), new(FS)
		big := m.join(quiet{}, full)
		blocks, err := big.growWhole(t.Context(), 100)
		if err != nil || len(blocks) != 48 {
			t.Fatalf("a whole part of 100 blocks got %d: %v", len(blocks), err)
		}
		big.send(len(blocks))
		var (
			mu    sync.Mutex
			order []string
		)
		take := func(of *FS, name string, n int) {
			a := m.join(quiet{}, of)
			go func() {
				got, err := m.take(t.Context(), a, n)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, name) // of those served at once in any order
				mu.Unlock()
				a.drop(got...)
			}()
			synctest.Wait()
		}
		take(full, "whole", 20)
		take(full, "smaller whole", 10)
		take(full, "newcomer", 1)
		if _, ok := big.tryGrow(); ok || len(order) > 0 {
			t.Fatalf("%v were served beyond the limit", order)
		}
		take(other, "other's newcomer", 1)
		take(other, "other's whole", 16)
		if want := []string{"other's newcomer", "other's whole"}; !slices.Equal(order, want) {
			t.Fatalf("%v were served beside an owner at its limit, want %v", order, want)
		}
		big.sent(blocks[:15])
		synctest.Wait()
		if len(order) != 2 {
			t.Fatalf("%v overtook a whole part of their own account", order[2:])
		}
		big.sent(blocks[15:])
		synctest.Wait()
		if len(order) != 5 || m.used != 0 {
			t.Errorf("in the end %v were served, %d blocks in use", order, m.used)
		}
	})
}

// Newcomers leave what brings one upload to the end of a part, and the nearest to it goes first.
func TestMemoryServesTheNearestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(2 << 20)
		var accounts []*account
		for range 8 {
			a := m.join(quiet{}, nil)
			if _, err := a.grow(t.Context()); err != nil {
				t.Fatal(err)
			}
			accounts = append(accounts, a)
		}
		late := m.join(quiet{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := late.grow(ctx)
			done <- err
		}()
		synctest.Wait()
		if len(late.m.queues) == 0 || m.waiting != 1 {
			t.Fatalf("a newcomer took the reserve: %d wait", m.waiting)
		}
		a := accounts[3]
		for a.held < minPartBlocks {
			if _, err := a.grow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok := a.tryGrow(); ok {
			t.Error("there was a block to spare while somebody waits")
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled wait: %v", err)
		}
		if m.waiting != 0 || late.held != 0 {
			t.Errorf("%d wait, the late one holds %d", m.waiting, late.held)
		}
	})
}

// Whoever waits is served when memory comes back, in turn, and a whole part is not overtaken for ever.
func TestMemoryTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(4 << 20)
		big := m.join(quiet{}, nil)
		blocks, err := big.growWhole(t.Context(), 30)
		if err != nil {
			t.Fatal(err)
		}
		big.send(len(blocks))
		var order []string
		take := func(name string, n int) {
			a := m.join(quiet{}, nil)
			go func() {
				got, err := m.take(t.Context(), a, n)
				if err != nil {
					t.Error(err)
				}
				order = append(order, name) // one goroutine at a time runs here, see the waits below
				a.drop(got...)
			}()
			synctest.Wait()
		}
		take("first", 1)
		take("whole", 28)
		take("after whole", 1)
		if len(order) != 0 {
			t.Fatalf("%v were served without memory", order)
		}
		big.sent(blocks[:10])
		synctest.Wait()
		if want := []string{"first"}; !slices.Equal(order, want) {
			t.Errorf("with 12 of 32 blocks %v were served, want %v", order, want)
		}
		big.sent(blocks[10:])
		synctest.Wait()
		if len(order) != 3 || m.used != 0 {
			t.Errorf("in the end %v were served, %d blocks in use", order, m.used)
		}
	})
}

func TestMemoryIsGivenBackToTheSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(4 << 20)
		a := m.join(quiet{}, nil)
		blocks, err := a.growWhole(t.Context(), 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			b[0], b[blockSize-1] = 1, 2
		}
		a.drop(blocks...)
		spare := func() int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return len(m.spare)
		}
		if n := spare(); n != 20 {
			t.Fatalf("%d blocks are spare, want 20", n)
		}
		<-time.After(2 * idleTrim) // of the bubble's clock
		synctest.Wait()
		if n := spare(); n != 0 || m.trimming {
			t.Errorf("after %v idle %d blocks are kept", idleTrim, n)
		}
	})
}

func TestSlotsTakeTurnsByOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		if err := s.acquire(t.Context(), "host", "x"); err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, owner := range []string{"big", "big", "big", "small", "tiny"} {
			go func() {
				if err := s.acquire(t.Context(), "host", owner); err != nil {
					t.Error(err)
				}
				order = append(order, owner)
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- s.acquire(ctx, "host", "gone") }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled wait: %v", err)
		}
		for range 6 {
			s.release("host")
			synctest.Wait()
		}
		if want := []string{"big", "small", "tiny", "big", "big"}; !slices.Equal(order, want) {
			t.Errorf("slots went to %v, want %v", order, want)
		}
		if s.used != 0 || len(s.hosts) != 0 || s.turns.Len() != 0 {
			t.Errorf("in the end %d slots are used, %d hosts are known", s.used, len(s.hosts))
		}
	})
}
