package probe

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const base = "cos-ftp-server-probe-test/"

// variant is a store that differs from the usual one, and the questions that it answers otherwise.
type variant struct {
	name    string
	options []costest.Option
	faults  []costest.Fault
	wrap    func(*costest.Server, http.Handler) http.Handler // around the store
	change  func(*Options)
	turns   map[string]string // question to what is seen; "" where nothing is
	others  bool              // so much is amiss that other questions are not answered either
	fails   string            // in the error of Run
}

// fault answers a request about a key below the prefix of the run with an error.
func fault(op, key string, status int, code string) costest.Fault {
	return costest.Fault{Op: op, Key: base + key, Status: status, Code: code}
}

// refused is fault for the nth such request only.
func refused(nth int, op, key string, status int, code string) costest.Fault {
	f := fault(op, key, status, code)
	f.From, f.Times = nth, 1
	return f
}

// deny takes rights from the key of the run.
func deny(actions ...string) []costest.Option {
	return []costest.Option{costest.WithDenied("id", actions...)}
}

// bucket makes the bucket of the run another kind.
func bucket(kind costest.BucketOption) []costest.Option {
	return []costest.Option{costest.WithBucket(testBucket, kind)}
}

func rule(change func(string) string) []costest.Option {
	return []costest.Option{costest.WithKeyRule(change)}
}

// forever is a delay of listings that no test outlasts.
const forever = 24 * time.Hour

func one(o costest.Option) []costest.Option { return []costest.Option{o} }

func variants() []variant {
	usual := map[string]string{}
	const all, some, none = "all that the gateway does works", "some of it does not work", "nothing works"
	return []variant{
		{name: "usual", turns: usual},
		{name: "metadata acceleration", options: bucket(costest.Accelerated()), turns: map[string]string{
			"bucket-arch": "metadata acceleration", "list-levels": "no", "append-new": "no",
			"append-copy": "", "append-part-copy": "", "append-replaced": "",
			"key-double-slash": "refused",
		}},
		{name: "metadata acceleration and a new prefix", options: bucket(costest.Accelerated()), others: true,
			change: func(o *Options) { o.Prefix = "new/account/" }, turns: map[string]string{"bucket-arch": "metadata acceleration"}},
		{name: "several zones", options: bucket(costest.MultiZone()), turns: map[string]string{"bucket-zones": "several"}},
		{name: "versions", options: bucket(costest.Versioned()), turns: map[string]string{
			"bucket-versions": "yes", "append-new": "no", "append-copy": "", "append-part-copy": "", "append-replaced": "",
			"forbid-overwrite-put":      "ignored in a bucket with versions",
			"forbid-overwrite-copy":     "ignored in a bucket with versions",
			"forbid-overwrite-complete": "ignored in a bucket with versions",
		}},

		{name: "few rights", others: true, options: deny("HeadBucket", "GetBucket", "HeadObject", "ListParts", "ListMultipartUploads",
			"CompleteMultipartUpload", "PutObjectCopy", "UploadPartCopy"), turns: map[string]string{
			"right-head-bucket": "no", "right-get-bucket": "no", "right-head-object": "no", "right-list-parts": "no",
			"right-list-multipart-uploads": "no", "right-complete-multipart-upload": "no", "right-put-object-copy": "no",
			"right-upload-part-copy": "no", "head-missing": "403",
		}},
		{name: "no PutObject", others: true, options: deny("PutObject"), turns: map[string]string{"right-put-object": "no"}},
		{name: "no GetObject", others: true, options: deny("GetObject"), turns: map[string]string{
			"right-get-object": "no", "right-put-object-copy": "", "right-upload-part-copy": "",
		}},
		{name: "no UploadPart", others: true, options: deny("UploadPart"), turns: map[string]string{"right-upload-part": "no"}},
		{name: "no InitiateMultipartUpload", others: true, options: deny("InitiateMultipartUpload"),
			turns: map[string]string{"right-initiate-multipart-upload": "no"}},
		{name: "no DeleteObject", others: true, fails: "may not remove", options: deny("DeleteObject"),
			turns: map[string]string{"right-delete-object": "no"}},
		{name: "no AbortMultipartUpload", others: true, fails: "may not remove", options: deny("AbortMultipartUpload"),
			turns: map[string]string{"right-abort-multipart-upload": "no"}},
		{name: "forbidden missing", others: true, options: append(deny("GetBucket"), costest.WithForbiddenMissing()),
			turns: map[string]string{"right-get-bucket": "no", "head-missing": "403"}},

		{name: "missing is a bad request", faults: []costest.Fault{fault("HeadObject", "missing", 400, "")}, turns: map[string]string{"head-missing": "400"}},

		{name: "hosts refuse some", options: []costest.Option{
			costest.WithRefusedOn("ap-guangzhou.myqcloud", "InvalidURI", "CopyObject"),
			costest.WithRefusedOn("cos-internal", "InvalidURI", "UploadPartCopy"),
			costest.WithRefusedOn("accelerate", "ActionAccelerateNotSupported", "CopyObject", "DeleteObject"),
		}, turns: map[string]string{"host-regional": some, "host-internal": some, "host-accelerate": some}},
		{name: "hosts refuse all", options: []costest.Option{
			costest.WithRefusedOn("ap-guangzhou.myqcloud", "NoSuchBucket"),
			costest.WithRefusedOn("cos-internal", "NoSuchBucket"),
			costest.WithRefusedOn("accelerate", "BucketAccelerateNotEnabled"),
		}, turns: map[string]string{"host-regional": none, "host-internal": none, "host-accelerate": none}},
		{name: "the host refuses copies", others: true, options: one(costest.WithRefusedOn("ap-test", "ActionAccelerateNotSupported", "CopyObject")),
			turns: map[string]string{"host-configured": some, "right-put-object-copy": "", "append-copy": "no"}},
		{name: "hosts out of reach", change: func(o *Options) {
			o.dial, o.Address = refuseDial(o.Address, "accelerate"), ""
		}, turns: map[string]string{"host-accelerate": ""}},
		{name: "a proxy answers", wrap: proxyBefore("accelerate"), turns: map[string]string{"host-accelerate": ""}},
		{name: "no region", change: func(o *Options) { o.Region = "" }, turns: map[string]string{"host-regional": "", "host-internal": ""}},
		{name: "the host is that of the region", change: func(o *Options) { o.Host = testBucket + ".cos.ap-guangzhou.myqcloud.com" },
			turns: map[string]string{"host-configured": all, "host-regional": ""}},

		{name: "unquoted ETags", options: []costest.Option{
			costest.WithCopySourceETag(costest.UnquotedETag), costest.WithGetETag(costest.UnquotedETag),
		}, turns: map[string]string{
			"copy-if-match-quoted": "refused", "part-copy-if-match-quoted": "refused", "get-if-match-quoted": "refused",
		}},
		{name: "quoted ETags", options: one(costest.WithCopySourceETag(costest.QuotedETag)), turns: map[string]string{
			"copy-if-match-unquoted": "refused", "part-copy-if-match-unquoted": "refused",
		}},
		{name: "no ETags", faults: []costest.Fault{
			fault("CopyObject", "conditions/copy", 412, "PreconditionFailed"),
			fault("UploadPartCopy", "conditions/parts", 412, "PreconditionFailed"),
		}, turns: map[string]string{
			"copy-if-match-quoted": "refused", "copy-if-match-unquoted": "refused as the quoted one is",
			"part-copy-if-match-quoted": "refused", "part-copy-if-match-unquoted": "refused as the quoted one is",
		}},
		{name: "no conditions", options: one(costest.WithoutConditions()), turns: map[string]string{
			"copy-if-match-wrong": "taken", "part-copy-if-match-wrong": "taken", "get-if-match-wrong": "taken",
		}},

		{name: "overwriting", options: one(costest.WithoutForbidOverwrite()), turns: map[string]string{
			"forbid-overwrite-put": "ignored", "forbid-overwrite-copy": "ignored", "forbid-overwrite-complete": "ignored",
		}},
		{name: "another code for overwriting", faults: []costest.Fault{
			refused(2, "PutObject", "overwrite/put", 409, "PathConflict"),
			refused(2, "CopyObject", "overwrite/copy", 409, "PathConflict"),
			refused(2, "CompleteMultipartUpload", "overwrite/complete", 409, "PathConflict"),
		}, turns: map[string]string{
			"forbid-overwrite-put": "409 PathConflict", "forbid-overwrite-copy": "409 PathConflict",
			"forbid-overwrite-complete": "409 PathConflict",
		}},

		{name: "no CRC", options: one(costest.WithoutCRC()), turns: map[string]string{
			"complete-crc": "none", "complete-crc-head": "none", "part-copy-crc": "none",
		}},
		{name: "wrong CRC", options: one(costest.WithSourceCRC()), faults: []costest.Fault{
			{Op: "CompleteMultipartUpload", Key: base + "parts/complete", Times: 1, WrongCRC: true},
			{Op: "HeadObject", Key: base + "parts/complete", WrongCRC: true},
		}, turns: map[string]string{
			"complete-crc": "another one", "complete-crc-head": "another one", "part-copy-crc": "another one",
		}},
		{name: "repetitions in conflict", options: []costest.Option{
			costest.WithRepeatedCompleteConflict(), costest.WithRepeatedPartConflict(),
		}, turns: map[string]string{
			"complete-repeated": "409", "complete-at-once": "409", "part-twice": "409", "part-twice-at-once": "409",
		}},
		{name: "repetitions succeed", options: one(costest.WithRepeatedComplete()), turns: map[string]string{
			"complete-repeated": "200", "complete-at-once": "200",
		}},
		{name: "repetitions fail behind a 200", faults: []costest.Fault{
			{Op: "CompleteMultipartUpload", Key: base + "parts/complete", From: 2, Times: 1, BodyAs200: true, Code: "NoSuchUpload"},
			{Op: "CompleteMultipartUpload", Key: base + "parts/complete-at-once", Times: 1, BodyAs200: true, Code: "NoSuchUpload"},
		}, turns: map[string]string{"complete-repeated": "200 NoSuchUpload", "complete-at-once": "200 NoSuchUpload"}},
		{name: "repetitions miss parts", faults: []costest.Fault{
			refused(2, "CompleteMultipartUpload", "parts/complete", 400, "InvalidPart"),
			refused(1, "CompleteMultipartUpload", "parts/complete-at-once", 400, "InvalidPart"),
		}, turns: map[string]string{"complete-repeated": "400 InvalidPart", "complete-at-once": "400 InvalidPart"}},
		{name: "repetitions refused", faults: []costest.Fault{
			refused(2, "CompleteMultipartUpload", "parts/complete", 400, "InvalidArgument"),
			refused(1, "CompleteMultipartUpload", "parts/complete-at-once", 400, "InvalidArgument"),
			{Op: "UploadPart", Key: base + "parts/twice", Part: 1, From: 2, Times: 1, Status: 400, Code: "InvalidArgument"},
			{Op: "UploadPart", Key: base + "parts/twice", Part: 2, From: 1, Times: 1, Status: 400, Code: "InvalidArgument"},
		}, turns: map[string]string{
			"complete-repeated": "400 InvalidArgument", "complete-at-once": "400 InvalidArgument",
			"part-twice": "400 InvalidArgument", "part-twice-at-once": "400 InvalidArgument",
		}},
		{name: "parts after Abort", options: one(costest.WithPartsAfterAbort()), turns: map[string]string{"part-after-abort": "yes"}},
		{name: "deletions answered 200", options: one(costest.WithDeleteStatus(200)), turns: map[string]string{
			"abort-status": "200", "delete-status": "200", "delete-missing": "200",
		}},
		{name: "nothing to delete", faults: []costest.Fault{
			refused(2, "AbortMultipartUpload", "parts/abort", 204, ""),
			refused(2, "DeleteObject", "objects/deleted", 404, "NoSuchKey"),
		}, turns: map[string]string{"abort-repeated": "204", "delete-missing": "404 NoSuchKey"}},
		{name: "no second Abort", faults: []costest.Fault{refused(2, "AbortMultipartUpload", "parts/abort", 400, "InvalidArgument")},
			turns: map[string]string{"abort-repeated": "400 InvalidArgument"}},
		{name: "small parts", options: one(costest.WithMinPart(mega)), turns: map[string]string{"part-1000000": "yes"}},
		{name: "large parts", options: one(costest.WithMinPart(5 << 20)), turns: map[string]string{"part-1048576": "400 EntityTooSmall"}},
		{name: "appendable copies", options: one(costest.WithAppendableCopies()), turns: map[string]string{
			"append-copy": "yes", "append-part-copy": "yes",
		}},
		{name: "appendable for good", options: one(costest.WithAppendableKept()), turns: map[string]string{"append-replaced": "no"}},

		{name: "plus is blank", options: rule(func(k string) string { return strings.ReplaceAll(k, "+", " ") }),
			turns: map[string]string{"key-plus": "changed"}, others: true},
		{name: "blank is plus", options: rule(func(k string) string { return strings.ReplaceAll(k, " ", "+") }),
			turns: map[string]string{"key-blank": "changed"}, others: true},
		{name: "decoded twice", options: rule(decodedTwice), turns: map[string]string{"key-percent-2f": "changed"}},
		{name: "clean keys", options: rule(path.Clean), turns: map[string]string{"key-double-slash": "changed", "key-dot-dot": "changed"}},
		{name: "no control characters", options: rule(func(k string) string { return strings.ReplaceAll(k, "\x01", "") }),
			turns: map[string]string{"key-control": "changed"}},
		{name: "odd keys refused", faults: []costest.Fault{
			fault("PutObject", "keys/key-dot-dot/a/../b", 400, "InvalidObjectName"),
			fault("PutObject", "keys/key-control/a\x01b", 400, "InvalidObjectName"),
		}, turns: map[string]string{"key-dot-dot": "refused", "key-control": "refused"}},
		{name: "shorter keys", options: one(costest.WithLongestKey(800)), turns: map[string]string{"key-850": "refused"}},
		{name: "longer keys", options: one(costest.WithLongestKey(900)), turns: map[string]string{"key-851": "kept as it is"}},
		{name: "cut keys", options: rule(func(k string) string { return k[:min(len(k), longestKey)] }),
			turns: map[string]string{"key-851": "changed"}},

		{name: "marker included", options: one(costest.WithMarkerIncluded()), turns: map[string]string{
			"list-pages-of-1": "no", "list-pages-of-2": "no", "list-pages-of-1-delimiter": "no", "list-pages-of-2-delimiter": "no",
		}},
		{name: "tolerant clock", options: one(costest.WithClockTolerance(time.Hour)), turns: map[string]string{
			"signature-in-30s": "yes", "signature-in-60s": "yes", "signature-in-300s": "yes",
		}},
		{name: "time of Initiate", options: one(costest.WithModifiedAtInitiate()), turns: map[string]string{
			"multipart-time-head": "that of Initiate", "multipart-time-list": "that of Initiate",
		}},
		{name: "time of the part", options: one(costest.WithModifiedAtPart()), turns: map[string]string{
			"multipart-time-head": "that of the part", "multipart-time-list": "that of the part",
		}},
		{name: "another time", options: one(costest.WithMultipartTimeShift(-time.Hour)), turns: map[string]string{
			"multipart-time-head": "another one", "multipart-time-list": "another one",
		}},

		{name: "listings lag", wrap: lagOneLook, change: func(o *Options) { o.ListFor = time.Minute }, turns: map[string]string{
			"list-after-create": "soon", "list-after-overwrite": "soon", "list-after-delete": "soon",
		}},
		{name: "listings never change", others: true, options: one(costest.WithListDelay(forever)), turns: map[string]string{
			"list-after-create": "late", "list-after-overwrite": "", "list-after-delete": "", "multipart-time-list": "",
		}},
		{name: "listings do not forget", others: true, wrap: freezeBeforeChange, turns: map[string]string{
			"list-after-overwrite": "late", "list-after-delete": "late",
		}},
		{name: "impatient connections", wrap: closeAfterHead, turns: map[string]string{
			"idle-25s": "closed", "idle-35s": "closed", "idle-65s": "closed",
		}},
	}
}

func decodedTwice(key string) string {
	if plain, err := url.PathUnescape(key); err == nil {
		return plain
	}
	return key
}

// freezeBeforeChange freezes the listings when the object of list-after-overwrite is replaced.
func freezeBeforeChange(store *costest.Server, next http.Handler) http.Handler {
	var mu sync.Mutex
	puts := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/lag/replaced") {
			mu.Lock()
			if puts++; puts == 2 {
				store.FreezeListings()
			}
			mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// lagOneLook lets the listings lag behind the changes of the questions about them by one look.
func lagOneLook(store *costest.Server, next http.Handler) http.Handler {
	var mu sync.Mutex
	frozen := false
	set := func(want bool, change func()) {
		mu.Lock()
		defer mu.Unlock()
		if frozen != want {
			change()
		}
		frozen = want
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/lag/"):
			set(true, store.FreezeListings)
			next.ServeHTTP(w, r)
		case strings.HasSuffix(r.URL.Query().Get("prefix"), "/lag/"):
			next.ServeHTTP(w, r)
			set(false, store.ThawListings)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// proxyBefore answers 502 for hosts that contain a text, as a proxy does that cannot reach them.
func proxyBefore(host string) func(*costest.Server, http.Handler) http.Handler {
	return func(_ *costest.Server, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Host, host) {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// closeAfterHead closes a connection behind each HEAD of the bucket.
func closeAfterHead(_ *costest.Server, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.URL.Path == "/" {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// start starts the store of a variant.
func (v variant) start(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, v.wrap, v.options...)
	r.Inject(v.faults...)
	if v.change != nil {
		v.change(&r.options)
	}
	return r
}
