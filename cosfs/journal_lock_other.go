//go:build !unix

package cosfs

import (
	"errors"
	"os"
)

// lockFile fails: without a lock nobody can tell a dead process's journal from a living one's.
func lockFile(*os.File) error { return errors.ErrUnsupported }
