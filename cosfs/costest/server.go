// Package costest is a COS-compatible server for tests and demos: an http.Handler that keeps buckets in memory
// or in a directory, checks signatures and limits as COS does, and fails on request. Standard library only: it
// shares no code with the client it stands opposite to, so that it cannot agree with that client's mistakes.
//
// The bucket is the first label of the Host header, as in COS's virtual-host addressing; see Host.
package costest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of COS (document 436/14518). The last two can be lowered with WithCopyLimit and WithMinPart,
// the first changed with WithLongestKey.
const (
	maxKey       = 850 // bytes
	maxMeta      = 2 << 10
	maxPartCount = 10000
	maxPut       = 5 << 30 // one PUT or one part
	maxPage      = 1000    // entries of one listing, keys of one multi-delete
	maxXML       = 4 << 20 // request bodies that are parsed
	copyLimit    = 5 << 30
	minPart      = 1 << 20
)

// Server is the handler. Its zero value is not usable; see New. It is safe for concurrent use.
type Server struct {
	keys      map[string]string // secret ID to secret key
	dir       string
	latency   time.Duration
	bandwidth int64
	listDelay time.Duration
	signedAgo time.Duration // that a signature may have begun; 0: any
	frozen    atomic.Bool   // see FreezeListings
	copyLimit int64
	minPart   int64
	blanks    int
	discard   bool
	noMD5     bool
	now       func() time.Time

	variants
	forbidMissing bool
	rights        rights

	ids atomic.Uint64

	mu      sync.RWMutex
	buckets map[string]*bucketStore

	log    requestLog
	faults faultList
}

// Object is a stored object, as tests see it. Data must not be modified.
type Object struct {
	Key          string
	Data         []byte // nil where WithDiscard did not keep it
	Size         int64  // of the body in bytes, also where Data is nil
	ETag         string // without quotes
	CRC64        uint64
	ContentType  string
	StorageClass string            // "" for STANDARD
	Meta         map[string]string // x-cos-meta-*, lower-case names without that prefix
	Headers      map[string]string // Cache-Control, Content-Disposition, … as they were given; canonical names
	Modified     time.Time
	VersionID    string // "" unless the bucket is Versioned
	DeleteMarker bool   // a version that says that the object was deleted
}

// Upload is an open multipart upload.
type Upload struct {
	Key, ID string
	Parts   int // how many parts it holds
}

// New returns a server; it panics where Open would return an error.
func New(opts ...Option) *Server {
	s, err := Open(opts...)
	if err != nil {
		panic(err)
	}
	return s
}

// Open returns a server, or why the directory of WithDir cannot be used, or which BucketOptions exclude each other.
func Open(opts ...Option) (*Server, error) {
	s := &Server{
		keys:      map[string]string{},
		buckets:   map[string]*bucketStore{},
		copyLimit: copyLimit,
		minPart:   minPart,
		log:       requestLog{keep: -1},
		now:       time.Now,
	}
	var buckets []bucketSpec
	for _, opt := range opts {
		opt(s, &buckets)
	}
	if s.dir != "" {
		found, err := bucketDirs(s.dir)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			buckets = append(buckets, bucketSpec{name: name})
		}
	}
	for _, spec := range buckets {
		if _, err := s.makeBucket(spec); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Host returns the host name under which COS would serve the bucket; the server answers to it, and to any other
// whose first label is the bucket.
func Host(bucket string) string { return bucket + ".cos.ap-test.myqcloud.com" }

// bucketOf is the bucket that a Host header addresses.
func bucketOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name, _, _ := strings.Cut(host, ".")
	return name
}

func (s *Server) bucket(name string) *bucketStore {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[name]
}

// makeBucket returns the bucket of that name, which it makes if there is none.
func (s *Server) makeBucket(spec bucketSpec) (*bucketStore, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[spec.name]; b != nil {
		return b, nil
	}
	if err := spec.kind.check(spec.name, s.dir); err != nil {
		return nil, err
	}
	b := newBucket(s, spec)
	if s.dir != "" {
		if err := b.openDisk(s.dir); err != nil {
			return nil, fmt.Errorf("open bucket %q in %q: %w", spec.name, s.dir, err)
		}
	}
	s.buckets[spec.name] = b
	return b, nil
}

// PutOption changes an object before Put stores it.
type PutOption func(*Object)

// Meta gives the object the header x-cos-meta-name.
func Meta(name, value string) PutOption {
	return func(o *Object) {
		if o.Meta == nil {
			o.Meta = map[string]string{}
		}
		o.Meta[strings.ToLower(name)] = value
	}
}

// StorageClass stores the object in that class, as COS spells it: "ARCHIVE", "STANDARD_IA".
func StorageClass(class string) PutOption { return func(o *Object) { o.StorageClass = class } }

// Modified sets Last-Modified.
func Modified(t time.Time) PutOption { return func(o *Object) { o.Modified = t } }

// ContentType sets Content-Type.
func ContentType(t string) PutOption { return func(o *Object) { o.ContentType = t } }

// Put seeds an object. Listings show it at once, whatever WithListDelay and FreezeListings say. An ordinary bucket
// is made if that name does not exist.
func (s *Server) Put(bucket, key string, data []byte, opts ...PutOption) {
	o := Object{Key: key, Data: data}
	for _, opt := range opts {
		opt(&o)
	}
	s.PutObject(bucket, o)
}

// PutObject seeds an object as Put does. Empty ETag, CRC64, ContentType and Modified get what an upload now would
// give; other values are kept as they are.
func (s *Server) PutObject(bucket string, o Object) {
	err := s.seed(bucket, o, func(b *bucketStore) (intake, error) {
		return s.takeIn(b, bytes.NewReader(o.Data), int64(len(o.Data)), nil)
	})
	if err != nil {
		panic(fmt.Errorf("seed object %q of bucket %q: %w", o.Key, bucket, err))
	}
}

// PutSized seeds an object of size bytes without keeping them: the body is what Fill gives, and the CRC is right.
func (s *Server) PutSized(bucket, key string, size int64) {
	err := s.seed(bucket, Object{Key: key}, func(*bucketStore) (intake, error) {
		return patternIntake(size), nil
	})
	if err != nil {
		panic(fmt.Errorf("seed object %q of bucket %q: %w", key, bucket, err))
	}
}

func (s *Server) seed(name string, o Object, body func(*bucketStore) (intake, error)) error {
	b, err := s.makeBucket(bucketSpec{name: name})
	if err != nil {
		return err
	}
	in, err := body(b)
	if err != nil {
		return err
	}
	obj := in.object(o.Key, header{
		contentType: o.ContentType,
		class:       normalClass(o.StorageClass),
		meta:        o.Meta,
		other:       o.Headers,
	}, o.Modified)
	if o.ETag != "" {
		obj.etag = strings.Trim(o.ETag, `"`)
	}
	if o.CRC64 != 0 {
		obj.crc = o.CRC64
	}
	if obj.modified.IsZero() {
		obj.modified = s.now()
	}
	return b.commit(obj, commitOptions{listAtOnce: true})
}

// Remove deletes an object as another client would, at once in listings too.
func (s *Server) Remove(bucket, key string) {
	if b := s.bucket(bucket); b != nil {
		if _, err := b.remove(key, true); err != nil {
			panic(err)
		}
	}
}

// Get returns an object, and false where the bucket or the key does not exist.
func (s *Server) Get(bucket, key string) (Object, bool) {
	b := s.bucket(bucket)
	if b == nil {
		return Object{}, false
	}
	obj := b.open(key)
	if obj == nil {
		return Object{}, false
	}
	defer obj.body.release()
	return obj.public(), true
}

// Objects returns the objects of a bucket sorted by key (UTF-8 bytes).
func (s *Server) Objects(bucket string) []Object {
	b := s.bucket(bucket)
	if b == nil {
		return nil
	}
	var all []Object
	for _, obj := range b.openAll() {
		all = append(all, obj.public())
		obj.body.release()
	}
	return all
}

// Uploads returns the open multipart uploads of a bucket sorted by key, then by ID.
func (s *Server) Uploads(bucket string) []Upload {
	b := s.bucket(bucket)
	if b == nil {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []Upload
	for _, u := range b.uploads {
		all = append(all, Upload{Key: u.key, ID: u.id, Parts: len(u.parts)})
	}
	slices.SortFunc(all, func(a, b Upload) int {
		return strings.Compare(a.Key+"\x00"+a.ID, b.Key+"\x00"+b.ID)
	})
	return all
}

// Inject adds faults. Of several that hit a request the first takes effect; all of them count it as an attempt.
func (s *Server) Inject(f ...Fault) { s.faults.add(f...) }

// ClearFaults removes all faults and lets requests go that one of them is delaying, slowing or hanging: they are
// cut. Tests that hang or slow requests call it before they close the listener.
func (s *Server) ClearFaults() { s.faults.clear() }

// Requests returns the requests seen since ResetRequests in order of arrival, unfinished ones too.
func (s *Server) Requests() []Request { return s.log.all() }

// ResetRequests forgets the requests seen so far.
func (s *Server) ResetRequests() { s.log.reset() }

// Count returns how many requests of that operation arrived since ResetRequests; "" counts all.
func (s *Server) Count(op string) int { return s.log.count(op) }

// Running returns how many requests are being served at this moment.
func (s *Server) Running() int { return int(s.log.running.Load()) }

// ServeHTTP answers one COS request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.log.running.Add(1)
	defer s.log.running.Add(-1)
	x := s.newExchange(w, r)
	if !x.wait(s.latency) {
		x.cut()
		return
	}
	if x.failBefore() {
		return
	}
	if err := x.serve(); err != nil {
		x.fail(err)
	}
	x.failAfter()
}
