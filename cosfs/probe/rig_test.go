package probe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const testBucket = "demo-1250000000"

// jump is what the clock of a test store goes forward by behind each request of the questions about times: COS tells times
// in seconds, and tests cannot wait for seconds.
const jump = 3 * time.Second

// jumpingClock is such a clock, and what has to be around the store.
func jumpingClock() (now func() time.Time, around func(http.Handler) http.Handler) {
	var ahead atomic.Int64
	now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	around = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if strings.HasSuffix(r.URL.Path, "/times/object") && r.Method != http.MethodHead {
				ahead.Add(int64(jump))
			}
		})
	}
	return now, around
}

// rig is a store and the options to probe it with.
type rig struct {
	*costest.Server
	options Options
}

// newRig starts a store. An option for the same bucket in opts counts before the ordinary one.
func newRig(t *testing.T, wrap func(*costest.Server, http.Handler) http.Handler, opts ...costest.Option) *rig {
	t.Helper()
	now, around := jumpingClock()
	opts = append(slices.Clone(opts), costest.WithBucket(testBucket), costest.WithCredentials("id", "key"), costest.WithClock(now))
	store := costest.New(opts...)
	r := &rig{Server: store}
	handler := around(store)
	if wrap != nil {
		handler = wrap(store, handler)
	}
	r.options = startStore(t, handler)
	t.Cleanup(store.ClearFaults)
	return r
}

// startStore serves a handler and returns options for it, with short durations.
func startStore(t *testing.T, handler http.Handler) Options {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return Options{
		SecretID: "id", SecretKey: "key", Bucket: testBucket, Region: "ap-guangzhou",
		Host: testBucket + ".cos.ap-test.myqcloud.com", Scheme: "http",
		Address: server.Listener.Addr().String(), UserAgent: "probe-test",
		Apart: time.Millisecond, ListFor: 400 * time.Millisecond, ListEvery: 20 * time.Millisecond,
		Idle:  [3]time.Duration{60 * time.Millisecond, 60 * time.Millisecond, 60 * time.Millisecond},
		Pause: 10 * time.Millisecond, Name: "test", source: 4 << 10,
	}
}

// probe runs all questions and returns the results by ID.
func probe(t *testing.T, ctx context.Context, o Options) (map[string]Result, error) {
	t.Helper()
	results := map[string]Result{}
	err := Run(ctx, o, func(r Result) { results[r.ID] = r })
	return results, err
}

// leftovers are what a store holds below the prefix of a probe.
func (r *rig) leftovers() (left []string) {
	for _, o := range r.Objects(testBucket) {
		left = append(left, o.Key)
		for _, v := range r.Versions(testBucket, o.Key) {
			left = append(left, o.Key+" version "+v.VersionID)
		}
	}
	for _, u := range r.Uploads(testBucket) {
		left = append(left, "upload of "+u.Key)
	}
	return left
}

// word is what was seen, without its details.
func word(r Result) string {
	seen, _, _ := strings.Cut(r.Seen, " (")
	return seen
}

// refuseDial is a dialer that reaches only hosts that do not contain a text.
func refuseDial(address, refused string) func(ctx context.Context, network, host string) (net.Conn, error) {
	return func(ctx context.Context, network, host string) (net.Conn, error) {
		if strings.Contains(host, refused) {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}
