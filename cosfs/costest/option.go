package costest

import "time"

// Option sets up a Server.
type Option func(s *Server, buckets *[]bucketSpec)

func setting(set func(*Server)) Option { return func(s *Server, _ *[]bucketSpec) { set(s) } }

// WithBucket makes an empty bucket, named name-APPID; give it several times for several. Requests to a bucket that
// does not exist are answered 404 NoSuchBucket. If the same name is given twice, the first one counts.
func WithBucket(name string, opts ...BucketOption) Option {
	spec := bucketSpec{name: name}
	for _, opt := range opts {
		opt(&spec.kind)
	}
	return func(_ *Server, buckets *[]bucketSpec) { *buckets = append(*buckets, spec) }
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

// WithModifiedAtInitiate gives an object made by a multipart upload the time of Initiate as Last-Modified, instead
// of the time of Complete. Which of the two COS gives is not known; the source of hadoop-cos hints at Initiate.
func WithModifiedAtInitiate() Option { return setting(func(s *Server) { s.initiateTime = true }) }

// WithRepeatedCompleteConflict answers a CompleteMultipartUpload of an upload that was completed before with 409
// UploadConflict instead of 404 NoSuchUpload. hadoop-cos has met both: 409 where the first request ran into a
// timeout behind the load balancer, 404 where its answer was lost. That the code is UploadConflict is a guess.
// Uploads completed before a restart with WithDir are forgotten: 404.
func WithRepeatedCompleteConflict() Option {
	return setting(func(s *Server) { s.completeConflict = true })
}

// WithRepeatedPartConflict answers UploadPart and UploadPartCopy with 409 UploadConflict where that part number of
// the upload is coming in or has come in already; without it the last one to arrive replaces the others. hadoop-cos
// has met 409 where a repeated request overlaps the first, and then looks for the part with ListParts. That COS
// also refuses a part that is complete, and the code, are guesses.
func WithRepeatedPartConflict() Option { return setting(func(s *Server) { s.partConflict = true }) }

// ETagForm is how an ETag is spelled in a condition.
type ETagForm int

const (
	AnyETag      ETagForm = iota // with quotes or without
	QuotedETag                   // "5d41402abc4b2a76b9719d911017c592"
	UnquotedETag                 // 5d41402abc4b2a76b9719d911017c592
)

// WithCopySourceETag takes only that form of ETag in x-cos-copy-source-If-Match, of CopyObject and UploadPartCopy;
// another form is answered 412 PreconditionFailed, as a wrong ETag is. Which form COS takes is not known.
func WithCopySourceETag(form ETagForm) Option { return setting(func(s *Server) { s.copyETag = form }) }

// WithClock takes the time from now instead of time.Now: for Last-Modified, Date, the validity of signatures and
// WithListDelay. Latency and bandwidth follow real time.
func WithClock(now func() time.Time) Option { return setting(func(s *Server) { s.now = now }) }

// WithSignatureAge answers 403 RequestTimeTooSkewed where a signature began more than d ago, although it is valid: so a
// client is refused whose clock is that far behind. One that is ahead, so that its signature is not valid yet, is
// refused with that code without this option too. COS has the code (document 436/7730); when it gives it is not known.
func WithSignatureAge(d time.Duration) Option { return setting(func(s *Server) { s.signedAgo = d }) }
