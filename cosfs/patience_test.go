package cosfs

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// retrier is an FS of which only try is used. Its host has answered before.
func retrier() *FS {
	engine := &Engine{opts: EngineOptions{}.withDefaults()}
	f := &FS{engine: engine, endpoint: newEndpoint(engine.opts)}
	f.endpoint.works()
	return f
}

var (
	busy    = &fault{temporary: true, cause: errors.New("connection reset")}
	refused = &fault{status: 403, cause: errors.New("no")}
	unknown = &fault{temporary: true, cause: &net.DNSError{Err: "no such host", Name: "cos.test", IsNotFound: true}}
)

func TestTryRepeatsTemporaryErrorsOnly(t *testing.T) {
	for _, test := range []struct {
		name     string
		errs     []error // of the attempts; the last repeats
		attempts int
		want     error
	}{
		{"success", []error{nil}, 1, nil},
		{"refused", []error{refused}, 1, refused},
		{"busy, then fine", []error{busy, busy, nil}, 3, nil},
		{"busy, then refused", []error{busy, refused}, 2, refused},
		{"not from COS", []error{errors.ErrUnsupported}, 1, errors.ErrUnsupported},
		{"an unknown host", []error{unknown}, 1, unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				err := retrier().try(t.Context(), "op", func(context.Context) error {
					attempts++
					return test.errs[min(attempts, len(test.errs))-1]
				})
				if !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if attempts != test.attempts {
					t.Errorf("%d attempts, want %d", attempts, test.attempts)
				}
			})
		})
	}
}

// TestPatience: each kind of request is repeated for its own time, and none for longer than a few seconds without a try.
func TestPatience(t *testing.T) {
	for _, test := range []struct {
		name     string
		patience patience
		strange  bool // the host has never answered
		failure  error
		most     time.Duration // after which it must have failed; it must not have before three quarters of it
	}{
		{"a command", brief, false, busy, 20 * time.Second},
		{"the beginning of a download", opening, false, busy, 45 * time.Second},
		{"a transfer", lasting, false, busy, 10 * time.Minute},
		{"a transfer, unknown name of a known host", lasting, false, unknown, 10 * time.Minute},
		{"a transfer, a host that never answered", lasting, true, busy, 20 * time.Second},
		{"a transfer, an unknown host", lasting, true, unknown, 0},
		{"the check of a name", once, false, busy, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := retrier()
				f.endpoint.answered = !test.strange
				start := time.Now()
				last := start
				var longest time.Duration
				err := f.try(test.patience.with(t.Context()), "op", func(context.Context) error {
					longest = max(longest, time.Since(last))
					last = time.Now()
					return test.failure
				})
				took := time.Since(start)
				if !errors.Is(err, test.failure) || took > test.most || took < test.most*3/4 {
					t.Errorf("%v after %v, want the failure after about %v", err, took, test.most)
				}
				if longest > 10*time.Second {
					t.Errorf("%v without a try", longest)
				}
			})
		})
	}
}

// TestHungCommandEndsInTime: a command is tried again while there is time, and ends before most clients give up.
func TestHungCommandEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts, began := 0, time.Now()
		err := retrier().call(t.Context(), "op", func(ctx context.Context) error {
			attempts++
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || !isTemporary(err) || attempts != 3 {
			t.Errorf("error %v (temporary %t) after %d attempts, want a temporary context.DeadlineExceeded after three",
				err, isTemporary(err), attempts)
		}
		if took := time.Since(began); took > 36*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestTryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(50*time.Millisecond, cancel)
		err := retrier().try(ctx, "op", func(context.Context) error { return busy })
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("returned %v after the start, want with the end of its context at 50ms", took)
		}
		if !errors.Is(err, context.Canceled) || isTemporary(err) {
			t.Errorf("error %v, want context.Canceled, not temporary", err)
		}
	})
}
