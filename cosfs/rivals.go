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
	last  int64 // in the order in which uploads begin and files are stored
	under map[place]*rivalry
}

// rivalry is what meets at one name.
type rivalry struct {
	uploads map[*writer]struct{} // under way, at least one
	stored  *stored              // what was stored last since the oldest of them began, by another; nil: nothing
}

// stored is a file that this process has made of a name.
type stored struct {
	version version // its time is an upper limit of the object's
	order   int64   // when, in the order of rivals
	by      int64   // order of the upload
	end     leaving // its client's
}

// leaving is how the client of an upload ended, best first: the lower, the surer it is that it has sent all of its file.
type leaving int

const (
	there    leaving = iota // it is there, and is told
	left                    // it left a while after the end of its data, most likely without a reply
	vanished                // it left with the end of its data, so it may have died in the middle
	brokeOff                // in the middle of its data
)

// errOutdated ends an upload whose name a newer one has stored.
var errOutdated = fmt.Errorf("the file was stored by a newer upload: %w", syscall.ESTALE)

func newRivals() *rivals { return &rivals{under: make(map[place]*rivalry)} }

// enter adds an upload and gives it its place in the order.
func (r *rivals) enter(w *writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	w.order = r.last
	if r.under[w.place()] == nil {
		r.under[w.place()] = &rivalry{uploads: make(map[*writer]struct{})}
	}
	uploads := r.under[w.place()].uploads
	uploads[w] = struct{}{}
	if len(uploads) > 1 {
		for other := range uploads {
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
	n := r.under[w.place()]
	delete(n.uploads, w)
	if len(n.uploads) == 0 {
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

// outdate is for a command that has made another file of a name. It ends the uploads that began before order, and reports
// whether there were any. The caller holds the name's claim, so none of them is being committed.
func (r *rivals) outdate(p place, order int64) (any bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store(p, stored{by: order})
}

// committed is outdate for an upload. What may be the beginning of a file ends no other upload.
func (r *rivals) committed(w *writer, made version) {
	s := stored{version: made, by: w.order, end: w.ending()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store(w.place(), s)
}

// store notes what is stored, and ends older uploads. The caller holds mu.
func (r *rivals) store(p place, s stored) (any bool) {
	n := r.under[p]
	if n == nil {
		return false
	}
	r.last++
	s.order = r.last
	n.stored = &s
	for w := range n.uploads {
		if s.end <= left && w.order < s.by {
			any = true
			w.giveUp(fmt.Errorf("upload %q: %w", p.key, errOutdated))
		}
	}
	return any
}

// removed is for a command that has deleted the object of a name: uploads under way replace nothing any more.
func (r *rivals) removed(p place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.under[p]
	if n == nil {
		return
	}
	n.stored = nil
	for w := range n.uploads {
		w.mu.Lock()
		w.before, w.freed = version{}, true
		w.mu.Unlock()
	}
}

// touched is for a command that has given the object of a name other metadata: it is the same to uploads under way.
func (r *rivals) touched(p place, from object, made version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.under[p]
	if n == nil {
		return
	}
	if n.stored != nil && n.stored.version.is(from) {
		n.stored.version = made
	}
	for w := range n.uploads {
		w.mu.Lock()
		if bareETag(w.before.etag) == bareETag(from.etag) {
			w.before = made
		}
		w.mu.Unlock()
	}
}

// storedSince is what this process has made of the name since an upload began, nil for nothing.
func (r *rivals) storedSince(w *writer) *stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.under[w.place()]; n.stored != nil && n.stored.order > w.order {
		return n.stored
	}
	return nil
}

// yields reports whether an upload whose client has left may replace what one has stored whose client had left, too: the
// newer one, most likely of the same client that came again, but only if it is as surely a whole file.
func (s *stored) yields(order int64, end leaving) bool {
	return s.end != there && (end < s.end || end == s.end && order > s.by)
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

// isReplaced reports whether an upload that replaces the whole object is under way.
func (r *rivals) isReplaced(p place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.under[p]; n != nil {
		for w := range n.uploads {
			if !w.extends {
				return true
			}
		}
	}
	return false
}
