package cosfs

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestRename(t *testing.T) {
	tr := newTree(t)
	tr.put("abc", "old", "full/x", "same")
	moved := []string{"HeadObject", "ListObjects", "CopyObject", "HeadObject", "DeleteObject"}
	for _, test := range []struct {
		from, to string
		want     error
		ops      []string
	}{
		{"/abc", "/new/中文 name+%", nil, moved},
		{"/new/中文 name+%", "/old", nil, moved},
		{"/old", "/full", fs.ErrExist, []string{"HeadObject", "ListObjects"}},
		{"/same", "/same", nil, nil},
		{"/sam", "/other", fs.ErrNotExist, []string{"HeadObject", "ListObjects"}},
		{"/same", "/bad\rname", fs.ErrInvalid, nil},
	} {
		var err error
		ops := tr.ops(func() { err = tr.Rename(t.Context(), test.from, test.to) })
		if !errors.Is(err, test.want) || !slices.Equal(ops, test.ops) {
			t.Errorf("Rename(%q, %q): %v by %v, want %v by %v", test.from, test.to, err, ops, test.want, test.ops)
		}
	}
	tr.wantKeys("full/x", "old", "same")
	if o, _ := tr.store.Get(treeBucket, "old"); string(o.Data) != "abc" {
		t.Errorf("the renamed file holds %q", o.Data)
	}
}

// rich is an object with everything that a copy must not lose.
func rich(key string, size int) costest.Object {
	return costest.Object{
		Key: key, Data: bytes.Repeat([]byte("0123456789abcdef"), size/16), StorageClass: "STANDARD_IA",
		ContentType: "text/x-odd",
		Meta:        map[string]string{"owner": "me", "mtime": "1700000000", "mode": "33188"},
		Headers:     map[string]string{"Cache-Control": "max-age=7", "Content-Encoding": "gzip", "Content-Disposition": "attachment"},
	}
}

func wantSame(t *testing.T, what string, got, want costest.Object) {
	t.Helper()
	if !bytes.Equal(got.Data, want.Data) {
		t.Errorf("%s: %d bytes, want the %d of the source", what, len(got.Data), len(want.Data))
	}
	if got.StorageClass != want.StorageClass || got.ContentType != want.ContentType ||
		!maps.Equal(got.Meta, want.Meta) || !maps.Equal(got.Headers, want.Headers) {
		t.Errorf("%s: class %q, type %q, meta %v, headers %v; want %q, %q, %v, %v", what,
			got.StorageClass, got.ContentType, got.Meta, got.Headers,
			want.StorageClass, want.ContentType, want.Meta, want.Headers)
	}
}

func TestRenameKeepsMetadataAndClass(t *testing.T) {
	tr := newTree(t)
	source := rich("a", 1600)
	tr.store.PutObject(treeBucket, source)
	if err := tr.Rename(t.Context(), "/a", "/b"); err != nil {
		t.Fatal(err)
	}
	got, _ := tr.store.Get(treeBucket, "b")
	wantSame(t, "copy", got, source)
	tr.wantKeys("b")
}

func TestRenameOfABigFileCopiesParts(t *testing.T) {
	const mib = 1 << 20
	for _, size := range []int{3*mib + 16, 4 * mib, 5*mib - 16} {
		tr := newTree(t, costest.WithCopyLimit(3*mib))
		tr.copyLimit, tr.FS.copyPart = 3*mib, mib
		source := rich("big?&+ 中", size)
		tr.store.PutObject(treeBucket, source)
		ops := tr.ops(func() {
			if err := tr.Rename(t.Context(), "/big?&+ 中", "/b"); err != nil {
				t.Fatal(err)
			}
		})
		got, _ := tr.store.Get(treeBucket, "b")
		wantSame(t, "copy by parts", got, source)
		tr.wantKeys("b")
		parts := (size + mib - 1) / mib
		if len(ops) != parts+7 || len(tr.store.Uploads(treeBucket)) != 0 {
			t.Errorf("%d parts by %v, open uploads %v", parts, ops, tr.store.Uploads(treeBucket))
		}
	}
}

func TestBigRenameLeavesNothingBehindWhenItFails(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name  string
		fault costest.Fault
		ok    bool
	}{
		{"a part once", costest.Fault{Op: "UploadPartCopy", Part: 2, Times: 1, Status: 503, Code: "SlowDown"}, true},
		{"a part for ever", costest.Fault{Op: "UploadPartCopy", Part: 3, Status: 503, Code: "SlowDown"}, false},
		{"a part refused", costest.Fault{Op: "UploadPartCopy", Part: 1, Status: 403, Code: "AccessDenied"}, false},
		{"wrong checksum of a part", costest.Fault{Op: "UploadPartCopy", Part: 1, WrongCRC: true}, false},
		{"initiate", costest.Fault{Op: "InitiateMultipartUpload", Status: 500, Code: "InternalError"}, false},
		{"initiate lost once", costest.Fault{Op: "InitiateMultipartUpload", Times: 1, Drop: "after"}, true},
		{"initiate lost for ever", costest.Fault{Op: "InitiateMultipartUpload", Drop: "after"}, false},
		{"complete refused", costest.Fault{Op: "CompleteMultipartUpload", Status: 400, Code: "InvalidPart"}, false},
		{"complete fails in a 200", costest.Fault{Op: "CompleteMultipartUpload", BodyAs200: true}, false},
		{"complete fails once in a 200", costest.Fault{Op: "CompleteMultipartUpload", Times: 1, BodyAs200: true}, true},
		{"complete answered with nothing once", costest.Fault{Op: "CompleteMultipartUpload", Times: 1, EmptyBody: true}, true},
		{"complete lost once", costest.Fault{Op: "CompleteMultipartUpload", Times: 1, Drop: "after"}, true},
		{"delete lost once", costest.Fault{Op: "DeleteObject", Times: 1, Drop: "after"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTree(t, costest.WithCopyLimit(3*mib))
			tr.giveUpSoon()
			tr.copyLimit, tr.FS.copyPart = 3*mib, mib
			tr.store.PutObject(treeBucket, rich("a", 4*mib))
			tr.put("b")
			tr.store.Inject(test.fault)
			err := tr.Rename(t.Context(), "/a", "/b")
			b, _ := tr.store.Get(treeBucket, "b")
			if test.ok != (err == nil) || test.ok != (b.Size == 4*mib) {
				t.Errorf("Rename: %v; the target has %d bytes", err, b.Size)
			}
			if test.ok {
				tr.wantKeys("b")
			} else {
				tr.wantKeys("a", "b")
			}
			if left := tr.parts(); len(left) != 0 {
				t.Errorf("open uploads stay: %v", left)
			}
		})
	}
}

func TestRenameWhenACallFails(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault costest.Fault
		want  error // nil for success
		keys  []string
	}{
		{"copy busy once", costest.Fault{Op: "CopyObject", Times: 1, Status: 503, Code: "SlowDown"}, nil, []string{"b"}},
		{"copy fails once in a 200", costest.Fault{Op: "CopyObject", Times: 1, BodyAs200: true}, nil, []string{"b"}},
		{"copy lost", costest.Fault{Op: "CopyObject", Times: 1, Drop: "after"}, nil, []string{"b"}},
		{"copy answered with nothing once", costest.Fault{Op: "CopyObject", Times: 1, EmptyBody: true}, nil, []string{"b"}},
		{"copy fails in a 200", costest.Fault{Op: "CopyObject", BodyAs200: true, Code: "AccessDenied"}, fs.ErrPermission, []string{"a"}},
		{"copy refused", costest.Fault{Op: "CopyObject", Status: 403, Code: "AccessDenied"}, fs.ErrPermission, []string{"a"}},
		{"source changed", costest.Fault{Op: "CopyObject", Status: 412, Code: "PreconditionFailed"}, syscall.ESTALE, []string{"a"}},
		{"head refused", costest.Fault{Op: "HeadObject", Status: 403}, fs.ErrPermission, []string{"a"}},
		{"delete refused", costest.Fault{Op: "DeleteObject", Status: 403, Code: "AccessDenied"}, fs.ErrPermission, []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTree(t)
			tr.put("a")
			tr.store.Inject(test.fault)
			err := tr.Rename(t.Context(), "/a", "/b")
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("%v, want %v", err, test.want)
			}
			tr.wantKeys(test.keys...)
			if both := len(test.keys) == 2; both != strings.Contains(tr.log.String(), "rename left both names") ||
				both && !strings.Contains(err.Error(), "both names exist") {
				t.Errorf("both names exist: %t; error %v, log %q", both, err, tr.log)
			}
		})
	}
}

func TestRenameRefusesWhatItWouldCopyWrongly(t *testing.T) {
	tr := newTree(t)
	tr.put("a", "a?versionId=1")
	if err := tr.Rename(t.Context(), "/a?versionId=1", "/b"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("%v, want fs.ErrInvalid: the SDK would copy another object", err)
	}
	tr.wantKeys("a", "a?versionId=1")
	if err := tr.Rename(t.Context(), "/a", "/c?versionId=1"); err != nil {
		t.Errorf("as a target such a name is fine: %v", err)
	}
	tr.wantKeys("a?versionId=1", "c?versionId=1")
}

func TestAttributesAreKeptInMetadata(t *testing.T) {
	tr := newTree(t)
	source := rich("f", 1600)
	tr.store.PutObject(treeBucket, source)
	when := time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC)
	ops := tr.ops(func() {
		if err := tr.SetModTime(t.Context(), "/f", when); err != nil {
			t.Fatal(err)
		}
	})
	if !slices.Equal(ops, []string{"HeadObject", "CopyObject"}) {
		t.Errorf("SetModTime made %v", ops)
	}
	if err := tr.SetMode(t.Context(), "/f", 0o640); err != nil {
		t.Fatal(err)
	}
	got, _ := tr.store.Get(treeBucket, "f")
	source.Meta["mtime"], source.Meta["mode"] = "981173106", "33184" // S_IFREG | 0640
	wantSame(t, "with new attributes", got, source)
	i, err := tr.Stat(t.Context(), "/f")
	if err != nil || !i.ModTime().Equal(when.Truncate(time.Second)) || i.Mode() != 0o640 {
		t.Errorf("Stat: %v %v, %v", i.ModTime(), i.Mode(), err)
	}
}

func TestAttributesOfWhatCannotHaveThem(t *testing.T) {
	tr := newTree(t)
	tr.copyLimit = 10
	tr.store.Put(treeBucket, "big", make([]byte, 11))
	if err := tr.SetMode(t.Context(), "/big", 0o600); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("too big for one copy: %v, want errors.ErrUnsupported", err)
	}
	if err := tr.SetModTime(t.Context(), "/none", time.Now()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v, want fs.ErrNotExist", err)
	}
}

func TestLostAnswerThatChangedTheETagIsSettled(t *testing.T) {
	tr := newTree(t)
	tr.put("f")
	// As after a lost answer: the attributes are set, and the next attempt no longer finds the ETag it wants.
	tr.store.Inject(
		costest.Fault{Op: "CopyObject", Times: 1, Drop: "after"},
		costest.Fault{Op: "CopyObject", From: 2, Status: 412, Code: "PreconditionFailed"},
	)
	if err := tr.SetModTime(t.Context(), "/f", time.Unix(1e9, 0)); err != nil {
		t.Errorf("SetModTime: %v", err)
	}
	if err := tr.SetModTime(t.Context(), "/f", time.Unix(2e9, 0)); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("refused without having been done: %v, want syscall.ESTALE", err)
	}
}
