package cosfs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// retrier is an FS of which only try is used.
func retrier() *FS {
	return &FS{engine: &Engine{opts: EngineOptions{RetryBase: retryBase}}}
}

func TestTryRepeatsTemporaryErrorsOnly(t *testing.T) {
	temporary := &fault{status: 503, temporary: true, cause: errors.New("busy")}
	final := &fault{status: 403, cause: errors.New("no")}
	for _, test := range []struct {
		name     string
		errs     []error // of the attempts; the last repeats
		attempts int
		want     error
	}{
		{"success", []error{nil}, 1, nil},
		{"refused", []error{final}, 1, final},
		{"busy, then fine", []error{temporary, temporary, nil}, 3, nil},
		{"busy, then refused", []error{temporary, final}, 2, final},
		{"busy for ever", []error{temporary}, retryAttempts, temporary},
		{"not from COS", []error{errors.ErrUnsupported}, 1, errors.ErrUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				start := time.Now()
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
				if took := time.Since(start); took > retryFor || attempts > 1 && took < retryBase/2 {
					t.Errorf("%d attempts took %v", attempts, took)
				}
			})
		})
	}
}

func TestTryGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		err := retrier().call(t.Context(), "op", func(ctx context.Context) error {
			attempts++
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || !isTemporary(err) {
			t.Errorf("error %v (temporary %t), want a temporary context.DeadlineExceeded", err, isTemporary(err))
		}
		if attempts != 2 {
			t.Errorf("%d attempts of %v each, want 2: the first failure is more than %v ago after the second",
				attempts, smallTimeout, retryFor)
		}
	})
}

func TestTryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(50*time.Millisecond, cancel)
		err := retrier().try(ctx, "op", func(context.Context) error {
			return &fault{temporary: true, cause: errors.New("busy")}
		})
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("returned %v after the start, want with the end of its context at 50ms", took)
		}
		if !errors.Is(err, context.Canceled) || isTemporary(err) {
			t.Errorf("error %v, want context.Canceled, not temporary", err)
		}
	})
}
