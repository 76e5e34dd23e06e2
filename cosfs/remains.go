package cosfs

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// maxRemains bounds the memory and the journal. REST to a name that is forgotten is refused, APPE is not.
	maxRemains = 10000
	// remainsLife is how long a client may take to come back and go on.
	remainsLife = 72 * time.Hour
)

// remains tell what the object of a name has to do with the last upload to that name, where this upload has not stored
// the whole file: so that a client that comes back to send the rest does not put it behind the beginning of another
// file. The journal keeps them over a restart. A name without an entry is that of a whole file, or of none.
type remains struct {
	mu      sync.Mutex
	journal *journal // nil: a restart forgets
	names   *simplelru.LRU[place, *remain]
}

// remain is what is left of the last upload to a name.
type remain struct {
	etag   string // of the object that is the beginning of the file; "" where the object is none of that upload
	client string // who may go on with it
	order  int64  // of the upload, see rivals; 0 for one of an earlier process
	alien  bool   // what is there is none of the upload's file, whatever its time says
	since  time.Time
	entry  *journaled
}

func newRemains() *remains {
	r := &remains{}
	r.names, _ = simplelru.NewLRU(maxRemains, func(_ place, old *remain) { r.journal.end(old.entry, forgottenEvent) })
	return r // the only error is that of a size below 1
}

// keepIn has the journal keep the entries from now on, and takes over those of earlier processes. Of two for one name
// the newer counts.
func (r *remains) keepIn(j *journal, inherited []*journaled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal = j
	slices.SortFunc(inherited, func(a, b *journaled) int { return a.asked.Compare(b.asked) })
	for _, e := range inherited {
		known, ok := r.names.Peek(place{e.host, e.key})
		switch {
		case ok && known.since.After(e.asked):
			j.end(e, forgottenEvent)
			continue
		case ok:
			j.end(known.entry, forgottenEvent)
		}
		r.names.Add(place{e.host, e.key}, &remain{etag: e.upload, client: e.client, since: e.asked, entry: e})
	}
}

// begin notes that an upload is about to replace the object of its name, which is none of its file until it ends.
func (r *remains) begin(w *writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.names.Peek(w.place()); !ok || known.order < w.order {
		r.set(w, "")
	}
}

// moved forgets a name that is another object now, unless that has ended an upload: its client may still come back.
func (r *remains) moved(p place, order int64, outdated bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.names.Peek(p)
	if !outdated || !ok {
		r.names.Remove(p)
		return
	}
	known.etag, known.order, known.alien, known.since = "", order, false, time.Now()
	known.entry = r.journal.leave(known.entry, p, known)
}

// set notes the ETag of what an upload has left, "" for nothing. The caller holds mu.
func (r *remains) set(w *writer, etag string) {
	p := w.place()
	known, ok := r.names.Get(p)
	if !ok {
		known = &remain{}
	}
	known.etag, known.client, known.order, known.alien, known.since = bareETag(etag), w.client, w.order, false, time.Now()
	known.entry = r.journal.leave(known.entry, p, known)
	r.names.Add(p, known)
}

// kept notes that an interrupted upload has become the object with this ETag. Where a newer upload has begun, the object
// is none of that one's file; where there was another one at the same time, nobody knows whose it is.
func (r *remains) kept(w *writer, etag string) {
	if w.f.engine.rivals.hasMet(w) {
		etag = ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.names.Peek(w.place())
	switch {
	case r.isLast(w), !ok && !w.extends: // a DELE has made the name forgotten meanwhile
		r.set(w, etag)
	case ok && known.etag == "":
		known.alien = true
	}
}

// touched notes that the object of a name has a new time, and is the same as before.
func (r *remains) touched(p place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.names.Peek(p); ok && known.etag == "" {
		known.alien = true
	}
}

// stored forgets a name of which the whole file is there, unless a newer upload has begun to replace it.
func (r *remains) stored(w *writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isLast(w) {
		r.names.Remove(w.place())
	}
}

// isLast reports whether no other upload has begun to replace the object since this one did, or since this one looked at
// the object that it extends. The caller holds mu.
func (r *remains) isLast(w *writer) bool {
	known, ok := r.names.Peek(w.place())
	if !ok {
		return w.extends && w.kept == nil // what is added to a whole file is no beginning of one
	}
	extended := w.kept != nil && known.etag != "" && known.etag == bareETag(w.kept.etag)
	return known.order == w.order || extended
}

// forget forgets a name whose object was deleted or is another one now.
func (r *remains) forget(p place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names.Remove(p)
}

// forgetBelow is forget for all names below a directory.
func (r *remains) forgetBelow(dir place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.names.Keys() {
		if p.bucket == dir.bucket && strings.HasPrefix(p.key, dir.key) {
			r.names.Remove(p)
		}
	}
}

// look returns what is known of a name.
func (r *remains) look(p place) (found remain, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry, ok := r.names.Get(p)
	if !ok {
		return remain{}, false
	}
	if time.Since(entry.since) > remainsLife {
		r.names.Remove(p)
		return remain{}, false
	}
	return *entry, true
}

// isBeginning reports whether an object is what an interrupted upload of this client has left.
func (r *remains) isBeginning(p place, o object, client string) bool {
	found, known := r.look(p)
	return known && found.etag != "" && found.etag == bareETag(o.etag) && found.client == client
}

// isForeign reports whether an object must be taken for none of the last upload's file: that was to replace it and has
// not, and nothing shows that somebody has stored the object since; or it is the beginning of another client's file.
func (r *remains) isForeign(p place, o object, client string) bool {
	found, known := r.look(p)
	if known && found.etag != "" {
		return found.etag == bareETag(o.etag) && found.client != client
	}
	began := o.answered.Add(-time.Since(found.since)) // by COS's clock
	return known && found.etag == "" && (found.order == 0 || found.alien || !o.stored.After(began.Add(clockGrain)))
}
