package costest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const testBucket = "demo-1250000000"

// rig is a server behind a listener, and two ways to ask it.
type rig struct {
	*Server
	t    testing.TB
	addr string
	web  *http.Client
}

func newRig(t testing.TB, opts ...Option) *rig {
	t.Helper()
	s := New(append(slices.Clone(opts), WithBucket(testBucket))...) // opts may have made that bucket another kind
	listener := httptest.NewServer(s)
	t.Cleanup(func() {
		s.ClearFaults()
		listener.Close()
	})
	addr := listener.Listener.Addr().String()
	transport := &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &rig{Server: s, t: t, addr: addr, web: &http.Client{Transport: transport}}
}

// sdk is the vendor's client for the server, without retries.
func (r *rig) sdk(id, key, token string) *cos.Client {
	u := &url.URL{Scheme: "http", Host: Host(testBucket)}
	transport := r.web.Transport
	if id != "" {
		transport = &cos.AuthorizationTransport{SecretID: id, SecretKey: key, SessionToken: token, Transport: transport}
	}
	c := cos.NewClient(&cos.BaseURL{BucketURL: u}, &http.Client{Transport: transport})
	c.Conf.RetryOpt.Count = 1
	return c
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the request or of reading the body
}

func (a answer) code() string {
	_, rest, _ := strings.Cut(a.body, "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return code
}

// do sends a request; headers are name, value, name, value.
func (r *rig) do(method, target string, body string, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+Host(testBucket)+target, stringBody(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.web.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(got), err}
}

func stringBody(s string) io.Reader {
	if s == "" {
		return http.NoBody
	}
	return strings.NewReader(s)
}

// want sends a request and fails the test if the answer has another status or error code.
func (r *rig) want(status int, code, method, target, body string, headers ...string) answer {
	r.t.Helper()
	a := r.do(method, target, body, headers...)
	if a.err != nil {
		r.t.Fatalf("%s %s: %v", method, target, a.err)
	}
	if a.status != status || a.code() != code {
		r.t.Fatalf("%s %s = %d %q, want %d %q; body %s", method, target, a.status, a.code(), status, code, a.body)
	}
	if a.header.Get("X-Cos-Request-Id") == "" {
		r.t.Errorf("%s %s: no x-cos-request-id", method, target)
	}
	return a
}

// start opens a multipart upload and returns its ID.
func (r *rig) start(key string, headers ...string) string {
	r.t.Helper()
	a := r.want(200, "", "POST", "/"+key+"?uploads", "", headers...)
	_, rest, _ := strings.Cut(a.body, "<UploadId>")
	id, _, _ := strings.Cut(rest, "</UploadId>")
	return id
}

// stored returns an object that must be there.
func (r *rig) stored(key string) Object {
	r.t.Helper()
	o, ok := r.Get(testBucket, key)
	if !ok {
		r.t.Fatalf("no object %q; there are %v", key, r.keys())
	}
	return o
}

func (r *rig) keys() []string {
	var keys []string
	for _, o := range r.Objects(testBucket) {
		keys = append(keys, o.Key)
	}
	return keys
}

// noise is n bytes that no mistake keeps the same.
func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

// shortReader gives fewer bytes than it should, then fails.
type shortReader struct{ left int }

func (s *shortReader) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, errors.New("the client gave up")
	}
	n := min(len(p), s.left)
	s.left -= n
	return n, nil
}

// waitFor waits until something is so.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 10 s for %s", what)
		}
	}
}

// cosCode is the error code in an error of the SDK.
func cosCode(err error) string {
	var e *cos.ErrorResponse
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func mustEqual(t *testing.T, got, want []byte, what string) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: got %d bytes, want %d, or other ones", what, len(got), len(want))
	}
}
