package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ForbidDumps keeps the process from leaving a core dump, and every other process of its user from reading its memory.
func ForbidDumps() error {
	// The limit says it to tools that look there. An error is no matter, a sandbox may deny the call: the kernel writes
	// no dump of a process that is not dumpable, whatever the limit is, and also where core_pattern is a program, which
	// ignores the limit.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	return setDumpable(0)
}

func setDumpable(value uintptr) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, value, 0); errno != 0 {
		return fmt.Errorf("prctl PR_SET_DUMPABLE %d: %w", value, errno)
	}
	return nil
}

// Become makes all threads of the process run as the user, with the user's groups and no others, and returns nil only
// if there is no way back to root. It does nothing where the process runs as the user already.
func (u *User) Become() error {
	if os.Geteuid() == u.uid && os.Getuid() == u.uid {
		return nil
	}
	// The kernel sets this anew when the user changes: to fs.suid_dumpable, which may allow dumps that only root reads.
	dumpable, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0)
	if errno != 0 {
		return fmt.Errorf("prctl PR_GET_DUMPABLE: %w", errno)
	}
	if err := u.change(); err != nil {
		return err
	}
	if dumpable > 1 {
		return nil // a value that only the kernel may set
	}
	return setDumpable(dumpable)
}

// change gives up root. The groups go first: without root they cannot be changed.
func (u *User) change() error {
	const hint = "the process needs the capabilities CAP_SETUID and CAP_SETGID until then"
	if err := syscall.Setgroups(u.groups); err != nil {
		return fmt.Errorf("setgroups %v: %w; %s", u.groups, err, hint)
	}
	if err := syscall.Setgid(u.gid); err != nil {
		return fmt.Errorf("setgid %d: %w; %s", u.gid, err, hint)
	}
	if err := syscall.Setuid(u.uid); err != nil {
		return fmt.Errorf("setuid %d: %w; %s", u.uid, err, hint)
	}
	// Both succeed while one of the real, effective and saved IDs is still root's, or a capability is left.
	if syscall.Setuid(0) == nil || u.gid != 0 && syscall.Setgid(0) == nil {
		return errors.New("the process could become root again (are the securebits set to keep capabilities?)")
	}
	return nil
}
