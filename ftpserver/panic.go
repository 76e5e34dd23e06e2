package ftpserver

import (
	"fmt"
	"runtime/debug"
)

// panicError is a panic on its way from the goroutine that had it to its session, which ends.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// panicked returns a recovered value as an error, with the stack of the goroutine that panicked first.
func panicked(value any) error {
	if err, ok := value.(*panicError); ok {
		return err
	}
	return &panicError{value, debug.Stack()}
}

// caught returns what f returns, or its panic as an error. Every goroutine of a session but the first runs in it: a
// panic there would end the process.
func caught(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return f()
}

// passOn panics where err is a panic of another goroutine.
func passOn(err error) {
	if p, ok := err.(*panicError); ok {
		panic(p)
	}
}
