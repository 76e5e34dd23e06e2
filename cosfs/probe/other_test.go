package probe

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// TestOtherStore probes a store that shares no code with costest. It is one of S3, which knows no x-cos-* header and no
// appendable object, so it differs from COS in what stands here, and in nothing else.
func TestOtherStore(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket(testBucket); err != nil {
		t.Fatal(err)
	}
	store := gofakes3.New(backend, gofakes3.WithHostBucket(true))
	o := startStore(t, store.Server())
	o.Apart = 1100 * time.Millisecond // its clock is the machine's, and it tells seconds
	results, err := probe(t, t.Context(), o)
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	// A copy is an upload of nothing to it, and UploadPartCopy a part without a length.
	const some, part = "some of it does not work", "UploadPartCopy is answered 411 MissingContentLength"
	differences := map[string]struct {
		verdict Verdict
		seen    string
	}{
		"right-put-object-copy":       {Unknown, "200 without a copy"},
		"right-upload-part-copy":      {Unknown, "411 MissingContentLength"},
		"host-configured":             {Wrong, some},
		"copy-if-match-quoted":        {Unknown, "the copy is answered 200 without a copy"},
		"copy-if-match-unquoted":      {Unknown, "the copy is answered 200 without a copy"},
		"copy-if-match-wrong":         {Unknown, "the copy is answered 200 without a copy"},
		"part-copy-if-match-quoted":   {Unknown, "the copy is answered 411 MissingContentLength"},
		"part-copy-if-match-unquoted": {Unknown, "the copy is answered 411 MissingContentLength"},
		"part-copy-if-match-wrong":    {Unknown, "the copy is answered 411 MissingContentLength"},
		"get-if-match-wrong":          {Wrong, "taken"},
		"forbid-overwrite-put":        {Wrong, "ignored"},
		"forbid-overwrite-copy":       {Unknown, "the first copy is answered 200 without a copy"},
		"forbid-overwrite-complete":   {Wrong, "ignored"},
		"part-copy-crc":               {Unknown, part},
		"append-copy":                 {Skipped, "there is no appendable object to ask about"},
		"append-part-copy":            {Skipped, "there is no appendable object to ask about"},
		"append-replaced":             {Skipped, "there is no appendable object to ask about"},
		// Its listings are neither encoded nor, without a delimiter, do they tell where to go on.
		"key-control":               {Wrong, "changed"},
		"list-pages-of-1":           {Wrong, "no NextMarker"},
		"list-pages-of-2":           {Wrong, "no NextMarker"},
		"list-pages-of-1-delimiter": {Wrong, "no"},
		"list-pages-of-2-delimiter": {Wrong, "no"},
	}
	for id, result := range results {
		want, differs := differences[id]
		switch {
		case !differs && result.Verdict != OK:
			t.Errorf("another difference: %v", result)
		case differs && (result.Verdict != want.verdict || word(result) != want.seen):
			t.Errorf("want %s, %q: %v", want.verdict, want.seen, result)
		}
	}
	request := httptest.NewRequest(http.MethodGet, "http://"+o.Host+"/?uploads", nil)
	uploads := httptest.NewRecorder()
	store.Server().ServeHTTP(uploads, request)
	if body := uploads.Body.String(); uploads.Code != http.StatusOK || strings.Contains(body, "<Upload>") {
		t.Errorf("left in the store: %d %s", uploads.Code, body)
	}
	objects, err := backend.ListBucket(testBucket, nil, gofakes3.ListBucketPage{})
	if err != nil || len(objects.Contents) > 0 {
		t.Errorf("left in the store: %v, %v", objects, err)
	}
}
