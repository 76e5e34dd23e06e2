package cosfs

import (
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// entry finds one entry of a listing.
func (tr *tree) entry(dir, name string) fs.FileInfo {
	tr.t.Helper()
	for i, err := range tr.List(tr.t.Context(), dir) {
		if err != nil {
			tr.t.Fatal(err)
		}
		if i.Name() == name {
			return i
		}
	}
	tr.t.Fatalf("%q lists no %q", dir, name)
	return nil
}

// A directory has the time of its marker where an answer told it, else that of the newest file on the page, else now; it
// costs no request.
func TestTimesOfDirectories(t *testing.T) {
	began := time.Now().Add(-time.Second)
	tr := newTree(t)
	file := time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)
	marker := file.Add(time.Hour)
	tr.store.Put(treeBucket, "d/marked/", nil, costest.Modified(marker))
	tr.store.Put(treeBucket, "d/marked/x", nil, costest.Modified(file.Add(2*time.Hour)))
	tr.store.Put(treeBucket, "d/implied/x", nil, costest.Modified(file.Add(3*time.Hour)))
	if at := tr.entry("/d", "marked").ModTime(); at.Before(began) {
		t.Errorf("beside no file: %v, want the present", at)
	}
	tr.store.Put(treeBucket, "d/file", nil, costest.Modified(file))
	if at := tr.entry("/d", "marked").ModTime(); !at.Equal(file) {
		t.Errorf("beside a file: %v, want its time", at)
	}
	for name, want := range map[string]time.Time{"marked": marker, "implied": file.Add(3 * time.Hour)} {
		i, err := tr.Stat(t.Context(), "/d/"+name)
		if err != nil || !i.ModTime().Equal(want) {
			t.Errorf("Stat of %s: %v, %v; want %v", name, i.ModTime(), err, want)
		}
		if at := tr.entry("/d", name).ModTime(); !at.Equal(want) {
			t.Errorf("%s is listed with %v, want what was seen of it, %v", name, at, want)
		}
	}
	if i, err := tr.Stat(t.Context(), "/"); err != nil || i.ModTime().Before(began) {
		t.Errorf("the root: %v, %v", i.ModTime(), err)
	}
	if err := tr.Mkdir(t.Context(), "/d/made"); err != nil {
		t.Fatal(err)
	}
	if at := tr.entry("/d", "made").ModTime(); at.Before(began.Add(-time.Second)) {
		t.Errorf("just made: %v", at)
	}
}

// The time and mode of a directory are kept with its marker; where there is none they have no effect, and no error.
func TestAttributesOfDirectories(t *testing.T) {
	tr := newTree(t)
	ctx := t.Context()
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	tr.put("marked/", "marked/x", "implied/x")
	for _, name := range []string{"/marked", "/implied", "/"} {
		if err := tr.SetModTime(ctx, name, at); err != nil {
			t.Errorf("SetModTime(%q): %v", name, err)
		}
		if err := tr.SetMode(ctx, name, 0o750); err != nil {
			t.Errorf("SetMode(%q): %v", name, err)
		}
	}
	o, _ := tr.store.Get(treeBucket, "marked/")
	if o.Meta["mtime"] != fmt.Sprint(at.Unix()) || o.Meta["mode"] != fmt.Sprint(0o040750) {
		t.Errorf("the marker keeps %v", o.Meta)
	}
	tr.wantKeys("implied/x", "marked/", "marked/x")
	if i, err := tr.Stat(ctx, "/marked"); err != nil || !i.ModTime().Equal(at) {
		t.Errorf("Stat: %v, %v", i.ModTime(), err)
	}
	if shown := tr.entry("/", "marked").ModTime(); !shown.Equal(at) {
		t.Errorf("listed with %v", shown)
	}
}
