package cosfs

import (
	"context"
	"sync"
)

// span is a range that is read ahead into memory, by a goroutine of its own. All its blocks are there from the start
// and it never waits for the client, so it gives its slot back in time however slow the client is.
type span struct {
	stream  stream
	account *account
	ctx     context.Context
	cancel  context.CancelFunc
	news    chan struct{} // of capacity 1: there is more, or the end

	// wait is that for a slot. It ends early when the client has come so far that the span is its next piece.
	wait    context.Context
	hurry   context.CancelFunc
	started chan struct{} // closed after that

	mu      sync.Mutex
	filled  []block
	empty   []block
	ended   bool
	dropped bool
	err     error
}

func newSpan(ctx context.Context, a *account, s stream, blocks []block) *span {
	p := &span{
		stream: s, account: a, empty: blocks,
		news: make(chan struct{}, 1), started: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.wait, p.hurry = context.WithCancel(p.ctx)
	return p
}

// run fills the blocks.
func (p *span) run() {
	defer p.cancel()
	slots, host := p.stream.source.f.engine.downloads, p.stream.source.f.endpoint
	hasSlot := slots.acquire(p.wait, host, p.account) == nil
	close(p.started)
	if hasSlot {
		defer slots.release(host)
	}
	err := p.fill()
	p.stream.close()
	p.mu.Lock()
	p.ended, p.err = true, err
	rest := p.empty
	p.empty = nil
	p.mu.Unlock()
	p.account.drop(rest...)
	p.tell()
}

func (p *span) fill() error {
	for p.stream.at < p.stream.end {
		b := p.take()
		if b == nil {
			return nil // dropped
		}
		b = b[:0]
		for len(b) < blockSize && p.stream.at < p.stream.end {
			n, err := p.read(b[len(b):blockSize])
			if err != nil {
				p.account.drop(b)
				return err
			}
			b = b[:len(b)+n]
		}
		if !p.add(b) {
			p.account.drop(b)
			return nil
		}
	}
	return nil
}

func (p *span) read(b []byte) (n int, err error) {
	guard(func(crashed error) { err = crashed }, func() { n, err = p.stream.read(p.ctx, b) })
	return n, err
}

func (p *span) take() block {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.empty) == 0 {
		return nil
	}
	last := len(p.empty) - 1
	b := p.empty[last]
	p.empty = p.empty[:last]
	return b
}

func (p *span) add(b block) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped {
		return false
	}
	p.filled = append(p.filled, b)
	p.tell()
	return true
}

func (p *span) tell() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// isWaiting reports whether the span has not got a slot yet.
func (p *span) isWaiting() bool {
	select {
	case <-p.started:
		return false
	default:
		return true
	}
}

// next waits for the next block, which is the caller's then; nil at the end.
func (p *span) next(ctx context.Context) (block, error) {
	for {
		p.mu.Lock()
		if len(p.filled) > 0 {
			b := p.filled[0]
			p.filled = p.filled[1:]
			p.mu.Unlock()
			return b, nil
		}
		ended, err := p.ended, p.err
		p.mu.Unlock()
		if ended {
			rethrow(err)
			return nil, err
		}
		select {
		case <-p.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// drop ends the span and gives its memory back, but for the block being filled, which follows at once.
func (p *span) drop() {
	p.mu.Lock()
	p.dropped = true
	blocks := append(p.filled, p.empty...)
	p.filled, p.empty = nil, nil
	p.mu.Unlock()
	p.cancel()
	p.account.drop(blocks...)
}
