package cosfs

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"
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
	etag  string    // without quotes
	at    time.Time // by our clock
	order int64     // the same, in that of rivals
	by    int64     // order of the upload
	left  bool      // its client has left, most likely without a reply
	whole bool      // and yet it had sent all
}

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
	return r.store(p, stored{by: order}, true)
}

// committed is outdate for an upload. The beginning of a file ends no other upload, unless its client is told that it is
// the file.
func (r *rivals) committed(w *writer, made version) {
	w.mu.Lock()
	s, ends := stored{etag: bareETag(made.etag), by: w.order, left: w.interrupted, whole: w.waited}, w.told || !w.interrupted
	w.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store(w.place(), s, ends)
}

// store notes what is stored, and ends older uploads, or not. The caller holds mu.
func (r *rivals) store(p place, s stored, ends bool) (any bool) {
	n := r.under[p]
	if n == nil {
		return false
	}
	r.last++
	s.order, s.at = r.last, time.Now()
	n.stored = &s
	for w := range n.uploads {
		if ends && w.order < s.by {
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
		w.before = ""
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

// yields reports whether an upload whose client has left, too, may replace a file: the newer one, most likely of the same
// client that came again; but a beginning replaces no whole file, and a whole file any beginning.
func (s *stored) yields(order int64, whole bool) bool {
	return s.left && (whole && !s.whole || whole == s.whole && order > s.by)
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
