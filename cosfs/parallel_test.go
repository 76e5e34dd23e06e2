package cosfs

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachCallsAllAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, calls atomic.Int64
		seen := make([]atomic.Int64, 100)
		err := each(t.Context(), 7, len(seen), func(_ context.Context, i int) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Second)
			calls.Add(1)
			seen[i].Add(1)
			return nil
		})
		if err != nil || calls.Load() != 100 || most.Load() != 7 {
			t.Errorf("%v after %d calls, at most %d at once", err, calls.Load(), most.Load())
		}
		for i := range seen {
			if seen[i].Load() != 1 {
				t.Errorf("%d was called %d times", i, seen[i].Load())
			}
		}
	})
	if err := each(t.Context(), 7, 0, nil); err != nil {
		t.Error(err)
	}
}

func TestEachLetsCallsUnderWayEnd(t *testing.T) {
	wrong := errors.New("wrong")
	for _, test := range []struct {
		name string
		need time.Duration // of a call that is under way when another fails
		ok   bool
	}{{"quick", lingerTime / 2, true}, {"slow", 2 * lingerTime, false}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended error
				start := time.Now()
				err := each(t.Context(), 2, 100, func(ctx context.Context, i int) error {
					if i > 0 {
						return wrong
					}
					ended = sleep(ctx, test.need)
					return ended
				})
				if took := time.Since(start); err != wrong || (ended == nil) != test.ok || took > lingerTime {
					t.Errorf("%v after %v; the other call ended with %v", err, took, ended)
				}
			})
		})
	}
}

func TestEachEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var calls atomic.Int64
		err := each(ctx, 3, 1000, func(ctx context.Context, _ int) error {
			calls.Add(1)
			return sleep(ctx, 4*time.Second)
		})
		if !errors.Is(err, context.DeadlineExceeded) || calls.Load() != 9 {
			t.Errorf("%v after %d calls, want 9", err, calls.Load())
		}
	})
}
