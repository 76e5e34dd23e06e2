package cosfs

import "time"

const (
	maxAhead     = 32       // ranges read ahead by one download
	maxAheadSize = 64 << 20 // bytes
	minRange     = 1 << 20
	maxRange     = 4 << 20
	// slowClient is the rate in bytes per second below which reading ahead is of no use: waiting for COS once per
	// range takes less time than the client needs for a block.
	slowClient = 5 << 19
)

// pace decides how many ranges to read ahead: more while the client waits for COS, fewer while COS would have to
// wait for the client, none for a slow client.
type pace struct {
	window int

	total  int64 // bytes taken by the client
	after  int64 // bytes between two decisions
	bytes  int64 // since the last decision, as below
	waited time.Duration
	taken  time.Duration // time the client took
}

// add counts a piece that took waited to come and taken to be consumed. It reports whether the client has turned out
// to be slow.
func (p *pace) add(bytes int64, waited, taken time.Duration) (slow bool) {
	p.total += bytes
	p.bytes += bytes
	p.waited += waited
	p.taken += taken
	p.after = max(p.after, blockSize)
	if p.bytes < p.after && p.taken < 100*time.Millisecond {
		return false
	}
	p.after = min(2*p.after, 1<<20)
	slow = p.decide()
	p.bytes, p.waited, p.taken = 0, 0, 0
	return slow
}

func (p *pace) decide() (slow bool) {
	all := p.waited + p.taken
	switch {
	case float64(p.bytes) < slowClient*p.taken.Seconds():
		p.window = 0
		return true
	case p.waited*8 > all:
		p.window = min(max(2*p.window, 1), maxAhead)
	case p.waited*64 < all && p.window > 1:
		p.window--
	}
	return false
}

// rangeSize is the size of the next range in bytes: the further the client has come, the more are worth a request.
func (p *pace) rangeSize() int64 {
	return min(max(p.total/4, minRange), maxRange) / blockSize * blockSize
}
