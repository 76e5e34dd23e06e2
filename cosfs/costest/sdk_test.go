package costest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// oddKeys are keys that have come through wrong in some client or server.
var oddKeys = []string{
	"plain.txt", "dir/中文 a+b.txt", "a//b", "./a", "a/../b", "..a", "100%", "%2F", "a?b=c", "a#b", "a&b=c", "<x>\"y'",
	"\x01control", "trailing/", "sp ace", "é~!*'()", "\xff\xfe", strings.Repeat("k", maxKey),
}

// The SDK signs, sends and reads back every odd key, and verifies every CRC that it gets.
func TestSDKOddKeys(t *testing.T) {
	for _, token := range []string{"", "TOKEN"} {
		r := newRig(t, WithCredentials("ID", "KEY"))
		c := r.sdk("ID", "KEY", token)
		for _, key := range oddKeys {
			t.Run(fmt.Sprintf("%.20q%s", key, token), func(t *testing.T) { checkKeyBySDK(t, r, c, key) })
		}
	}
}

func checkKeyBySDK(t *testing.T, r *rig, c *cos.Client, key string) {
	ctx := t.Context()
	data := noise(1000)
	if _, err := c.Object.Put(ctx, key, bytes.NewReader(data), nil); err != nil {
		t.Fatal("put:", err)
	}
	mustEqual(t, r.stored(key).Data, data, "stored")
	res, err := c.Object.Get(ctx, key, nil)
	if err != nil {
		t.Fatal("get:", err)
	}
	got, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal("get:", err)
	}
	mustEqual(t, got, data, "got")
	if _, err := c.Object.Head(ctx, key, nil); err != nil {
		t.Fatal("head:", err)
	}
	list, _, err := c.Bucket.Get(ctx, &cos.BucketGetOptions{Prefix: key, EncodingType: "url"})
	if err != nil {
		t.Fatal("list:", err)
	}
	name, err := cos.DecodeURIComponent(list.Contents[0].Key)
	if err != nil || name != key {
		t.Fatalf("listed as %q, %v", name, err)
	}
	if !strings.Contains(key, "?") { // the SDK cuts a source there
		if _, _, err := c.Object.Copy(ctx, "copy", Host(testBucket)+"/"+key, nil); err != nil {
			t.Fatal("copy:", err)
		}
		mustEqual(t, r.stored("copy").Data, data, "copy")
	}
	if _, err := c.Object.Delete(ctx, key); err != nil {
		t.Fatal("delete:", err)
	}
	if _, ok := r.Get(testBucket, key); ok {
		t.Fatal("still there after delete")
	}
}

func TestSDKEmptyPut(t *testing.T) {
	r := newRig(t)
	if _, err := r.sdk("", "", "").Object.Put(t.Context(), "empty", http.NoBody, nil); err != nil {
		t.Fatal(err)
	}
	if o := r.stored("empty"); o.Size != 0 || o.ETag != "d41d8cd98f00b204e9800998ecf8427e" {
		t.Errorf("stored %+v", o)
	}
}

func TestSDKMultipart(t *testing.T) {
	r := newRig(t, WithCredentials("ID", "KEY"), WithMinPart(1000))
	c := r.sdk("ID", "KEY", "")
	ctx := t.Context()
	init, _, err := c.Object.InitiateMultipartUpload(ctx, "a/big", nil)
	if err != nil {
		t.Fatal(err)
	}
	data := noise(5500)
	opt := &cos.CompleteMultipartUploadOptions{}
	for i, piece := range slices.Collect(slices.Chunk(data, 1000)) {
		res, err := c.Object.UploadPart(ctx, "a/big", init.UploadID, i+1, bytes.NewReader(piece), nil)
		if err != nil {
			t.Fatal(err)
		}
		opt.Parts = append(opt.Parts, cos.Object{PartNumber: i + 1, ETag: res.Header.Get("ETag")})
	}
	parts, _, err := c.Object.ListParts(ctx, "a/big", init.UploadID, nil)
	if err != nil || len(parts.Parts) != 6 || parts.Parts[5].Size != 500 {
		t.Fatalf("parts: %+v, %v", parts, err)
	}
	open, _, err := c.Bucket.ListMultipartUploads(ctx, nil)
	if err != nil || len(open.Uploads) != 1 || open.Uploads[0].Key != "a/big" {
		t.Fatalf("uploads: %+v, %v", open, err)
	}
	done, res, err := c.Object.CompleteMultipartUpload(ctx, "a/big", init.UploadID, opt)
	if err != nil {
		t.Fatal(err)
	}
	o := r.stored("a/big")
	mustEqual(t, o.Data, data, "stored")
	if want := fmt.Sprint(o.CRC64); res.Header.Get("X-Cos-Hash-Crc64ecma") != want {
		t.Errorf("CRC %s, want %s", res.Header.Get("X-Cos-Hash-Crc64ecma"), want)
	}
	if !strings.HasSuffix(done.ETag, `-6"`) {
		t.Errorf("ETag %s, want one of 6 parts", done.ETag)
	}
	if left := r.Uploads(testBucket); len(left) != 0 {
		t.Errorf("open uploads: %v", left)
	}
}

func TestSDKDeleteMulti(t *testing.T) {
	r := newRig(t, WithCredentials("ID", "KEY"))
	r.Put(testBucket, "a", nil)
	r.Put(testBucket, "b&<", nil)
	r.Put(testBucket, "c", nil)
	res, _, err := r.sdk("ID", "KEY", "").Object.DeleteMulti(t.Context(), &cos.ObjectDeleteMultiOptions{
		Objects: []cos.Object{{Key: "a"}, {Key: "b&<"}, {Key: "missing"}},
	})
	if err != nil || len(res.Errors) != 0 || len(res.DeletedObjects) != 3 {
		t.Fatalf("%+v, %v", res, err)
	}
	if got := r.keys(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("left: %v", got)
	}
}

func TestSDKSeesErrors(t *testing.T) {
	r := newRig(t, WithCredentials("ID", "KEY"))
	ctx := t.Context()
	_, err := r.sdk("ID", "KEY", "").Object.Get(ctx, "missing", nil)
	if cosCode(err) != "NoSuchKey" {
		t.Errorf("missing key: %v", err)
	}
	_, err = r.sdk("ID", "OTHER", "").Object.Get(ctx, "missing", nil)
	if cosCode(err) != "SignatureDoesNotMatch" {
		t.Errorf("wrong key: %v", err)
	}
	_, err = r.sdk("OTHER", "KEY", "").Object.Get(ctx, "missing", nil)
	if cosCode(err) != "InvalidAccessKeyId" {
		t.Errorf("wrong ID: %v", err)
	}
	_, err = r.sdk("", "", "").Object.Get(ctx, "missing", nil)
	if cosCode(err) != "AccessDenied" {
		t.Errorf("unsigned: %v", err)
	}
}

func TestSDKAppend(t *testing.T) {
	r := newRig(t, WithCredentials("ID", "KEY"))
	c := r.sdk("ID", "KEY", "")
	c.Conf.EnableCRC = false // the SDK demands an MD5 in another header else
	ctx := t.Context()
	at, _, err := c.Object.Append(ctx, "log", 0, strings.NewReader("one "), nil)
	if err != nil || at != 4 {
		t.Fatal(at, err)
	}
	if _, _, err := c.Object.Append(ctx, "log", 3, strings.NewReader("x"), nil); cosCode(err) != "AppendPositionErr" {
		t.Fatal(err)
	}
	if at, _, err = c.Object.Append(ctx, "log", at, strings.NewReader("two"), nil); err != nil || at != 7 {
		t.Fatal(at, err)
	}
	o := r.stored("log")
	if string(o.Data) != "one two" {
		t.Errorf("stored %q", o.Data)
	}
	if _, _, err := c.Object.Copy(ctx, "other", Host(testBucket)+"/log", nil); cosCode(err) != "ObjectNotAppendable" {
		t.Errorf("copying an appendable object: %v", err)
	}
}
