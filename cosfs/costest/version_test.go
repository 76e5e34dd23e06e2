package costest

import (
	"fmt"
	"strings"
	"testing"
)

// versionRig has a versioned bucket in place of the ordinary one.
func versionRig(t testing.TB) *rig {
	t.Helper()
	return newRig(t, WithBucket(testBucket, Versioned()))
}

// history says what the versions of a key are, the newest first: "new deleted old".
func (r *rig) history(key string) string {
	var all []string
	for _, o := range r.Versions(testBucket, key) {
		if o.DeleteMarker {
			all = append(all, "deleted")
		} else {
			all = append(all, string(o.Data))
		}
	}
	return strings.Join(all, " ")
}

func TestVersioning(t *testing.T) {
	for name, c := range map[string]struct {
		kind    []BucketOption
		status  string
		history string
	}{
		"ordinary":  {nil, "", ""},
		"versioned": {[]BucketOption{Versioned()}, "Enabled", "3 deleted 22 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, WithBucket(testBucket, c.kind...))
			got, _, err := r.sdk("", "", "").Bucket.GetVersioning(t.Context())
			if err != nil || got.Status != c.status {
				t.Errorf("GetBucketVersioning: %+v, %v", got, err)
			}
			r.want(200, "", "PUT", "/k", "1")
			r.want(200, "", "PUT", "/k", "22")
			if got := r.want(200, "", "GET", "/k", "").body + " " + r.lists(); got != "22 k=2" {
				t.Errorf("overwritten: %q", got)
			}
			r.want(204, "", "DELETE", "/k", "")
			r.want(404, "", "HEAD", "/k", "")
			if got := r.lists(); got != "" {
				t.Errorf("deleted: %q", got)
			}
			r.want(200, "", "PUT", "/k", "3")
			if got := r.history("k"); got != c.history {
				t.Errorf("versions %q, want %q", got, c.history)
			}
			if r.Count("GetBucketVersioning") != 1 {
				t.Error("GetBucketVersioning was not counted")
			}
		})
	}
}

func TestVersionHeaders(t *testing.T) {
	r := versionRig(t)
	put := r.want(200, "", "PUT", "/k", "1").header.Get("X-Cos-Version-Id")
	for _, method := range []string{"HEAD", "GET"} {
		if got := r.want(200, "", method, "/k", "").header.Get("X-Cos-Version-Id"); got != put || got == "" {
			t.Errorf("%s: version %q, want %q", method, got, put)
		}
	}
	copied := r.want(200, "", "PUT", "/k", "", "x-cos-copy-source", source("k"), "x-cos-metadata-directive", "Replaced")
	id := r.start("k")
	completed := r.want(200, "", "POST", "/k?uploadId="+id, partList(1, r.upload("k", id, 1, "2")))
	deleted := r.want(204, "", "DELETE", "/k", "")
	versions := r.Versions(testBucket, "k")
	for i, a := range []answer{deleted, completed, copied} {
		if got := a.header.Get("X-Cos-Version-Id"); got != versions[i].VersionID || got == "" {
			t.Errorf("version %d is %q, the answer said %q", i, versions[i].VersionID, got)
		}
		if got := a.header.Get("X-Cos-Delete-Marker") == "true"; got != versions[i].DeleteMarker {
			t.Errorf("version %d: the answer said %v", i, a.header)
		}
	}
	if versions[3].VersionID != put || !strings.Contains(copied.body, "<VersionId>"+versions[2].VersionID+"</VersionId>") {
		t.Errorf("versions %+v", versions)
	}
	r.want(501, "NotImplemented", "GET", "/k?versionId="+put, "")
	r.want(409, "ObjectNotAppendable", "POST", "/log?append&position=0", "x")
}

func TestVersionedDeleteOfMany(t *testing.T) {
	r := versionRig(t)
	r.Put(testBucket, "a", []byte("1"))
	list := "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object></Delete>"
	a := r.want(200, "", "POST", "/?delete", list, "Content-MD5", contentMD5(list))
	for _, key := range []string{"a", "none"} {
		marker := r.Versions(testBucket, key)[0]
		want := fmt.Sprintf("<Deleted><Key>%s</Key><DeleteMarker>true</DeleteMarker>"+
			"<DeleteMarkerVersionId>%s</DeleteMarkerVersionId></Deleted>", key, marker.VersionID)
		if !marker.DeleteMarker || !strings.Contains(a.body, want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if got := r.history("a"); got != "deleted 1" {
		t.Errorf("versions %q", got)
	}
}

// In a versioned bucket x-cos-forbid-overwrite has no effect, as nothing is lost.
func TestVersionedOverwrite(t *testing.T) {
	r := versionRig(t)
	r.tryToOverwrite(200, "")
	if got := r.history("k"); got != "part copy put old" {
		t.Errorf("versions %q", got)
	}
}

func TestVersionedListingsLag(t *testing.T) {
	r := versionRig(t)
	r.Put(testBucket, "k", []byte("1"))
	r.FreezeListings()
	r.want(204, "", "DELETE", "/k", "")
	if got := r.lists(); got != "k=1" {
		t.Errorf("frozen: %q", got)
	}
	r.ThawListings()
	if got := r.lists(); got != "" {
		t.Errorf("thawed: %q", got)
	}
}

func TestKindsThatExcludeEachOther(t *testing.T) {
	for name, opts := range map[string][]Option{
		"versions in OFS":  {WithBucket("a-1", Versioned(), Accelerated())},
		"versions on disk": {WithBucket("a-1", Versioned()), WithDir(t.TempDir())},
		"OFS on disk":      {WithBucket("a-1", Accelerated()), WithDir(t.TempDir())},
	} {
		if _, err := Open(opts...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
