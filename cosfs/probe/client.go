package probe

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// noCopy is the code for a copy that is answered with success, but not as a copy: a store that does not know copies takes it
// for an upload of nothing.
const noCopy = "without a copy"

const (
	tries         = 3
	maxBody       = 8 << 20 // of an answer
	signatureLife = time.Hour
	clockAhead    = time.Minute // of this machine's clock before COS's that a signature survives, as in the gateway
)

// client sends requests and remembers what they leave in the bucket.
type client struct {
	Options
	base string // of all keys
	http *http.Client
	made *made

	mu   sync.Mutex
	sent int64 // bytes
}

func newClient(o Options) *client {
	c := &client{Options: o, base: o.Base(), made: newMade()}
	c.http = c.connection()
	return c
}

func (c *client) close() { c.http.CloseIdleConnections() }

// connection is a client with connections of its own.
func (c *client) connection() *http.Client {
	dialer := &net.Dialer{Timeout: c.Dial}
	dial := c.dial
	if dial == nil {
		dial = dialer.DialContext
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial,
		TLSHandshakeTimeout: c.Dial,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 16,
	}
	if c.Address != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, c.Address)
		}
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is one request about the bucket, or about a key.
type request struct {
	method string
	key    string // "" for the bucket
	query  url.Values
	header http.Header
	body   []byte

	once   bool         // is not repeated: a repetition is what is asked about, or would change the answer
	host   string       // "" for the bucket's
	by     *http.Client // nil for the common one
	signed time.Time    // when the signature begins; the zero time for as the gateway does it
}

// answer is what COS answered.
type answer struct {
	status int
	code   string // of an error
	id     string // of the request
	header http.Header
	body   []byte
}

func (a *answer) ok() bool { return a.status/100 == 2 && a.code == "" }

// String is the status and the code.
func (a *answer) String() string {
	if a.code == "" {
		return fmt.Sprint(a.status)
	}
	return fmt.Sprintf("%d %s", a.status, a.code)
}

// at is COS's time of the answer.
func (a *answer) at() time.Time {
	t, _ := http.ParseTime(a.header.Get("Date"))
	return t
}

func (a *answer) etag() string { return strings.Trim(a.header.Get("ETag"), `"`) }

// crc is the CRC header, "" where there is none.
func (a *answer) crc() string { return a.header.Get("x-cos-hash-crc64ecma") }

// denied reports whether the key lacks a right.
func (a *answer) denied() bool { return a.status == http.StatusForbidden }

// read decodes the XML of an answer.
func (a *answer) read(into any) error { return xml.Unmarshal(a.body, into) }

// do sends a request, more than once where it fails for a passing cause. An error means that there was no answer. What
// changes the bucket is waited for although ctx ends: an answer that nobody hears may be to a request that leaves
// something behind.
func (c *client) do(ctx context.Context, r request) (a *answer, err error) {
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a, err = c.send(ctx, r)
		passing := err != nil && !errors.Is(err, context.Canceled) || err == nil && a.status >= 500 && a.status != http.StatusNotImplemented
		if r.once || !passing || try == tries {
			return a, err
		}
		if err := sleep(ctx, c.Pause); err != nil {
			return nil, err
		}
	}
}

func (c *client) send(ctx context.Context, r request) (*answer, error) {
	changes := r.method != http.MethodGet && r.method != http.MethodHead
	if changes {
		ctx = context.WithoutCancel(ctx)
		c.made.begin(r)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, err
	}
	a, err := c.exchange(req, r)
	if changes {
		c.made.end(r, a)
	}
	return a, err
}

func (c *client) build(ctx context.Context, r request) (*http.Request, error) {
	host := c.Host
	if r.host != "" {
		host = r.host
	}
	u := url.URL{Scheme: c.Scheme, Host: host, Path: "/" + r.key, RawPath: "/" + escape(r.key, ""), RawQuery: r.query.Encode()}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("User-Agent", c.UserAgent)
	start := r.signed
	if start.IsZero() {
		start = time.Now().Add(-clockAhead)
	}
	end := start.Add(clockAhead + signatureLife)
	cos.AddAuthorizationHeader(c.SecretID, c.SecretKey, c.SessionToken, req, &cos.AuthTime{
		SignStartTime: start, SignEndTime: end, KeyStartTime: start, KeyEndTime: end,
	})
	return req, nil
}

func (c *client) exchange(req *http.Request, r request) (*answer, error) {
	by := c.http
	if r.by != nil {
		by = r.by
	}
	c.mu.Lock()
	c.sent += int64(len(r.body))
	c.mu.Unlock()
	resp, err := by.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer: %w", bare(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("no whole answer: %w", err)
	}
	a := &answer{status: resp.StatusCode, id: resp.Header.Get("x-cos-request-id"), header: resp.Header, body: body}
	var failure struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	if r.method != http.MethodGet || !a.ok() { // the body of an object may be anything
		if a.read(&failure) == nil { // also in a 200
			a.code = failure.Code
		}
	}
	if req.Header.Get("x-cos-copy-source") != "" && a.ok() && copiedETag(a) == "" {
		a.code = noCopy
	}
	return a, nil
}

// bare is an error of net/http without the URL, which holds the key.
func bare(err error) error {
	if request := new(url.Error); errors.As(err, &request) {
		return request.Err
	}
	return err
}

// escape encodes all but the unreserved characters, as the SDK does: a slash of a key goes out as %2F, one of a copy source,
// which is among the characters of also, as it is.
func escape(key, also string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~"+also, c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// sleep waits for d, or until ctx ends, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
