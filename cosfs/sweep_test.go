package cosfs

import (
	"testing"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// TestNothingIsDeletedByTheThousand: an answer to DeleteMultipleObjects tells failures only, so that a cut one would count
// as success; each object is deleted by a request of its own, after a look at it.
func TestNothingIsDeletedByTheThousand(t *testing.T) {
	tr := newTree(t)
	tr.opts.RenameDirLimit = 10
	tr.put("d/", "d/1", "d/2", "d/sub/3", "e/", "f")
	for _, work := range []func() error{
		func() error { return tr.Rename(t.Context(), "/d", "/moved") },
		func() error { return tr.RemoveDir(t.Context(), "/e") },
		func() error { return tr.Remove(t.Context(), "/f") },
	} {
		if err := work(); err != nil {
			t.Fatal(err)
		}
	}
	tr.wantKeys("moved/", "moved/1", "moved/2", "moved/sub/3")
	if n := tr.store.Count("DeleteMultipleObjects"); n > 0 {
		t.Errorf("%d requests delete many objects at once", n)
	}
	if n := tr.store.Count("DeleteObject"); n != 6 {
		t.Errorf("%d requests delete an object, want 6", n)
	}
}

// TestNoUploadIsLookedFor: more than a page of uploads of a key is open, this process's own and another one's, and the
// answers to its requests for two more are lost. Nobody lists them, none of the others' is aborted, and of the two, which
// hold no part, nothing is kept.
func TestNoUploadIsLookedFor(t *testing.T) {
	const page = 1000 // of COS's listings
	c := newCrashable(t)
	f, engine := c.process()
	for range page + 1 {
		u := &upload{f: f, key: "k"} // as another gateway
		if err := u.begin(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		engine.journal.end(u.entry, completedEvent)
	}
	c.store.Inject(costest.Fault{Op: "InitiateMultipartUpload", Times: 2, Drop: "after"})
	if err := c.open(f, "/k")(); err != nil {
		t.Fatal(err)
	}
	if n := c.store.Count("ListMultipartUploads"); n > 0 {
		t.Errorf("%d requests look for uploads", n)
	}
	if n := c.store.Count("AbortMultipartUpload"); n > 0 {
		t.Errorf("%d uploads are aborted", n)
	}
	uploads := c.store.Uploads(treeBucket)
	for _, u := range uploads {
		if u.Parts > 0 {
			t.Errorf("the upload %s keeps %d parts", u.ID, u.Parts)
		}
	}
	if len(uploads) != page+1+2 || engine.journal.uploads() != 0 {
		t.Errorf("%d uploads are open, want %d; the journal names %d", len(uploads), page+3, engine.journal.uploads())
	}
}
