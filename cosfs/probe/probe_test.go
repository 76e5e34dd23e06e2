package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
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
			"complete-repeated": "409 UploadConflict", "complete-at-once": "409 UploadConflict",
			"part-twice": "409 UploadConflict", "part-twice-at-once": "409 UploadConflict",
		}},
		{name: "repetitions succeed", options: one(costest.WithRepeatedComplete()), turns: map[string]string{
			"complete-repeated": "200", "complete-at-once": "200",
		}},
		{name: "repetitions fail behind a 200", faults: []costest.Fault{
			{Op: "CompleteMultipartUpload", Key: base + "parts/complete", From: 2, Times: 1, BodyAs200: true, Code: "NoSuchUpload"},
			{Op: "CompleteMultipartUpload", Key: base + "parts/complete-at-once", Times: 1, BodyAs200: true, Code: "NoSuchUpload"},
		}, turns: map[string]string{"complete-repeated": "200 NoSuchUpload", "complete-at-once": "200 NoSuchUpload"}},
		{name: "repetitions refused", faults: []costest.Fault{
			refused(2, "CompleteMultipartUpload", "parts/complete", 400, "InvalidPart"),
			refused(1, "CompleteMultipartUpload", "parts/complete-at-once", 400, "InvalidPart"),
			{Op: "UploadPart", Key: base + "parts/twice", Part: 1, From: 2, Times: 1, Status: 400, Code: "InvalidArgument"},
			{Op: "UploadPart", Key: base + "parts/twice", Part: 2, From: 1, Times: 1, Status: 400, Code: "InvalidArgument"},
		}, turns: map[string]string{
			"complete-repeated": "400 InvalidPart", "complete-at-once": "400 InvalidPart",
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

// seenOnce are the answers that the variants have shown, as "id: word".
type seenOnce struct {
	mu    sync.Mutex
	words map[string]Verdict
}

// TestEveryAnswer: each meaning of each question is seen on a store that behaves so, no other question turns wrong there,
// and nothing stays in the store.
func TestEveryAnswer(t *testing.T) {
	usual, err := probe(t, t.Context(), variant{}.start(t).options)
	if err != nil {
		t.Fatal(err)
	}
	seen := &seenOnce{words: map[string]Verdict{}}
	t.Run("variants", func(t *testing.T) {
		for _, v := range variants() {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				v.check(t, usual, seen)
			})
		}
	})
	for _, q := range allQuestions() {
		seen.check(t, q)
	}
}

func (v variant) check(t *testing.T, usual map[string]Result, seen *seenOnce) {
	r := v.start(t)
	results, err := probe(t, t.Context(), r.options)
	if err != nil && v.fails == "" || v.fails != "" && !strings.Contains(fmt.Sprint(err), v.fails) {
		t.Errorf("Run: %v", err)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left in the store: %q", left)
	}
	for id, result := range results {
		want, turns := v.turns[id]
		switch {
		case turns && want == "":
			if result.Verdict == OK || result.Verdict == Wrong {
				t.Errorf("want no answer: %v", result)
			}
		case turns && word(result) != want:
			t.Errorf("want %q: %v", want, result)
		case !turns && result.Verdict == Wrong,
			!turns && !v.others && word(result) != word(usual[id]):
			t.Errorf("turns unasked: %v", result)
		}
		if result.Verdict == OK || result.Verdict == Wrong {
			seen.add(id, word(result), result.Verdict)
		}
	}
}

func (s *seenOnce) add(id, word string, verdict Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words[id+": "+word] = verdict
}

// check finds what no variant has shown of a question.
func (s *seenOnce) check(t *testing.T, q *question) {
	known := map[string]bool{}
	for _, m := range q.means {
		known[q.id+": "+m.seen] = true
		if _, shown := s.words[q.id+": "+m.seen]; !shown {
			t.Errorf("%s: no variant shows %q", q.id, m.seen)
		}
	}
	shown := 0
	for word := range s.words {
		if strings.HasPrefix(word, q.id+": ") {
			shown++
			known["otherwise"] = known["otherwise"] || !known[word]
		}
	}
	if q.otherwise != "" && !known["otherwise"] {
		t.Errorf("%s: no variant shows another answer than %s", q.id, q.expected())
	}
	if shown < 2 {
		t.Errorf("%s: is seen one way only", q.id)
	}
}

func allQuestions() (all []*question) {
	for _, t := range themes() {
		for i := range t.questions {
			all = append(all, &t.questions[i])
		}
	}
	return all
}

// TestTable: questions have names of their own, and the results come in the order of the table.
func TestTable(t *testing.T) {
	var want, got []string
	for _, q := range allQuestions() {
		if slices.Contains(want, q.id) {
			t.Errorf("two questions are called %s", q.id)
		}
		want = append(want, q.id)
		if q.asks == "" || len(q.means) == 0 || !strings.HasSuffix(q.asks, "?") {
			t.Errorf("%s is no whole question", q.id)
		}
		for _, m := range q.means {
			if m.wrong && m.follows == "" {
				t.Errorf("%s: nothing follows from %q", q.id, m.seen)
			}
		}
	}
	r := variant{}.start(t)
	if err := Run(t.Context(), r.options, func(result Result) { got = append(got, result.ID) }); err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("results of %q, want %q", got, want)
	}
}

// TestInterrupted: whatever moment a run is interrupted at, nothing stays, and each question has its line.
func TestInterrupted(t *testing.T) {
	kinds := [][]costest.Option{nil, bucket(costest.Versioned()), bucket(costest.Accelerated())}
	for n := 1; n < 320; n += 10 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var mu sync.Mutex
			count := 0
			v := variant{options: kinds[n%len(kinds)], wrap: func(_ *costest.Server, next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					if count++; count == n {
						cancel()
					}
					mu.Unlock()
					next.ServeHTTP(w, r)
				})
			}}
			r := v.start(t)
			results, err := probe(t, ctx, r.options)
			open := slices.ContainsFunc(slices.Collect(maps.Values(results)), func(r Result) bool { return r.Seen == errInterrupted.Error() })
			if open != errors.Is(err, context.Canceled) || errors.Is(err, ErrLeft) {
				t.Errorf("Run: %v; open questions: %v", err, open)
			}
			if left := r.leftovers(); len(left) > 0 {
				t.Errorf("left in the store: %q", left)
			}
			if len(results) != len(allQuestions()) {
				t.Errorf("%d results", len(results))
			}
		})
	}
}

// TestLostAnswers: what a request has made whose answer is lost is found and removed too.
func TestLostAnswers(t *testing.T) {
	for _, op := range []string{"PutObject", "CopyObject", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AppendObject", "DeleteObject", "AbortMultipartUpload"} {
		for name, kind := range map[string][]costest.Option{"": nil, " with versions": bucket(costest.Versioned())} {
			t.Run(op+name, func(t *testing.T) {
				t.Parallel()
				v := variant{options: kind, faults: []costest.Fault{{Op: op, From: 3, Times: 9, Drop: "after"}}}
				r := v.start(t)
				if _, err := probe(t, t.Context(), r.options); err != nil {
					t.Errorf("Run: %v", err)
				}
				if left := r.leftovers(); len(left) > 0 {
					t.Errorf("left in the store: %q", left)
				}
			})
		}
	}
}

// TestCrash: a question that crashes is unknown, the others go on, and nothing stays.
func TestCrash(t *testing.T) {
	r := variant{}.start(t)
	c := newClient(r.options.withDefaults())
	defer c.close()
	crashing := theme{questions: []question{{id: "crashes", asks: "Does it crash?"}, {id: "too", asks: "Does it too?"}},
		ask: func(ctx context.Context, s *sheet) error {
			if _, _, err := s.uploaded(ctx, s.key("crash"), []byte("part")); err != nil {
				return err
			}
			panic("on purpose")
		}}
	results := map[string]Result{}
	err := c.ask(t.Context(), append(themes()[:3], crashing), func(r Result) { results[r.ID] = r })
	if err == nil || !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("Run: %v", err)
	}
	for id, want := range map[string]Verdict{"crashes": Unknown, "too": Unknown, "bucket-arch": OK, "right-put-object": OK} {
		if results[id].Verdict != want {
			t.Errorf("want %s: %v", want, results[id])
		}
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left in the store: %q", left)
	}
}

// TestNotAsked: where nothing could be removed, nothing is written.
func TestNotAsked(t *testing.T) {
	for name, c := range map[string]struct {
		options []costest.Option
		change  func(*Options)
		want    string
		denied  string
	}{
		"no DeleteObject":         {deny("DeleteObject"), nil, "may not remove", "right-delete-object"},
		"no AbortMultipartUpload": {deny("AbortMultipartUpload"), nil, "may not remove", "right-abort-multipart-upload"},
		"object lock":             {bucket(costest.Locked()), nil, "object lock", ""},
		"no bucket":               {nil, func(o *Options) { o.Host = "other-1250000000.cos.ap-test.myqcloud.com" }, "404", ""},
		"wrong key":               {nil, func(o *Options) { o.SecretKey = "wrong" }, "SignatureDoesNotMatch", "right-delete-object"},
		"no way":                  {nil, func(o *Options) { o.Address = "127.0.0.1:1" }, "no answer", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := variant{options: c.options, change: c.change}.start(t)
			results, err := probe(t, t.Context(), r.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrLeft) {
				t.Errorf("Run: %v, want %q", err, c.want)
			}
			if n := r.Count("PutObject") + r.Count("InitiateMultipartUpload"); n > 0 {
				t.Errorf("%d objects were written", n)
			}
			for id, result := range results {
				want := Skipped
				if id == c.denied {
					want = Wrong
				}
				if result.Verdict != want {
					t.Errorf("want %s: %v", want, result)
				}
			}
		})
	}
}

// TestLeft: what cannot be removed is named.
func TestLeft(t *testing.T) {
	v := variant{faults: []costest.Fault{{Op: "DeleteObject", Key: base + "tree/a", Status: 403, Code: "AccessDenied"}}}
	r := v.start(t)
	_, err := probe(t, t.Context(), r.options)
	if !errors.Is(err, ErrLeft) || !strings.Contains(err.Error(), base+"tree/a") {
		t.Errorf("Run: %v", err)
	}
	if left := r.leftovers(); !slices.Equal(left, []string{base + "tree/a"}) {
		t.Errorf("left in the store: %q", left)
	}
}

// TestNoDeletion: where the first object cannot be removed, no more are written.
func TestNoDeletion(t *testing.T) {
	r := variant{options: one(costest.WithRefusedOn("ap-test", "InvalidURI", "DeleteObject"))}.start(t)
	_, err := probe(t, t.Context(), r.options)
	if !errors.Is(err, ErrLeft) || !strings.Contains(err.Error(), base+"first") {
		t.Errorf("Run: %v", err)
	}
	if left := r.leftovers(); !slices.Equal(left, []string{base + "first"}) {
		t.Errorf("left in the store: %q", left)
	}
}

// TestNoDeletionOfVersions: where versions cannot be removed, no object is written.
func TestNoDeletionOfVersions(t *testing.T) {
	r := variant{options: append(bucket(costest.Versioned()), deny("DeleteObjectVersion")...)}.start(t)
	_, err := probe(t, t.Context(), r.options)
	if !errors.Is(err, ErrLeft) || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("Run: %v", err)
	}
	if n := r.Count("PutObject"); n > 0 {
		t.Errorf("%d objects were written", n)
	}
}

// TestOthersObjects: the run touches nothing that it has not made, below its own prefix either.
func TestOthersObjects(t *testing.T) {
	r := variant{change: func(o *Options) { o.Prefix = "account/" }}.start(t)
	keys := []string{"account/" + base + "somebody's", "account/file", "other/file"}
	for _, key := range keys {
		r.Put(testBucket, key, []byte("data"))
	}
	if _, err := probe(t, t.Context(), r.options); err != nil {
		t.Error(err)
	}
	if left := r.leftovers(); !slices.Equal(left, keys) {
		t.Errorf("left in the store: %q", left)
	}
	for _, q := range r.Requests() {
		if q.Key != "" && !strings.HasPrefix(q.Key, "account/"+base) {
			t.Errorf("a request about %q", q.Key)
		}
	}
}

// TestSize: a run sends some megabytes.
func TestSize(t *testing.T) {
	r := variant{change: func(o *Options) { o.source = 0 }}.start(t)
	if _, err := probe(t, t.Context(), r.options); err != nil {
		t.Error(err)
	}
	var sent int64
	for _, q := range r.Requests() {
		sent += q.In
	}
	t.Logf("%d requests, %d bytes", len(r.Requests()), sent)
	if sent < 1<<20 || sent > 16<<20 {
		t.Errorf("%d bytes were sent", sent)
	}
}

// TestNoSecrets: no result holds the key pair or a signature.
func TestNoSecrets(t *testing.T) {
	var text strings.Builder
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer server.Close()
	r := variant{change: func(o *Options) {
		o.SecretID, o.SecretKey, o.SessionToken = "id-of-mine", "key-of-mine", "token-of-mine"
	}}.start(t)
	for _, address := range []string{r.options.Address, server.Listener.Addr().String(), "127.0.0.1:1"} {
		o := r.options
		o.Address = address
		results, err := probe(t, t.Context(), o)
		for _, id := range slices.Sorted(maps.Keys(results)) {
			fmt.Fprintln(&text, results[id])
		}
		fmt.Fprintln(&text, err)
	}
	for _, secret := range []string{"id-of-mine", "key-of-mine", "token-of-mine", "q-signature"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("the output holds %q", secret)
		}
	}
}

// TestREADME: the tables of both READMEs have every question, and no others.
func TestREADME(t *testing.T) {
	pattern := regexp.MustCompile("`([a-z]+(?:-[a-z]+)*(?:-\\*)?)`")
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		var patterns []string
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| `") && strings.Contains(line, "-*`") {
				first, _, _ := strings.Cut(line[2:], "|")
				for _, m := range pattern.FindAllStringSubmatch(first, -1) {
					patterns = append(patterns, m[1])
				}
			}
		}
		used := map[string]bool{}
		for _, q := range allQuestions() {
			i := slices.IndexFunc(patterns, func(p string) bool { ok, _ := path.Match(p, q.id); return ok })
			if i < 0 {
				t.Errorf("%s has no line for %s", name, q.id)
				continue
			}
			used[patterns[i]] = true
		}
		for _, p := range patterns {
			if !used[p] {
				t.Errorf("%s: no question is called %s", name, p)
			}
		}
	}
}
