package cosfs

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// EngineOptions sizes what all accounts of the process share.
type EngineOptions struct {
	UploadThreads   int   // parts in flight to COS at once, >= 1
	DownloadThreads int   // ranges in flight from COS at once, >= 1
	Memory          int64 // ceiling of all transfer buffers in bytes

	// ReadBuffer and WriteBuffer are the bytes that one connection to COS buffers; 0 means net/http's 4 KiB.
	ReadBuffer, WriteBuffer int

	// RetryBase is about the wait before the first repetition of a failed request; it doubles with each further one, up
	// to 25 times that. 0 means 0.2 s.
	RetryBase time.Duration
	// CommandPatience is for how long a command without data is repeated; a download that has not begun is for 9/4 of
	// it. 0 means 20 s, or Patience if that is less.
	CommandPatience time.Duration
	// Patience is for how long the requests of a transfer under way are repeated, as long as its client is there. 0 means
	// 10 min.
	Patience time.Duration

	// StallTimeout is how long a transfer may go on without a byte being moved, and how long one attempt of a request
	// that moves no data may take. 0 means 30 s.
	StallTimeout time.Duration
	// AnswerTimeout is how long COS may take to begin its answer to a request that it has received. 0 means 60 s.
	AnswerTimeout time.Duration
	// Careless leaves out what keeps two at one name apart: claims, and the look at an object before it is replaced. Tests
	// set it to see that they find what is lost without.
	Careless bool

	// CopyTimeout is how long one attempt of a request may take with which COS copies data or puts parts together.
	// 0 means 15 min.
	CopyTimeout time.Duration
}

// withDefaults fills in what is zero.
func (o EngineOptions) withDefaults() EngineOptions {
	o.UploadThreads = max(o.UploadThreads, 1)
	o.DownloadThreads = max(o.DownloadThreads, 1)
	for _, d := range []struct {
		value *time.Duration
		fill  time.Duration
	}{
		{&o.RetryBase, retryBase},
		{&o.Patience, defaultPatience},
		{&o.StallTimeout, smallTimeout},
		{&o.AnswerTimeout, answerTimeout},
		{&o.CopyTimeout, copyTimeout},
	} {
		if *d.value <= 0 {
			*d.value = d.fill
		}
	}
	if o.CommandPatience <= 0 {
		o.CommandPatience = min(commandPatience, o.Patience)
	}
	return o
}

// Engine is what all accounts of the process share: the connections, the upload and download slots, the memory for
// transfers, and what is known of names in use. It bounds the process: nothing else here grows with the number of
// sessions.
type Engine struct {
	opts       EngineOptions
	uploads    *slots
	downloads  *slots
	describing *slots // of listings that ask for metadata
	memory     *memory
	moving     *slots // of directories that are being renamed
	claims     *claims
	rivals     *rivals
	remains    *remains
	moves      *moves
	leftovers  *leftovers
	attributes *attributesOf

	describeTimeout time.Duration // see the constant

	journal     *journal // of the multipart uploads; nil: none is kept
	keeping     sync.WaitGroup
	stopJournal context.CancelFunc

	mu        sync.Mutex
	endpoints map[string]*endpoint // by Options.Host and Options.Address
	routes    map[string]*route    // by Options.Address; "" is the route of all accounts without one
	trees     map[string][]*FS     // by Options.Host
	recent    map[string]*overlay  // by bucket and Options.Address
	first     *FS                  // that was registered; nil for none
}

// NewEngine makes the shared part of all accounts. Numbers of threads below 1 count as 1.
func NewEngine(o EngineOptions) *Engine {
	o = o.withDefaults()
	return &Engine{
		opts:       o,
		uploads:    newTransferSlots(o.UploadThreads, o),
		downloads:  newTransferSlots(o.DownloadThreads, o),
		describing: newSlots(describers),
		memory:     newMemory(o.Memory),
		moving:     newSlots(dirMoves),
		claims:     newClaims(),
		rivals:     newRivals(),
		remains:    newRemains(),
		moves:      newMoves(),
		leftovers:  newLeftovers(o.RetryBase * leftoverFactor),
		attributes: newAttributesOf(),

		describeTimeout: describeTimeout,

		endpoints: make(map[string]*endpoint),
		routes:    make(map[string]*route),
		trees:     make(map[string][]*FS),
		recent:    make(map[string]*overlay),
	}
}

// MemoryInUse is how many bytes of transfer memory are lent to uploads and downloads at this moment.
func (e *Engine) MemoryInUse() int64 {
	e.memory.mu.Lock()
	defer e.memory.mu.Unlock()
	return int64(e.memory.used) * blockSize
}

// Close ends what runs in the background and releases the idle connections. Call it when every file of every account
// is closed.
func (e *Engine) Close() {
	e.leftovers.close()
	e.closeJournal()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.routes {
		r.quick.CloseIdleConnections()
		r.patient.CloseIdleConnections()
	}
}

// route answers the connections to use for an Options.Address. Accounts of one address share them.
func (e *Engine) route(address string) *route {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := e.routes[address]
	if !ok {
		r = newRoute(address, e.opts)
		e.routes[address] = r
	}
	return r
}

// endpointOf returns what is known of the host of a bucket.
func (e *Engine) endpointOf(o Options) *endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := o.Host + "@" + o.Address
	if e.endpoints[key] == nil {
		e.endpoints[key] = newEndpoint(e.opts)
	}
	e.endpoints[key].logTo(o.Logger)
	return e.endpoints[key]
}

// recentOf returns what is known of the last changes to a bucket. All its accounts share that.
func (e *Engine) recentOf(bucket string) *overlay {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.recent[bucket] == nil {
		e.recent[bucket] = newOverlay()
	}
	return e.recent[bucket]
}

// register makes a tree known by its host. One that is made a second time replaces the first. As soon as two differ, the
// memory is that of several accounts.
func (e *Engine) register(f *FS) {
	e.mu.Lock()
	defer e.mu.Unlock()
	same := func(other *FS) bool {
		a, b := other.opts, f.opts
		return a.Bucket == b.Bucket && a.SecretID == b.SecretID && a.SecretKey == b.SecretKey && a.Address == b.Address
	}
	e.trees[f.opts.Host] = append(slices.DeleteFunc(e.trees[f.opts.Host], same), f)
	if e.first == nil {
		e.first = f
	}
	if a, b := e.first.opts, f.opts; !same(e.first) || a.Host != b.Host || a.Prefix != b.Prefix {
		e.memory.share()
	}
}

// treesOf answers the trees of a bucket's host.
func (e *Engine) treesOf(host string) []*FS {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.trees[host])
}

// route is a way to COS: its connections, and which of them a request takes.
type route struct {
	quick   *http.Transport
	patient *http.Transport // for copies and renames, whose answer may begin late
}

func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("x-cos-copy-source") != "" || req.Header.Get(renameSourceHeader) != "" {
		return r.patient.RoundTrip(req)
	}
	return r.quick.RoundTrip(req)
}
