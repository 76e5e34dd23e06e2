package costest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFaultMatches(t *testing.T) {
	r := newRig(t)
	r.Inject(Fault{Op: "PutObject", Key: "k", From: 2, Times: 2, Status: 503, Code: "SlowDown"})
	r.want(200, "", "PUT", "/k", "1")
	r.want(200, "", "PUT", "/other", "1")
	r.want(503, "SlowDown", "PUT", "/k", "2")
	r.want(404, "NoSuchKey", "GET", "/none", "")
	r.want(503, "SlowDown", "PUT", "/k", "3")
	r.want(200, "", "PUT", "/k", "4")
	if got := string(r.stored("k").Data); got != "4" {
		t.Errorf("stored %q", got)
	}
	r.Inject(Fault{Bucket: "other", Status: 500}, Fault{Status: 500})
	r.want(500, "", "GET", "/k", "")
	r.ClearFaults()
	r.want(200, "", "GET", "/k", "")
}

func TestFaultOfOnePart(t *testing.T) {
	r := newRig(t)
	id := r.start("k")
	r.Inject(Fault{Op: "UploadPart", Part: 2, Times: 1, Status: 500, Code: "InternalError", ReadBody: true})
	r.upload("k", id, 1, "x")
	r.want(500, "InternalError", "PUT", "/k?partNumber=2&uploadId="+id, "hello")
	r.upload("k", id, 2, "x")
	seen := r.Requests()
	if q := seen[2]; q.Part != 2 || q.Status != 500 || q.In != 5 {
		t.Errorf("failed part: %+v", q)
	}
}

func TestFaultStatusWithoutCode(t *testing.T) {
	r := newRig(t)
	r.Inject(Fault{Status: 502})
	if a := r.do("GET", "/k", ""); a.status != 502 || a.body != "" {
		t.Errorf("%+v", a)
	}
}

func TestFaultDrop(t *testing.T) {
	for _, c := range []struct {
		drop, method string
		takesEffect  bool
	}{
		{"before", "PUT", false}, {"during", "PUT", false}, {"after", "PUT", true},
		{"before", "DELETE", false}, {"during", "DELETE", true}, {"after", "DELETE", true},
	} {
		t.Run(c.drop+" "+c.method, func(t *testing.T) {
			r := newRig(t)
			r.Put(testBucket, "k", []byte("old"))
			r.Inject(Fault{Drop: c.drop, Times: 1})
			body := ""
			if c.method == "PUT" {
				body = strings.Repeat("n", 1000)
			}
			if a := r.do(c.method, "/k", body, "x-cos-meta-a", "b"); a.err == nil {
				// net/http sends a request without a body again when a connection that it had used breaks; this
				// one was new.
				t.Fatalf("got an answer: %+v", a)
			}
			if seen := r.Requests(); seen[0].Status != 0 {
				t.Errorf("recorded %+v", seen[0])
			}
			o, there := r.Get(testBucket, "k")
			if changed := !there || string(o.Data) != "old"; changed != c.takesEffect {
				t.Errorf("changed: %v, want %v", changed, c.takesEffect)
			}
		})
	}
}

func TestFaultDropDuringPutReadsHalf(t *testing.T) {
	r := newRig(t)
	r.Inject(Fault{Drop: "during"})
	r.do("PUT", "/k", strings.Repeat("n", 1000))
	if in := r.Requests()[0].In; in != 500 {
		t.Errorf("read %d bytes, want half", in)
	}
}

func TestFaultCutsGet(t *testing.T) {
	data := noise(3 << 20)
	for name, opts := range map[string][]Option{"memory": nil, "disk": {WithDir(t.TempDir())}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, opts...)
			r.Put(testBucket, "k", data)
			for _, c := range []struct {
				fault Fault
				size  int
			}{
				{Fault{CutBody: true, CutAt: 1234567, Times: 1}, 1234567},
				{Fault{CutBody: true, Times: 1}, 0},
				{Fault{Drop: "during", Times: 1}, len(data) / 2},
			} {
				r.Inject(c.fault)
				a := r.do("GET", "/k", "")
				if !errors.Is(a.err, io.ErrUnexpectedEOF) || a.status != 200 || a.body != string(data[:c.size]) {
					t.Errorf("%+v: %d bytes, %v", c.fault, len(a.body), a.err)
				}
			}
			if a := r.do("GET", "/k", ""); a.err != nil || a.body != string(data) {
				t.Errorf("afterwards: %d bytes, %v", len(a.body), a.err)
			}
		})
	}
}

func TestFaultIn200(t *testing.T) {
	r := newRig(t, WithMinPart(1))
	id := r.start("k")
	etag := r.upload("k", id, 1, "x")
	r.Inject(Fault{Op: "CompleteMultipartUpload", Times: 1, BodyAs200: true, Code: "SlowDown"})
	a := r.want(200, "SlowDown", "POST", "/k?uploadId="+id, partList(1, etag))
	if !strings.HasPrefix(a.body, " ") {
		t.Errorf("no blanks: %q", a.body)
	}
	r.Inject(Fault{Op: "CompleteMultipartUpload", Times: 1, EmptyBody: true})
	if a := r.want(200, "", "POST", "/k?uploadId="+id, partList(1, etag)); a.body != "" {
		t.Errorf("body %q", a.body)
	}
	if len(r.keys()) != 0 {
		t.Errorf("keys %v", r.keys())
	}
	r.want(200, "", "POST", "/k?uploadId="+id, partList(1, etag))
	r.Inject(Fault{Op: "CopyObject", BodyAs200: true})
	r.want(200, "InternalError", "PUT", "/c", "", "x-cos-copy-source", source("k"))
	r.Inject(Fault{Op: "ListObjects", EmptyBody: true})
	if a := r.want(200, "", "GET", "/", ""); a.body != "" {
		t.Errorf("listing %q", a.body)
	}
}

func TestKeepAliveBlanks(t *testing.T) {
	r := newRig(t, WithMinPart(1), WithKeepAliveBlanks(3))
	id := r.start("k")
	etag := r.upload("k", id, 1, "x")
	if a := r.want(200, "", "POST", "/k?uploadId="+id, partList(1, etag)); !strings.HasPrefix(a.body, "   <") {
		t.Errorf("body %q", a.body)
	}
}

func TestFaultWrongSums(t *testing.T) {
	r := newRig(t)
	right := r.want(200, "", "PUT", "/k", "hello").header
	r.Inject(Fault{WrongCRC: true, WrongETag: true, Times: 2})
	for _, method := range []string{"PUT", "HEAD"} {
		body := ""
		if method == "PUT" {
			body = "hello"
		}
		wrong := r.want(200, "", method, "/k", body).header
		for _, name := range []string{"ETag", "X-Cos-Hash-Crc64ecma"} {
			if wrong.Get(name) == right.Get(name) || wrong.Get(name) == "" {
				t.Errorf("%s %s is %q, should be wrong", method, name, wrong.Get(name))
			}
		}
	}
	if o := r.stored("k"); `"`+o.ETag+`"` != right.Get("ETag") {
		t.Error("what is stored is wrong too")
	}
}

func TestFaultDelay(t *testing.T) {
	r := newRig(t, WithLatency(20*time.Millisecond))
	r.Inject(Fault{Delay: 30 * time.Millisecond})
	start := time.Now()
	r.want(404, "NoSuchKey", "GET", "/k", "")
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("took %v, want latency and delay", took)
	}
}

// A request that hangs ends when its client goes, or when the faults are cleared.
func TestFaultHang(t *testing.T) {
	r := newRig(t)
	r.Inject(Fault{Hang: true}, Fault{Key: "slow", Delay: time.Hour})
	for _, end := range []string{"client", "clear"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "PUT", "http://"+Host(testBucket)+"/k", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error)
		go func() {
			res, err := r.web.Do(req)
			if err == nil {
				res.Body.Close()
			}
			failed <- err
		}()
		waitFor(t, "the request", func() bool { return r.Running() == 1 })
		if end == "client" {
			cancel()
		} else {
			r.ClearFaults()
		}
		if err := <-failed; err == nil {
			t.Errorf("ended by %s: got an answer", end)
		}
		waitFor(t, "the server to notice", func() bool { return r.Running() == 0 })
		cancel()
	}
	if len(r.keys()) != 0 {
		t.Errorf("stored %v", r.keys())
	}
}

func TestSlowBodies(t *testing.T) {
	for name, opts := range map[string][]Option{"fault": nil, "bandwidth": {WithBandwidth(1_000_000)}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, opts...)
			if name == "fault" {
				r.Inject(Fault{BytesPerSecond: 1_000_000})
			}
			data := string(noise(100_000))
			for _, method := range []string{"PUT", "GET"} {
				body := data
				if method == "GET" {
					body = ""
				}
				start := time.Now()
				a := r.want(200, "", method, "/k", body)
				if took := time.Since(start); took < 90*time.Millisecond || took > 30*time.Second {
					t.Errorf("%s took %v, want about 100 ms", method, took)
				}
				if method == "GET" && a.body != data {
					t.Error("GET has other bytes")
				}
			}
		})
	}
}

// Clearing the faults frees a body that a fault slows almost to a stop.
func TestSlowBodyEndsWhenCleared(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "k", noise(1000))
	r.Inject(Fault{BytesPerSecond: 1})
	for _, method := range []string{"PUT", "GET"} {
		failed := make(chan error)
		go func() {
			body := ""
			if method == "PUT" {
				body = strings.Repeat("x", 1000)
			}
			failed <- r.do(method, "/k", body).err
		}()
		waitFor(t, "some bytes", func() bool {
			seen := r.Requests()
			return len(seen) > 0 && seen[len(seen)-1].In+seen[len(seen)-1].Out > 0
		})
		r.ClearFaults()
		<-failed
		waitFor(t, "the request to end", func() bool { return r.Running() == 0 })
		r.Inject(Fault{BytesPerSecond: 1})
		r.ResetRequests()
	}
	if o := r.stored("k"); o.Size != 1000 {
		t.Errorf("stored %d bytes", o.Size)
	}
}

func TestUnknownDropPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a fault that could never happen was taken")
		}
	}()
	New().Inject(Fault{Drop: "later"})
}

func TestRetryAfter(t *testing.T) {
	r := newRig(t)
	for wait, want := range map[time.Duration]string{0: "", time.Second: "1", 1500 * time.Millisecond: "2"} {
		r.Inject(Fault{Op: "PutObject", Times: 1, Status: 429, Code: "RequestLimitExceeded", RetryAfter: wait})
		if got := r.want(429, "RequestLimitExceeded", "PUT", "/k", "x").header.Get("Retry-After"); got != want {
			t.Errorf("RetryAfter %v: %q, want %q", wait, got, want)
		}
	}
}
