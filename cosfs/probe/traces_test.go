package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

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

// TestLateRequest: what a request stores whose answer was lost, and which COS carries out behind the first deletion, is
// removed too.
func TestLateRequest(t *testing.T) {
	const key = "/" + base + "tree/a"
	var mu sync.Mutex
	var held func()
	v := variant{wrap: func(_ *costest.Server, next http.Handler) http.Handler {
		first := true
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			hold := first && r.Method == http.MethodPut && r.URL.Path == key
			first = first && !hold
			late := held
			if r.Method == http.MethodDelete && r.URL.Path == key {
				held = nil
			}
			mu.Unlock()
			if hold {
				body, _ := io.ReadAll(r.Body)
				again := r.Clone(context.Background())
				again.Body = io.NopCloser(bytes.NewReader(body))
				mu.Lock()
				held = func() { next.ServeHTTP(httptest.NewRecorder(), again) }
				mu.Unlock()
				panic(http.ErrAbortHandler) // cuts the connection
			}
			next.ServeHTTP(w, r)
			if r.Method == http.MethodDelete && r.URL.Path == key && late != nil {
				late()
			}
		})
	}}
	r := v.start(t)
	if _, err := probe(t, t.Context(), r.options); err != nil {
		t.Errorf("Run: %v", err)
	}
	if left := r.leftovers(); len(left) > 0 || held != nil {
		t.Errorf("left in the store: %q", left)
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
		"long prefix":             {nil, func(o *Options) { o.Prefix = strings.Repeat("p", 800) + "/" }, "too long", ""},
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
