package limit

import (
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	rateSpan     = 5 * time.Second
	rateAccuracy = 0.05
)

// moved returns how many bytes go through connections of these rates in rateSpan, in one direction.
func moved(upload bool, conns ...[]*Rate) (each []int64) {
	counts := make([]atomic.Int64, len(conns))
	var work sync.WaitGroup
	for i, rates := range conns {
		server, client := net.Pipe()
		halt := make(chan struct{})
		limited := NewThrottle(halt, rates...)
		read, write := client.Read, func(p []byte) (int, error) { return limited.Write(p, server.Write) }
		if upload {
			read, write = func(p []byte) (int, error) { return limited.Read(p, server.Read) }, client.Write
		}
		work.Go(func() {
			buf := make([]byte, 128<<10)
			for {
				n, err := read(buf)
				counts[i].Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		work.Go(func() {
			buf := make([]byte, 300<<10)
			for {
				if _, err := write(buf); err != nil {
					return
				}
			}
		})
		time.AfterFunc(rateSpan, func() { close(halt); server.Close(); client.Close(); limited.Close() })
	}
	work.Wait()
	for i := range counts {
		each = append(each, counts[i].Load())
	}
	return each
}

func sum(counts []int64) (total int64) {
	for _, n := range counts {
		total += n
	}
	return total
}

func wantRate(t *testing.T, what string, got, perSecond int64) {
	t.Helper()
	want := float64(perSecond) * rateSpan.Seconds()
	if off := math.Abs(float64(got)-want) / want; off > rateAccuracy {
		t.Errorf("%s: %d bytes in %v, want %.0f; %.1f %% off", what, got, rateSpan, want, 100*off)
	}
}

func TestRateIsExact(t *testing.T) {
	for _, perSecond := range []int64{100, 1000, 30_000, 1 << 20, 100 << 20} {
		for _, upload := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				wantRate(t, "one transfer", sum(moved(upload, []*Rate{NewRate(perSecond)})), perSecond)
			})
		}
	}
}

func TestRateIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		total := NewRate(200_000)
		each := moved(true, []*Rate{nil, total}, []*Rate{nil, total}, []*Rate{nil, total}, []*Rate{nil, total})
		wantRate(t, "four transfers", sum(each), 200_000)
		for _, n := range each {
			if n < sum(each)/5 {
				t.Errorf("one got %d bytes of %d: %v", n, sum(each), each)
			}
		}
		if n := total.users.Load(); n != 0 {
			t.Errorf("%d closed connections still share the rate", n)
		}
	})
}

// TestLowestRateHolds: a session's own rate, the account's and the server's hold at once.
func TestLowestRateHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, total := NewRate(80_000), NewRate(100_000)
		each := moved(false, []*Rate{NewRate(20_000), account, total}, []*Rate{NewRate(1 << 30), account, total}, []*Rate{nil, nil, total})
		wantRate(t, "the slow session", each[0], 20_000)
		wantRate(t, "the server", sum(each), 100_000)
		if two := each[0] + each[1]; float64(two) > 80_000*rateSpan.Seconds()*(1+rateAccuracy) {
			t.Errorf("the account moved %d bytes", two)
		}
	})
}

// TestPauseGivesNoBurst: what was not used before is lost, but for rateSlack.
func TestPauseGivesNoBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(1000)
		moved(false, []*Rate{r})
		time.Sleep(time.Hour)
		wantRate(t, "after an hour", sum(moved(false, []*Rate{r})), 1000)
	})
}

// TestRateDoesNotSpin: a limited transfer is woken about once in rateStep, however small the pieces that come.
func TestRateDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(10 << 20)
		th := NewThrottle(nil, r)
		begun, waits := time.Now(), 0
		for range 10 << 20 / 1024 {
			before := time.Now()
			th.wait()
			if time.Now().After(before) {
				waits++
			}
			th.spend(1024)
		}
		if took := time.Since(begun); took < 850*time.Millisecond || took > 1050*time.Millisecond || waits > 500 {
			t.Errorf("%d pauses in %v, want 500 at most in about a second", waits, took)
		}
	})
}

// TestRateHoldsForACrowd: that many begin at once makes no burst.
func TestRateHoldsForACrowd(t *testing.T) {
	for _, upload := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			total := NewRate(1 << 20)
			crowd := make([][]*Rate, 100)
			for i := range crowd {
				crowd[i] = []*Rate{total}
			}
			wantRate(t, "a hundred transfers", sum(moved(upload, crowd...)), 1<<20)
		})
	}
}

// TestHaltGivesTheTimeBack: bytes that never moved leave the rate to others.
func TestHaltGivesTheTimeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, halt := NewRate(1), make(chan struct{})
		limited := NewThrottle(halt, shared)
		time.AfterFunc(time.Second/2, func() { close(halt) })
		begun := time.Now()
		n, err := limited.Write(make([]byte, 1000), func([]byte) (int, error) { panic("moved") })
		if !errors.Is(err, ErrHalted) || n != 0 || time.Since(begun) > time.Second/2 {
			t.Errorf("%d, %v after %v", n, err, time.Since(begun))
		}
		if until := shared.take(time.Now(), 0); until.After(time.Now()) {
			t.Errorf("the rate is taken until %v from now, by bytes that never moved", time.Until(until))
		}
	})
}

func TestNoRateIsNoThrottle(t *testing.T) {
	if NewRate(0) != nil || NewRate(-1) != nil {
		t.Error("0 is a rate")
	}
	if NewThrottle(nil, nil, nil) != nil {
		t.Error("no limit makes a throttle")
	}
}
