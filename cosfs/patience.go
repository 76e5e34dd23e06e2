package cosfs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

const (
	retryBase    = 200 * time.Millisecond // SlowDown asks for at least this
	smallTimeout = 30 * time.Second       // of one attempt of a request that moves no data, as the original; and of a stall
	copyTimeout  = 15 * time.Minute       // of one attempt of a copy: COS moves the data before it finishes its answer

	// defaultPatience is how long the requests of a transfer are repeated. Tencent's connector for Hadoop repeats 200 times.
	defaultPatience = 10 * time.Minute
	commandPatience = 20 * time.Second

	longestPause = 25 // times EngineOptions.RetryBase, 5 s, between two attempts
)

// patience says for how long a request that fails for a reason that may pass is repeated.
type patience uint8

const (
	brief   patience = iota // EngineOptions.CommandPatience, 20 s: a command without data, whose client waits for its reply
	opening                 // 45 s: the first request of a download. Many clients give up after 60 s.
	lasting                 // EngineOptions.Patience: a transfer under way, or a copy
	once                    // not at all: a request whose answer is only of use at once
)

type patienceKey struct{}

// with returns a context whose requests are repeated with this patience. That of all others is brief.
func (p patience) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, p)
}

func patienceOf(ctx context.Context) patience {
	p, _ := ctx.Value(patienceKey{}).(patience)
	return p
}

// repetition decides whether a request is sent again.
type repetition struct {
	endpoint *endpoint
	opts     EngineOptions
	patience patience
	wait     time.Duration // the next pause is about this
	deadline time.Time     // no attempt begins later; zero until the first failure of a lasting request
}

func (f *FS) newRepetition(ctx context.Context) *repetition {
	r := &repetition{endpoint: f.endpoint, opts: f.engine.opts, patience: patienceOf(ctx), wait: f.engine.opts.RetryBase}
	if r.patience == lasting && !f.endpoint.hasAnswered() {
		r.patience = brief // no outage: most likely the configuration names what is not there
	}
	switch r.patience {
	case brief:
		r.deadline = time.Now().Add(r.opts.CommandPatience)
	case opening:
		r.deadline = time.Now().Add(r.opts.CommandPatience * 9 / 4)
	}
	return r
}

// next returns the pause before the next attempt, and false if there must be none after this error. The last attempt is at
// the deadline.
func (r *repetition) next(err error) (pause time.Duration, again bool) {
	if !isTemporary(err) || r.patience == once || r.isHopeless(err) {
		return 0, false
	}
	now := time.Now()
	if r.deadline.IsZero() {
		r.deadline = now.Add(r.opts.Patience)
	}
	pause = r.wait/2 + rand.N(r.wait)
	r.wait = min(2*r.wait, longestPause*r.opts.RetryBase)
	left := r.deadline.Sub(now)
	return min(pause, left), left > 0
}

// isHopeless reports whether no attempt will help. The name of a host that has answered before is only lost for a while.
func (r *repetition) isHopeless(err error) bool {
	var unknown *net.DNSError
	if r.patience == lasting && errors.As(err, &unknown) {
		return false
	}
	return isHopeless(err)
}

// try calls fn until it succeeds, fails for good, or the patience of ctx ends. Only temporary errors (see classify) are
// tried again, after a growing wait with jitter that ends with ctx, so fn must be safe to repeat; not so those that
// will take longer to pass than anybody waits. op says what is done to which key and leads the error.
func (f *FS) try(ctx context.Context, op string, fn func(ctx context.Context) error) error {
	r := f.newRepetition(ctx)
	var failure error
	for attempt := 1; ; attempt++ {
		err := f.attempt(ctx, r.deadline, fn)
		if err == nil {
			return nil
		}
		if err == errQueued && failure != nil {
			err = failure // tells more
		}
		failure = err
		if ended := ctx.Err(); ended != nil {
			return fmt.Errorf("%s: %w", op, ended)
		}
		pause, again := r.next(err)
		switch {
		case !again && attempt > 1:
			return fmt.Errorf("%s (attempt %d): %w", op, attempt, err)
		case !again:
			return fmt.Errorf("%s: %w", op, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
}

// attempt calls fn when the endpoint lets the next request go, and tells it what came of it. No attempt begins after
// deadline, unless that is zero.
func (f *FS) attempt(ctx context.Context, deadline time.Time, fn func(ctx context.Context) error) error {
	if err := f.endpoint.pacer.wait(ctx, deadline); err != nil {
		return err
	}
	sent := time.Now()
	err := classify(fn(ctx))
	if ctx.Err() == nil {
		f.endpoint.heard(sent, err)
	}
	return err
}

// call is try for requests that COS answers at once: an attempt without an answer ends after a while. Those of a command
// end sooner, all but the last after a quarter of the time, so that a COS that never answers costs 30 s.
func (f *FS) call(ctx context.Context, op string, fn func(ctx context.Context) error) error {
	limit := f.engine.opts.StallTimeout
	if patienceOf(ctx) != brief {
		return f.tryWithin(ctx, limit, op, fn)
	}
	again := time.Now().Add(f.engine.opts.CommandPatience - limit/4)
	return f.try(ctx, op, func(ctx context.Context) error {
		if time.Now().Before(again) {
			return within(ctx, limit/4, fn)
		}
		return within(ctx, limit/2, fn)
	})
}

// tryWithin is try with a limit for each attempt.
func (f *FS) tryWithin(ctx context.Context, limit time.Duration, op string, fn func(ctx context.Context) error) error {
	return f.try(ctx, op, func(ctx context.Context) error { return within(ctx, limit, fn) })
}

func within(ctx context.Context, limit time.Duration, fn func(ctx context.Context) error) error {
	attempt, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return fn(attempt)
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
