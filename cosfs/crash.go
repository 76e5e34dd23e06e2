package cosfs

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// crash is a panic of a goroutine that works for a file or a listing. It goes on as a panic in the goroutine of the
// caller, where it ends what belongs to that caller, and not the process.
type crash struct {
	value any
	stack []byte
}

func (c *crash) Error() string { return fmt.Sprintf("%v\n%s", c.value, c.stack) }

// guard calls work and turns its panic into an error for fail.
func guard(fail func(error), work func()) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *crash:
			fail(p)
		default:
			fail(&crash{value: p, stack: debug.Stack()})
		}
	}()
	work()
}

// rethrow goes on with the panic of which err tells, if it does.
func rethrow(err error) {
	var c *crash
	if errors.As(err, &c) {
		panic(c)
	}
}
