package cosfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const (
	testPart = 1 << 20
	testMax  = 64 << 20

	testPatience = 20 * time.Second // also a busy machine gets something done in so long
)

// giveUpSoon is for tests in which COS stays out of order.
func (f *FS) giveUpSoon() {
	f.engine.opts.CommandPatience, f.engine.opts.Patience = 300*time.Millisecond, 200*time.Millisecond
}

// transfers is a tree for uploads and downloads: parts of 1 MiB, files up to 64 MiB.
type transfers struct {
	*tree
	engine *Engine
}

// newTransfers checks at the end that nothing is left: no memory, slots, goroutines or parts.
func newTransfers(t testing.TB, e EngineOptions, opts ...costest.Option) *transfers {
	t.Helper()
	endsWithItsGoroutines(t)
	store := costest.New(append(opts,
		costest.WithBucket(treeBucket), costest.WithCredentials("id", treeSecret), costest.WithoutMD5())...)
	listener := httptest.NewServer(store)
	e.RetryBase = time.Millisecond
	if e.Patience == 0 {
		e.Patience = testPatience
	}
	if e.UploadThreads == 0 {
		e.UploadThreads, e.DownloadThreads = 8, 8
	}
	if e.Memory == 0 {
		e.Memory = 64 << 20
	}
	engine := NewEngine(e)
	f, err := New(Options{
		SecretID: "id", SecretKey: treeSecret,
		Bucket: treeBucket, Host: costest.Host(treeBucket), Scheme: "http",
		Address:  listener.Listener.Addr().String(),
		PartSize: testPart, MaxFileSize: testMax,
		ResumeAny: true, // what may be resumed is tested in remains_test.go
	}, engine)
	if err != nil {
		t.Fatal(err)
	}
	f.endpoint.works() // what fails from now on is an outage
	tr := &transfers{tree: &tree{FS: f, t: t, store: store}, engine: engine}
	t.Cleanup(func() {
		store.ClearFaults()
		tr.wantNothingLeft()
		engine.Close()
		listener.Close()
	})
	return tr
}

// ending are the tests whose goroutines are counted.
var ending sync.Map

// endsWithItsGoroutines checks that no more goroutines are there after a test than before its first tree. They cannot be
// counted in between: while connections are made, one becomes several.
func endsWithItsGoroutines(t testing.TB) {
	if _, counted := ending.LoadOrStore(t, true); counted {
		return
	}
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		ending.Delete(t)
		waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	})
}

func (tr *transfers) wantNothingLeft() {
	tr.t.Helper()
	if uploads := tr.parts(); len(uploads) > 0 {
		tr.t.Errorf("uploads were left in the bucket: %+v", uploads)
	}
	if held, waiting := len(tr.engine.claims.keys)+len(tr.engine.claims.trees), len(tr.engine.claims.waiting); held+waiting > 0 {
		tr.t.Errorf("%d claims are held, %d wait", held, waiting)
	}
	if n := len(tr.engine.rivals.under); n > 0 {
		tr.t.Errorf("%d names have an upload under way", n)
	}
	m := tr.engine.memory
	waitFor(tr.t, "memory to come back", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.used == 0
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sending != 0 || m.waiting != 0 || len(m.accounts) != 0 || m.partial != [minPartBlocks]int{} {
		tr.t.Errorf("memory is in disorder: sending %d, waiting %d, accounts %d, partial %v",
			m.sending, m.waiting, len(m.accounts), m.partial)
	}
	if m.peak > m.limit {
		tr.t.Errorf("%d blocks were in use, the limit is %d", m.peak, m.limit)
	}
	for _, s := range []*slots{tr.engine.uploads, tr.engine.downloads} {
		s.mu.Lock()
		if s.used != 0 || len(s.hosts) != 0 || s.turns.Len() != 0 {
			tr.t.Errorf("%d slots are not given back, %d hosts are known", s.used, len(s.hosts))
		}
		s.mu.Unlock()
	}
}

// upload stores data under name, in one call.
func (tr *transfers) upload(ctx context.Context, name string, src io.Reader) error {
	w, err := tr.Create(ctx, name)
	if err != nil {
		return err
	}
	_, readErr := w.(io.ReaderFrom).ReadFrom(src)
	if err := w.Close(); err != nil {
		return err
	}
	return readErr
}

func (tr *transfers) wantObject(key string, want []byte) {
	tr.t.Helper()
	o, ok := tr.store.Get(treeBucket, key)
	switch {
	case !ok:
		tr.t.Errorf("there is no object %q", key)
	case !bytes.Equal(o.Data, want):
		tr.t.Errorf("object %q has %d bytes, CRC64 %d, want %d bytes, CRC64 %d", key,
			len(o.Data), crc64.Checksum(o.Data, crcECMA), len(want), crc64.Checksum(want, crcECMA))
	}
}

// used is the memory in use, in blocks.
func (tr *transfers) used() int {
	m := tr.engine.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// noisePool is random data, so that no two blocks or parts are alike.
var noisePool = sync.OnceValue(func() []byte {
	source := rand.New(rand.NewPCG(1, 2))
	pool := make([]byte, 0, 41<<20)
	for len(pool) < cap(pool) {
		pool = binary.LittleEndian.AppendUint64(pool, source.Uint64())
	}
	return pool
})

// noise is n bytes of data, up to 40 MiB, other ones for another n. They are shared.
func noise(n int) []byte {
	first := n % 4093
	return noisePool()[first : first+n : first+n]
}

// waitFor polls until what is the case.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline.C:
			stacks := make([]byte, 1<<20)
			t.Fatalf("waited too long for %s\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// stalling gives data, then nothing until the context ends.
type stalling struct {
	ctx  context.Context
	data io.Reader
}

func (s *stalling) Read(p []byte) (int, error) {
	n, err := s.data.Read(p)
	if err == io.EOF {
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	return n, err
}

// only hides all methods but Read.
type only struct{ io.Reader }
