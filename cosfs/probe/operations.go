package probe

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// operation is one kind of request that the gateway sends, under the name of its action in CAM.
type operation struct {
	action   string
	without  string // what does not work without the right
	optional bool   // the gateway has another way, or rarely needs it
}

var operations = []operation{
	{"HeadBucket", "-check cannot look at the bucket, and its kind is not known", false},
	{"GetBucket", "directories cannot be listed, and logins fail to look around", false},
	{"PutObject", "files up to one part cannot be uploaded, nor directories made", false},
	{"HeadObject", "SIZE, MDTM, uploads and renames fail", false},
	{"GetObject", "files can be neither downloaded nor renamed", false},
	{"PutObjectCopy", "files cannot be renamed, and MFMT and SITE CHMOD fail", false},
	{"InitiateMultipartUpload", "files larger than one part cannot be uploaded", false},
	{"UploadPart", "files larger than one part cannot be uploaded", false},
	{"UploadPartCopy", "APPE, REST with STOR and renames of more than 5 GiB fail", false},
	{"CompleteMultipartUpload", "files larger than one part cannot be uploaded", false},
	{"AbortMultipartUpload", "the parts of broken uploads stay and are billed", false},
	{"DeleteObject", "DELE, RMD and renames fail", false},
	{"ListParts", "an upload of which COS says that parts are missing fails, and is not looked at", true},
	{"ListMultipartUploads", "nothing of the gateway fails", true},
}

// operate sends each of the operations to a host and returns the answers by action. An action is missing where another
// one failed on which it depends. It fails where there is no answer.
func (s *sheet) operate(ctx context.Context, name, host string) (map[string]*answer, error) {
	o := &course{s: s, host: host, answers: map[string]*answer{}}
	source, target := s.key(name+"/source"), s.key(name+"/copy")
	o.ask(ctx, "HeadBucket", request{method: http.MethodHead})
	o.ask(ctx, "GetBucket", listRequest(s.base, "/", "", 1))
	if o.ask(ctx, "PutObject", putRequest(source, data(1, s.source))) {
		o.ask(ctx, "HeadObject", headRequest(source))
		o.ask(ctx, "GetObject", getRequest(source, "Range", "bytes=0-9"))
		o.ask(ctx, "PutObjectCopy", copyRequest(target, host, source))
	}
	o.upload(ctx, s.key(name+"/parts"), source)
	o.ask(ctx, "ListMultipartUploads", request{method: http.MethodGet, query: url.Values{"uploads": {""}, "prefix": {s.base}}})
	o.ask(ctx, "DeleteObject", deleteRequest(target))
	return o.answers, o.err
}

// course is a run through all operations on one host.
type course struct {
	s       *sheet
	host    string
	answers map[string]*answer
	err     error
}

// ask sends a request and reports whether it succeeded.
func (o *course) ask(ctx context.Context, action string, r request) bool {
	if o.err != nil {
		return false
	}
	r.host = o.host
	a, err := o.s.do(ctx, r)
	if err != nil {
		o.err = err
		return false
	}
	o.answers[action] = a
	return a.ok()
}

// upload asks all that there is of multipart uploads.
func (o *course) upload(ctx context.Context, key, source string) {
	if !o.ask(ctx, "InitiateMultipartUpload", initiateRequest(key)) {
		return
	}
	id := uploadID(o.answers["InitiateMultipartUpload"])
	if o.answers["PutObject"].ok() {
		o.ask(ctx, "UploadPartCopy", partCopyRequest(key, id, 2, o.host, source))
	}
	o.ask(ctx, "ListParts", request{method: http.MethodGet, key: key, query: url.Values{"uploadId": {id}}})
	if o.ask(ctx, "UploadPart", partRequest(key, id, 1, []byte("part"))) {
		o.ask(ctx, "CompleteMultipartUpload", completeRequest(key, id, o.answers["UploadPart"].etag()))
	}
	if o.ask(ctx, "InitiateMultipartUpload", initiateRequest(key+"-2")) {
		o.ask(ctx, "AbortMultipartUpload", abortRequest(key+"-2", uploadID(o.answers["InitiateMultipartUpload"])))
	}
}

// rightID is the question about an action.
func rightID(action string) string { return "right-" + dashed(action) }

// dashed is HeadBucket as head-bucket.
func dashed(action string) string {
	var b strings.Builder
	for i, c := range action {
		if 'A' <= c && c <= 'Z' && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}
