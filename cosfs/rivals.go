package cosfs

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
)

// rivals are the uploads under way, by the name that they store, of all accounts of the process. A client that lost its
// line comes back and stores its file again while its first upload is still half open: the newer upload wins, and once
// it has stored the file nothing of an older one is ever committed, whatever that one's end looks like.
type rivals struct {
	mu    sync.Mutex
	last  int64 // order of the newest upload
	under map[place]map[*writer]struct{}
}

// errOutdated ends an upload whose name a newer one has stored.
var errOutdated = fmt.Errorf("the file was stored by a newer upload: %w", syscall.ESTALE)

func newRivals() *rivals { return &rivals{under: make(map[place]map[*writer]struct{})} }

// enter adds an upload and gives it its place in the order.
func (r *rivals) enter(w *writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	w.order = r.last
	if r.under[w.place()] == nil {
		r.under[w.place()] = make(map[*writer]struct{})
	}
	r.under[w.place()][w] = struct{}{}
	if len(r.under[w.place()]) > 1 {
		for other := range r.under[w.place()] {
			other.met = true
		}
	}
}

// hasMet reports whether there was another upload of the name at the same time, so that nobody can tell which of the two
// a client comes back for.
func (r *rivals) hasMet(w *writer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return w.met
}

// leave takes an upload out that has ended.
func (r *rivals) leave(w *writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.under[w.place()], w)
	if len(r.under[w.place()]) == 0 {
		delete(r.under, w.place())
	}
}

// now is an order behind all uploads that have begun.
func (r *rivals) now() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return r.last
}

// outdate ends the uploads of a name that began before order, and reports whether there were any. The caller holds the
// name's claim, so none of them is being committed. Those that began later remember it.
func (r *rivals) outdate(p place, order int64) (any bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.under[p] {
		switch {
		case w.order < order:
			any = true
			w.giveUp(fmt.Errorf("upload %q: %w", p.key, errOutdated))
		case w.order > order:
			w.passed = true
		}
	}
	return any
}

// bequeath is for an upload that has stored an object though its client has left. Those of the name that began later may
// replace that, even if their clients leave too: it is one client that comes again, most likely. Older ones end, if the
// data of this one ended as that of a whole file does.
func (r *rivals) bequeath(w *writer, etag string, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other := range r.under[w.place()] {
		switch {
		case other.order > w.order:
			other.legacy = bareETag(etag)
		case other.order < w.order && whole:
			other.giveUp(fmt.Errorf("upload %q: %w", w.key, errOutdated))
		}
	}
}

// legacyOf is the ETag of what bequeath has left to an upload, "" for nothing.
func (r *rivals) legacyOf(w *writer) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return w.legacy
}

// outdateBelow is outdate for all names below a directory.
func (r *rivals) outdateBelow(dir place, order int64) {
	r.mu.Lock()
	var below []place
	for p := range r.under {
		if p.bucket == dir.bucket && strings.HasPrefix(p.key, dir.key) {
			below = append(below, p)
		}
	}
	r.mu.Unlock()
	for _, p := range below {
		r.outdate(p, order)
	}
}

// hasPassed reports whether an older upload of the name has stored its file since this one began.
func (r *rivals) hasPassed(w *writer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return w.passed
}

// isReplaced reports whether an upload that replaces the whole object is under way.
func (r *rivals) isReplaced(p place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.under[p] {
		if !w.extends {
			return true
		}
	}
	return false
}
