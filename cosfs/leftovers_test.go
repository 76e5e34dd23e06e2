package cosfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

var errOutOfOrder = errors.New("out of order")

// TestLeftoversOfOneHostHoldUpNoOther: neither in a round, nor with their pauses, nor by an attempt without an answer.
func TestLeftoversOfOneHostHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeftovers(time.Second)
		defer l.close()
		var tries atomic.Int64
		l.later("down", func(ctx context.Context) error {
			tries.Add(1)
			<-ctx.Done()
			return ctx.Err()
		})
		for _, wait := range []time.Duration{0, time.Hour} {
			time.Sleep(wait)
			began := time.Now()
			done := make(chan struct{})
			if !l.later("up", func(context.Context) error { close(done); return nil }) {
				t.Error("the first job of a host is not told as its first")
			}
			<-done
			if took := time.Since(began); took != l.first {
				t.Errorf("after %v the job of a host that is in order took %v, want %v", wait, took, l.first)
			}
			synctest.Wait()
		}
		if n := tries.Load(); n < 2 {
			t.Errorf("the job of the host that is out of order was tried %d times", n)
		}
	})
}

// TestLeftoversOfAHostStopAtItsFirstFailure of a round, and all are done when the host is back.
func TestLeftoversOfAHostStopAtItsFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeftovers(time.Second)
		defer l.close()
		var mu sync.Mutex
		var tried []int
		down := true
		for n := range 4 {
			first := l.later("host", func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				tried = append(tried, n)
				if down {
					return errOutOfOrder
				}
				return nil
			})
			if first != (n == 0) {
				t.Errorf("job %d is told as the first: %v", n, first)
			}
		}
		for _, want := range [][]int{{0}, {0, 1}, {0, 1, 2}} { // after 1, 3 and 7 seconds
			time.Sleep(time.Second << (len(want) - 1))
			synctest.Wait()
			mu.Lock()
			if !slices.Equal(tried, want) {
				t.Errorf("tried are %v, want %v", tried, want)
			}
			mu.Unlock()
		}
		mu.Lock()
		down = false
		mu.Unlock()
		time.Sleep(8 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []int{0, 1, 2, 3, 0, 1, 2}; !slices.Equal(tried, want) {
			t.Errorf("tried are %v, want %v", tried, want)
		}
		if l.waiting != 0 || len(l.queues) != 0 {
			t.Errorf("%d jobs and %d queues are left", l.waiting, len(l.queues))
		}
	})
}

// TestLeftoversAreBounded together, and a host that is out of order leaves room for those of another.
func TestLeftoversAreBounded(t *testing.T) {
	l := newLeftovers(time.Hour)
	defer l.close()
	job := func(context.Context) error { return nil }
	for range maxLeftovers + 10 {
		l.later("down", job)
	}
	for _, host := range []string{"b", "c", "b", "b"} {
		l.later(host, job)
	}
	got := fmt.Sprint(l.waiting, len(l.queues["down"].jobs), len(l.queues["b"].jobs), len(l.queues["c"].jobs))
	if want := fmt.Sprint(maxLeftovers, maxLeftovers-4, 3, 1); got != want {
		t.Errorf("jobs of all, of the host that is down and of the others: %s, want %s", got, want)
	}
	for range 2 * maxLeftovers {
		l.later("b", job)
	}
	if down, b := len(l.queues["down"].jobs), len(l.queues["b"].jobs); l.waiting != maxLeftovers || max(down, b)-min(down, b) > 2 {
		t.Errorf("%d jobs wait, %d and %d of two hosts, want as many of each", l.waiting, down, b)
	}
}

// TestInheritedUploadsOfOneBucketHoldUpNoOther: the aborts of one are refused, those of the other go through after an
// outage of both.
func TestInheritedUploadsOfOneBucketHoldUpNoOther(t *testing.T) {
	const other = "other-1250000000"
	c := newCrashable(t)
	c.patience = 200 * time.Millisecond
	c.store.Put(other, "x", nil)
	dead, deadEngine := c.process()
	left := &upload{f: c.beside(dead, other), key: "left"}
	if err := left.begin(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for n := range 9 {
		deadEngine.journal.begin(dead.opts.Host, fmt.Sprint("down", n), "id")
	}
	c.die(deadEngine)
	c.store.Inject(
		costest.Fault{Op: "AbortMultipartUpload", Bucket: treeBucket, Status: 503, Code: "SlowDown"},
		costest.Fault{Op: "AbortMultipartUpload", Bucket: other, Times: 5, Status: 503, Code: "SlowDown"},
	)

	f, engine := c.tree()
	c.beside(f, other)
	engine.KeepJournal(c.dir, slog.New(slog.DiscardHandler))
	waitFor(t, "the abort of the upload in the other bucket", func() bool { return len(c.store.Uploads(other)) == 0 })
	waitFor(t, "the journal to name the others only", func() bool { return engine.journal.uploads() == 9 })
}

// TestFailedUploadsOfOneBucketHoldUpNoOther: nor do those of this process.
func TestFailedUploadsOfOneBucketHoldUpNoOther(t *testing.T) {
	const other = "other-1250000000"
	c := newCrashable(t)
	c.patience = 200 * time.Millisecond
	c.store.Put(other, "x", nil)
	f, _ := c.tree()
	beside := c.beside(f, other)
	var failed []*upload
	for range 9 {
		failed = append(failed, &upload{f: f, key: "down"})
	}
	failed = append(failed, &upload{f: beside, key: "left"})
	for _, u := range failed {
		if err := u.begin(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	c.store.Inject(
		costest.Fault{Op: "AbortMultipartUpload", Bucket: treeBucket, Status: 503, Code: "SlowDown"},
		costest.Fault{Op: "AbortMultipartUpload", Bucket: other, Times: 5, Status: 503, Code: "SlowDown"},
	)
	for _, u := range failed {
		u.abort(t.Context())
	}
	waitFor(t, "the abort of the upload in the other bucket", func() bool { return len(c.store.Uploads(other)) == 0 })
}

// beside is another bucket of the store and the engine.
func (c *crashable) beside(f *FS, bucket string) *FS {
	c.t.Helper()
	opts := f.opts
	opts.Bucket, opts.Host = bucket, costest.Host(bucket)
	f, err := New(opts, f.engine)
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}
