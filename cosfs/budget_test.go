package cosfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// Two hundred uploads at once, of 0 to 4 parts, share the memory of a few parts. Some clients stop for ever in the
// middle, some are cut off. All others finish and are right, and everything comes back.
func TestTwoHundredUploadsShareAFewParts(t *testing.T) {
	for _, run := range []struct {
		limit    int64
		accounts int
		stopped  int // uploads that stop for ever; each keeps a block, even when it is ended
	}{{4 << 20, 1, 20}, {8 << 20, 1, 20}, {2 << 20, 2, 6}, {4 << 20, 2, 6}, {8 << 20, 2, 20}, {8 << 20, 3, 20}} {
		limit := run.limit
		t.Run(fmt.Sprint(limit>>20, " MiB, accounts: ", run.accounts), func(t *testing.T) {
			tr := newTransfers(t, EngineOptions{Memory: limit, UploadThreads: 8, DownloadThreads: 8},
				costest.WithLatency(time.Millisecond))
			tr.opts.PartSize = 2 << 20
			accounts := []*transfers{tr}
			for len(accounts) < run.accounts {
				accounts = append(accounts, tr.other(fmt.Sprintf("other%d/", len(accounts))))
			}
			tr.engine.memory.grace = 500 * time.Millisecond
			stalled, release := context.WithCancel(t.Context())
			defer release()
			random := rand.New(rand.NewPCG(uint64(limit), 2))
			pool := noise(6 << 20)
			var finishing, stopping sync.WaitGroup
			for i := range 200 {
				tr, name := accounts[i%run.accounts], fmt.Sprintf("/f%d", i)
				data := pool[i:][:random.IntN([]int{1, 300 << 10, 1 << 20, 5 << 20}[random.IntN(4)])]
				switch {
				case i%10 == 3 && i/10 < run.stopped:
					stopping.Go(func() {
						err := tr.upload(stalled, name, &stalling{stalled, bytes.NewReader(data)})
						if !errors.Is(err, context.Canceled) && !errors.Is(err, errSilent) {
							t.Errorf("stalled %s of %d bytes: %v", name, len(data), err)
						}
					})
				case i%10 == 7:
					ctx, abort := context.WithCancel(t.Context())
					finishing.Go(func() {
						w, err := tr.Create(ctx, name)
						if err != nil {
							t.Error(err)
							return
						}
						_, _ = w.Write(data[:len(data)/2])
						abort()
						if err := w.Close(); !errors.Is(err, context.Canceled) {
							t.Errorf("aborted %s: %v", name, err)
						}
					})
				default:
					finishing.Go(func() {
						if err := tr.upload(t.Context(), name, only{bytes.NewReader(data)}); err != nil {
							t.Errorf("%s of %d bytes: %v", name, len(data), err)
							return
						}
						tr.wantObject(tr.opts.Prefix+name[1:], data)
					})
				}
			}
			finishing.Wait()
			release()
			stopping.Wait()
			if got := len(tr.keys()); got != 180-run.stopped {
				t.Errorf("%d objects are there, want %d", got, 180-run.stopped)
			}
		})
	}
}

// Where all memory is held by clients that have stopped before there was a part to send, the longest silent ends.
func TestSilentUploadIsEnded(t *testing.T) {
	tr := newTransfers(t, EngineOptions{Memory: 2 << 20})
	tr.engine.memory.grace = 500 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const stopped = 6
	done := make(chan error, stopped)
	for i := range stopped {
		go func() {
			done <- tr.upload(ctx, fmt.Sprintf("/s%d", i), &stalling{ctx, bytes.NewReader(noise(700 << 10))})
		}()
	}
	waitFor(t, "memory to run out", func() bool {
		m := tr.engine.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.waiting > 0
	})
	data := noise(3 << 20)
	if err := tr.upload(t.Context(), "/f", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	tr.wantObject("f", data)
	cancel()
	ended := 0
	for range stopped {
		if err := <-done; errors.Is(err, errSilent) {
			ended++
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("stalled upload: %v", err)
		}
	}
	if ended == 0 {
		t.Error("no stalled upload was ended")
	}
}

// other is another account, whose root is the directory prefix.
func (tr *transfers) other(prefix string) *transfers {
	tr.t.Helper()
	o := tr.opts
	o.Prefix = prefix
	f, err := New(o, tr.engine)
	if err != nil {
		tr.t.Fatal(err)
	}
	return &transfers{tree: &tree{FS: f, t: tr.t, store: tr.store}, engine: tr.engine}
}

// dripping gives data, then a few bytes now and then until the context ends.
type dripping struct {
	ctx   context.Context
	data  io.Reader
	drip  string
	pause time.Duration
}

func (d *dripping) Read(p []byte) (int, error) {
	if n, err := d.data.Read(p); err == nil {
		return n, nil
	}
	select {
	case <-time.After(d.pause):
		return copy(p, d.drip), nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

// One account's clients that send a byte now and then hold up no other account, whose uploads and downloads get their
// share of the memory; those that are as slow alone keep theirs.
func TestDripOfOneAccountStopsNoOther(t *testing.T) {
	for _, drips := range []struct {
		many  int
		ended bool
	}{{30, true}, {3, false}} {
		tr := newTransfers(t, EngineOptions{Memory: 16 << 20})
		tr.engine.memory.grace, tr.engine.memory.shareGrace = time.Hour, 500*time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, drips.many)
		for i := range drips.many {
			go func() {
				source := &dripping{ctx, bytes.NewReader(noise(900_000)), "x", 5 * time.Millisecond}
				done <- tr.upload(ctx, fmt.Sprintf("/s%d", i), source)
			}()
		}
		waitFor(t, "the drips to hold memory", func() bool { return tr.used() >= 7*min(drips.many, 14) })
		other := &transfers{tree: &tree{FS: tr.account(), t: t, store: tr.store}, engine: tr.engine}
		data := noise(10 << 20)
		if err := other.upload(t.Context(), "/f", bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		file := other.open("/f", 0)
		if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, data) {
			t.Errorf("the other account's file is wrong: %v", err)
		}
		file.Close()
		cancel()
		ended := false
		for range drips.many {
			ended = errors.Is(<-done, errSilent) || ended
		}
		if ended != drips.ended {
			t.Errorf("%d drips: some were ended: %v", drips.many, ended)
		}
	}
}

// One account's clients that send just as much as keeps their memory leave another account what it needs. None is ended.
func TestPaidDripOfOneAccountStopsNoOther(t *testing.T) {
	tr := newTransfers(t, EngineOptions{Memory: 16 << 20})
	m := tr.engine.memory
	m.grace, m.shareGrace = time.Hour, time.Hour
	other := tr.other("other/")
	const drips = 26
	drip, stop := context.WithCancel(t.Context())
	done := make(chan error, drips)
	for i := range drips {
		go func() { // 6 KiB/s
			source := &dripping{drip, bytes.NewReader(noise(600_000)), "32 bytes that pay for 8 ms, each.", 5 * time.Millisecond}
			done <- tr.upload(drip, fmt.Sprintf("/s%d", i), source)
		}()
	}
	waitFor(t, "the drips to hold all that they can", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.waiting > 0
	})
	data := noise(10 << 20)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := other.upload(ctx, "/f", bytes.NewReader(data)); err != nil {
		t.Errorf("the other account's upload: %v", err)
	} else {
		file, err := other.Open(ctx, "/f", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(file.(io.Reader)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("the other account's file is wrong: %v", err)
		}
		file.Close()
	}
	t.Logf("10 MiB up and down took %v", time.Since(began))
	select {
	case err := <-done:
		t.Errorf("a drip ended: %v", err)
		done <- err
	default:
	}
	stop()
	for range drips {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("drip: %v", err)
		}
	}
}

// An upload whose client stops gives back the part that it has when others wait, and can go on later.
func TestStalledUploadSendsWhatItHas(t *testing.T) {
	tr := newTransfers(t, EngineOptions{Memory: 4 << 20})
	tr.opts.PartSize = 16 << 20
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	data, more := noise(2<<20+100), noise(100)
	goOn := make(chan struct{})
	source := io.MultiReader(bytes.NewReader(data), &gate{goOn}, bytes.NewReader(more))
	done := make(chan error, 1)
	go func() { done <- tr.upload(ctx, "/stalled", only{source}) }()
	waitFor(t, "the data to arrive", func() bool { return tr.used() == 17 })
	var others sync.WaitGroup
	for i := range 20 {
		others.Go(func() {
			if err := tr.upload(ctx, fmt.Sprintf("/o%d", i), bytes.NewReader(noise(3<<20))); err != nil {
				t.Error(err)
			}
		})
	}
	others.Wait()
	if n := tr.store.Uploads(treeBucket); len(n) != 1 || n[0].Parts == 0 {
		t.Errorf("the stalled upload has sent nothing: %+v", n)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	tr.wantObject("stalled", append(data, more...))
}

// gate reads as nothing once it is open.
type gate struct{ open chan struct{} }

func (g *gate) Read([]byte) (int, error) {
	<-g.open
	return 0, io.EOF
}

// When parts may not be cut short any more, each waits for its memory in one piece.
func TestUploadWithoutPartsToSpare(t *testing.T) {
	tr := newTransfers(t, EngineOptions{Memory: 4 << 20})
	tr.opts.PartSize = 2 << 20
	data := noise(13<<20 + 1)
	w := tr.newWriter(t.Context(), "f", false)
	w.limits.maxSize = maxParts * w.limits.want * 3 / 2 // no part may be less than that
	if w.limits.mayCut(minPart, 0) {
		t.Fatal("parts may still be cut short")
	}
	done := make(chan error, 4)
	for i := range 4 {
		go func() {
			done <- tr.upload(t.Context(), fmt.Sprintf("/o%d", i), bytes.NewReader(data))
		}()
	}
	if _, err := w.ReadFrom(only{bytes.NewReader(data)}); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	tr.wantObject("f", data)
	if n := len(w.parts); n != 5 {
		t.Errorf("13 MiB + 1 in parts of 3 MiB made %d parts", n)
	}
}
