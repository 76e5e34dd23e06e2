package cosfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// newBlind is a tree whose key pair may not do these actions, and learns nothing of names that do not exist.
func newBlind(t *testing.T, denied ...string) *tree {
	tr := newTree(t, costest.WithForbiddenMissing(), costest.WithDenied("id", denied...))
	tr.opts.MaxFileSize, tr.opts.PartSize = 20<<20, 1<<20
	return tr
}

// append appends data to a file.
func (tr *tree) append(name string, data []byte) error {
	w, err := tr.Append(tr.t.Context(), name)
	if err != nil {
		return err
	}
	if _, err := w.(io.ReaderFrom).ReadFrom(bytes.NewReader(data)); err != nil {
		tr.t.Error(err)
	}
	return w.Close()
}

// TestRightsToAppendUnseen: a key pair that may not look at a name begins a new file there, and never replaces one.
func TestRightsToAppendUnseen(t *testing.T) {
	for _, denied := range [][]string{{"GetBucket"}, {"HeadObject"}, {"GetBucket", "HeadObject"}} {
		for _, size := range []int{0, 5, 3 << 20} {
			tr := newBlind(t, denied...)
			tr.store.Put(treeBucket, "old", []byte("old data"))
			data := noise(size)
			if err := tr.append("/new", data); err != nil {
				t.Errorf("without %v, %d bytes to a new name: %v", denied, size, err)
			}
			if o, _ := tr.store.Get(treeBucket, "new"); !slices.Equal(o.Data, data) {
				t.Errorf("without %v: the new file has %d bytes, want %d", denied, len(o.Data), size)
			}
			want := error(nil)
			if slices.Contains(denied, "HeadObject") {
				want = fs.ErrPermission
			}
			if err := tr.append("/old", data); !errors.Is(err, want) {
				t.Errorf("without %v, %d bytes to an old file: %v, want %v", denied, size, err, want)
			}
			kept := []byte("old data")
			if want == nil {
				kept = append(kept, data...)
			}
			if o, _ := tr.store.Get(treeBucket, "old"); !slices.Equal(o.Data, kept) {
				t.Errorf("without %v: the old file has %d bytes, want %d", denied, len(o.Data), len(kept))
			}
			if left := tr.parts(); len(left) > 0 {
				t.Errorf("parts are left: %v", left)
			}
		}
	}
}

// TestRightsToAppendUnseenMeanwhile: nor is a file replaced that comes while the upload runs.
func TestRightsToAppendUnseenMeanwhile(t *testing.T) {
	tr := newBlind(t, "GetBucket", "HeadObject")
	w, err := tr.Append(t.Context(), "/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("ours")); err != nil {
		t.Fatal(err)
	}
	tr.store.Put(treeBucket, "f", []byte("theirs"))
	if err := w.Close(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
	if o, _ := tr.store.Get(treeBucket, "f"); string(o.Data) != "theirs" {
		t.Errorf("the file holds %q", o.Data)
	}
}

// TestRightsToMakeDirectoryUnseen: without the right to list a directory is made where there is no marker.
func TestRightsToMakeDirectoryUnseen(t *testing.T) {
	tr := newBlind(t, "GetBucket", "HeadObject")
	tr.store.Put(treeBucket, "old/", nil, costest.Meta("mode", "16832"))
	if err := tr.Mkdir(t.Context(), "/new"); err != nil {
		t.Error(err)
	}
	if err := tr.Mkdir(t.Context(), "/old"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want fs.ErrExist", err)
	}
	tr.wantKeys("new/", "old/")
	if o, _ := tr.store.Get(treeBucket, "old/"); o.Meta["mode"] != "16832" {
		t.Errorf("the marker was replaced: %v", o.Meta)
	}
}

// TestRightsOfABigRename holds the row of docs/rights.md for a file that is too big for one copy request.
func TestRightsOfABigRename(t *testing.T) {
	text, err := os.ReadFile("../docs/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(string(text), "| `RNFR`, `RNTO` of a file over 5 GiB |")
	row, _, _ = strings.Cut(row, "|")
	var needs []string
	for _, m := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row, -1) {
		needs = append(needs, m[1])
	}
	if len(needs) < 5 {
		t.Fatalf("the row has %q", needs)
	}
	rename := func(allowed []string) error {
		tr := newTree(t)
		tr.copyLimit, tr.FS.copyPart = 3<<20, 1<<20
		tr.store.Put(treeBucket, "big", noise(4<<20))
		tr.store.Allow("id", allowed...)
		if _, err := tr.Stat(t.Context(), "/big"); err != nil { // RNFR
			return err
		}
		return tr.Rename(t.Context(), "/big", "/renamed")
	}
	if err := rename(needs); err != nil {
		t.Errorf("with %q: %v", needs, err)
	}
	for i, missing := range needs {
		if err := rename(slices.Delete(slices.Clone(needs), i, i+1)); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("without %s: %v, want fs.ErrPermission", missing, err)
		}
	}
}

// TestRightsOfInterruptedUploads: nothing is kept of a STOR that its client breaks off where nobody can see what that would
// replace.
func TestRightsOfInterruptedUploads(t *testing.T) {
	tr := newBlind(t, "HeadObject")
	tr.store.Put(treeBucket, "f", []byte("a whole file"))
	w := begin(t, tr.FS, "/f", []byte("a fragm"))
	if err := interrupt(w); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
	if o, _ := tr.store.Get(treeBucket, "f"); string(o.Data) != "a whole file" {
		t.Errorf("the file holds %q", o.Data)
	}
}

// TestAppendWithoutALookReplacesNoVersion: the key pair is refused a look at a file once, and where there are versions COS
// replaces files in spite of x-cos-forbid-overwrite. The listing shows the file.
func TestAppendWithoutALookReplacesNoVersion(t *testing.T) {
	tr := newTransfers(t, EngineOptions{}, costest.WithBucket(treeBucket, costest.Versioned()))
	tr.store.Put(treeBucket, "f", []byte("old"))
	tr.store.Inject(costest.Fault{Op: "HeadObject", Times: 2, Status: 403, Code: "AccessDenied"})
	w, err := tr.Append(t.Context(), "/f")
	if err == nil {
		_, err = w.Write([]byte("tail"))
		err = errors.Join(err, w.Close())
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
	tr.wantObject("f", []byte("old"))
}
