package costest

import (
	"path"
	"strconv"
	"strings"
	"testing"
	"time"
)

// step is a request and how it is answered.
type step struct {
	status       int
	code         string
	method, path string
	header       []string
}

// TestVariants: each option turns one answer from what it is without it.
func TestVariants(t *testing.T) {
	get := func(status int, code string, header ...string) step { return step{status, code, "GET", "/k", header} }
	put := func(status int, code, path string, header ...string) step {
		return step{status, code, "PUT", path, header}
	}
	for name, c := range map[string]struct {
		option        Option
		usual, varied step
	}{
		"get etag":         {WithGetETag(UnquotedETag), get(200, "", "If-Match", quoted("v")), get(412, "PreconditionFailed", "If-Match", quoted("v"))},
		"no conditions":    {WithoutConditions(), get(412, "PreconditionFailed", "If-Match", `"x"`), get(200, "", "If-Match", `"x"`)},
		"forbid overwrite": {WithoutForbidOverwrite(), put(409, "FileAlreadyExists", "/k", "X-Cos-Forbid-Overwrite", "true"), put(200, "", "/k", "X-Cos-Forbid-Overwrite", "true")},
		"delete status":    {WithDeleteStatus(200), step{204, "", "DELETE", "/k", nil}, step{200, "", "DELETE", "/k", nil}},
		"host":             {WithRefusedOn("ap-test", "BucketAccelerateNotEnabled"), get(200, ""), get(400, "BucketAccelerateNotEnabled")},
		"operation":        {WithRefusedOn("ap-test", "ActionAccelerateNotSupported", "GetObject"), get(200, ""), get(400, "ActionAccelerateNotSupported")},
		"other operation":  {WithRefusedOn("ap-test", "ActionAccelerateNotSupported", "CopyObject"), get(200, ""), get(200, "")},
		"key rule":         {WithKeyRule(path.Clean), step{404, "NoSuchKey", "GET", "/a/../k", nil}, step{200, "", "GET", "/a/../k", nil}},
		"longest key":      {WithLongestKey(900), put(400, "KeyTooLong", "/"+strings.Repeat("k", 851)), put(200, "", "/"+strings.Repeat("k", 851))},
	} {
		t.Run(name, func(t *testing.T) {
			for i, s := range []step{c.usual, c.varied} {
				var opts []Option
				if i == 1 {
					opts = append(opts, c.option)
				}
				r := newRig(t, opts...)
				r.Put(testBucket, "k", []byte("v"))
				r.want(s.status, s.code, s.method, s.path, "", s.header...)
			}
		})
	}
}

// quoted is the ETag of a body.
func quoted(body string) string {
	s := New()
	s.Put(testBucket, "k", []byte(body))
	o, _ := s.Get(testBucket, "k")
	return `"` + o.ETag + `"`
}

func TestVariantCRCs(t *testing.T) {
	r := newRig(t, WithoutCRC())
	if a := r.want(200, "", "PUT", "/k", "data"); a.header.Get("X-Cos-Hash-Crc64ecma") != "" {
		t.Errorf("WithoutCRC: %v", a.header)
	}
	r = newRig(t, WithSourceCRC())
	whole := r.want(200, "", "PUT", "/source", "source").header.Get("X-Cos-Hash-Crc64ecma")
	part := r.want(200, "", "PUT", "/k?partNumber=1&uploadId="+r.start("k"), "",
		"X-Cos-Copy-Source", Host(testBucket)+"/source", "X-Cos-Copy-Source-Range", "bytes=0-2")
	if part.header.Get("X-Cos-Hash-Crc64ecma") != whole {
		t.Errorf("WithSourceCRC: %v", part.header)
	}
}

func TestPartsAfterAbort(t *testing.T) {
	r := newRig(t, WithPartsAfterAbort())
	id := r.start("k")
	r.want(204, "", "DELETE", "/k?uploadId="+id, "")
	r.upload("k", id, 1, "late")
	if left := r.Uploads(testBucket); len(left) != 1 || left[0].Parts != 1 {
		t.Errorf("uploads %+v", left)
	}
	r.want(204, "", "DELETE", "/k?uploadId="+id, "")
	if left := r.Uploads(testBucket); len(left) != 0 {
		t.Errorf("uploads %+v", left)
	}
}

func TestRepeatedCompleteSucceeds(t *testing.T) {
	r := newRig(t, WithRepeatedComplete())
	id := r.start("k")
	list := partList(1, r.upload("k", id, 1, "data"))
	r.want(200, "", "POST", "/k?uploadId="+id, list)
	r.want(200, "", "POST", "/k?uploadId="+id, list)
	r.want(200, "", "PUT", "/k", "other")
	r.want(404, "NoSuchUpload", "POST", "/k?uploadId="+id, list)
}

func TestMultipartTimes(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		option Option
		want   time.Time
	}{
		"initiate": {WithModifiedAtInitiate(), begin},
		"part":     {WithModifiedAtPart(), begin.Add(time.Minute)},
		"shift":    {WithMultipartTimeShift(time.Hour), begin.Add(2*time.Minute + time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			now := begin
			r := newRig(t, c.option, WithClock(func() time.Time { return now }))
			id := r.start("k")
			now = now.Add(time.Minute)
			list := partList(1, r.upload("k", id, 1, "data"))
			now = now.Add(time.Minute)
			a := r.want(200, "", "POST", "/k?uploadId="+id, list)
			if got := a.header.Get("Date"); got != "Fri, 02 Jan 2026 03:06:05 GMT" {
				t.Errorf("Date is %q", got)
			}
			if o, _ := r.Get(testBucket, "k"); !o.Modified.Equal(c.want) {
				t.Errorf("modified %v, want %v", o.Modified, c.want)
			}
		})
	}
}

func TestMarkerIncluded(t *testing.T) {
	r := newRig(t, WithMarkerIncluded())
	for _, key := range []string{"a", "b/1", "c"} {
		r.Put(testBucket, key, nil)
	}
	if a := r.want(200, "", "GET", "/?marker=a", ""); !strings.Contains(a.body, "<Key>a</Key>") {
		t.Errorf("behind a: %s", a.body)
	}
	if a := r.want(200, "", "GET", "/?delimiter=/&marker=b/", ""); !strings.Contains(a.body, "<Prefix>b/</Prefix></Common") {
		t.Errorf("behind b/: %s", a.body)
	}
}

func TestDeletedVersions(t *testing.T) {
	r := versionRig(t)
	old := r.want(200, "", "PUT", "/k", "1").header.Get("X-Cos-Version-Id")
	r.want(200, "", "PUT", "/k", "2")
	marker := r.want(204, "", "DELETE", "/k", "").header.Get("X-Cos-Version-Id")
	list := r.want(200, "", "GET", "/?versions&prefix=k", "").body
	if strings.Count(list, "<Version>") != 2 || strings.Count(list, "<DeleteMarker>") != 1 || !strings.Contains(list, old) {
		t.Errorf("versions: %s", list)
	}
	r.want(204, "", "DELETE", "/k?versionId="+marker, "")
	if got := r.want(200, "", "GET", "/k", "").body; got != "2" {
		t.Errorf("behind the marker is %q", got)
	}
	r.want(204, "", "DELETE", "/k?versionId="+old, "")
	if got := r.history("k"); got != "2" {
		t.Errorf("left is %q", got)
	}
}

func TestAppendableObjects(t *testing.T) {
	copySource := Host(testBucket) + "/log"
	for name, c := range map[string]struct {
		option       Option
		copied, kept string
	}{
		"usual": {setting(func(*Server) {}), "ObjectNotAppendable", "normal"},
		"copy":  {WithAppendableCopies(), "", "normal"},
		"kept":  {WithAppendableKept(), "ObjectNotAppendable", "appendable"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.option)
			r.want(200, "", "POST", "/log?append&position=0", "x")
			if a := r.do("PUT", "/copy", "", "X-Cos-Copy-Source", copySource); a.code() != c.copied {
				t.Errorf("copy: %d %s", a.status, a.code())
			}
			r.want(200, "", "PUT", "/log", "y")
			if got := r.want(200, "", "HEAD", "/log", "").header.Get("X-Cos-Object-Type"); got != c.kept {
				t.Errorf("replaced: %s", got)
			}
		})
	}
}

func TestClockTolerance(t *testing.T) {
	for _, c := range []struct {
		tolerance time.Duration
		refused   bool
	}{{0, true}, {time.Minute, false}} {
		now := time.Now()
		s := New(WithClockTolerance(c.tolerance))
		ahead := now.Add(30 * time.Second).Unix()
		span := strings.Join([]string{strconv.FormatInt(ahead, 10), strconv.FormatInt(ahead+60, 10)}, ";")
		if err := checkTime(span, now, s.tolerance); (err != nil) != c.refused {
			t.Errorf("tolerance %v: %v", c.tolerance, err)
		}
	}
}
