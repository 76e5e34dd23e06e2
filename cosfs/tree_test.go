package cosfs

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const (
	treeBucket = "tree-1250000000"
	treeSecret = "the-secret-that-nobody-may-see"
)

// tree is an FS on a COS of its own.
type tree struct {
	*FS
	t     testing.TB
	store *costest.Server
	log   *logLines
}

// parts are the open uploads that hold parts, which would be billed. One whose ID was never heard of holds none.
func (tr *tree) parts() []costest.Upload {
	return slices.DeleteFunc(tr.store.Uploads(treeBucket), func(u costest.Upload) bool { return u.Parts == 0 })
}

// newTree starts a store with the options and shows its bucket. Failed requests are repeated without much waiting.
func newTree(t testing.TB, opts ...costest.Option) *tree {
	t.Helper()
	// Of two buckets of one name the first counts.
	store := costest.New(append(slices.Clone(opts), costest.WithBucket(treeBucket), costest.WithCredentials("id", treeSecret))...)
	listener := httptest.NewServer(store)
	engine := NewEngine(EngineOptions{RetryBase: time.Millisecond, Patience: testPatience})
	t.Cleanup(func() {
		store.ClearFaults()
		engine.Close()
		listener.Close()
	})
	log := &logLines{}
	f, err := New(Options{
		SecretID: "id", SecretKey: treeSecret,
		Bucket: treeBucket, Host: costest.Host(treeBucket), Scheme: "http",
		Address:   listener.Listener.Addr().String(),
		UserAgent: "cos-ftp-server-test",
		Logger:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, engine)
	if err != nil {
		t.Fatal(err)
	}
	return &tree{FS: f, t: t, store: store, log: log}
}

// put stores objects past the FS; a name that ends in a slash makes a directory marker.
func (tr *tree) put(keys ...string) {
	for _, key := range keys {
		tr.store.Put(treeBucket, key, []byte(strings.TrimSuffix(key, "/")))
	}
}

func (tr *tree) keys() []string {
	var keys []string
	for _, o := range tr.store.Objects(treeBucket) {
		keys = append(keys, o.Key)
	}
	return keys
}

func (tr *tree) wantKeys(want ...string) {
	tr.t.Helper()
	if got := tr.keys(); !slices.Equal(got, want) {
		tr.t.Errorf("the bucket holds %q, want %q", got, want)
	}
}

// ops runs fn and answers the requests that it made.
func (tr *tree) ops(fn func()) []string {
	tr.store.ResetRequests()
	fn()
	var ops []string
	for _, r := range tr.store.Requests() {
		ops = append(ops, r.Op)
	}
	return ops
}

// names lists a directory; directories have a slash behind.
func (tr *tree) names(dir string) []string {
	tr.t.Helper()
	var names []string
	for i, err := range tr.List(tr.t.Context(), dir) {
		if err != nil {
			tr.t.Fatalf("List(%q) after %d entries: %v", dir, len(names), err)
		}
		names = append(names, slashed(i))
	}
	return names
}

func slashed(i fs.FileInfo) string {
	if i.IsDir() {
		return i.Name() + "/"
	}
	return i.Name()
}

// listErr lists a directory and answers how many entries came before the error.
func (tr *tree) listErr(ctx context.Context, dir string) (int, error) {
	n := 0
	for _, err := range tr.List(ctx, dir) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// logLines collects a log.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
