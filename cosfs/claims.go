package cosfs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// place is a key of a bucket. Two accounts on one bucket mean the same by it, whichever host they reach it by.
type place struct{ bucket, key string }

// claims are the names that commands of this process are changing at this moment. Who changes an object holds its key
// from the last look at it to the end of the change; who moves or removes a directory holds all that begins with its
// key. Others wait, in the order in which they came. A claim costs no request.
//
// All names of a command are claimed in one step, and nobody claims more while holding some, so there is no deadlock.
type claims struct {
	mu      sync.Mutex
	keys    map[place][]*claim // held
	trees   []*claim           // held ones that have trees
	waiting []*claim           // oldest first
}

// claim is what one command holds or waits for.
type claim struct {
	bucket  string
	keys    []string
	trees   []string      // directories: their keys, with the slash at the end
	shared  bool          // does not wait for other shared ones
	granted chan struct{} // closed when it is held; nil where it never waited
}

func newClaims() *claims { return &claims{keys: make(map[place][]*claim)} }

// claim waits until nobody else of the process changes these keys, or anything in these directories, and keeps others
// from it until release. It fails when ctx ends first, or, for a command without data, with syscall.EBUSY after
// EngineOptions.CommandPatience.
func (f *FS) claim(ctx context.Context, keys, trees []string) (release func(), err error) {
	if f.engine.opts.Careless {
		return func() {}, nil
	}
	return f.take(ctx, &claim{bucket: f.opts.Bucket, keys: keys, trees: trees})
}

// errInLine is the end of a command behind another one of the name that waits for COS.
const errInLine = badAnswer("nothing yet to another command that changes the same name")

// take waits for a claim, that of a command only as long as its client does: syscall.EBUSY.
func (f *FS) take(ctx context.Context, c *claim) (release func(), err error) {
	if patienceOf(ctx) != brief {
		return f.engine.claims.take(ctx, c)
	}
	waiting, cancel := context.WithTimeout(ctx, f.engine.opts.CommandPatience)
	defer cancel()
	release, err = f.engine.claims.take(waiting, c)
	switch {
	case err == nil || ctx.Err() != nil:
		return release, err
	case f.endpoint.outage() > 0:
		return nil, errInLine
	}
	return nil, fmt.Errorf("another command is changing it: %w", syscall.EBUSY)
}

// tryClaim is claim for one key that is not waited for; free reports whether it was had.
func (f *FS) tryClaim(key string) (release func(), free bool) {
	ended, end := context.WithCancel(once.with(context.Background()))
	end()
	release, err := f.claim(ended, []string{key}, nil)
	return release, err == nil
}

// share is claim for those who do not disturb each other, only others.
func (f *FS) share(ctx context.Context, key string) (release func(), err error) {
	if f.engine.opts.Careless {
		return func() {}, nil
	}
	return f.take(ctx, &claim{bucket: f.opts.Bucket, keys: []string{key}, shared: true})
}

func (t *claims) take(ctx context.Context, c *claim) (release func(), err error) {
	release = func() { t.release(c) }
	t.mu.Lock()
	if t.isFree(c, t.waiting) {
		t.hold(c)
		t.mu.Unlock()
		return release, nil
	}
	c.granted = make(chan struct{})
	t.waiting = append(t.waiting, c)
	t.mu.Unlock()
	select {
	case <-c.granted:
		return release, nil
	case <-ctx.Done():
		t.release(c)
		return nil, ctx.Err()
	}
}

// hold makes a claim one that others wait for. The caller holds mu.
func (t *claims) hold(c *claim) {
	for _, key := range c.keys {
		p := place{c.bucket, key}
		t.keys[p] = append(t.keys[p], c)
	}
	if len(c.trees) > 0 {
		t.trees = append(t.trees, c)
	}
	if c.granted != nil {
		close(c.granted)
	}
}

// release ends a claim, also one that still waits, and lets those go on that waited for it.
func (t *claims) release(c *claim) {
	t.mu.Lock()
	defer t.mu.Unlock()
	is := func(other *claim) bool { return other == c }
	for _, key := range c.keys {
		p := place{c.bucket, key}
		if t.keys[p] = slices.DeleteFunc(t.keys[p], is); len(t.keys[p]) == 0 {
			delete(t.keys, p)
		}
	}
	t.trees = slices.DeleteFunc(t.trees, is)
	t.waiting = slices.DeleteFunc(t.waiting, is)
	var still []*claim
	for _, next := range t.waiting {
		if t.isFree(next, still) {
			t.hold(next)
		} else {
			still = append(still, next)
		}
	}
	t.waiting = still
}

// isFree reports whether a claim meets none that is held and none of those that came before it. The caller holds mu.
func (t *claims) isFree(c *claim, before []*claim) bool {
	for _, key := range c.keys {
		if slices.ContainsFunc(t.keys[place{c.bucket, key}], c.meets) {
			return false
		}
	}
	for p := range t.keys {
		if len(c.trees) == 0 {
			break
		}
		if p.bucket == c.bucket && c.covers(p.key) {
			return false
		}
	}
	return !slices.ContainsFunc(t.trees, c.meets) && !slices.ContainsFunc(before, c.meets)
}

// covers reports whether a key lies in a directory of the claim.
func (c *claim) covers(key string) bool {
	return slices.ContainsFunc(c.trees, func(tree string) bool { return strings.HasPrefix(key, tree) })
}

// meets reports whether two claims have a name in common.
func (c *claim) meets(other *claim) bool {
	if c.bucket != other.bucket || c.shared && other.shared {
		return false
	}
	same := func(key string) bool { return slices.Contains(other.keys, key) || other.covers(key) }
	return slices.ContainsFunc(c.keys, same) || slices.ContainsFunc(c.trees, same) ||
		slices.ContainsFunc(other.keys, c.covers) || slices.ContainsFunc(other.trees, c.covers)
}
