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
// just that reason. It is tried again, with growing pauses, until COS is back. Each host, which is a bucket of COS, has
// a queue and pauses of its own, so that one that is out of order holds up no other.
type leftovers struct {
	first time.Duration // wait before the first attempt
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	waiting int                      // jobs in all queues
	queues  map[string]*leftoverJobs // by host; each has a goroutine, and ends with its last job
}

// job cleans up one thing.
type job func(ctx context.Context) error

// leftoverJobs are those of one host.
type leftoverJobs struct{ jobs []job }

func newLeftovers(first time.Duration) *leftovers {
	l := &leftovers{first: first, queues: make(map[string]*leftoverJobs)}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// later repeats a job that needs a host until it succeeds. Each attempt gets abortTimeout. It reports whether nothing
// else of that host was left before.
func (l *leftovers) later(host string, job job) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[host]
	if l.closed || l.waiting >= maxLeftovers && !l.makeRoom(q) {
		return l.closed
	}
	if q == nil {
		q, first = &leftoverJobs{}, true
		l.queues[host] = q
		l.work.Go(func() { l.run(host, q) })
	}
	q.jobs = append(q.jobs, job)
	l.waiting++
	return first
}

// makeRoom forgets the newest job of the longest queue, if that is not the one that wants room: a host that is out of
// order must not take all places. The caller holds mu.
func (l *leftovers) makeRoom(wants *leftoverJobs) bool {
	longest := &leftoverJobs{}
	for _, q := range l.queues {
		if len(q.jobs) > len(longest.jobs) {
			longest = q
		}
	}
	if wants != nil && len(wants.jobs) >= len(longest.jobs)-1 {
		return false
	}
	longest.jobs = longest.jobs[:len(longest.jobs)-1]
	l.waiting--
	return true
}

// close gives up what is left, and waits for the attempts under way.
func (l *leftovers) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.work.Wait()
}

// run works until nothing of a host is left.
func (l *leftovers) run(host string, q *leftoverJobs) {
	for pause := l.first; sleep(l.ctx, pause) == nil; {
		done, left := l.round(host, q)
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

// round tries each job of a host once, but none after a failure: the host is still out of order then, and the others
// would wait. The job that failed goes to the end, in case that the fault is its own.
func (l *leftovers) round(host string, q *leftoverJobs) (done, left int) {
	for l.ctx.Err() == nil {
		job := l.next(host, q)
		if job == nil {
			return done, 0
		}
		ctx, cancel := context.WithTimeout(l.ctx, abortTimeout)
		err := job(ctx)
		cancel()
		if err != nil {
			return done, l.put(q, job)
		}
		done++
	}
	return done, 1
}

// next takes the first job of a host. It returns nil, and ends the queue, where there is none.
func (l *leftovers) next(host string, q *leftoverJobs) job {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(q.jobs) == 0 {
		delete(l.queues, host)
		return nil
	}
	job := q.jobs[0]
	q.jobs = q.jobs[1:]
	l.waiting--
	return job
}

// put keeps a job that failed, and returns how many its host has.
func (l *leftovers) put(q *leftoverJobs, job job) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.jobs = append(q.jobs, job)
	l.waiting++
	return len(q.jobs)
}
