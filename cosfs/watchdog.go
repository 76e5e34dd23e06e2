package cosfs

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// stalled is the error of a request without progress for so long. Another try may do better.
type stalled time.Duration

func (s stalled) Error() string {
	return fmt.Sprintf("no answer from COS: nothing moved for %v", time.Duration(s))
}
func (stalled) Temporary() bool { return true }

// watchdog ends a request that stops moving. It looks at a clock now and then instead of setting a timer each time,
// so the end may come later than the limit, by as much again at most.
type watchdog struct {
	cancel   context.CancelCauseFunc
	ctx      context.Context
	began    time.Time
	limit    atomic.Int64
	deadline atomic.Int64 // since began, 0 while nothing is awaited
	timer    *time.Timer
}

// watch starts a watchdog that awaits something within limit. Its context is that of the request.
func watch(ctx context.Context, limit time.Duration) *watchdog {
	d := &watchdog{began: time.Now()}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	d.expect(limit)
	d.timer = time.AfterFunc(time.Hour, d.look)
	d.timer.Reset(limit) // only now, since look uses it
	return d
}

// expect restarts the clock: something has moved, and the next is awaited within limit.
func (d *watchdog) expect(limit time.Duration) {
	d.limit.Store(int64(limit))
	d.deadline.Store(int64(time.Since(d.began) + limit))
}

// rest stops the clock until the next expect.
func (d *watchdog) rest() { d.deadline.Store(0) }

func (d *watchdog) look() {
	limit := time.Duration(d.limit.Load())
	deadline := time.Duration(d.deadline.Load())
	left := deadline - time.Since(d.began)
	switch {
	case d.ctx.Err() != nil:
	case deadline == 0:
		d.timer.Reset(limit)
	case left > 0:
		d.timer.Reset(left)
	default:
		d.cancel(stalled(limit))
	}
}

// stop ends the watchdog and its context.
func (d *watchdog) stop() {
	d.timer.Stop()
	d.cancel(nil)
}

// explain answers why a request failed: because of the watchdog, or else err.
func (d *watchdog) explain(err error) error {
	if cause, ok := context.Cause(d.ctx).(stalled); ok && err != nil {
		return cause
	}
	return err
}
