package cosfs

import (
	"context"
	"sync"
	"time"
)

const (
	// maxRetryAfter bounds what an answer may ask for: one of a proxy must not silence a host for longer than a command has
	// time. A store that means it says it again.
	maxRetryAfter = 10 * time.Second
	// pacerLook is how often who waits looks whether the wait has become shorter.
	pacerLook = 50 * time.Millisecond
	// maxUrgent is how many commands go before a transfer that waits.
	maxUrgent = 3
)

// The classes of requests that wait.
const (
	ofCommand = iota
	ofTransfer
)

// errQueued is the end of a request that was never sent.
const errQueued = badAnswer("other requests that there are too many, so this one was not sent")

// pacer spaces the requests to a host that has answered that there are too many (503, 429). While it has not, requests go
// as they come. Each such answer doubles the time between two requests; each other one shortens it: quickly at first,
// slowly near the rate that was too much before. As TCP does with packets, it thus finds what COS takes.
type pacer struct {
	first, most time.Duration // bounds of interval

	// Of commands, and of transfers, one request each waits for its time; the others wait for the turn.
	turns [2]chan struct{}

	mu       sync.Mutex
	waiting  [2]bool       // somebody waits for the time
	urgent   int           // commands that went since a transfer did
	interval time.Duration // between two requests; 0: they are not spaced
	refused  time.Duration // interval that was too short, 0 where none is known
	works    bool          // there was another answer since the last that there are too many
	slowed   time.Time     // when interval grew
	last     time.Time     // when a request went
	resume   time.Time     // none goes before (Retry-After)
}

func newPacer(retryBase time.Duration) *pacer {
	return &pacer{first: retryBase / 20, most: 5 * retryBase, works: true,
		turns: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}}
}

// wait returns when a request may go. It fails when ctx ends first, whose error it then returns, or with errQueued when
// the deadline passes; a zero one never does.
func (p *pacer) wait(ctx context.Context, deadline time.Time) error {
	class := ofTransfer
	if !deadline.IsZero() {
		class = ofCommand
	}
	if !p.isWaiting(class) && p.due(class) <= 0 {
		return nil
	}
	bounded := ctx
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		bounded, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	err := p.waitForTurn(bounded, class)
	if err != nil && ctx.Err() == nil {
		return errQueued
	}
	return err
}

func (p *pacer) waitForTurn(ctx context.Context, class int) error {
	select {
	case p.turns[class] <- struct{}{}:
		defer func() { <-p.turns[class] }()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer p.setWaiting(class, false)
	p.setWaiting(class, true)
	for {
		due := p.due(class)
		if due <= 0 {
			return nil
		}
		if err := sleep(ctx, min(due, pacerLook)); err != nil {
			return err
		}
	}
}

// isWaiting reports whether there is a line of a class, at whose end one has to wait.
func (p *pacer) isWaiting(class int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting[class]
}

func (p *pacer) setWaiting(class int, waiting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[class] = waiting
}

// due returns how long the next request of a class has to wait. If it need not, it counts as gone. Commands have less time
// than transfers, so they go first, but every fourth request is a transfer's.
func (p *pacer) due(class int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	due := max(p.last.Add(p.interval).Sub(now), p.resume.Sub(now))
	if p.interval == 0 && p.resume.IsZero() {
		return 0
	}
	if due > 0 {
		return due
	}
	transfersTurn := p.urgent >= maxUrgent && p.waiting[ofTransfer]
	if class == ofTransfer && p.waiting[ofCommand] && !transfersTurn || class == ofCommand && transfersTurn {
		return pacerLook
	}
	p.last = now
	if p.urgent++; class == ofTransfer {
		p.urgent = 0
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
