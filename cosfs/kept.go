package cosfs

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	keptWindow = 15 * time.Minute
	keptLimit  = 10000
)

// keptDirs are the directories from which this process has removed something. On a disk a directory stays when its last
// file goes, until it is removed; in COS one without a marker is gone with it, and who deletes a tree, file by file and
// then the directories, would be told that there are none. So each directory above a removed key is remembered for a
// while: whether anything is left in it need not be known. All accounts of a bucket share this.
//
// A directory is never remembered for less long than those in it.
type keptDirs struct {
	mu    sync.Mutex
	dirs  *simplelru.LRU[string, time.Time] // by key, with its slash; when something was removed from it
	below map[string]map[string]struct{}    // remembered ones, by the key of the directory that they are in
}

func newKeptDirs() *keptDirs {
	k := &keptDirs{below: make(map[string]map[string]struct{})}
	k.dirs, _ = simplelru.NewLRU(keptLimit, func(dir string, _ time.Time) { k.unlink(dir) }) // fails for no limit only
	return k
}

// above returns the key of the directory that a key, or another directory's, is in; "" for the root.
func above(key string) string {
	return key[:strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/')+1]
}

// keepAbove remembers the directories above a key.
func (k *keptDirs) keepAbove(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgetOld()
	k.keep(above(strings.Clone(key)))
}

// keep remembers a directory and those above it. The caller holds mu.
func (k *keptDirs) keep(dir string) {
	for ; dir != ""; dir = above(dir) {
		k.dirs.Add(dir, time.Now())
		parent := above(dir)
		if k.below[parent] == nil {
			k.below[parent] = make(map[string]struct{})
		}
		k.below[parent][dir] = struct{}{}
	}
}

// unlink takes a directory out of the one that it is in. The caller holds mu.
func (k *keptDirs) unlink(dir string) {
	parent := above(dir)
	if delete(k.below[parent], dir); len(k.below[parent]) == 0 {
		delete(k.below, parent)
	}
}

// forgetOld forgets what is too old. The caller holds mu.
func (k *keptDirs) forgetOld() {
	for {
		_, at, any := k.dirs.GetOldest()
		if !any || time.Since(at) <= keptWindow {
			return
		}
		k.dirs.RemoveOldest()
	}
}

// has reports whether a directory is remembered, given its key.
func (k *keptDirs) has(dir string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgetOld()
	return k.dirs.Contains(dir)
}

// in returns the remembered directories in a directory ("" is the root), nil for none.
func (k *keptDirs) in(dir string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgetOld()
	var found []string
	for sub := range k.below[dir] {
		found = append(found, sub)
	}
	return found
}

// forget forgets a directory that was removed. Nothing below it is remembered: it was empty.
func (k *keptDirs) forget(dir string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirs.Remove(dir)
}

// move gives what is remembered of a directory and of all below it to another: it was renamed.
func (k *keptDirs) move(from, to string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgetOld()
	var moved []string
	for dirs := []string{from}; len(dirs) > 0; dirs = dirs[1:] {
		if dir := dirs[0]; k.dirs.Contains(dir) {
			moved = append(moved, dir)
			for sub := range k.below[dir] {
				dirs = append(dirs, sub)
			}
		}
	}
	for _, dir := range moved {
		k.dirs.Remove(dir)
		k.keep(to + strings.TrimPrefix(dir, from))
	}
}
