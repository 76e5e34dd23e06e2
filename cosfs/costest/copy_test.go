package costest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func source(key string) string { return Host(testBucket) + "/" + escapeKey(key) }

func TestCopy(t *testing.T) {
	r := newRig(t)
	old := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	r.PutObject(testBucket, Object{
		Key: "a+b 中?", Data: []byte("hello"), StorageClass: "COLD", ContentType: "text/plain",
		Meta: map[string]string{"x": "1"}, Headers: map[string]string{"Cache-Control": "no"}, Modified: old,
	})
	a := r.want(200, "", "PUT", "/copy", "", "x-cos-copy-source", source("a+b 中?"))
	o := r.stored("copy")
	if string(o.Data) != "hello" || o.Meta["x"] != "1" || o.ContentType != "text/plain" || o.Headers["Cache-Control"] != "no" {
		t.Errorf("copy %+v", o)
	}
	if o.StorageClass != "" || o.Modified.Equal(old) {
		t.Errorf("a copy must be STANDARD and new: %q, %v", o.StorageClass, o.Modified)
	}
	if !strings.Contains(a.body, fmt.Sprintf("<CRC64>%d</CRC64>", o.CRC64)) || a.header.Get("X-Cos-Hash-Crc64ecma") != fmt.Sprint(o.CRC64) {
		t.Errorf("answer %s, %v", a.body, a.header)
	}
	r.want(200, "", "PUT", "/cold", "", "x-cos-copy-source", source("a+b 中?"), "x-cos-storage-class", "COLD")
	if got := r.stored("cold").StorageClass; got != "COLD" {
		t.Errorf("class %q", got)
	}
	r.want(200, "", "PUT", "/copy", "", "x-cos-copy-source", source("copy"),
		"x-cos-metadata-directive", "Replaced", "x-cos-meta-y", "2")
	if o := r.stored("copy"); o.Meta["y"] != "2" || o.Meta["x"] != "" || o.ContentType != "application/octet-stream" {
		t.Errorf("replaced %+v", o)
	}
}

func TestCopyRefuses(t *testing.T) {
	r := newRig(t, WithCopyLimit(5))
	r.Put(testBucket, "k", []byte("hello"))
	r.Put(testBucket, "big", []byte("hello!"))
	r.Put(testBucket, "cold", []byte("x"), StorageClass("ARCHIVE"))
	etag := `"` + r.stored("k").ETag + `"`
	for _, c := range []struct {
		name, source, code string
		status             int
		headers            []string
	}{
		{"no such key", source("none"), "NoSuchKey", 404, nil},
		{"no such bucket", "x-1.cos.y/k", "NoSuchBucket", 404, nil},
		{"no key", Host(testBucket), "InvalidArgument", 400, nil},
		{"too big", source("big"), "EntityTooLarge", 400, nil},
		{"archived", source("cold"), "InvalidObjectState", 403, nil},
		{"directive", source("k"), "InvalidArgument", 400, []string{"x-cos-metadata-directive", "Merge"}},
		{"if-match", source("k"), "PreconditionFailed", 412, []string{"x-cos-copy-source-If-Match", `"x"`}},
		{"if-none-match", source("k"), "PreconditionFailed", 412, []string{"x-cos-copy-source-If-None-Match", etag}},
		{"unmodified", source("k"), "PreconditionFailed", 412,
			[]string{"x-cos-copy-source-If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			r.want(c.status, c.code, "PUT", "/new", "", append(c.headers, "x-cos-copy-source", c.source)...)
			if len(r.keys()) != 3 {
				t.Errorf("keys %v", r.keys())
			}
		})
	}
	r.t = t
	r.want(400, "InvalidArgument", "PUT", "/k", "", "x-cos-copy-source", source("k"))
	r.want(409, "FileAlreadyExists", "PUT", "/big", "", "x-cos-copy-source", source("k"), "x-cos-forbid-overwrite", "true")
	r.want(200, "", "PUT", "/new", "", "x-cos-copy-source", source("k"), "x-cos-copy-source-If-Match", etag)
}

func TestUploadPartCopy(t *testing.T) {
	for name, opts := range map[string][]Option{"memory": nil, "disk": {WithDir(t.TempDir())}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, append(opts, WithMinPart(1))...)
			r.Put(testBucket, "src", []byte("0123456789"))
			id := r.start("dst")
			target := "/dst?uploadId=" + id + "&partNumber="
			copied := func(number, span string) string {
				a := r.want(200, "", "PUT", target+number, "",
					"x-cos-copy-source", source("src"), "x-cos-copy-source-range", span)
				_, etag, _ := strings.Cut(a.body, "<ETag>&quot;")
				return etag[:32]
			}
			one, two := copied("1", "bytes=2-4"), copied("2", "bytes=0-9")
			r.want(416, "InvalidRange", "PUT", target+"3", "",
				"x-cos-copy-source", source("src"), "x-cos-copy-source-range", "bytes=5-10")
			r.want(400, "InvalidArgument", "PUT", target+"3", "",
				"x-cos-copy-source", source("src"), "x-cos-copy-source-range", "bytes=5-")
			r.want(404, "NoSuchKey", "PUT", target+"3", "", "x-cos-copy-source", source("none"))
			r.Remove(testBucket, "src")
			r.want(200, "", "POST", "/dst?uploadId="+id, partList(1, one, 2, two))
			if o := r.stored("dst"); string(o.Data) != "2340123456789" || o.CRC64 != updateCRC(0, o.Data) {
				t.Errorf("stored %+v", o)
			}
			got := r.want(206, "", "GET", "/dst", "", "Range", "bytes=1-4").body
			if got != "3401" {
				t.Errorf("range over two parts: %q", got)
			}
		})
	}
}
