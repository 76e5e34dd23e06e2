package costest

import (
	"strings"
	"testing"
)

func TestLockedBucket(t *testing.T) {
	r := newRig(t, WithBucket(testBucket, Locked()))
	r.want(200, "", "PUT", "/f", "data")
	r.want(409, "ObjectLocked", "PUT", "/f", "other")
	r.want(409, "ObjectLocked", "DELETE", "/f", "")
	r.want(204, "", "DELETE", "/none", "")
	if a := r.want(200, "", "GET", "/?object-lock", ""); !strings.Contains(a.body, "<ObjectLockEnabled>Enabled<") {
		t.Errorf("the bucket says %s", a.body)
	}
	newRig(t).want(404, "NoSuchConfiguration", "GET", "/?object-lock", "")
}

func TestBucketEncryptedByKMS(t *testing.T) {
	r := newRig(t, WithBucket(testBucket, EncryptedByKMS()))
	first := r.want(200, "", "PUT", "/f", "data").header
	second := r.want(200, "", "PUT", "/g", "data").header
	if first.Get("ETag") == second.Get("ETag") || first.Get("X-Cos-Hash-Crc64ecma") != second.Get("X-Cos-Hash-Crc64ecma") {
		t.Errorf("the same data twice: %v, %v", first, second)
	}
	head := r.want(200, "", "HEAD", "/f", "").header
	if head.Get("X-Cos-Server-Side-Encryption") != "cos/kms" || head.Get("ETag") != first.Get("ETag") {
		t.Errorf("HEAD: %v", head)
	}
	if a := r.want(200, "", "GET", "/?encryption", ""); !strings.Contains(a.body, "<SSEAlgorithm>KMS<") {
		t.Errorf("the bucket says %s", a.body)
	}
	newRig(t).want(404, "NoSuchConfiguration", "GET", "/?encryption", "")
}

func TestMultiZoneBucket(t *testing.T) {
	r := newRig(t, WithBucket(testBucket, MultiZone()))
	if h := r.want(200, "", "HEAD", "/", "").header; h.Get("X-Cos-Bucket-Az-Type") != "MAZ" {
		t.Errorf("HEAD Bucket: %v", h)
	}
	r.want(200, "", "PUT", "/f", "data")
	r.want(200, "", "PUT", "/ia", "data", "X-Cos-Storage-Class", "MAZ_STANDARD_IA")
	r.want(400, "NotSupportedStorageClass", "PUT", "/g", "data", "X-Cos-Storage-Class", "STANDARD_IA")
	for key, class := range map[string]string{"f": "MAZ_STANDARD", "ia": "MAZ_STANDARD_IA"} {
		if h := r.want(200, "", "HEAD", "/"+key, "").header; h.Get("X-Cos-Storage-Class") != class {
			t.Errorf("%s: %v", key, h)
		}
	}
	source := Host(testBucket) + "/ia"
	r.want(400, "NotSupportedStorageClass", "PUT", "/copy", "", "X-Cos-Copy-Source", source)
	r.want(200, "", "PUT", "/copy", "", "X-Cos-Copy-Source", source, "X-Cos-Storage-Class", "MAZ_STANDARD_IA")
}
