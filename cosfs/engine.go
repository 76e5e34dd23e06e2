package cosfs

import (
	"net/http"
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

	// RetryBase is the wait before the first repetition of a failed request; it doubles with each further one.
	// 0 means 0.2 s.
	RetryBase time.Duration
}

// Engine is what all accounts of the process share: the connections, the upload and download slots, and the
// memory for transfers. It bounds the process: nothing else here grows with the number of sessions.
type Engine struct {
	opts      EngineOptions
	uploads   *slots
	downloads *slots
	memory    *memory
	moving    chan struct{} // holds one for each directory that is being renamed

	mu     sync.Mutex
	routes map[string]*route // by Options.Address; "" is the route of all accounts without one
}

// NewEngine makes the shared part of all accounts. Numbers of threads below 1 count as 1.
func NewEngine(o EngineOptions) *Engine {
	o.UploadThreads = max(o.UploadThreads, 1)
	o.DownloadThreads = max(o.DownloadThreads, 1)
	if o.RetryBase <= 0 {
		o.RetryBase = retryBase
	}
	return &Engine{
		opts:      o,
		uploads:   newSlots(o.UploadThreads),
		downloads: newSlots(o.DownloadThreads),
		memory:    newMemory(o.Memory),
		moving:    make(chan struct{}, dirMoves),
		routes:    make(map[string]*route),
	}
}

// Close releases the idle connections. Call it when every file of every account is closed.
func (e *Engine) Close() {
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

// route is a way to COS: its connections, and which of them a request takes.
type route struct {
	quick   *http.Transport
	patient *http.Transport // for copies, whose answer may begin late
}

func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("x-cos-copy-source") != "" {
		return r.patient.RoundTrip(req)
	}
	return r.quick.RoundTrip(req)
}
