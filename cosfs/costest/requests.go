package costest

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// Request is one request the server has seen, in order of arrival.
type Request struct {
	// Op is PutObject, GetObject, HeadObject, DeleteObject, DeleteObjectVersion, ListObjectVersions, AppendObject, CopyObject, RenameObject,
	// InitiateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload, ListParts,
	// ListObjects, ListMultipartUploads, DeleteMultipleObjects, HeadBucket, GetBucketVersioning, GetBucketEncryption,
	// GetBucketObjectLockConfiguration, PutBucket or DeleteBucket.
	Op     string
	Bucket string
	Key    string
	Part   int
	Status int   // 0 where no status has been sent, because of a fault or not yet
	In     int64 // bytes of the request body read so far
	Out    int64 // bytes of the response body written so far
	Range  string
	Query  string
	Header http.Header
	Host   string
	Remote string // client's address: a connection is known by it
}

// seen is a request in the log; its numbers change while the request runs.
type seen struct {
	Request
	status, in, out atomic.Int64
}

// requestLog is the requests of a server.
type requestLog struct {
	mu     sync.Mutex
	kept   []*seen
	total  int
	counts map[string]int
	keep   int // how many to hold, -1 for all

	running atomic.Int64 // requests being served
}

// add notes a request.
func (l *requestLog) add(x *exchange) *seen {
	r := &seen{}
	if l.keep != 0 {
		r.Request = Request{
			Op: x.op, Bucket: x.bucket, Key: x.key, Part: x.part,
			Range: x.r.Header.Get("Range"), Query: x.r.URL.RawQuery, Header: x.r.Header.Clone(),
			Host: x.r.Host, Remote: x.r.RemoteAddr,
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[string]int{}
	}
	l.counts[x.op]++
	l.total++
	if l.keep == 0 {
		return r
	}
	l.kept = append(l.kept, r)
	if l.keep > 0 && len(l.kept) >= 2*l.keep {
		l.kept = slices.Clone(l.last())
	}
	return r
}

// last is the requests to hold. Some more may be there: forgetting them one by one would be slow.
func (l *requestLog) last() []*seen {
	if l.keep < 0 {
		return l.kept
	}
	return l.kept[max(0, len(l.kept)-l.keep):]
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Request
	for _, s := range l.last() {
		r := s.Request
		r.Status, r.In, r.Out = int(s.status.Load()), s.in.Load(), s.out.Load()
		out = append(out, r)
	}
	return out
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept, l.total, l.counts = nil, 0, nil
}

func (l *requestLog) count(op string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if op == "" {
		return l.total
	}
	return l.counts[op]
}
