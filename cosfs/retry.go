package cosfs

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	retryBase     = 200 * time.Millisecond // SlowDown asks for at least this
	retryAttempts = 5
	retryFor      = 20 * time.Second // after the first failure no attempt begins later than this

	smallTimeout = 30 * time.Second // of one attempt of a request that moves no data, as the original; and of a stall
	copyTimeout  = 15 * time.Minute // of one attempt of a copy: COS moves the data before it finishes its answer
)

// try calls fn until it succeeds, fails for good, or has failed too often. Only temporary errors (see classify) are
// tried again, after a growing wait with jitter that ends with ctx, so fn must be safe to repeat; not so those that
// will take longer to pass than anybody waits. op says what is done to which key and leads the error.
func (f *FS) try(ctx context.Context, op string, fn func(ctx context.Context) error) error {
	var firstFailure time.Time
	wait := f.engine.opts.RetryBase
	for attempt := 1; ; attempt++ {
		err := classify(fn(ctx))
		if err == nil {
			return nil
		}
		if ended := ctx.Err(); ended != nil {
			return fmt.Errorf("%s: %w", op, ended)
		}
		if firstFailure.IsZero() {
			firstFailure = time.Now()
		}
		pause := wait/2 + rand.N(wait)
		late := time.Since(firstFailure)+pause > retryFor
		if !isTemporary(err) || isHopeless(err) || attempt == retryAttempts || late {
			if attempt > 1 {
				return fmt.Errorf("%s (attempt %d): %w", op, attempt, err)
			}
			return fmt.Errorf("%s: %w", op, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		wait *= 2
	}
}

// call is try for requests that COS answers at once: an attempt without an answer ends after a while.
func (f *FS) call(ctx context.Context, op string, fn func(ctx context.Context) error) error {
	return f.tryWithin(ctx, cmp.Or(f.engine.opts.StallTimeout, smallTimeout), op, fn)
}

// tryWithin is try with a limit for each attempt.
func (f *FS) tryWithin(ctx context.Context, limit time.Duration, op string, fn func(ctx context.Context) error) error {
	return f.try(ctx, op, func(ctx context.Context) error {
		attempt, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return fn(attempt)
	})
}

// sleep waits for d, or until ctx ends, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
