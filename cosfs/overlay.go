package cosfs

import (
	"strings"
	"sync"
	"time"
)

const (
	overlayWindow = 30 * time.Second
	overlayLimit  = 10000
)

// overlay remembers for a short while what this process wrote and removed in a bucket, because a COS listing may lag
// behind (COS document 436/7734). Listings show it on top of what COS says. The price: what another client does to
// the same key within the window is seen late in a listing, by the length of the window at most. Files themselves are
// always asked of COS. What sort of bucket it is stands here too, because all its accounts share this.
type overlay struct {
	window time.Duration
	limit  int
	kind   kind // of the bucket
	kept   *keptDirs
	times  *dirTimes

	mu      sync.Mutex
	changes map[string]change
	below   map[string]int // changes by each directory above them, so that where there are none costs nothing
	order   []noted        // oldest first; a key noted again is in it twice, and only its last entry counts
}

// change is the last thing we did to a key.
type change struct {
	removed bool
	size    int64
	etag    string    // of what was written, without quotes
	stored  time.Time // Last-Modified of what was written, or of what was removed
	noted   time.Time // by our clock
}

type noted struct {
	key string
	at  time.Time
}

func newOverlay() *overlay {
	return &overlay{
		window: overlayWindow, limit: overlayLimit,
		kept: newKeptDirs(), times: newDirTimes(),
		changes: make(map[string]change), below: make(map[string]int),
	}
}

// wrote notes that key now holds size bytes as this version.
func (f *FS) wrote(key string, size int64, made version) {
	f.recent.note(key, change{size: size, etag: bareETag(made.etag), stored: made.at})
}

// removed notes that key is gone, and that it was last stored at the given time of COS: a listing that shows it with a
// later time shows a new one.
func (f *FS) removed(key string, stored time.Time) {
	f.recent.note(key, change{removed: true, stored: stored})
	f.engine.rivals.removed(f.place(key))
	f.recent.kept.keepAbove(key)
}

// removedDir notes that a directory is gone.
func (f *FS) removedDir(dir string, stored time.Time) {
	f.removed(dir, stored)
	f.recent.kept.forget(dir)
	f.recent.times.forget(dir)
}

func (o *overlay) note(key string, c change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.noted = time.Now()
	o.forget(c.noted)
	if _, known := o.changes[key]; !known {
		o.count(key, 1)
	}
	o.changes[key] = c
	o.order = append(o.order, noted{key, c.noted})
}

// forget drops what is too old or too much, oldest first. The caller holds mu.
func (o *overlay) forget(now time.Time) {
	n := 0
	for n < len(o.order) && (now.Sub(o.order[n].at) > o.window || len(o.order)-n >= o.limit) {
		if old := o.order[n]; o.changes[old.key].noted.Equal(old.at) {
			delete(o.changes, old.key)
			o.count(old.key, -1)
		}
		n++
	}
	o.order = o.order[n:]
}

// count adds n to the directories above key, and to the marker's own. The caller holds mu.
func (o *overlay) count(key string, n int) {
	for i := range len(key) {
		if key[i] == '/' {
			dir := key[:i+1]
			if o.below[dir] += n; o.below[dir] == 0 {
				delete(o.below, dir)
			}
		}
	}
}

// last answers the last change of one key.
func (o *overlay) last(key string) (change, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget(time.Now())
	c, ok := o.changes[key]
	return c, ok
}

// under answers the changes below a directory's key ("" is the root), nil for none.
func (o *overlay) under(prefix string) map[string]change {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget(time.Now())
	if prefix != "" && o.below[prefix] == 0 {
		return nil
	}
	var found map[string]change
	for key, c := range o.changes {
		if strings.HasPrefix(key, prefix) {
			if found == nil {
				found = make(map[string]change)
			}
			found[key] = c
		}
	}
	return found
}

// hides reports whether a key listed with the time stored is what we have removed since.
func (c change) hides(stored time.Time) bool {
	return c.removed && !laterSecond(stored, c.stored)
}

// laterSecond compares as exactly as COS's headers do.
func laterSecond(a, b time.Time) bool { return a.Unix() > b.Unix() }
