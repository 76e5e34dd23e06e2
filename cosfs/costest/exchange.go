package costest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// exchange is one request and its answer.
type exchange struct {
	server *Server
	w      http.ResponseWriter // swallows the answer when hidden
	conn   http.ResponseWriter // what came with the request
	r      *http.Request
	id     string // of the request
	op     string
	bucket string
	key    string
	part   int
	query  url.Values
	store  *bucketStore
	body   io.Reader // of the request: counted and paced
	seen   *seen
	began  bool // the status is out

	fault   Fault
	cleared <-chan struct{} // closed when the fault is cleared, nil without a fault
	hidden  bool
	cutting bool  // cut the connection after cutAt bytes of the answer's body
	cutAt   int64 // -1 for half of it
}

func (s *Server) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{
		server: s, w: w, conn: w, r: r,
		bucket: bucketOf(r.Host),
		key:    strings.TrimPrefix(r.URL.Path, "/"),
		query:  r.URL.Query(),
		id:     fmt.Sprintf("%x_%x", s.now().UnixNano(), s.ids.Add(1)),
	}
	if s.keyRule != nil && x.key != "" {
		x.key = s.keyRule(x.key)
	}
	x.op = x.operation()
	x.part, _ = strconv.Atoi(x.query.Get("partNumber"))
	x.seen = s.log.add(x)
	x.fault, x.cleared = s.faults.hit(x)
	x.body = &requestBody{from: r.Body, x: x, pace: x.newPace()}
	h := w.Header()
	h.Set("X-Cos-Request-Id", x.id)
	h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	h.Set("Server", "tencent-cos")
	h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	return x
}

// operation names the request as Request.Op does. Names that are not there are refused by serve.
func (x *exchange) operation() string {
	q := x.query
	if x.key == "" {
		return x.bucketOperation()
	}
	switch x.r.Method {
	case http.MethodHead:
		return "HeadObject"
	case http.MethodGet:
		if q.Has("uploadId") {
			return "ListParts"
		}
		return "GetObject"
	case http.MethodDelete:
		if q.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		if q.Has("versionId") {
			return "DeleteObjectVersion"
		}
		return "DeleteObject"
	case http.MethodPost:
		switch {
		case q.Has("uploads"):
			return "InitiateMultipartUpload"
		case q.Has("uploadId"):
			return "CompleteMultipartUpload"
		case q.Has("append"):
			return "AppendObject"
		}
	case http.MethodPut:
		return x.putOperation()
	}
	return x.r.Method + "Object"
}

func (x *exchange) putOperation() string {
	copying := x.r.Header.Get("X-Cos-Copy-Source") != ""
	part := x.query.Has("uploadId") || x.query.Has("partNumber")
	switch {
	case x.query.Has("rename"):
		return "RenameObject"
	case part && copying:
		return "UploadPartCopy"
	case part:
		return "UploadPart"
	case copying:
		return "CopyObject"
	}
	return "PutObject"
}

func (x *exchange) bucketOperation() string {
	switch x.r.Method {
	case http.MethodHead:
		return "HeadBucket"
	case http.MethodGet:
		switch {
		case x.query.Has("uploads"):
			return "ListMultipartUploads"
		case x.query.Has("versioning"):
			return "GetBucketVersioning"
		case x.query.Has("encryption"):
			return "GetBucketEncryption"
		case x.query.Has("object-lock"):
			return "GetBucketObjectLockConfiguration"
		case x.query.Has("versions"):
			return "ListObjectVersions"
		}
		return "ListObjects"
	case http.MethodPost:
		if x.query.Has("delete") {
			return "DeleteMultipleObjects"
		}
	case http.MethodPut:
		return "PutBucket"
	case http.MethodDelete:
		return "DeleteBucket"
	}
	return x.r.Method + "Bucket"
}

// handlers are the operations that the server knows.
var handlers = map[string]func(*exchange) error{
	"PutObject":                        (*exchange).putObject,
	"GetObject":                        (*exchange).getObject,
	"HeadObject":                       (*exchange).headObject,
	"DeleteObject":                     (*exchange).deleteObject,
	"DeleteObjectVersion":              (*exchange).deleteVersion,
	"AppendObject":                     (*exchange).appendObject,
	"CopyObject":                       (*exchange).copyObject,
	"RenameObject":                     (*exchange).renameObject,
	"InitiateMultipartUpload":          (*exchange).initiateUpload,
	"UploadPart":                       (*exchange).uploadPart,
	"UploadPartCopy":                   (*exchange).uploadPartCopy,
	"CompleteMultipartUpload":          (*exchange).completeUpload,
	"AbortMultipartUpload":             (*exchange).abortUpload,
	"ListParts":                        (*exchange).listParts,
	"ListObjects":                      (*exchange).listObjects,
	"ListObjectVersions":               (*exchange).listVersions,
	"ListMultipartUploads":             (*exchange).listUploads,
	"DeleteMultipleObjects":            (*exchange).deleteObjects,
	"HeadBucket":                       (*exchange).headBucket,
	"GetBucketVersioning":              (*exchange).bucketVersioning,
	"GetBucketEncryption":              (*exchange).bucketEncryption,
	"GetBucketObjectLockConfiguration": (*exchange).bucketObjectLock,
	"PutBucket":                        (*exchange).refuse,
	"DeleteBucket":                     (*exchange).refuse,
}

// subresources are features of COS that this server lacks; without this list they would pass for plain requests.
var subresources = []string{
	"acl", "tagging", "restore", "torrent", "select", "versions", "versionId", "versioning", "lifecycle", "cors",
	"policy", "location", "website", "logging", "inventory", "replication", "encryption", "object-lock", "rename",
}

// implemented are the subresources that one operation has.
var implemented = map[string]string{
	"GetBucketVersioning": "versioning", "GetBucketEncryption": "encryption", "GetBucketObjectLockConfiguration": "object-lock",
	"RenameObject":        "rename",
	"DeleteObjectVersion": "versionId", "ListObjectVersions": "versions",
}

// serve checks who asks and does the operation.
func (x *exchange) serve() error {
	if err := x.authorize(); err != nil {
		return err
	}
	if err := x.permit(); err != nil {
		return err
	}
	handle := handlers[x.op]
	if handle == nil {
		return errMethodNotAllowed
	}
	for _, name := range subresources {
		if x.query.Has(name) && name != implemented[x.op] {
			return errNotImplemented.because("This server does not implement ?%s.", name)
		}
	}
	if err := x.checkHost(); err != nil {
		return err
	}
	if x.store = x.server.bucket(x.bucket); x.store == nil {
		return errNoSuchBucket.because("The specified bucket %q, from the host %q, does not exist.", x.bucket, x.r.Host)
	}
	if x.key != "" {
		if err := x.checkKey(x.key); err != nil {
			return err
		}
	}
	return handle(x)
}

// refuse answers requests that would make or delete a bucket: the keys of a gateway must not be able to, and keys
// such as "." end up as such requests.
func (x *exchange) refuse() error { return errAccessDenied }

func (x *exchange) headBucket() error {
	if x.store.kind.accelerated {
		x.w.Header().Set("X-Cos-Bucket-Arch", "OFS")
	}
	if x.store.kind.zones {
		x.w.Header().Set("X-Cos-Bucket-Az-Type", "MAZ")
	}
	x.status(http.StatusOK)
	return nil
}

// checkKey applies COS's rules for object keys (document 436/13324).
func (x *exchange) checkKey(key string) error {
	longest := cmp.Or(x.server.longestKey, maxKey)
	switch {
	case len(key) > longest:
		return errKeyTooLong.because("Your key has %d bytes, more than %d.", len(key), longest)
	case key[0] == '/' || key[0] == '\\':
		return errInvalidName.because("A key must not begin with a slash or backslash.")
	case strings.ContainsAny(key, "\r\n\x18\x19\x1a\x1b"):
		return errInvalidName.because("A key must not contain CR, LF, CAN, EM, SUB or ESC.")
	}
	return nil
}

// status sends the status line and the headers.
func (x *exchange) status(code int) {
	x.began = true
	if x.server.noCRC {
		x.w.Header().Del("X-Cos-Hash-Crc64ecma")
	}
	if !x.hidden {
		x.seen.status.Store(int64(code))
	}
	if x.w.Header().Get("Content-Length") == "" && code != http.StatusNoContent && code != http.StatusNotModified {
		x.w.Header().Set("Content-Length", "0")
	}
	x.w.WriteHeader(code)
}

// xml answers with a document, of which HEAD gets only the status.
func (x *exchange) xml(code int, doc []byte) {
	h := x.w.Header()
	if x.r.Method == http.MethodHead {
		x.status(code)
		return
	}
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(len(doc)))
	x.status(code)
	if x.cutting {
		_, _ = x.write(doc[:x.cutPoint(int64(len(doc)))])
		x.cutBody()
		return
	}
	// A client that is gone needs no answer.
	if p := x.newPace(); p != nil {
		_, _ = x.writePaced(doc, p)
	} else {
		_, _ = x.write(doc)
	}
}

// write sends a piece of the answer's body.
func (x *exchange) write(p []byte) (int, error) {
	if !x.hidden {
		x.seen.out.Add(int64(len(p))) // before the client can have it
	}
	return x.w.Write(p)
}

// crc is what the answer says of a CRC.
func (x *exchange) crc(v uint64) string {
	if x.fault.WrongCRC {
		v ^= 1
	}
	return strconv.FormatUint(v, 10)
}

// etag is what the answer says of an ETag, quoted.
func (x *exchange) etag(v string) string {
	if x.fault.WrongETag {
		v = "00000000000000000000000000000bad"
	}
	return `"` + v + `"`
}

// wait waits, and reports false if the client is gone or the fault cleared first.
func (x *exchange) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
	case <-x.cleared:
	}
	return false
}

// cut closes the connection without any more bytes.
func (x *exchange) cut() { x.cutAfter(nil) }

// cutAfter closes the connection after some last bytes.
func (x *exchange) cutAfter(last []byte) {
	conn, buffered, err := http.NewResponseController(x.conn).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not HTTP/1: net/http cuts for us
	}
	_, _ = buffered.Write(last)
	_ = buffered.Flush()
	_ = conn.Close()
}
