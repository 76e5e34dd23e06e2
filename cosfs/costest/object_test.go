package costest

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func contentMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestPutKeepsWhatItWasGiven(t *testing.T) {
	r := newRig(t)
	put := r.want(200, "", "PUT", "/k", "hello", "Content-Type", "text/plain", "Cache-Control", "no-cache",
		"x-cos-meta-MTime", "17", "x-cos-storage-class", "STANDARD_IA", "Content-MD5", contentMD5("hello"))
	head := r.want(200, "", "HEAD", "/k", "")
	for name, want := range map[string]string{
		"ETag":                 `"5d41402abc4b2a76b9719d911017c592"`,
		"X-Cos-Hash-Crc64ecma": strconv.FormatUint(updateCRC(0, []byte("hello")), 10),
	} {
		if put.header.Get(name) != want || head.header.Get(name) != want {
			t.Errorf("%s: PUT %q, HEAD %q, want %q", name, put.header.Get(name), head.header.Get(name), want)
		}
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain", "Cache-Control": "no-cache", "X-Cos-Meta-Mtime": "17",
		"X-Cos-Storage-Class": "STANDARD_IA", "Content-Length": "5", "X-Cos-Object-Type": "normal",
	} {
		if got := head.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := http.ParseTime(head.header.Get("Last-Modified")); err != nil {
		t.Error(err)
	}
	o := r.stored("k")
	if string(o.Data) != "hello" || o.Meta["mtime"] != "17" || o.StorageClass != "STANDARD_IA" || o.ContentType != "text/plain" {
		t.Errorf("stored %+v", o)
	}
}

func TestSeededObject(t *testing.T) {
	r := newRig(t)
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	r.Put(testBucket, "k", []byte("x"), Meta("A", "b"), StorageClass("STANDARD"), Modified(when), ContentType("a/b"))
	h := r.want(200, "", "HEAD", "/k", "").header
	if h.Get("Last-Modified") != "Sat, 03 Feb 2001 04:05:06 GMT" || h.Get("X-Cos-Meta-A") != "b" ||
		h.Get("Content-Type") != "a/b" || h.Values("X-Cos-Storage-Class") != nil {
		t.Errorf("headers %v", h)
	}
	r.Remove(testBucket, "k")
	r.want(404, "", "HEAD", "/k", "")
}

func TestPutRefuses(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "old", []byte("old"))
	for _, c := range []struct {
		name, target, code string
		status             int
		headers            []string
	}{
		{"wrong MD5", "/old", "BadDigest", 400, []string{"Content-MD5", contentMD5("other")}},
		{"no MD5", "/old", "InvalidDigest", 400, []string{"Content-MD5", "!"}},
		{"unknown class", "/old", "NotSupportedStorageClass", 400, []string{"x-cos-storage-class", "TAPE"}},
		{"too much metadata", "/old", "MetadataTooLarge", 400, []string{"x-cos-meta-a", strings.Repeat("m", maxMeta)}},
		{"underscore", "/old", "InvalidArgument", 400, []string{"x-cos-meta-a_b", "1"}},
		{"forbidden overwrite", "/old", "FileAlreadyExists", 409, []string{"x-cos-forbid-overwrite", "true"}},
		{"long key", "/" + strings.Repeat("k", maxKey+1), "KeyTooLong", 400, nil},
		{"leading slash", "/%2Fk", "InvalidObjectName", 400, nil},
		{"leading backslash", "/%5Ck", "InvalidObjectName", 400, nil},
		{"line feed", "/a%0Ab", "InvalidObjectName", 400, nil},
		{"escape", "/a%1Bb", "InvalidObjectName", 400, nil},
		{"no key", "/", "AccessDenied", 403, nil},
		{"subresource", "/old?acl", "NotImplemented", 501, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			r.want(c.status, c.code, "PUT", c.target, "new", c.headers...)
			if got := r.keys(); len(got) != 1 || string(r.stored("old").Data) != "old" {
				t.Errorf("now there are %v", got)
			}
		})
	}
}

func TestForbidOverwriteOfNothing(t *testing.T) {
	r := newRig(t)
	r.want(200, "", "PUT", "/k", "1", "x-cos-forbid-overwrite", "true")
	r.want(409, "FileAlreadyExists", "PUT", "/k", "2", "x-cos-forbid-overwrite", "true")
}

func TestUnknownBucket(t *testing.T) {
	r := newRig(t)
	r.want(404, "NoSuchBucket", "GET", "/k", "", "Host", "other-125.cos.ap-test.myqcloud.com")
	r.want(404, "", "HEAD", "/", "", "Host", "other-125.localhost:9000")
	r.want(200, "", "HEAD", "/", "", "Host", testBucket+".localhost:9000")
	r.want(200, "", "HEAD", "/", "", "Host", testBucket)
}

func TestMissingKey(t *testing.T) {
	r := newRig(t)
	r.want(404, "NoSuchKey", "GET", "/k", "")
	if a := r.want(404, "", "HEAD", "/k", ""); a.body != "" {
		t.Errorf("HEAD has the body %q", a.body)
	}
	r.want(204, "", "DELETE", "/k", "")
}

func TestRange(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "k", []byte("0123456789"))
	r.Put(testBucket, "empty", nil)
	for _, c := range []struct {
		key, header, body, contentRange string
		status                          int
	}{
		{"k", "bytes=0-", "0123456789", "bytes 0-9/10", 206},
		{"k", "bytes=3-5", "345", "bytes 3-5/10", 206},
		{"k", "bytes=9-", "9", "bytes 9-9/10", 206},
		{"k", "bytes=8-100", "89", "bytes 8-9/10", 206},
		{"k", "bytes=-3", "789", "bytes 7-9/10", 206},
		{"k", "bytes=-30", "0123456789", "bytes 0-9/10", 206},
		{"k", "bytes=10-", "", "bytes */10", 416},
		{"k", "bytes=-0", "", "bytes */10", 416},
		{"empty", "bytes=0-", "", "bytes */0", 416},
		{"k", "bytes=5-3", "0123456789", "", 200},
		{"k", "bytes=0-1,3-4", "0123456789", "", 200},
		{"k", "lines=1-2", "0123456789", "", 200},
		{"k", "bytes=a-", "0123456789", "", 200},
	} {
		code := ""
		if c.status == 416 {
			code = "InvalidRange"
		}
		a := r.want(c.status, code, "GET", "/"+c.key, "", "Range", c.header)
		if code == "" && a.body != c.body || a.header.Get("Content-Range") != c.contentRange {
			t.Errorf("%s: %q %q, want %q %q", c.header, a.body, a.header.Get("Content-Range"), c.body, c.contentRange)
		}
	}
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	when := time.Date(2020, 1, 1, 0, 0, 0, 500, time.UTC)
	r.Put(testBucket, "k", []byte("hello"), Modified(when))
	const etag = `"5d41402abc4b2a76b9719d911017c592"`
	at := func(d time.Duration) string { return when.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		status  int
		headers []string
	}{
		{200, []string{"If-Match", etag}},
		{200, []string{"If-Match", `"a", ` + etag}},
		{200, []string{"If-Match", "*"}},
		{412, []string{"If-Match", `"a"`}},
		{304, []string{"If-None-Match", etag}},
		{200, []string{"If-None-Match", `"a"`}},
		{304, []string{"If-Modified-Since", at(0)}},
		{200, []string{"If-Modified-Since", at(-time.Second)}},
		{200, []string{"If-Unmodified-Since", at(0)}},
		{412, []string{"If-Unmodified-Since", at(-time.Second)}},
		{200, []string{"If-Match", etag, "If-Unmodified-Since", at(-time.Hour)}},
		{200, []string{"If-None-Match", `"a"`, "If-Modified-Since", at(time.Hour)}},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			code := ""
			if c.status == 412 && method == "GET" {
				code = "PreconditionFailed"
			}
			r.want(c.status, code, method, "/k", "", c.headers...)
		}
	}
}

func TestArchivedObject(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "k", []byte("x"), StorageClass("DEEP_ARCHIVE"))
	r.want(403, "InvalidObjectState", "GET", "/k", "")
	if got := r.want(200, "", "HEAD", "/k", "").header.Get("X-Cos-Storage-Class"); got != "DEEP_ARCHIVE" {
		t.Errorf("storage class %q", got)
	}
}

func TestResponseOverrides(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "k", []byte("x"))
	h := r.want(200, "", "GET", "/k?response-content-type=a%2Fb&response-cache-control=none", "").header
	if h.Get("Content-Type") != "a/b" || h.Get("Cache-Control") != "none" {
		t.Errorf("headers %v", h)
	}
}

// A body that ends early must not become an object: the older one stays.
func TestCutUploadChangesNothing(t *testing.T) {
	for _, opts := range [][]Option{nil, {WithDir(t.TempDir())}, {WithDiscard()}} {
		r := newRig(t, opts...)
		r.Put(testBucket, "k", []byte("old"))
		req, err := http.NewRequest("PUT", "http://"+Host(testBucket)+"/k", &shortReader{left: 1000})
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = 2000
		if res, err := r.web.Do(req); err == nil {
			res.Body.Close()
			t.Error("a short body was accepted by the client")
		}
		waitFor(t, "the request to end", func() bool { return r.Running() == 0 })
		if o := r.stored("k"); o.Size != 3 {
			t.Errorf("stored %d bytes", o.Size)
		}
	}
}

func TestRequestsAreRecorded(t *testing.T) {
	r := newRig(t)
	r.want(200, "", "PUT", "/k", "hello")
	r.want(206, "", "GET", "/k", "", "Range", "bytes=1-3")
	r.want(404, "NoSuchKey", "GET", "/none", "")
	r.want(200, "", "GET", "/?prefix=k", "")
	seen := r.Requests()
	if len(seen) != 4 || r.Count("GetObject") != 2 || r.Count("") != 4 || r.Count("CopyObject") != 0 {
		t.Fatalf("recorded %+v", seen)
	}
	if q := seen[0]; q.Op != "PutObject" || q.Bucket != testBucket || q.Key != "k" || q.Status != 200 || q.In != 5 || q.Out != 0 {
		t.Errorf("PUT: %+v", q)
	}
	if q := seen[1]; q.Op != "GetObject" || q.Status != 206 || q.In != 0 || q.Out != 3 || q.Range != "bytes=1-3" || q.Header.Get("Range") == "" {
		t.Errorf("GET: %+v", q)
	}
	if q := seen[2]; q.Status != 404 {
		t.Errorf("missing: %+v", q)
	}
	if q := seen[3]; q.Op != "ListObjects" || q.Query != "prefix=k" || q.Host != Host(testBucket) || q.Remote == "" {
		t.Errorf("list: %+v", q)
	}
	r.ResetRequests()
	if len(r.Requests()) != 0 || r.Count("GetObject") != 0 {
		t.Error("still there after ResetRequests")
	}
}

func TestRequestLogIsBounded(t *testing.T) {
	r := newRig(t, WithRequestLog(2))
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		r.want(200, "", "PUT", "/"+key, "")
	}
	seen := r.Requests()
	if len(seen) != 2 || seen[0].Key != "d" || seen[1].Key != "e" || r.Count("PutObject") != 5 {
		t.Errorf("%d counted, kept %+v", r.Count("PutObject"), seen)
	}
}

func TestPatternObjects(t *testing.T) {
	r := newRig(t)
	const size = 5<<20 + 12345
	r.PutSized(testBucket, "big", size)
	a := r.want(200, "", "GET", "/big", "")
	if want := a.header.Get("X-Cos-Hash-Crc64ecma"); len(a.body) != size || strconv.FormatUint(updateCRC(0, []byte(a.body)), 10) != want {
		t.Errorf("%d bytes, CRC said to be %s", len(a.body), want)
	}
	want := make([]byte, 1000)
	Fill(want, 1<<20-500)
	part := r.want(206, "", "GET", "/big", "", "Range", "bytes=1048076-1049075")
	mustEqual(t, []byte(part.body), want, "range")
}

func TestDiscard(t *testing.T) {
	r := newRig(t, WithDiscard(), WithoutMD5(), WithMinPart(1))
	data := make([]byte, 3000)
	Fill(data, 0)
	id := r.start("k")
	list := ""
	for i, piece := range []string{string(data[:1000]), string(data[1000:])} {
		n := strconv.Itoa(i + 1)
		a := r.want(200, "", "PUT", "/k?partNumber="+n+"&uploadId="+id, piece)
		list += "<Part><PartNumber>" + n + "</PartNumber><ETag>" + a.header.Get("ETag") + "</ETag></Part>"
	}
	r.want(200, "", "POST", "/k?uploadId="+id, "<CompleteMultipartUpload>"+list+"</CompleteMultipartUpload>")
	a := r.want(200, "", "GET", "/k", "")
	mustEqual(t, []byte(a.body), data, "pattern")
	if got, want := a.header.Get("X-Cos-Hash-Crc64ecma"), strconv.FormatUint(updateCRC(0, data), 10); got != want {
		t.Errorf("CRC %s, want %s", got, want)
	}
	if o := r.stored("k"); o.Data != nil || o.Size != 3000 {
		t.Errorf("stored %d bytes, size %d", len(o.Data), o.Size)
	}
}

func TestWithoutMD5StillVerifies(t *testing.T) {
	r := newRig(t, WithoutMD5())
	r.want(400, "BadDigest", "PUT", "/k", "hello", "Content-MD5", contentMD5("other"))
	a := r.want(200, "", "PUT", "/k", "hello", "Content-MD5", contentMD5("hello"))
	b := r.want(200, "", "PUT", "/k", "hellp")
	if len(a.header.Get("ETag")) != 34 || a.header.Get("ETag") == b.header.Get("ETag") {
		t.Errorf("ETags %s and %s", a.header.Get("ETag"), b.header.Get("ETag"))
	}
}
