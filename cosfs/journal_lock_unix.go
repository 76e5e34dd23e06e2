//go:build unix

package cosfs

import (
	"os"
	"syscall"
)

// lockFile takes the lock that a process holds on its journal as long as it lives, or fails at once.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
