package costest

import "time"

// Option sets up a Server.
type Option func(s *Server, buckets *[]string)

func setting(set func(*Server)) Option { return func(s *Server, _ *[]string) { set(s) } }

// WithBucket makes an empty bucket, named name-APPID; give it several times for several. Requests to a bucket that
// does not exist are answered 404 NoSuchBucket.
func WithBucket(name string) Option {
	return func(_ *Server, buckets *[]string) { *buckets = append(*buckets, name) }
}

// WithCredentials accepts requests signed with that key; give it several times for several keys. Without any,
// signatures are not checked.
func WithCredentials(id, key string) Option { return setting(func(s *Server) { s.keys[id] = key }) }

// WithDir keeps objects and open multipart uploads in a directory, where they survive a restart. One server at a
// time may use it.
func WithDir(dir string) Option { return setting(func(s *Server) { s.dir = dir }) }

// WithLatency delays every answer by d.
func WithLatency(d time.Duration) Option { return setting(func(s *Server) { s.latency = d }) }

// WithBandwidth caps each connection at that many bytes of body per second in each direction.
func WithBandwidth(bytesPerSecond int64) Option {
	return setting(func(s *Server) { s.bandwidth = bytesPerSecond })
}

// WithDiscard forgets the bodies of objects, for benchmarks: sizes and CRCs are right, and a GET answers that many
// bytes of Fill's pattern. It overrides WithDir.
func WithDiscard() Option { return setting(func(s *Server) { s.discard = true }) }

// WithoutMD5 makes ETags from CRC and size instead of MD5, which takes most of the time of an upload. Content-MD5
// headers are still verified.
func WithoutMD5() Option { return setting(func(s *Server) { s.noMD5 = true }) }

// WithListDelay shows new objects, new contents and deletions in listings only after d: listings of COS are
// eventually consistent (document 436/7734). GET and HEAD see them at once, and so do the listings of uploads and
// parts. FreezeListings does the same without a clock.
func WithListDelay(d time.Duration) Option { return setting(func(s *Server) { s.listDelay = d }) }

// WithCopyLimit lowers the size in bytes above which an object cannot be copied by one request, 5 GiB in COS.
func WithCopyLimit(n int64) Option { return setting(func(s *Server) { s.copyLimit = n }) }

// WithMinPart lowers the smallest size in bytes of a part that is not the last, 1 MiB in COS.
func WithMinPart(n int64) Option { return setting(func(s *Server) { s.minPart = n }) }

// WithKeepAliveBlanks puts n blanks before the result of CompleteMultipartUpload and CopyObject, as COS does while
// it is busy.
func WithKeepAliveBlanks(n int) Option { return setting(func(s *Server) { s.blanks = n }) }

// WithRequestLog keeps only the last n requests for Requests; without it all are kept. Count counts all of them.
func WithRequestLog(n int) Option { return setting(func(s *Server) { s.log.keep = max(n, 0) }) }

// WithClock takes the time from now instead of time.Now: for Last-Modified, the validity of signatures and
// WithListDelay. Latency and bandwidth follow real time.
func WithClock(now func() time.Time) Option { return setting(func(s *Server) { s.now = now }) }
