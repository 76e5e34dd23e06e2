// Package process gives up what a gateway needs only for a moment, or not at all: root, once its ports are open, and
// core dumps, which would hold the passwords and keys of all accounts.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// User is a user that the process can become.
type User struct {
	uid, gid int
	groups   []int // all of them, gid too
}

// FindUser looks up, by name, a user that this process can become: any but root if it is root, else only its own.
func FindUser(name string) (*User, error) {
	found, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return nil, fmt.Errorf("there is no such user: want one that exists, or make it with useradd --system --no-create-home --shell /usr/sbin/nologin %s", name)
	}
	if err != nil {
		return nil, fmt.Errorf("look up the user: %w", err)
	}
	groups, err := found.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("look up the user's groups: %w", err)
	}
	u := &User{}
	if u.uid, err = strconv.Atoi(found.Uid); err != nil {
		return nil, fmt.Errorf("user ID: %w", err)
	}
	if u.gid, err = strconv.Atoi(found.Gid); err != nil {
		return nil, fmt.Errorf("group ID: %w", err)
	}
	for _, group := range groups {
		id, err := strconv.Atoi(group)
		if err != nil {
			return nil, fmt.Errorf("group ID: %w", err)
		}
		u.groups = append(u.groups, id)
	}
	if u.uid == 0 {
		return nil, errors.New("this user is root: want one without its rights, or no run_as")
	}
	if uid := os.Geteuid(); uid != 0 && uid != u.uid {
		return nil, fmt.Errorf("only root can become another user, and this process runs as user ID %d: start it as root or as %s, or delete run_as", uid, name)
	}
	return u, nil
}

// BecomeOwner makes the process, which must be root's, the owner of the first of some files or directories that is there; of
// a symbolic link, not of what that leads to. Nothing changes where that is root, or where none is there.
func BecomeOwner(paths ...string) error {
	for _, path := range paths {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		owner, known := info.Sys().(*syscall.Stat_t)
		if !known || owner.Uid == 0 {
			return nil
		}
		u := &User{uid: int(owner.Uid), gid: int(owner.Gid), groups: []int{int(owner.Gid)}}
		return u.Become()
	}
	return nil
}
