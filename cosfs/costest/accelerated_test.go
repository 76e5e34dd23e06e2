package costest

import (
	"strings"
	"testing"
	"time"
)

// acceleratedRig has an accelerated bucket in place of the ordinary one, with a file three levels deep.
func acceleratedRig(t testing.TB, opts ...Option) *rig {
	t.Helper()
	r := newRig(t, append([]Option{WithBucket(testBucket, Accelerated())}, opts...)...)
	r.want(200, "", "PUT", "/a/b/c", "1")
	return r
}

func (r *rig) wantKeys(want string) {
	r.t.Helper()
	if got := strings.Join(r.keys(), " "); got != want {
		r.t.Errorf("keys %q, want %q", got, want)
	}
}

func TestBucketArch(t *testing.T) {
	for name, c := range map[string]struct {
		kind []BucketOption
		want string
	}{"ordinary": {nil, ""}, "accelerated": {[]BucketOption{Accelerated()}, "OFS"}} {
		r := newRig(t, WithBucket(testBucket, c.kind...))
		if got := r.want(200, "", "HEAD", "/", "").header.Get("X-Cos-Bucket-Arch"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A listing without delimiter has all levels of an ordinary bucket and one of an accelerated bucket.
func TestAcceleratedListing(t *testing.T) {
	ordinary := newRig(t)
	ordinary.want(200, "", "PUT", "/a/b/c", "1")
	if got := ordinary.lists(); got != "a/b/c=1" {
		t.Errorf("ordinary: %q", got)
	}
	r := acceleratedRig(t)
	for prefix, want := range map[string]string{
		"": "a/", "a": "a/", "a/": "a/=0 a/b/", "a/b/": "a/b/=0 a/b/c=1", "a/b/c": "a/b/c=1", "x": "",
	} {
		for _, delimiter := range []string{"", "/"} {
			if got := r.lists("prefix", prefix, "delimiter", delimiter); got != want {
				t.Errorf("prefix %q, delimiter %q: %q, want %q", prefix, delimiter, got, want)
			}
		}
	}
}

func TestAcceleratedDirectories(t *testing.T) {
	r := acceleratedRig(t)
	id := r.start("m/n")
	r.wantKeys("a/ a/b/ a/b/c")
	r.want(200, "", "POST", "/m/n?uploadId="+id, partList(1, r.upload("m/n", id, 1, "x")))
	r.want(200, "", "PUT", "/q/", "")
	r.wantKeys("a/ a/b/ a/b/c m/ m/n q/")
	for _, c := range []struct {
		key, dir string
		status   int
	}{{"a/", "true", 200}, {"a", "true", 200}, {"a/b/c", "", 200}, {"a/b/c/", "", 404}, {"none", "", 404}} {
		h := r.want(c.status, "", "HEAD", "/"+c.key, "").header
		if got := h.Get("X-Cos-File-Mode-Dir"); got != c.dir {
			t.Errorf("%s: x-cos-file-mode-dir %q, want %q", c.key, got, c.dir)
		}
	}
	r.want(200, "", "GET", "/a/", "")
	r.want(404, "NoSuchKey", "GET", "/a", "")
	r.want(409, "ObjectNotAppendable", "POST", "/log?append&position=0", "x")
}

func TestPathConflict(t *testing.T) {
	r := acceleratedRig(t)
	for _, key := range []string{"a", "a/b", "a/b/c/", "a/b/c/d", "a/b/c/d/e"} {
		r.want(409, "PathConflict", "PUT", "/"+key, "x")
		r.want(409, "PathConflict", "PUT", "/"+key, "", "x-cos-copy-source", source("a/b/c"))
		id := r.start(key)
		r.want(409, "PathConflict", "POST", "/"+key+"?uploadId="+id, partList(1, r.upload(key, id, 1, "x")))
	}
	r.want(400, "InvalidObjectName", "PUT", "/a//x", "x")
	r.want(200, "", "PUT", "/a/", "")
	r.wantKeys("a/ a/b/ a/b/c")
}

func TestAcceleratedDelete(t *testing.T) {
	r := acceleratedRig(t)
	r.want(409, "PathConflict", "DELETE", "/a/", "")
	r.want(409, "PathConflict", "DELETE", "/a/b", "")
	list := "<Delete><Object><Key>a/</Key></Object></Delete>"
	if a := r.want(200, "PathConflict", "POST", "/?delete", list, "Content-MD5", contentMD5(list)); !strings.Contains(a.body, "<Error>") {
		t.Errorf("answer %s", a.body)
	}
	r.wantKeys("a/ a/b/ a/b/c")
	r.want(204, "", "DELETE", "/a/b/c", "")
	r.wantKeys("a/ a/b/")
	r.want(204, "", "DELETE", "/a/b/", "")
	r.want(204, "", "DELETE", "/none", "")
	r.want(204, "", "DELETE", "/a", "")
	r.wantKeys("")
}

func TestRecursiveDelete(t *testing.T) {
	r := acceleratedRig(t)
	r.want(200, "", "PUT", "/ab", "x")
	r.want(204, "", "DELETE", "/a?recursive", "")
	r.wantKeys("ab")
	r.want(204, "", "DELETE", "/ab?recursive", "")
	r.wantKeys("")
}

// rename asks for a renaming.
func (r *rig) rename(status int, code, from, to string, headers ...string) {
	r.t.Helper()
	r.want(status, code, "PUT", "/"+escapeKey(to)+"?rename", "", append(headers, "x-cos-rename-source", from)...)
}

func TestRenameFile(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := acceleratedRig(t, WithClock(func() time.Time { return now }))
	began := now
	now = now.Add(time.Hour)
	r.rename(200, "", "/a/b/c", "x/y 中")
	r.wantKeys("a/ a/b/ x/ x/y 中")
	if o := r.stored("x/y 中"); string(o.Data) != "1" || !o.Modified.Equal(began) {
		t.Errorf("renamed %+v", o)
	}
	r.want(200, "", "PUT", "/f", "other")
	r.rename(409, "FileAlreadyExists", "/x/y%20%E4%B8%AD", "f", "x-cos-forbid-overwrite", "true")
	r.rename(200, "", "/x/y%20%E4%B8%AD", "f")
	r.rename(200, "", "/f", "f")
	r.wantKeys("a/ a/b/ f x/")
	if got := string(r.stored("f").Data); got != "1" {
		t.Errorf("stored %q", got)
	}
	if r.Count("RenameObject") != 4 {
		t.Errorf("%d renamings counted", r.Count("RenameObject"))
	}
}

func TestRenameDirectory(t *testing.T) {
	for _, slash := range []string{"", "/"} {
		r := acceleratedRig(t)
		r.want(200, "", "PUT", "/ab", "x")
		r.rename(200, "", "/a"+slash, "new/z"+slash)
		r.wantKeys("ab new/ new/z/ new/z/b/ new/z/b/c")
		if got := r.want(200, "", "GET", "/new/z/b/c", "").body; got != "1" {
			t.Errorf("GET %q", got)
		}
	}
}

func TestRenameRefuses(t *testing.T) {
	r := acceleratedRig(t)
	r.want(200, "", "PUT", "/d/f", "x")
	for _, c := range []struct {
		from, to, code string
		status         int
	}{
		{"/none", "x", "NoSuchKey", 404},
		{"a", "x", "InvalidArgument", 400},
		{"", "x", "InvalidArgument", 400},
		{"/%zz", "x", "InvalidArgument", 400},
		{"//a", "x", "InvalidObjectName", 400},
		{"/a", "a/b/x", "PathConflict", 409},
		{"/a", "d", "PathConflict", 409},
		{"/a", "d/f", "PathConflict", 409},
		{"/a", "d/f/x", "PathConflict", 409},
		{"/d/f", "a", "PathConflict", 409},
		{"/d/f", "d/f/x", "PathConflict", 409},
	} {
		r.rename(c.status, c.code, c.from, c.to)
		r.wantKeys("a/ a/b/ a/b/c d/ d/f")
	}
	ordinary := newRig(t)
	ordinary.Put(testBucket, "a", nil)
	ordinary.rename(501, "NotImplemented", "/a", "x")
	ordinary.wantKeys("a")
}

// A renaming whose answer is lost took effect; the next attempt does not find its source.
func TestRenameAnswerLost(t *testing.T) {
	r := acceleratedRig(t)
	r.Inject(Fault{Op: "RenameObject", Times: 1, Drop: "after"})
	if a := r.do("PUT", "/z?rename", "", "x-cos-rename-source", "/a"); a.err == nil {
		t.Errorf("answered %d", a.status)
	}
	r.wantKeys("z/ z/b/ z/b/c")
	r.rename(404, "NoSuchKey", "/a", "z")
}

// Listings of renamed objects lag as all others do.
func TestRenameListsLate(t *testing.T) {
	r := acceleratedRig(t)
	r.FreezeListings()
	r.rename(200, "", "/a", "z")
	if got := r.lists(); got != "a/" {
		t.Errorf("frozen: %q", got)
	}
	r.ThawListings()
	if got := r.lists(); got != "z/" {
		t.Errorf("thawed: %q", got)
	}
}

func TestWithoutCopy(t *testing.T) {
	for name, c := range map[string]struct {
		kind   []BucketOption
		status int
		code   string
	}{
		"copies": {[]BucketOption{Accelerated()}, 200, ""},
		"lacks":  {[]BucketOption{Accelerated(), WithoutCopy()}, 501, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, WithBucket(testBucket, c.kind...))
			r.Put(testBucket, "a/src", []byte("x"))
			part := "/part?partNumber=1&uploadId=" + r.start("part")
			r.want(c.status, c.code, "PUT", "/dst", "", "x-cos-copy-source", source("a/src"))
			r.want(c.status, c.code, "PUT", part, "", "x-cos-copy-source", source("a/src"))
		})
	}
}
