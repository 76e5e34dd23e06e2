package ftpserver

import (
	"errors"
	"io"
	"math"
	"net"
	"strings"
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

// limited is a data connection and its peer, with rates in both directions.
func limited(rates ...*Rate) (d *dataConn, peer net.Conn) {
	conn, peer := net.Pipe()
	d = newDataConn(conn, time.Hour, func() {})
	d.limit(rates, rates)
	return d, peer
}

// moved is how many bytes go through connections of these rates in rateSpan, in one direction.
func moved(upload bool, conns ...[]*Rate) (each []int64) {
	counts := make([]atomic.Int64, len(conns))
	var work sync.WaitGroup
	for i, rates := range conns {
		d, peer := limited(rates...)
		src, dst := io.Reader(peer), io.Writer(d)
		if upload {
			src, dst = d, peer
		}
		work.Go(func() {
			buf := make([]byte, 128<<10)
			for {
				n, err := src.Read(buf)
				counts[i].Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		work.Go(func() {
			buf := make([]byte, 300<<10)
			for {
				if _, err := dst.Write(buf); err != nil {
					return
				}
			}
		})
		time.AfterFunc(rateSpan, func() { d.stop(); d.Close(); peer.Close() })
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
		th := newThrottle(nil, r)
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

func TestStopEndsTheWaitingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, early := range []bool{false, true} {
			shared := NewRate(1)
			d, peer := limited(shared)
			defer peer.Close()
			if early {
				d.stop()
			} else {
				time.AfterFunc(time.Second/2, d.stop)
			}
			begun := time.Now()
			n, err := d.Write(make([]byte, 1000))
			if !errors.Is(err, errStopped) && !errors.Is(err, errHalted) || n != 0 || time.Since(begun) > time.Second/2 || !d.failed(err) {
				t.Errorf("stopped early %v: %d, %v after %v", early, n, err, time.Since(begun))
			}
			d.stop() // again does no harm
			if until := shared.take(time.Now(), 0); until.After(time.Now()) {
				t.Errorf("the rate is taken until %v from now, by bytes that never moved", time.Until(until))
			}
			d.Close()
		}
	})
}

// TestUnlimitedHasNoThrottle: transfers without limits keep the short way.
func TestUnlimitedHasNoThrottle(t *testing.T) {
	if NewRate(0) != nil || NewRate(-1) != nil {
		t.Error("0 is a rate")
	}
	d, peer := limited(nil, NewRate(0))
	defer peer.Close()
	defer d.Close()
	if d.in != nil || d.out != nil || d.halt != nil { // and so nothing but a comparison
		t.Error("no limit makes a throttle")
	}
}

// TestLimitedTransfersCanBeEnded goes through the whole server: the rate of a session, and ABOR, the loss of the
// client and a shutdown while a byte waits for its turn.
func TestLimitedTransfersCanBeEnded(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("x", 1<<20)
	ts := start(t, map[string]string{"/a": content}, func(o *Options) { o.MaxUploadRate, o.MaxDownloadRate = 1, 1 })
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR a", "1*")
	c.ask("ABOR", "426 *", "226 *")
	c.open("PASV")
	c.ask("STOR b", "1*")
	c.sendData("some bytes")
	c.ask("ABOR", "426 *", "226 *")
	if got := c.retr("LIST"); !strings.Contains(got, "\ta\r\n") { // which would take minutes
		t.Errorf("listing %q", got)
	}
	c.open("PASV")
	c.ask("RETR a", "1*") // for the shutdown at the end of the test
	c.ask("NOOP", "200 *")
	ts.cancel()
	c.want("426 *", "421 *")
}

func TestAccountAndServerRatesAreUsed(t *testing.T) {
	t.Parallel()
	slow := NewRate(1)
	for name, set := range map[string]func(*Options, *Account){
		"account upload":   func(_ *Options, a *Account) { a.UploadRate = slow },
		"account download": func(_ *Options, a *Account) { a.DownloadRate = slow },
		"server upload":    func(o *Options, _ *Account) { o.UploadRate = slow },
		"server download":  func(o *Options, _ *Account) { o.DownloadRate = slow },
	} {
		opts, account := &Options{}, &Account{}
		set(opts, account)
		conn, peer := net.Pipe()
		s := &session{srv: &Server{opts: *opts}}
		s.xfer = &transfer{session: s, name: "/x", by: login{account: account}}
		d := newDataConn(conn, time.Hour, func() {})
		s.limitData(s.xfer, d)
		if up := d.in != nil && d.in.rates[0] == slow; up != strings.HasSuffix(name, "upload") {
			t.Errorf("%s: uploads limited: %v", name, up)
		}
		if down := d.out != nil && d.out.rates[0] == slow; down != strings.HasSuffix(name, "download") {
			t.Errorf("%s: downloads limited: %v", name, down)
		}
		conn.Close()
		peer.Close()
	}
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
