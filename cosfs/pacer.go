package cosfs

import (
	"context"
	"sync"
	"time"
)

const (
	// maxRetryAfter bounds what an answer may ask for.
	maxRetryAfter = time.Minute
	// pacerLook is how often who waits looks whether the wait has become shorter.
	pacerLook = 50 * time.Millisecond
)

// errQueued is the end of a request that was never sent.
const errQueued = badAnswer("other requests that there are too many, so this one was not sent")

// pacer spaces the requests to a host that has answered that there are too many (503, 429). While it has not, requests go
// as they come. Each such answer doubles the time between two requests; each other one shortens it: quickly at first,
// slowly near the rate that was too much before. As TCP does with packets, it thus finds what COS takes.
type pacer struct {
	first, most time.Duration // bounds of interval

	turn chan struct{} // holds one while a request waits for its time; others wait for the turn

	mu       sync.Mutex
	interval time.Duration // between two requests; 0: they are not spaced
	refused  time.Duration // interval that was too short, 0 where none is known
	works    bool          // there was another answer since the last that there are too many
	slowed   time.Time     // when interval grew
	last     time.Time     // when a request went
	resume   time.Time     // none goes before (Retry-After)
}

func newPacer(retryBase time.Duration) *pacer {
	return &pacer{first: retryBase / 20, most: 5 * retryBase, turn: make(chan struct{}, 1), works: true}
}

// wait returns when a request may go. It fails when ctx ends first, whose error it then returns, or with errQueued when
// the deadline passes; a zero one never does.
func (p *pacer) wait(ctx context.Context, deadline time.Time) error {
	if p.due() <= 0 {
		return nil
	}
	bounded := ctx
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		bounded, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	err := p.waitForTurn(bounded)
	if err != nil && ctx.Err() == nil {
		return errQueued
	}
	return err
}

func (p *pacer) waitForTurn(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		due := p.due()
		if due <= 0 {
			return nil
		}
		if err := sleep(ctx, min(due, pacerLook)); err != nil {
			return err
		}
	}
}

// due returns how long the next request has to wait. If it need not, it counts as gone.
func (p *pacer) due() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	due := max(p.last.Add(p.interval).Sub(now), p.resume.Sub(now))
	if p.interval == 0 && p.resume.IsZero() {
		return 0
	}
	if due <= 0 {
		p.last = now
	}
	return due
}

// slowDown notes an answer that there are too many requests. after is what it asks to wait, 0 for nothing. Requests that
// were sent before the last change say nothing new.
func (p *pacer) slowDown(sent time.Time, after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if after > 0 {
		if resume := now.Add(min(after, maxRetryAfter)); resume.After(p.resume) {
			p.resume = resume
		}
	}
	if sent.Before(p.slowed) {
		return
	}
	if p.works {
		p.refused = p.interval
	}
	p.works = false
	p.interval = min(max(2*p.interval, p.first), p.most)
	p.slowed = now
}

// speedUp notes an answer that is none of these.
func (p *pacer) speedUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interval == 0 {
		return
	}
	p.works = true
	share := 0.25
	if p.interval < 2*p.refused {
		// A rate that was far too high for a while, as in an outage, is tried again within seconds all the same.
		share = min(max(0.02, float64(p.interval)/float64(5*p.most)), share)
	}
	p.interval -= time.Duration(share * float64(p.interval))
	if p.interval < p.first/10 {
		p.interval, p.refused, p.resume = 0, 0, time.Time{}
	}
}
