package cosfs

import (
	"fmt"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// A second listing asks about what is new or has changed, and nothing else.
func TestListMetadataPaysOnce(t *testing.T) {
	tr := newTree(t)
	tr.opts.ListMetadata = true
	tr.engine.describeTimeout = time.Minute // a busy machine takes its time
	put := func(key, data string, stored, kept time.Time) {
		tr.store.Put(treeBucket, key, []byte(data), costest.Modified(stored), costest.Meta("mtime", fmt.Sprint(kept.Unix())),
			costest.Meta("mode", fmt.Sprint(0o100640)))
	}
	stored := time.Now().Add(-time.Hour)
	for i := range 1200 {
		put(fmt.Sprintf("d/%04d", i), "data", stored, describedAt)
	}
	heads := func() int {
		t.Helper()
		tr.store.ResetRequests()
		for i, err := range tr.List(t.Context(), "/d") {
			if err != nil {
				t.Fatal(err)
			}
			if !isDescribed(i) {
				t.Fatalf("%s is listed with %v %v", i.Name(), i.ModTime(), i.Mode())
			}
		}
		return tr.store.Count("HeadObject")
	}
	if n := heads(); n != 1200 {
		t.Errorf("the first listing costs %d HEADs", n)
	}
	if n := heads(); n != 0 {
		t.Errorf("the second listing costs %d HEADs, want none", n)
	}
	put("d/0001", "other data", stored, describedAt)            // another ETag
	put("d/0002", "data", stored.Add(time.Second), describedAt) // another time
	put("d/new", "data", stored, describedAt)
	if n := heads(); n != 3 {
		t.Errorf("after three changes: %d HEADs, want 3", n)
	}
	if n := heads(); n != 0 {
		t.Errorf("the fourth listing costs %d HEADs, want none", n)
	}
}

// A copy onto itself changes the metadata, and may change neither ETag nor second: an object that is that young is asked
// about again.
func TestListMetadataOfYoungFilesIsNotKept(t *testing.T) {
	tr := newTree(t)
	tr.opts.ListMetadata = true
	at := time.Now()
	tr.store.Put(treeBucket, "f", []byte("data"), costest.Modified(at))
	tr.entry("/", "f")
	tr.store.Put(treeBucket, "f", []byte("data"), costest.Modified(at), costest.Meta("mtime", fmt.Sprint(describedAt.Unix())))
	if shown := tr.entry("/", "f").ModTime(); !shown.Equal(describedAt) {
		t.Errorf("listed with %v, want %v", shown, describedAt)
	}
	if err := tr.SetModTime(t.Context(), "/f", describedAt.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if shown := tr.entry("/", "f").ModTime(); !shown.Equal(describedAt.Add(time.Hour)) {
		t.Errorf("after SetModTime listed with %v", shown)
	}
}

// What is known of files and of directories takes no more memory than README and decisions.md count.
func TestWhatIsKnownIsBounded(t *testing.T) {
	files, dirs := newAttributesOf(), newDirTimes()
	for i := range 100100 {
		files.Add(versionID{byte(i), byte(i >> 8), byte(i >> 16)}, attributes{})
		dirs.noteMarker(fmt.Sprint(i, "/"), describedAt, describedAt)
	}
	if files.Len() != 100000 || dirs.known.Len() != 10000 {
		t.Errorf("%d files and %d directories are known", files.Len(), dirs.known.Len())
	}
}
