package costest

import (
	"fmt"
	"strings"
	"testing"
)

// upload sends a part and returns its ETag.
func (r *rig) upload(key, id string, number int, data string) string {
	r.t.Helper()
	target := fmt.Sprintf("/%s?partNumber=%d&uploadId=%s", key, number, id)
	return r.want(200, "", "PUT", target, data).header.Get("ETag")
}

// partList is the body of Complete; parts are number, ETag, number, ETag.
func partList(parts ...any) string {
	var b strings.Builder
	for i := 0; i+1 < len(parts); i += 2 {
		fmt.Fprintf(&b, "<Part><PartNumber>%v</PartNumber><ETag>%v</ETag></Part>", parts[i], parts[i+1])
	}
	return "<CompleteMultipartUpload>" + b.String() + "</CompleteMultipartUpload>"
}

func TestMultipartKeepsHeaders(t *testing.T) {
	r := newRig(t, WithMinPart(3))
	id := r.start("k", "x-cos-meta-a", "b", "Content-Type", "text/plain", "x-cos-storage-class", "COLD")
	two := r.upload("k", id, 2, "two")
	r.upload("k", id, 1, "first try")
	one := r.upload("k", id, 1, "one")
	if up := r.Uploads(testBucket); len(up) != 1 || up[0] != (Upload{"k", id, 2}) {
		t.Errorf("open uploads %+v", up)
	}
	if _, there := r.Get(testBucket, "k"); there {
		t.Error("the object is visible before Complete")
	}
	r.want(200, "", "POST", "/k?uploadId="+id, partList(1, one, 2, two))
	o := r.stored("k")
	if string(o.Data) != "onetwo" || o.CRC64 != updateCRC(0, []byte("onetwo")) || o.Meta["a"] != "b" ||
		o.ContentType != "text/plain" || o.StorageClass != "COLD" {
		t.Errorf("stored %+v", o)
	}
	// A client whose answer was lost and that tries again hears this, though the object is there.
	r.want(404, "NoSuchUpload", "POST", "/k?uploadId="+id, partList(1, one, 2, two))
}

func TestCompleteRefuses(t *testing.T) {
	r := newRig(t, WithMinPart(4))
	id := r.start("k")
	small := r.upload("k", id, 1, "abc")
	big := r.upload("k", id, 2, "defgh")
	last := r.upload("k", id, 3, "i")
	for _, c := range []struct{ name, code, body string }{
		{"small part", "EntityTooSmall", partList(1, small, 2, big)},
		{"order", "InvalidPartOrder", partList(3, last, 2, big)},
		{"twice", "InvalidPartOrder", partList(2, big, 2, big)},
		{"gap", "InvalidPart", partList(1, small, 3, last)},
		{"missing", "InvalidPart", partList(4, last)},
		{"other ETag", "InvalidPart", partList(2, last, 3, last)},
		{"empty list", "MalformedXML", partList()},
		{"no XML", "MalformedXML", "parts: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			r.want(400, c.code, "POST", "/k?uploadId="+id, c.body)
			if len(r.keys()) != 0 || len(r.Uploads(testBucket)) != 1 {
				t.Errorf("objects %v, uploads %v", r.keys(), r.Uploads(testBucket))
			}
		})
	}
	r.t = t
	r.Put(testBucket, "k", nil)
	r.want(409, "FileAlreadyExists", "POST", "/k?uploadId="+id, partList(2, big, 3, last), "x-cos-forbid-overwrite", "true")
	r.want(200, "", "POST", "/k?uploadId="+id, partList(2, big, 3, last))
	if got := string(r.stored("k").Data); got != "defghi" {
		t.Errorf("stored %q", got)
	}
}

func TestUploadPartRefuses(t *testing.T) {
	r := newRig(t)
	id := r.start("k")
	r.want(400, "InvalidArgument", "PUT", "/k?partNumber=0&uploadId="+id, "x")
	r.want(400, "InvalidArgument", "PUT", "/k?partNumber=10001&uploadId="+id, "x")
	r.want(400, "InvalidArgument", "PUT", "/k?partNumber=a&uploadId="+id, "x")
	r.want(404, "NoSuchUpload", "PUT", "/k?partNumber=1&uploadId=other", "x")
	r.want(404, "NoSuchUpload", "PUT", "/other?partNumber=1&uploadId="+id, "x")
	r.want(400, "BadDigest", "PUT", "/k?partNumber=1&uploadId="+id, "x", "Content-MD5", contentMD5("y"))
	r.want(200, "", "PUT", "/k?partNumber=10000&uploadId="+id, "x")
	if up := r.Uploads(testBucket); up[0].Parts != 1 {
		t.Errorf("uploads %+v", up)
	}
}

func TestAbort(t *testing.T) {
	r := newRig(t)
	id := r.start("k")
	r.upload("k", id, 1, "x")
	r.want(404, "NoSuchUpload", "DELETE", "/other?uploadId="+id, "")
	r.want(204, "", "DELETE", "/k?uploadId="+id, "")
	r.want(404, "NoSuchUpload", "DELETE", "/k?uploadId="+id, "")
	r.want(404, "NoSuchUpload", "PUT", "/k?partNumber=2&uploadId="+id, "x")
	r.want(404, "NoSuchUpload", "GET", "/k?uploadId="+id, "")
	if up := r.Uploads(testBucket); len(up) != 0 {
		t.Errorf("uploads %+v", up)
	}
}

func TestListPartsPages(t *testing.T) {
	r := newRig(t)
	id := r.start("k")
	for n := 1; n <= 5; n++ {
		r.upload("k", id, n, strings.Repeat("x", n))
	}
	a := r.want(200, "", "GET", "/k?max-parts=2&part-number-marker=2&uploadId="+id, "")
	for _, want := range []string{
		"<PartNumber>3</PartNumber>", "<PartNumber>4</PartNumber>", "<Size>4</Size>", "<IsTruncated>true</IsTruncated>",
		"<NextPartNumberMarker>4</NextPartNumberMarker>",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if strings.Count(a.body, "<Part>") != 2 {
		t.Errorf("want two parts: %s", a.body)
	}
}

func TestListUploadsPages(t *testing.T) {
	r := newRig(t)
	for _, key := range []string{"a", "d/1", "d/2", "d/2", "z"} {
		r.start(key)
	}
	var keys []string
	query := "/?uploads&max-uploads=2&prefix=d/"
	first := r.want(200, "", "GET", query, "")
	between := func(s, from, to string) string {
		_, s, _ = strings.Cut(s, from)
		s, _, _ = strings.Cut(s, to)
		return s
	}
	keys = append(keys, between(first.body, "<Upload><Key>", "<"))
	marker, id := between(first.body, "<NextKeyMarker>", "<"), between(first.body, "<NextUploadIdMarker>", "<")
	second := r.want(200, "", "GET", query+"&key-marker="+marker+"&upload-id-marker="+id, "")
	keys = append(keys, between(second.body, "<Upload><Key>", "<"))
	if keys[0] != "d/1" || keys[1] != "d/2" || strings.Count(first.body+second.body, "<Upload>") != 3 {
		t.Errorf("pages %s %s", first.body, second.body)
	}
	grouped := r.want(200, "", "GET", "/?uploads&delimiter=/", "")
	if strings.Count(grouped.body, "<Upload>") != 2 || strings.Count(grouped.body, "<CommonPrefixes>") != 1 {
		t.Errorf("grouped %s", grouped.body)
	}
}

// An upload that is aborted while a part comes in must not keep the part.
func TestPartAfterAbort(t *testing.T) {
	r := newRig(t)
	id := r.start("k")
	u := r.bucket(testBucket).upload("k", id)
	r.want(204, "", "DELETE", "/k?uploadId="+id, "")
	in, err := r.takeIn(r.bucket(testBucket), strings.NewReader("late"), 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.bucket(testBucket).addPart(u, 1, in); err != errNoSuchUpload {
		t.Errorf("late part: %v", err)
	}
}
