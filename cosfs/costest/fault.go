package costest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

var errFaultCleared = errors.New("the fault that slowed this request was cleared")

// Fault makes matching requests fail. Zero fields match everything.
type Fault struct {
	Op     string
	Bucket string
	Key    string
	Part   int
	From   int // first matching attempt that fails, counted from 1; 0 means 1
	Times  int // how many attempts fail; 0 means all

	Delay time.Duration // wait before anything else

	Status   int    // answer with this status and Code (before the body is read unless ReadBody)
	Code     string // COS error code in the XML body; "" sends no XML
	ReadBody bool   // read the request body before failing

	RetryAfter time.Duration // header of the answer with Status, in whole seconds; 0 sends none

	// Drop cuts the connection: "before" the operation is looked at; "during" it, which is in the middle of the
	// body that an upload sends or a GET answers (other operations take effect and the status line is cut); or
	// "after" it took effect, without an answer.
	Drop string

	BodyAs200 bool // answer 200 with keep-alive blanks and an <Error> of Code (Complete, Copy); nothing takes effect
	EmptyBody bool // answer 200 with no body; nothing takes effect

	CutBody bool  // send CutAt bytes of the answer's body, then cut the connection; the operation takes effect
	CutAt   int64 // bytes, all of a shorter body; -1 for half of it

	WrongCRC  bool // answer with a wrong x-cos-hash-crc64ecma; what is stored is right
	WrongETag bool // answer with a wrong ETag; what is stored is right

	BytesPerSecond int64 // slow body in either direction
	Hang           bool  // take the request in and never answer (with CutBody: send no more, instead of cutting), until the client goes away or ClearFaults
}

func (f *Fault) matches(x *exchange) bool {
	return (f.Op == "" || f.Op == x.op) &&
		(f.Bucket == "" || f.Bucket == x.bucket) &&
		(f.Key == "" || f.Key == x.key) &&
		(f.Part == 0 || f.Part == x.part)
}

// armedFault is a fault and the attempts that it has seen.
type armedFault struct {
	Fault
	attempts int
}

// faultList is the faults of a server.
type faultList struct {
	mu      sync.Mutex
	faults  []*armedFault
	cleared chan struct{} // closed by clear
}

func (l *faultList) add(faults ...Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range faults {
		switch f.Drop {
		case "", "before", "during", "after":
		default:
			panic(fmt.Sprintf(`costest: Fault.Drop is %q, want "before", "during" or "after"`, f.Drop))
		}
		l.faults = append(l.faults, &armedFault{Fault: f})
	}
}

func (l *faultList) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = nil
	if l.cleared != nil {
		close(l.cleared)
		l.cleared = nil
	}
}

// hit counts the attempt and returns the fault that takes effect, a zero one if none does, and the channel that
// ends it.
func (l *faultList) hit(x *exchange) (Fault, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first *armedFault
	for _, f := range l.faults {
		if !f.matches(x) {
			continue
		}
		f.attempts++
		from := max(f.From, 1)
		if first == nil && f.attempts >= from && (f.Times == 0 || f.attempts < from+f.Times) {
			first = f
		}
	}
	if first == nil {
		return Fault{}, nil
	}
	if l.cleared == nil {
		l.cleared = make(chan struct{})
	}
	return first.Fault, l.cleared
}

// failBefore does what the fault says should happen instead of the operation, and reports whether that was all.
func (x *exchange) failBefore() (done bool) {
	f := &x.fault
	if !x.wait(f.Delay) {
		x.cut()
		return true
	}
	switch {
	case f.Drop == "before":
		x.cut()
	case f.Drop == "during" && x.r.ContentLength > 0 && x.op != "CompleteMultipartUpload":
		_, _ = io.CopyN(io.Discard, x.body, (x.r.ContentLength+1)/2)
		x.cut()
	case f.Hang && !f.CutBody:
		x.hang()
	case f.Status != 0:
		if f.ReadBody {
			_, _ = io.Copy(io.Discard, x.body)
		}
		if f.RetryAfter > 0 {
			x.w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
		}
		x.fail(&apiError{f.Status, f.Code, "This failure was asked for.", nil})
	case f.BodyAs200:
		code := f.Code
		if code == "" {
			code = "InternalError"
		}
		_, _ = io.Copy(io.Discard, x.body)
		blanks := []byte("  \n  ")
		x.xml(http.StatusOK, append(blanks, x.errorXML(&apiError{500, code, "This failure was asked for.", nil})...))
	case f.EmptyBody:
		_, _ = io.Copy(io.Discard, x.body)
		x.status(http.StatusOK)
	default:
		x.hideAnswer()
		return false
	}
	return true
}

// hideAnswer keeps the answer from the client where the connection will be cut once the operation took effect.
func (x *exchange) hideAnswer() {
	f := &x.fault
	switch {
	case x.op == "GetObject" && f.Drop == "during":
		x.cutting, x.cutAt = true, -1
	case f.CutBody && f.Drop == "":
		x.cutting, x.cutAt = true, f.CutAt
	case f.Drop != "":
		x.w, x.hidden = &deafWriter{header: x.w.Header()}, true
	}
}

// failAfter cuts the connection where the fault says so after the operation.
func (x *exchange) failAfter() {
	switch x.fault.Drop {
	case "after":
		x.cut()
	case "during":
		if x.hidden {
			x.cutAfter([]byte("HTTP/1.1 2"))
		}
	}
}

// hang waits until the client is gone. It takes the body in, because Go sees a client go only after its body.
func (x *exchange) hang() {
	if _, err := io.Copy(io.Discard, x.body); err == nil {
		select {
		case <-x.r.Context().Done():
		case <-x.cleared:
		}
	}
	x.cut()
}

// deafWriter swallows an answer.
type deafWriter struct{ header http.Header }

func (d *deafWriter) Header() http.Header         { return d.header }
func (d *deafWriter) Write(p []byte) (int, error) { return len(p), nil }
func (d *deafWriter) WriteHeader(int)             {}
