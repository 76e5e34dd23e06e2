package costest

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// header is what an object is stored with besides its body.
type header struct {
	contentType string
	class       string            // "" for STANDARD
	meta        map[string]string // lower-case names without x-cos-meta-
	other       map[string]string // keptHeaders by their canonical names
}

// keptHeaders are stored with an object and given back.
var keptHeaders = []string{"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires"}

// object is a stored object. It never changes; a new upload makes a new one.
type object struct {
	key      string
	body     blob
	size     int64
	crc      uint64
	etag     string // without quotes
	header   header
	modified time.Time
	append   bool   // made by AppendObject
	upload   string // ID of the multipart upload that made it
	version  string // "" unless the bucket is versioned
	marker   bool   // a delete marker
}

func (o *object) public() Object {
	pub := Object{
		Key: o.key, Size: o.size, ETag: o.etag, CRC64: o.crc, Modified: o.modified,
		ContentType: o.contentType(), StorageClass: o.header.class,
		Meta: maps.Clone(o.header.meta), Headers: maps.Clone(o.header.other),
		VersionID: o.version, DeleteMarker: o.marker,
	}
	if o.body.kept() {
		data, err := o.body.bytes()
		if err != nil {
			panic(err) // the file of an object is gone
		}
		pub.Data = data
	}
	return pub
}

func (o *object) contentType() string {
	if o.header.contentType == "" {
		return "application/octet-stream"
	}
	return o.header.contentType
}

// set gives an answer the headers of the object.
func (h header) set(to http.Header) {
	for name, value := range h.other {
		to.Set(name, value)
	}
	for name, value := range h.meta {
		to.Set("X-Cos-Meta-"+name, value)
	}
	if h.class != "" {
		to.Set("X-Cos-Storage-Class", h.class)
	}
}

// bucketStore is one bucket. The lock covers the maps and the naming of files, never a body.
type bucketStore struct {
	server *Server
	name   string
	kind   bucketKind
	disk   *disk // nil in memory

	mu        sync.RWMutex
	index     *index
	uploads   map[string]*upload
	completed map[string]string  // upload ID to key; kept only for WithRepeatedCompleteConflict
	aborted   map[string]*upload // kept only for WithPartsAfterAbort
}

func newBucket(s *Server, spec bucketSpec) *bucketStore {
	return &bucketStore{
		server: s, name: spec.name, kind: spec.kind,
		index: newIndex(), uploads: map[string]*upload{}, completed: map[string]string{},
		aborted: map[string]*upload{},
	}
}

// open returns an object with its body retained, nil if there is none.
func (b *bucketStore) open(key string) *object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.index.entries[key]
	if e == nil || e.current == nil {
		return nil
	}
	e.current.body.retain()
	return e.current
}

// openAll returns all objects in order of their keys, their bodies retained.
func (b *bucketStore) openAll() []*object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []*object
	for e := range b.index.from("") {
		if e.current != nil {
			e.current.body.retain()
			all = append(all, e.current)
		}
	}
	return all
}

// commitOptions say how an object becomes visible.
type commitOptions struct {
	forbidOverwrite bool
	listAtOnce      bool
	// check, if set, is called with the object that is about to be replaced (nil if none) and can refuse.
	check func(old *object) error
	// done, if set, is called under the lock once the object is visible.
	done func()
}

// commit makes an object visible in place of an older one. The body, retained once, belongs to the bucket
// afterwards; if commit fails it is released.
func (b *bucketStore) commit(o *object, opts commitOptions) (err error) {
	if b.kind.versioned {
		o.version = newID()
	}
	var ready preparedFile
	if b.disk != nil {
		if ready, err = b.disk.prepareObject(o); err != nil {
			o.body.release()
			return err
		}
	}
	b.mu.Lock()
	old, err := b.swap(o, opts, ready)
	b.mu.Unlock()
	if err != nil {
		ready.discard()
		o.body.release()
		return err
	}
	if old != nil {
		old.body.release()
	}
	return nil
}

// swap does the work of commit that the lock covers; it returns the object that was replaced and is not kept.
func (b *bucketStore) swap(o *object, opts commitOptions, ready preparedFile) (*object, error) {
	old := b.objectAt(o.key)
	if err := b.mayReplace(old, o, opts); err != nil {
		return nil, err
	}
	if err := ready.publish(); err != nil {
		return nil, err
	}
	if b.kind.accelerated {
		b.makeParents(o.key, opts.listAtOnce)
	}
	e := b.index.at(o.key)
	e.current = o
	if b.kind.versioned {
		e.versions = append(e.versions, o)
		old = nil
	}
	b.list(e, o, opts.listAtOnce)
	if opts.done != nil {
		opts.done()
	}
	return old, nil
}

// objectAt returns the object of a key, nil if there is none. The lock must be held.
func (b *bucketStore) objectAt(key string) *object {
	if e := b.index.entries[key]; e != nil {
		return e.current
	}
	return nil
}

// mayReplace returns an error if o must not be stored in place of old, which is nil where there is nothing yet.
func (b *bucketStore) mayReplace(old, o *object, opts commitOptions) error {
	if opts.forbidOverwrite && old != nil && !b.kind.versioned {
		return errFileExists
	}
	if b.kind.locked && old != nil {
		return errObjectLocked
	}
	if b.kind.accelerated {
		if err := b.checkPath(o.key); err != nil {
			return err
		}
	}
	if opts.check != nil {
		return opts.check(old)
	}
	return nil
}

// remove deletes an object; a missing one is no error. In a versioned bucket it returns the delete marker that
// takes the place of the object.
func (b *bucketStore) remove(key string, listAtOnce bool) (marker *object, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.kind.locked && b.objectAt(key) != nil:
		return nil, errObjectLocked
	case b.kind.versioned:
		return b.hide(key, listAtOnce), nil
	case b.kind.accelerated:
		return nil, b.removePath(key, listAtOnce)
	}
	return nil, b.removeLocked(key, listAtOnce)
}

// removeLocked is remove in an ordinary bucket, for those who hold the lock.
func (b *bucketStore) removeLocked(key string, listAtOnce bool) error {
	e := b.index.entries[key]
	if e == nil || e.current == nil {
		return nil
	}
	if b.disk != nil {
		if err := b.disk.removeObject(key); err != nil {
			return err
		}
	}
	defer e.current.body.release()
	e.current = nil
	b.list(e, nil, listAtOnce)
	return nil
}

// list makes listings show o under the key of e, now or after the server's delay.
func (b *bucketStore) list(e *entry, o *object, atOnce bool) {
	now := b.server.now()
	frozen, delay := b.server.frozen.Load(), b.server.listDelay
	if (frozen || delay > 0) && !atOnce {
		if !frozen {
			e.settle(now)
		}
		e.pending = append(e.pending, change{now.Add(delay), o})
	} else {
		e.pending, e.listed = nil, o
	}
	if e.empty() {
		b.index.drop(e.key)
	}
}
