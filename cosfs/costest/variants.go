package costest

import (
	"slices"
	"strings"
	"time"
)

// variants are behaviours that COS may have instead of the usual ones: no document settles them, or they depend on the
// bucket, on the host or on the rights of a key. Each is turned on by the option of its name.
type variants struct {
	initiateTime     bool
	completeConflict bool
	completeAgain    bool
	partConflict     bool
	copyETag         ETagForm
	getETag          ETagForm

	noConditions      bool
	noForbidOverwrite bool
	noCRC             bool
	sourceCRC         bool
	partsAfterAbort   bool
	deleteStatus      int // 0 for 204
	refusals          []hostRefusal
	markerIncluded    bool
	keyRule           func(string) string
	longestKey        int // 0 for maxKey
	tolerance         time.Duration
	appendableCopies  bool
	appendableStays   bool
	partTime          bool
	timeShift         time.Duration
}

// hostRefusal is what a host does not do.
type hostRefusal struct {
	host, code string
	ops        []string // none for all
}

// WithGetETag takes only that form of ETag in If-Match of GET and HEAD; another form is answered 412
// PreconditionFailed. COS takes the quoted one, as a test of the COS Java SDK against a real bucket shows.
func WithGetETag(form ETagForm) Option { return setting(func(s *Server) { s.getETag = form }) }

// WithoutConditions ignores If-* and x-cos-copy-source-If-*, as stores do that know neither.
func WithoutConditions() Option { return setting(func(s *Server) { s.noConditions = true }) }

// WithoutForbidOverwrite ignores x-cos-forbid-overwrite, as COS does in a bucket with versions.
func WithoutForbidOverwrite() Option { return setting(func(s *Server) { s.noForbidOverwrite = true }) }

// WithoutCRC answers without x-cos-hash-crc64ecma, as COS does for objects that are older than the header.
func WithoutCRC() Option { return setting(func(s *Server) { s.noCRC = true }) }

// WithSourceCRC answers UploadPartCopy with the CRC of the whole source, not with that of the range. No document says
// which of the two COS sends.
func WithSourceCRC() Option { return setting(func(s *Server) { s.sourceCRC = true }) }

// WithRepeatedComplete answers a CompleteMultipartUpload of an upload that was completed before as the first one, while
// its object is there. S3 does so.
func WithRepeatedComplete() Option { return setting(func(s *Server) { s.completeAgain = true }) }

// WithPartsAfterAbort takes parts of an upload that was aborted, which is open again then. The document of
// AbortMultipartUpload of S3 warns of it: parts on their way may succeed after the abort.
func WithPartsAfterAbort() Option { return setting(func(s *Server) { s.partsAfterAbort = true }) }

// WithDeleteStatus answers DeleteObject and AbortMultipartUpload with that status instead of 204, as a proxy may.
func WithDeleteStatus(status int) Option { return setting(func(s *Server) { s.deleteStatus = status }) }

// WithRefusedOn answers 400 with that code to the operations, named as in Request.Op, or to all of them where none is
// named, on hosts that contain a text. COS refuses copies and deletions on the host of global acceleration with
// ActionAccelerateNotSupported, and everything with BucketAccelerateNotEnabled where the bucket is not accelerated.
func WithRefusedOn(host, code string, ops ...string) Option {
	return setting(func(s *Server) { s.refusals = append(s.refusals, hostRefusal{host, code, ops}) })
}

// WithMarkerIncluded lists the entry that the marker names once more. COS's listings begin behind it.
func WithMarkerIncluded() Option { return setting(func(s *Server) { s.markerIncluded = true }) }

// WithKeyRule stores and finds each key under what rule makes of it, as a store or a proxy does that cleans paths or
// decodes them once too often.
func WithKeyRule(rule func(key string) string) Option {
	return setting(func(s *Server) { s.keyRule = rule })
}

// WithLongestKey takes keys of up to n bytes instead of 850.
func WithLongestKey(n int) Option { return setting(func(s *Server) { s.longestKey = n }) }

// WithClockTolerance takes signatures that begin up to d from now. How much COS takes is not known.
func WithClockTolerance(d time.Duration) Option { return setting(func(s *Server) { s.tolerance = d }) }

// WithAppendableCopies lets appendable objects be copied. The document of AppendObject (436/7741) says that they
// cannot be.
func WithAppendableCopies() Option { return setting(func(s *Server) { s.appendableCopies = true }) }

// WithAppendableKept leaves an appendable object appendable where PutObject replaces it. The document (436/7741) says that
// it is an ordinary one then.
func WithAppendableKept() Option { return setting(func(s *Server) { s.appendableStays = true }) }

// WithModifiedAtPart gives an object made by a multipart upload the time of its last part as Last-Modified, instead of
// the time of Complete. See WithModifiedAtInitiate.
func WithModifiedAtPart() Option { return setting(func(s *Server) { s.partTime = true }) }

// WithMultipartTimeShift gives objects made by a multipart upload a Last-Modified that is off by d, as if another machine
// of the store, with another clock, had made them.
func WithMultipartTimeShift(d time.Duration) Option {
	return setting(func(s *Server) { s.timeShift = d })
}

// checkHost returns an error if the host of the request does not do what it asks for.
func (x *exchange) checkHost() error {
	for _, r := range x.server.refusals {
		if strings.Contains(x.r.Host, r.host) && (len(r.ops) == 0 || slices.Contains(r.ops, x.op)) {
			return (&apiError{400, r.code, "", nil}).because("This host does not do %s.", x.op)
		}
	}
	return nil
}

// checkRead checks the If-* headers of a GET or HEAD.
func (x *exchange) checkRead(o *object) error {
	if x.server.noConditions {
		return nil
	}
	if want := x.r.Header.Get("If-Match"); want != "" && !x.server.getETag.allows(want) {
		return errPrecondition
	}
	return checkConditions(x.r.Header, "", o)
}
