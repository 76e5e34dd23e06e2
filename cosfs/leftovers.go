package cosfs

import (
	"context"
	"sync"
	"time"
)

const (
	// leftoverFactor times the first wait between two attempts of a request is the first wait of a cleaning up.
	leftoverFactor = 50
	// leftoverPause is the longest wait between two attempts to clean up.
	leftoverPause = 5 * time.Minute
	// maxLeftovers bounds the memory; more are left to a lifecycle rule of the bucket.
	maxLeftovers = 1000
)

// leftovers are what could not be cleaned up while COS was out of order, above all parts of uploads that failed for
// just that reason. It is tried again, with growing pauses, until COS is back.
type leftovers struct {
	first time.Duration // wait before the first attempt
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running bool
	jobs    []func(ctx context.Context) error
}

func newLeftovers(first time.Duration) *leftovers {
	l := &leftovers{first: first}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// later repeats job until it succeeds. Each attempt gets abortTimeout. It reports whether nothing else was left before.
func (l *leftovers) later(job func(ctx context.Context) error) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.jobs) >= maxLeftovers {
		return l.closed
	}
	l.jobs = append(l.jobs, job)
	first = !l.running
	if first {
		l.running = true
		l.work.Go(l.run)
	}
	return first
}

// close gives up what is left, and waits for the attempt under way.
func (l *leftovers) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.work.Wait()
}

// run works until nothing is left.
func (l *leftovers) run() {
	for pause := l.first; sleep(l.ctx, pause) == nil; {
		done, left := l.round()
		switch {
		case left == 0:
			return
		case done > 0:
			pause = l.first
		default:
			pause = min(2*pause, leftoverPause)
		}
	}
}

// round tries each job once, but none after a failure: COS is still out of order then, and the others would wait. The
// job that failed goes to the end, in case that the fault is its own.
func (l *leftovers) round() (done, left int) {
	for l.ctx.Err() == nil {
		job := l.next()
		if job == nil {
			return done, 0
		}
		ctx, cancel := context.WithTimeout(l.ctx, abortTimeout)
		err := job(ctx)
		cancel()
		if err != nil {
			return done, l.put(job)
		}
		done++
	}
	return done, 1
}

func (l *leftovers) next() func(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) == 0 {
		l.running = false
		return nil
	}
	job := l.jobs[0]
	l.jobs = l.jobs[1:]
	return job
}

func (l *leftovers) put(job func(ctx context.Context) error) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(l.jobs, job)
	return len(l.jobs)
}
