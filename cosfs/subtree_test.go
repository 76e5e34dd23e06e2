package cosfs

import (
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// store uploads a file through the FS, so that listings are known to lag behind it.
func (tr *tree) upload(name, data string) {
	tr.t.Helper()
	w, err := tr.Create(tr.t.Context(), name)
	if err != nil {
		tr.t.Fatal(err)
	}
	if _, err := io.WriteString(w, data); err != nil {
		tr.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tr.t.Fatal(err)
	}
}

func TestRenameOfADirectoryThatListingsShowLate(t *testing.T) {
	tr := newMovable(t, costest.WithListDelay(time.Hour))
	tr.opts.PartSize, tr.opts.MaxFileSize = 1<<20, 1<<30
	tr.put("d/", "d/old", "d/gone", "d/replaced")
	tr.upload("/d/new", "new data")
	tr.upload("/d/replaced", "replaced data")
	if err := tr.Remove(t.Context(), "/d/gone"); err != nil {
		t.Fatal(err)
	}
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	tr.wantKeys("e/", "e/new", "e/old", "e/replaced")
	if got := tr.contents("e/")["replaced"]; got != "replaced data" {
		t.Errorf("e/replaced holds %q", got)
	}
	if got := tr.names("/e"); !slices.Equal(got, []string{"new", "old", "replaced"}) {
		t.Errorf("the new directory is listed as %q", got)
	}
	if got := tr.names("/"); !slices.Equal(got, []string{"e/"}) {
		t.Errorf("the root is listed as %q", got)
	}
	// COS lists nothing of e yet, and still all of d.
	if err := tr.Rename(t.Context(), "/e", "/d"); err != nil {
		t.Errorf("back again: %v", err)
	}
	tr.wantKeys("d/", "d/new", "d/old", "d/replaced")
	tr.upload("/f/x", "in the way")
	if err := tr.Rename(t.Context(), "/d", "/f"); !errors.Is(err, syscall.ENOTEMPTY) {
		t.Errorf("onto what no listing shows yet: %v, want syscall.ENOTEMPTY", err)
	}
}

func TestLeavesDistrust(t *testing.T) {
	const head, tail = "<ListBucketResult><IsTruncated>false</IsTruncated>", "</ListBucketResult>"
	const good = "<Contents><Key>d/x</Key><ETag>&quot;e&quot;</ETag><Size>3</Size><StorageClass>C</StorageClass></Contents>"
	decode := func(body string) ([]leaf, error) {
		p, err := decodePage([]byte(body), "")
		if err != nil {
			return nil, err
		}
		return p.leaves("d/")
	}
	leaves, err := decode(head + good + tail)
	if want := (leaf{rest: "x", size: 3, etag: "e", class: "C"}); err != nil || len(leaves) != 1 || leaves[0] != want {
		t.Errorf("%+v, %v; want %+v", leaves, err, want)
	}
	for _, body := range []string{
		"", "<Error/>", head + good, "<html>" + tail,
		head + "<Contents><Key>other/x</Key><Size>3</Size></Contents>" + tail,
	} {
		if leaves, err := decode(body); !isTemporary(err) {
			t.Errorf("%q: %+v, %v; want a temporary error", body, leaves, err)
		}
	}
}
