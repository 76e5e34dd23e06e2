package costest

import (
	"cmp"
	"io"
	"time"
)

// pace slows a body down to a number of bytes per second.
type pace struct {
	x     *exchange
	rate  int64
	start time.Time
	total int64
}

// newPace returns the pace of one direction, nil if there is no limit.
func (x *exchange) newPace() *pace {
	rate := x.fault.BytesPerSecond
	if limit := x.server.bandwidth; rate == 0 || limit > 0 && limit < rate {
		rate = limit
	}
	if rate <= 0 {
		return nil
	}
	return &pace{x: x, rate: rate}
}

// step is how many bytes to move at once, so that they flow rather than come in bursts.
func (p *pace) step() int { return int(min(max(p.rate/50, 1), readSize)) }

// wait waits until n more bytes may have moved.
func (p *pace) wait(n int) error {
	if p.start.IsZero() {
		p.start = time.Now()
	}
	p.total += int64(n)
	due := p.start.Add(time.Duration(float64(p.total) / float64(p.rate) * float64(time.Second)))
	if !p.x.wait(time.Until(due)) {
		return cmp.Or(p.x.r.Context().Err(), errFaultCleared)
	}
	return nil
}

// requestBody counts the bytes of a request and slows them down.
type requestBody struct {
	from io.Reader
	x    *exchange
	pace *pace
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.pace != nil {
		p = p[:min(len(p), b.pace.step())]
	}
	n, err := b.from.Read(p)
	b.x.seen.in.Add(int64(n))
	if b.pace != nil && n > 0 {
		if stop := b.pace.wait(n); stop != nil {
			return n, stop
		}
	}
	return n, err
}
