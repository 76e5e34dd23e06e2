package costest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestModifiedOfMultipart(t *testing.T) {
	began := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		opts []Option
		want time.Time
	}{
		"time of Complete": {nil, began.Add(time.Hour)},
		"time of Initiate": {[]Option{WithModifiedAtInitiate()}, began},
	} {
		t.Run(name, func(t *testing.T) {
			now := began
			r := newRig(t, append(c.opts, WithClock(func() time.Time { return now }))...)
			id := r.start("k")
			one := r.upload("k", id, 1, "x")
			now = now.Add(time.Hour)
			r.want(200, "", "POST", "/k?uploadId="+id, partList(1, one))
			if got := r.want(200, "", "HEAD", "/k", "").header.Get("Last-Modified"); got != c.want.Format(http.TimeFormat) {
				t.Errorf("HEAD: %s, want %s", got, c.want)
			}
			if got := r.list().Contents[0].LastModified; got != c.want.Format(listTime) {
				t.Errorf("listing: %s, want %s", got, c.want)
			}
		})
	}
}

func TestRepeatedComplete(t *testing.T) {
	for name, c := range map[string]struct {
		opts   []Option
		status int
		code   string
	}{
		"not found": {nil, 404, "NoSuchUpload"},
		"conflict":  {[]Option{WithRepeatedCompleteConflict()}, 409, "UploadConflict"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.opts...)
			id, other := r.start("k"), r.start("other")
			list := partList(1, r.upload("k", id, 1, "x"))
			r.want(200, "", "POST", "/k?uploadId="+id, list)
			r.want(c.status, c.code, "POST", "/k?uploadId="+id, list)
			if got := string(r.stored("k").Data); got != "x" {
				t.Errorf("stored %q", got)
			}
			r.want(404, "NoSuchUpload", "POST", "/other?uploadId="+id, list)
			r.want(404, "NoSuchUpload", "PUT", "/k?partNumber=1&uploadId="+id, "x")
			r.want(204, "", "DELETE", "/other?uploadId="+other, "")
			r.want(404, "NoSuchUpload", "POST", "/other?uploadId="+other, list)
		})
	}
}

func TestRepeatedPart(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "src", []byte("copied"))
	id := r.start("k")
	r.upload("k", id, 1, "first")
	r.upload("k", id, 1, "second")
	r.want(200, "", "PUT", "/k?partNumber=1&uploadId="+id, "", "x-cos-copy-source", source("src"))

	r = newRig(t, WithRepeatedPartConflict())
	r.Put(testBucket, "src", []byte("copied"))
	id = r.start("k")
	one := r.upload("k", id, 1, "first")
	r.want(409, "UploadConflict", "PUT", "/k?partNumber=1&uploadId="+id, "second")
	r.want(409, "UploadConflict", "PUT", "/k?partNumber=1&uploadId="+id, "", "x-cos-copy-source", source("src"))
	r.want(400, "BadDigest", "PUT", "/k?partNumber=2&uploadId="+id, "x", "Content-MD5", contentMD5("y"))
	r.upload("k", id, 2, "a part that failed may be sent again")
	r.want(200, "", "POST", "/k?uploadId="+id, partList(1, one))
	if got := string(r.stored("k").Data); got != "first" {
		t.Errorf("stored %q", got)
	}
}

// A part that is still coming in is in conflict with a second request for it.
func TestOverlappingPart(t *testing.T) {
	for name, c := range map[string]struct {
		opts   []Option
		status int
		code   string
	}{
		"both are taken": {nil, 200, ""},
		"conflict":       {[]Option{WithRepeatedPartConflict()}, 409, "UploadConflict"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.opts...)
			id := r.start("k")
			target := "/k?partNumber=1&uploadId=" + id
			finish := r.putSlowly(target, "slow")
			r.want(c.status, c.code, "PUT", target, "fast")
			etag := finish()
			r.want(200, "", "POST", "/k?uploadId="+id, partList(1, etag))
			if got := string(r.stored("k").Data); got != "slow" {
				t.Errorf("stored %q, want the last one to arrive", got)
			}
		})
	}
}

// putSlowly sends the first half of a body, and the rest when the function it returns is called, which returns the
// ETag.
func (r *rig) putSlowly(target, body string) (finish func() string) {
	r.t.Helper()
	from, to := io.Pipe()
	req, err := http.NewRequest("PUT", "http://"+Host(testBucket)+target, from)
	if err != nil {
		r.t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	etag := make(chan string)
	go func() {
		defer close(etag)
		res, err := r.web.Do(req)
		if err != nil {
			return
		}
		res.Body.Close()
		etag <- res.Header.Get("ETag")
	}()
	half := len(body) / 2
	_, _ = io.WriteString(to, body[:half]) // a request that failed shows below
	waitFor(r.t, "half of the body", func() bool {
		seen := r.Requests()
		return seen[len(seen)-1].In == int64(half)
	})
	return func() string {
		_, _ = io.WriteString(to, body[half:])
		_ = to.Close()
		return <-etag
	}
}

// All three ways to make an object can refuse to overwrite one; TestVersionedOverwrite shows the other variant.
func TestForbidOverwrite(t *testing.T) {
	r := newRig(t)
	r.tryToOverwrite(409, "FileAlreadyExists")
	if got := string(r.stored("k").Data); got != "old" {
		t.Errorf("stored %q", got)
	}
	r.want(200, "", "PUT", "/k", "newer", "x-cos-forbid-overwrite", "false")
	r.want(200, "", "PUT", "/none", "new", "x-cos-forbid-overwrite", "true")
}

// tryToOverwrite stores k as "old", then as "put", "copy" and "part" with x-cos-forbid-overwrite.
func (r *rig) tryToOverwrite(status int, code string) {
	r.t.Helper()
	forbid := []string{"x-cos-forbid-overwrite", "true"}
	r.Put(testBucket, "k", []byte("old"))
	r.Put(testBucket, "src", []byte("copy"))
	id := r.start("k")
	list := partList(1, r.upload("k", id, 1, "part"))
	r.want(status, code, "PUT", "/k", "put", forbid...)
	r.want(status, code, "PUT", "/k", "", append(forbid, "x-cos-copy-source", source("src"))...)
	r.want(status, code, "POST", "/k?uploadId="+id, list, forbid...)
}

func TestCopySourceETag(t *testing.T) {
	for name, c := range map[string]struct {
		opts             []Option
		quoted, unquoted int
	}{
		"any":      {nil, 200, 200},
		"quoted":   {[]Option{WithCopySourceETag(QuotedETag)}, 200, 412},
		"unquoted": {[]Option{WithCopySourceETag(UnquotedETag)}, 412, 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.opts...)
			r.Put(testBucket, "src", []byte("x"))
			part := "/dst?partNumber=1&uploadId=" + r.start("dst")
			etag := r.stored("src").ETag
			for _, target := range []string{"/dst", part} {
				r.wantCopyIf(c.quoted, target, `"`+etag+`"`)
				r.wantCopyIf(c.unquoted, target, etag)
				r.wantCopyIf(412, target, `"`+strings.ToUpper(etag)+`"`)
			}
			r.want(200, "", "GET", "/src", "", "If-Match", `"`+etag+`"`)
		})
	}
}

// wantCopyIf copies the object src to target if it has that ETag.
func (r *rig) wantCopyIf(status int, target, etag string) {
	r.t.Helper()
	code := ""
	if status == 412 {
		code = "PreconditionFailed"
	}
	r.want(status, code, "PUT", target, "", "x-cos-copy-source", source("src"), "x-cos-copy-source-If-Match", etag)
}
