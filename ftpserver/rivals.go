package ftpserver

import "sync"

// rivals are the running uploads of a server by the file that they store. A client that lost its network comes back
// and stores the file again, while the server waits for the rest of the first upload until a time-out: what is kept of
// that must not replace the whole file.
type rivals struct {
	mu sync.Mutex
	of map[stored]map[*transfer]struct{}
}

// stored is a file of a storage.
type stored struct {
	fs   FileSystem
	name string
}

func (r *rivals) add(t *transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[stored]map[*transfer]struct{}{}
	}
	if r.of[t.stores] == nil {
		r.of[t.stores] = map[*transfer]struct{}{}
	}
	r.of[t.stores][t] = struct{}{}
}

// remove takes an upload out that has ended. If it stored the whole file, nothing is kept of the others any more.
func (r *rivals) remove(t *transfer, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of[t.stores], t)
	for other := range r.of[t.stores] {
		if whole {
			other.outdated.Store(true)
		}
	}
	if len(r.of[t.stores]) == 0 {
		delete(r.of, t.stores)
	}
}
