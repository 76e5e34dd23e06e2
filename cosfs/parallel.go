package cosfs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// lingerTime is how long the answer to a request is waited for whose result nobody wants any more. What COS has done
// is then known and can be undone; a request that is cut off may take effect afterwards.
const lingerTime = time.Second

// each calls do for 0 … n-1, up to workers at once, and returns when all calls have. The first failure, or the end of
// ctx, keeps it from starting more and is what it returns; calls under way then end within lingerTime.
func each(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	starting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	running, cut := linger(starting)
	defer cut()
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(workers, n) {
		group.Go(func() {
			for starting.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				guard(stop, func() {
					if err := do(running, i); err != nil {
						stop(err)
					}
				})
			}
		})
	}
	group.Wait()
	err := context.Cause(starting)
	rethrow(err)
	return err
}

// linger is a context that ends lingerTime after ctx does, or with cancel.
func linger(ctx context.Context) (lingering context.Context, cancel context.CancelFunc) {
	return lingerFor(ctx, lingerTime)
}

func lingerFor(ctx context.Context, d time.Duration) (lingering context.Context, cancel context.CancelFunc) {
	lingering, end := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		_ = sleep(lingering, d)
		end()
	})
	return lingering, func() {
		forget()
		end()
	}
}
