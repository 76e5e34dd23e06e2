package cosfs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// fault is a request that COS did not answer as asked. errors.Is finds its kind, one of the sentinels that the
// package comment lists, and the cause. Its Temporary method tells an outage from a refusal.
type fault struct {
	kind      error // nil when no sentinel fits
	temporary bool
	cause     error

	// Of an answer by COS; status is 0 without one. Code and message are empty for HEAD, whose answer has no body.
	status                   int
	code, message, requestID string
	retryAfter               time.Duration // that it asks for; 0: none
}

// isOverload reports whether COS answered that there are too many requests.
func (e *fault) isOverload() bool {
	return e.temporary && (e.status == http.StatusServiceUnavailable || e.status == http.StatusTooManyRequests)
}

// Error names no host, URL or header: a signature or a key pair can never be in it.
func (e *fault) Error() string {
	if e.status == 0 {
		return "no answer from COS: " + bare(e.cause).Error()
	}
	text := fmt.Sprintf("COS answered %d", e.status)
	if e.code != "" {
		text += " " + e.code
	}
	if e.message != "" {
		text += ": " + e.message
	}
	if e.requestID != "" {
		text += " (request id " + e.requestID + ")"
	}
	return text
}

func (e *fault) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// Temporary reports whether the same request may succeed later: COS overloaded or down, or no way to it. It is how
// a caller tells an outage from a refusal, through errors.As with interface{ Temporary() bool }.
func (e *fault) Temporary() bool { return e.temporary }

// isTemporary reports whether an error is one that a repetition may cure.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// statusOf is the HTTP status of the COS answer behind err, 0 if there was none.
func statusOf(err error) int {
	var f *fault
	if errors.As(err, &f) {
		return f.status
	}
	return 0
}

// codeOf is the COS error code behind err, "" if there is none.
func codeOf(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}

// verdict is what a COS error code means to a caller.
type verdict struct {
	kind      error
	temporary bool
}

// codes holds the COS error codes (document 436/7730) whose meaning is more, or other, than that of their status.
// A bucket that is missing is a fault of the configuration and never a missing file, so it has no kind.
var codes = map[string]verdict{
	"NoSuchKey":            {kind: fs.ErrNotExist},
	"NoSuchVersion":        {kind: fs.ErrNotExist},
	"NoSuchCopySource":     {kind: fs.ErrNotExist},
	"NoSuchBucket":         {},
	"NoSuchUpload":         {},
	"AccessDenied":         {kind: fs.ErrPermission}, // also inside a 200
	"ExpiredToken":         {kind: fs.ErrPermission},
	"InvalidObjectState":   {kind: fs.ErrPermission}, // archived: restore it first
	"InvalidObjectName":    {kind: fs.ErrInvalid},
	"InvalidURI":           {kind: fs.ErrInvalid},
	"KeyTooLong":           {kind: fs.ErrInvalid},
	"EntityTooLarge":       {kind: syscall.EFBIG},
	"FileAlreadyExists":    {kind: fs.ErrExist},      // x-cos-forbid-overwrite
	"ObjectLocked":         {kind: fs.ErrPermission}, // a retention period is not over
	"PathConflict":         {kind: syscall.EISDIR},   // of buckets with metadata acceleration
	"PreconditionFailed":   {kind: syscall.ESTALE},
	"AppendPositionErr":    {},
	"ObjectNotAppendable":  {},
	"BucketAlreadyExists":  {},
	"NotImplemented":       {}, // a fault, and no word about what this package offers
	"RequestTimeout":       {temporary: true},
	"UserNetworkTooSlow":   {temporary: true},
	"IncompleteBody":       {temporary: true},
	"InternalError":        {temporary: true}, // also inside a 200
	"ServiceUnavailable":   {temporary: true},
	"SlowDown":             {temporary: true},
	"KmsFreqControl":       {temporary: true},
	"RequestLimitExceeded": {temporary: true},
}

// judge gives the meaning of an answer by its code, else by its status.
func judge(status int, code, method string) verdict {
	if v, known := codes[code]; known {
		return v
	}
	switch {
	case status == http.StatusForbidden, status == http.StatusUnavailableForLegalReasons:
		return verdict{kind: fs.ErrPermission}
	case status == http.StatusNotFound && method == http.MethodHead:
		return verdict{kind: fs.ErrNotExist}
	case status == http.StatusPreconditionFailed:
		return verdict{kind: syscall.ESTALE}
	case status == http.StatusNotImplemented:
		return verdict{}
	case status >= 500, status == http.StatusTooManyRequests:
		return verdict{temporary: true}
	case status == http.StatusConflict:
		// Another request for the same is under way: the first try of this one, most likely, which a proxy repeated.
		return verdict{temporary: true}
	case code == "" && (status < 300 || status == http.StatusNotFound):
		// not all of COS's answer, or not COS's
		return verdict{temporary: true}
	}
	return verdict{}
}

// classify is the only function that knows the SDK's errors and COS's codes. It answers nil, an error of this
// package unchanged, or a fault.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var known *fault
	if errors.As(err, &known) {
		return err
	}
	var answer *cos.ErrorResponse
	if errors.As(err, &answer) && answer.Response != nil {
		return answered(answer, err)
	}
	if errors.Is(err, context.Canceled) {
		return &fault{kind: context.Canceled, cause: err}
	}
	if isNetwork(err) {
		return &fault{temporary: true, cause: err}
	}
	return err
}

func answered(answer *cos.ErrorResponse, err error) *fault {
	f := &fault{
		cause:     err,
		status:    answer.Response.StatusCode,
		code:      answer.Code,
		message:   answer.Message,
		requestID: answer.RequestID,
	}
	if f.requestID == "" {
		f.requestID = answer.Response.Header.Get("x-cos-request-id")
	}
	f.retryAfter = retryAfter(answer.Response.Header)
	method := ""
	if answer.Response.Request != nil {
		method = answer.Response.Request.Method
	}
	v := judge(f.status, f.code, method)
	f.kind, f.temporary = v.kind, v.temporary
	if answer.Response.Header.Get(againHeader) != "" {
		f.kind, f.temporary = nil, true
	}
	return f
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3), seconds or a date; 0 for none.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// isNetwork reports whether an error arose on the way to COS or back: no connection, a lost one, no answer in time,
// or an answer that breaks off or is none of COS's.
func isNetwork(err error) bool {
	var (
		request *url.Error
		network net.Error
		cut     *xml.SyntaxError
		other   xml.UnmarshalError
	)
	if errors.As(err, &network) {
		_, ours := network.(syscall.Errno) // of the network's own errors it is a part only
		return !ours
	}
	return errors.As(err, &request) || errors.As(err, &cut) || errors.As(err, &other) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// isHopeless reports whether a network error comes from the configuration, of this program or of a name server, so that
// trying again at once does not help.
func isHopeless(err error) bool {
	var (
		unknown     *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		record      tls.RecordHeaderError
	)
	if errors.As(err, &unknown) && unknown.IsNotFound {
		return true
	}
	return errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &record)
}

// bare strips the URL that net/http puts around an error.
func bare(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
