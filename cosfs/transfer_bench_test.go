package cosfs

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// endless gives n bytes that nobody has to make.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.n)
	e.n -= n
	return int(n), nil
}

// discard hides io.Discard's ReadFrom.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// The store is in the same process and computes a CRC64 too; see the CPU profile for our share.
func BenchmarkUpload(b *testing.B) {
	for _, c := range []struct {
		name    string
		streams int
		size    int64
		opts    []costest.Option
	}{
		{"1", 1, 256 << 20, nil},
		{"8", 8, 64 << 20, nil},
		{"1 at 30 MiB per second and connection", 1, 256 << 20, []costest.Option{costest.WithBandwidth(30 << 20)}},
		{"4 KiB with 20 ms latency", 1, 4 << 10, []costest.Option{costest.WithLatency(20 * time.Millisecond)}},
		{"4 KiB", 1, 4 << 10, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr := newTransfers(b, EngineOptions{Memory: 256 << 20, UploadThreads: 16, DownloadThreads: 16},
				append(c.opts, costest.WithDiscard(), costest.WithRequestLog(0))...)
			tr.opts.PartSize, tr.opts.MaxFileSize = 4<<20, 10<<30
			b.SetBytes(c.size * int64(c.streams))
			b.ReportAllocs()
			for b.Loop() {
				var all sync.WaitGroup
				for i := range c.streams {
					all.Go(func() {
						if err := tr.upload(b.Context(), fmt.Sprintf("/f%d", i), &endless{c.size}); err != nil {
							b.Error(err)
						}
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64(tr.engine.memory.peak)*blockSize/(1<<20), "peak-MiB")
		})
	}
}

func BenchmarkDownload(b *testing.B) {
	for _, c := range []struct {
		name    string
		streams int
		size    int64
		opts    []costest.Option
	}{
		{"1", 1, 256 << 20, nil},
		{"8", 8, 64 << 20, nil},
		{"1 at 30 MiB per second and connection", 1, 256 << 20, []costest.Option{costest.WithBandwidth(30 << 20)}},
		{"4 KiB with 20 ms latency", 1, 4 << 10, []costest.Option{costest.WithLatency(20 * time.Millisecond)}},
		{"4 KiB", 1, 4 << 10, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr := newTransfers(b, EngineOptions{Memory: 256 << 20, UploadThreads: 16, DownloadThreads: 16},
				append(c.opts, costest.WithDiscard(), costest.WithRequestLog(0))...)
			tr.store.PutSized(treeBucket, "f", c.size)
			b.SetBytes(c.size * int64(c.streams))
			b.ReportAllocs()
			for b.Loop() {
				var all sync.WaitGroup
				for range c.streams {
					all.Go(func() {
						file, err := tr.Open(b.Context(), "/f", 0)
						if err != nil {
							b.Error(err)
							return
						}
						defer file.Close()
						if n, err := file.(io.WriterTo).WriteTo(discard{}); n != c.size || err != nil {
							b.Errorf("%d bytes, %v", n, err)
						}
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64(tr.engine.memory.peak)*blockSize/(1<<20), "peak-MiB")
		})
	}
}
