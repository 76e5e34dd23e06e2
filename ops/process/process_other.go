//go:build !linux

package process

import "errors"

// ForbidDumps does nothing here.
func ForbidDumps() error { return nil }

// Become fails: elsewhere than on Linux nobody has tried it.
func (u *User) Become() error { return errors.New("run_as works on Linux only: delete the line") }
