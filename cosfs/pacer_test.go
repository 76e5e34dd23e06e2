package cosfs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// throttled is a store that takes so many requests per second, in the time of a synctest bubble.
type throttled struct {
	mu        sync.Mutex
	perSecond float64
	tokens    float64
	last      time.Time
	taken     int
	refused   int
}

func (s *throttled) ask() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.tokens = min(s.perSecond/10, s.tokens+now.Sub(s.last).Seconds()*s.perSecond)
	s.last = now
	if s.tokens < 1 {
		s.refused++
		return &fault{status: 503, code: "SlowDown", temporary: true, cause: errors.New("slow down")}
	}
	s.tokens--
	s.taken++
	return nil
}

// TestPacerFindsTheRate: many clients at once on a store that takes 50 requests per second. Nearly all requests are taken,
// nearly as many as the store takes, and none fails.
func TestPacerFindsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &throttled{perSecond: 50, tokens: 5, last: time.Now()}
		f := retrier()
		const clients, each = 40, 50
		began := time.Now()
		done := make(chan error, clients)
		for range clients {
			go func() {
				for range each {
					err := f.try(lasting.with(t.Context()), "put", func(context.Context) error {
						time.Sleep(time.Millisecond)
						return store.ask()
					})
					if err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range clients {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		took := time.Since(began)
		t.Logf("%d requests in %v, %d refused", store.taken, took, store.refused)
		if ideal := clients * each / 50 * time.Second; took > 2*ideal {
			t.Errorf("%v, want no more than twice %v", took, ideal)
		}
		if store.refused > store.taken/3 {
			t.Errorf("%d requests were refused, and %d taken", store.refused, store.taken)
		}
	})
}

// TestPacerRecovers: after half a minute in which every request of one kind is refused, all go at full speed again within
// seconds, whether or not requests of other kinds are answered meanwhile.
func TestPacerRecovers(t *testing.T) {
	t.Run("all are refused", func(t *testing.T) { recoverPace(t, 0) })
	t.Run("some are answered", func(t *testing.T) { recoverPace(t, 5) })
}

// recoverPace lets some clients ask for what is answered, in a loop, beside those whose requests are refused.
func recoverPace(t *testing.T, answered int) {
	synctest.Test(t, func(t *testing.T) {
		f := retrier()
		ctx, cancel := context.WithCancel(t.Context())
		var beside sync.WaitGroup
		defer beside.Wait()
		defer cancel()
		for range answered {
			beside.Go(func() {
				for ctx.Err() == nil {
					_ = f.try(ctx, "head", func(context.Context) error {
						time.Sleep(100 * time.Millisecond)
						return nil
					})
				}
			})
		}
		began, asked := time.Now(), atomic.Int64{}
		done := make(chan error, 50)
		for range cap(done) {
			go func() {
				done <- f.try(lasting.with(t.Context()), "put", func(context.Context) error {
					time.Sleep(time.Millisecond)
					asked.Add(1)
					if time.Since(began) < 30*time.Second {
						return &fault{status: 503, temporary: true, cause: errors.New("slow down")}
					}
					return nil
				})
			}()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 50*time.Second {
			t.Errorf("the last of 50 requests is answered after %v", took)
		}
		if n := asked.Load(); n > 200 {
			t.Errorf("%d requests for 50", n)
		}
	})
}

// TestRetryAfterIsKept by all requests of the host.
func TestRetryAfterIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := retrier()
		began, asked := time.Now(), 0
		ask := func() error {
			return f.try(t.Context(), "head", func(context.Context) error {
				if asked++; asked == 1 {
					return &fault{status: 429, temporary: true, retryAfter: 7 * time.Second, cause: errors.New("too many")}
				}
				if since := time.Since(began); since < 7*time.Second {
					t.Errorf("a request after %v", since)
				}
				return nil
			})
		}
		first := make(chan error, 1)
		go func() { first <- ask() }()
		synctest.Wait()
		if err := errors.Join(ask(), <-first); err != nil {
			t.Error(err)
		}
	})
}

// TestRetryAfterIsBounded: an answer that asks to wait for an hour, of a proxy most likely, costs no command.
func TestRetryAfterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := retrier()
		f.endpoint.pacer.slowDown(time.Now(), time.Hour)
		if err := f.try(t.Context(), "head", func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

// TestQueuedCommandEndsInTime: a command that waits in line behind others, because COS takes few requests, fails in its
// time too.
func TestQueuedCommandEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := retrier()
		f.endpoint.pacer.resume = time.Now().Add(time.Hour)
		began := time.Now()
		err := f.try(t.Context(), "head", func(context.Context) error { return nil })
		if !errors.Is(err, errQueued) || !isTemporary(err) || time.Since(began) > commandPatience {
			t.Errorf("%v after %v, want errQueued within 20s", err, time.Since(began))
		}
	})
}

// TestCommandsGoBeforeTransfers: at a store that takes 10 requests per second, for which the parts of 240 transfers wait, a
// command is answered in its time, and the transfers move on beside a stream of commands.
func TestCommandsGoBeforeTransfers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &throttled{perSecond: 10, tokens: 1, last: time.Now()}
		f := retrier()
		ctx, cancel := context.WithCancel(t.Context())
		var beside sync.WaitGroup
		defer beside.Wait()
		defer cancel()
		var parts atomic.Int64
		for range 240 {
			beside.Go(func() {
				for ctx.Err() == nil {
					if f.try(lasting.with(ctx), "part", func(context.Context) error { return store.ask() }) == nil {
						parts.Add(1)
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		before := parts.Load()
		for range 50 {
			began := time.Now()
			if err := f.try(ctx, "head", func(context.Context) error { return store.ask() }); err != nil {
				t.Fatalf("a command fails after %v: %v", time.Since(began), err)
			}
		}
		if parts.Load() == before {
			t.Error("no part was sent beside 50 commands")
		}
		t.Logf("%d parts beside 50 commands", parts.Load()-before)
	})
}
