package costest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// apiError is an answer other than success, with a code of COS (document 436/7730).
type apiError struct {
	status  int
	code    string
	message string
	detail  []string // further elements of the body: name, value, name, value
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

// because returns the error with a message of its own.
func (e *apiError) because(format string, args ...any) *apiError {
	return &apiError{status: e.status, code: e.code, message: fmt.Sprintf(format, args...), detail: e.detail}
}

var (
	errBadDigest        = &apiError{400, "BadDigest", "The Content-MD5 you specified did not match what we received.", nil}
	errEntityTooLarge   = &apiError{400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.", nil}
	errEntityTooSmall   = &apiError{400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.", nil}
	errIncompleteBody   = &apiError{400, "IncompleteBody", "The request body ended before Content-Length was reached.", nil}
	errInvalidArgument  = &apiError{400, "InvalidArgument", "Invalid argument.", nil}
	errInvalidDigest    = &apiError{400, "InvalidDigest", "The Content-MD5 you specified is not valid.", nil}
	errInvalidName      = &apiError{400, "InvalidObjectName", "The object name is not valid.", nil}
	errInvalidPart      = &apiError{400, "InvalidPart", "One or more of the specified parts could not be found.", nil}
	errInvalidPartOrder = &apiError{400, "InvalidPartOrder", "The list of parts was not in ascending order.", nil}
	errKeyTooLong       = &apiError{400, "KeyTooLong", "Your key is too long.", nil}
	errMalformedXML     = &apiError{400, "MalformedXML", "The XML you provided was not well-formed or did not validate.", nil}
	errStorageClass     = &apiError{400, "NotSupportedStorageClass", "The storage class is not supported.", nil}
	errMetadataTooLarge = &apiError{400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed size.", nil}
	errAccessDenied     = &apiError{403, "AccessDenied", "Access Denied.", nil}
	errInvalidKeyID     = &apiError{403, "InvalidAccessKeyId", "The access key ID you provided does not exist.", nil}
	errArchived         = &apiError{403, "InvalidObjectState", "The object is archived and was not restored.", nil}
	errTimeTooSkewed    = &apiError{403, "RequestTimeTooSkewed", "The signature is not valid yet.", nil}
	errExpired          = &apiError{403, "Request has expired", "Request has expired.", nil}
	errSignature        = &apiError{403, "SignatureDoesNotMatch", "The signature we calculated does not match the one you provided.", nil}
	errNoSuchBucket     = &apiError{404, "NoSuchBucket", "The specified bucket does not exist.", nil}
	errNoSuchKey        = &apiError{404, "NoSuchKey", "The specified key does not exist.", nil}
	errNoSuchUpload     = &apiError{404, "NoSuchUpload", "The specified multipart upload does not exist.", nil}
	errMethodNotAllowed = &apiError{405, "MethodNotAllowed", "The specified method is not allowed against this resource.", nil}
	errAppendPosition   = &apiError{409, "AppendPositionErr", "The position is not the length of the object.", nil}
	errNotAppendable    = &apiError{409, "ObjectNotAppendable", "The object is not appendable.", nil}
	errObjectLocked     = &apiError{409, "ObjectLocked", "The object is locked until its retention period ends.", nil}
	errNotConfigured    = &apiError{404, "NoSuchConfiguration", "The bucket has no such configuration.", nil}
	errFileExists       = &apiError{409, "FileAlreadyExists", "The object exists and must not be overwritten.", nil}
	errPathConflict     = &apiError{409, "PathConflict", "A file and a directory are in each other's way.", nil}
	errUploadConflict   = &apiError{409, "UploadConflict", "Another request for the same upload came before.", nil}
	errNoLength         = &apiError{411, "MissingContentLength", "You must provide the Content-Length HTTP header.", nil}
	errPrecondition     = &apiError{412, "PreconditionFailed", "Precondition Failed.", nil}
	errInvalidRange     = &apiError{416, "InvalidRange", "The requested range is not satisfiable.", nil}
	errNotImplemented   = &apiError{501, "NotImplemented", "This server does not implement that.", nil}
)

// errNotModified is an answer without a body.
var errNotModified = &apiError{status: http.StatusNotModified}

// asAPIError returns the answer that an error stands for. Errors of other kinds are the server's own: 500.
func asAPIError(err error) *apiError {
	api := new(apiError)
	if !errors.As(err, &api) {
		api = &apiError{500, "InternalError", err.Error(), nil}
	}
	return api
}

// fail answers with an error.
func (x *exchange) fail(err error) {
	api := asAPIError(err)
	if x.began {
		x.cut() // in the middle of a body nothing else can tell the client
		return
	}
	if api.code == "" {
		x.status(api.status)
		return
	}
	x.xml(api.status, x.errorXML(api))
}

func (x *exchange) errorXML(e *apiError) []byte {
	var b bytes.Buffer
	b.WriteString(xmlHead + "<Error>")
	element(&b, "Code", e.code)
	element(&b, "Message", e.message)
	for i := 0; i+1 < len(e.detail); i += 2 {
		element(&b, e.detail[i], e.detail[i+1])
	}
	element(&b, "Resource", x.r.Host+"/"+x.key)
	element(&b, "RequestId", x.id)
	element(&b, "TraceId", x.id)
	b.WriteString("</Error>")
	return b.Bytes()
}

const xmlHead = "<?xml version='1.0' encoding='utf-8' ?>\n"

// element writes <name>text</name>.
func element(b *bytes.Buffer, name, text string) {
	b.WriteByte('<')
	b.WriteString(name)
	b.WriteByte('>')
	escape(b, text)
	b.WriteString("</")
	b.WriteString(name)
	b.WriteByte('>')
}

// escape writes text for XML. Bytes that XML cannot carry go out as COS lets them: control characters as
// references and invalid UTF-8 as it is, so that a client which forgot encoding-type=url notices.
func escape(b *bytes.Buffer, text string) {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '&':
			b.WriteString("&amp;")
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		case c == '"':
			b.WriteString("&quot;")
		case c < 0x20:
			b.WriteString("&#" + strconv.Itoa(int(c)) + ";")
		default:
			b.WriteByte(c)
		}
	}
}
