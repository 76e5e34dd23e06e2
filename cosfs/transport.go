package cosfs

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	dialTimeout       = 10 * time.Second
	handshakeTimeout  = 10 * time.Second
	continueTimeout   = time.Second
	idleConnTimeout   = 30 * time.Second // shorter than COS keeps them, so that few requests meet a dead one
	copyHeaderTimeout = 5 * time.Minute

	// spareConns are kept open for the small requests of sessions, beside those of running transfers.
	spareConns = 16

	signatureLife = time.Hour
	clockAhead    = time.Minute // of this machine's clock before COS's that a signature survives
)

// newRoute makes the connections to COS. A given address replaces the one that the host name of a request
// resolves to, and a proxy of the environment too; names in certificates stay those of the host.
func newRoute(address string, o EngineOptions) *route {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   handshakeTimeout,
		ExpectContinueTimeout: continueTimeout,
		ResponseHeaderTimeout: o.AnswerTimeout,
		IdleConnTimeout:       idleConnTimeout,
		MaxIdleConnsPerHost:   o.UploadThreads + o.DownloadThreads + spareConns,
		ReadBufferSize:        o.ReadBuffer,
		WriteBufferSize:       o.WriteBuffer,
		// An object stored with Content-Encoding: gzip must arrive as stored.
		DisableCompression: true,
		ForceAttemptHTTP2:  false,
	}
	if address != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}
	}
	patient := t.Clone()
	patient.ResponseHeaderTimeout = min(copyHeaderTimeout, o.CopyTimeout)
	return &route{quick: t, patient: patient}
}

// signer puts the V5 signature of one account on each request. The SDK's own signs from now on, which COS refuses
// when this machine's clock is a little ahead. Of the answers it bounds those that the SDK keeps in memory as a whole.
type signer struct {
	id, key string
	token   string // of a temporary key
	to      *endpoint
	next    http.RoundTripper
}

func (s *signer) RoundTrip(req *http.Request) (*http.Response, error) {
	signed := *req
	signed.Header = req.Header.Clone()
	offset := s.to.clock()
	now := time.Now().Add(offset)
	start, end := now.Add(-clockAhead), now.Add(signatureLife)
	cos.AddAuthorizationHeader(s.id, s.key, s.token, &signed, &cos.AuthTime{
		SignStartTime: start, SignEndTime: end,
		KeyStartTime: start, KeyEndTime: end,
	})
	resp, err := s.next.RoundTrip(&signed)
	if err == nil {
		s.to.judgeSource(resp)
		s.to.judgeClock(resp, offset)
		s.to.correctDate(resp)
	}
	if err == nil && (req.Header.Get("Range") == "" || resp.StatusCode/100 != 2) {
		resp.Body = &shortBody{resp.Body, maxAnswer}
	}
	return resp, err
}

// shortBody is the body of an answer that is no file's data. What is too long is no answer of COS, and would fill
// the memory.
type shortBody struct {
	io.ReadCloser
	left int
}

func (b *shortBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, badAnswer("a request without an end")
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
