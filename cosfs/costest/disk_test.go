package costest

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// files counts the files below a directory of the store.
func files(t *testing.T, dir, below string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, testBucket, below), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDiskSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, WithDir(dir), WithMinPart(1))
	for _, key := range oddKeys {
		r.Put(testBucket, key, []byte(key), Meta("k", "\xff"+key[:1]), StorageClass("COLD"), Modified(time.Unix(1e9, 0)))
	}
	r.want(200, "", "PUT", "/web", "from the web", "Cache-Control", "no", "Content-Type", "a/b")
	id := r.start("up", "x-cos-meta-a", "b")
	one := r.upload("up", id, 1, "one")
	before := r.Objects(testBucket)

	r = newRig(t, WithDir(dir), WithMinPart(1))
	after := r.Objects(testBucket)
	if len(after) != len(oddKeys)+1 {
		t.Fatalf("%d objects, want %d", len(after), len(oddKeys)+1)
	}
	for i, o := range after {
		b := before[i]
		if o.Key != b.Key || string(o.Data) != string(b.Data) || o.ETag != b.ETag || o.CRC64 != b.CRC64 ||
			o.StorageClass != b.StorageClass || !o.Modified.Equal(b.Modified) || o.Meta["k"] != b.Meta["k"] ||
			o.ContentType != b.ContentType || o.Headers["Cache-Control"] != b.Headers["Cache-Control"] {
			t.Errorf("%+v, was %+v", o, b)
		}
	}
	if up := r.Uploads(testBucket); !slices.Equal(up, []Upload{{"up", id, 1}}) {
		t.Fatalf("uploads %+v", up)
	}
	two := r.upload("up", id, 2, "two")
	r.want(200, "", "POST", "/up?uploadId="+id, partList(1, one, 2, two))

	r = newRig(t, WithDir(dir))
	if o := r.stored("up"); string(o.Data) != "onetwo" || o.Meta["a"] != "b" {
		t.Errorf("completed %+v", o)
	}
	if got := r.want(200, "", "GET", "/up", "").body; got != "onetwo" {
		t.Errorf("GET %q", got)
	}
}

func TestDiskRemovesWhatNobodyNeeds(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, WithDir(dir), WithMinPart(1))
	r.Put(testBucket, "a", []byte("1"))
	r.Put(testBucket, "a", []byte("2"))
	r.want(200, "", "PUT", "/b", "", "x-cos-copy-source", source("a"))
	if n := files(t, dir, "data"); n != 1 {
		t.Errorf("%d bodies after an overwrite and a copy, want the shared one", n)
	}
	r.Remove(testBucket, "a")
	if got := r.want(200, "", "GET", "/b", "").body; got != "2" {
		t.Errorf("the copy reads %q", got)
	}
	r.Remove(testBucket, "b")
	id := r.start("up")
	r.upload("up", id, 1, "x")
	r.upload("up", id, 1, "y")
	r.want(204, "", "DELETE", "/up?uploadId="+id, "")
	id = r.start("up")
	one := r.upload("up", id, 1, "x")
	r.upload("up", id, 2, "unlisted")
	r.want(200, "", "POST", "/up?uploadId="+id, partList(1, one))
	r.want(400, "BadDigest", "PUT", "/up", "x", "Content-MD5", contentMD5("y"))
	r.want(409, "FileAlreadyExists", "PUT", "/up", "x", "x-cos-forbid-overwrite", "true")
	r.Remove(testBucket, "up")
	for _, below := range []string{"data", "objects", "uploads", "tmp"} {
		if n := files(t, dir, below); n != 0 {
			t.Errorf("%d files left in %s", n, below)
		}
	}
}

func TestDiskSweepsAtStart(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, WithDir(dir))
	r.Put(testBucket, "a", []byte("1"))
	id := r.start("a")
	for _, path := range []string{"data/zz/half", "tmp/half", "uploads/" + id + "x/1.json"} {
		path = filepath.Join(dir, testBucket, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r = newRig(t, WithDir(dir))
	if d, m, u := files(t, dir, "data"), files(t, dir, "tmp"), files(t, dir, "uploads"); d != 1 || m != 0 || u != 1 {
		t.Errorf("%d bodies, %d temporary files, %d upload records", d, m, u)
	}
	if string(r.stored("a").Data) != "1" {
		t.Error("the object is gone")
	}
}

// The process may end between the object's record and the removal of the upload's.
func TestDiskForgetsCompletedUpload(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, WithDir(dir), WithMinPart(1))
	id := r.start("k")
	one := r.upload("k", id, 1, "x")
	records := filepath.Join(dir, testBucket, "uploads", id)
	kept := filepath.Join(t.TempDir(), id)
	if err := os.CopyFS(kept, os.DirFS(records)); err != nil {
		t.Fatal(err)
	}
	r.want(200, "", "POST", "/k?uploadId="+id, partList(1, one))
	if err := os.CopyFS(records, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	r = newRig(t, WithDir(dir))
	if up := r.Uploads(testBucket); len(up) != 0 || string(r.stored("k").Data) != "x" {
		t.Errorf("uploads %+v", up)
	}
}

func TestDiskCopyBetweenBuckets(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, WithDir(dir), WithBucket("other-1"))
	r.Put("other-1", "k", []byte("hello"))
	r.want(200, "", "PUT", "/k", "", "x-cos-copy-source", Host("other-1")+"/k")
	r.Remove("other-1", "k")
	r = newRig(t, WithDir(dir))
	if got := string(r.stored("k").Data); got != "hello" {
		t.Errorf("stored %q", got)
	}
	if r.bucket("other-1") == nil {
		t.Error("a bucket of the directory is not served")
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	New(WithBucket(testBucket), WithDir(dir)).Put(testBucket, "a", []byte("1"))
	bodies, err := filepath.Glob(filepath.Join(dir, testBucket, "data", "*", "*"))
	if err != nil || len(bodies) != 1 {
		t.Fatal(bodies, err)
	}
	if err := os.Truncate(bodies[0], 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(WithDir(dir)); err == nil || !strings.Contains(err.Error(), bodies[0]) {
		t.Errorf("damaged body: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(WithDir(file)); err == nil {
		t.Error("a file was taken for a directory")
	}
	if _, err := Open(WithDir(dir), WithBucket("../x")); err == nil {
		t.Error("a bucket outside the directory was taken")
	}
}
