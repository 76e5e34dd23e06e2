package cosfs

import (
	"crypto/sha256"
	"io/fs"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// attributesLimit is of how many files the attributes are known, of all buckets; each takes about 200 bytes.
	attributesLimit = 100000
	// settledAfter is how old an object must be for what HEAD tells of it to be kept. COS's times are whole seconds: in the
	// second in which it was stored it may be copied onto itself with new metadata, and neither its ETag nor its time would
	// show that.
	settledAfter = 2 * time.Second
)

// attributes are what a listing does not tell of a file, and HEAD does.
type attributes struct {
	modified time.Time
	mode     fs.FileMode
	hasMode  bool
}

// attributesOf is what is known of the attributes of files, by versionID.
type attributesOf = lru.Cache[versionID, attributes]

func newAttributesOf() *attributesOf {
	known, _ := lru.New[versionID, attributes](attributesLimit) // fails for no limit only
	return known
}

// versionID stands for one version of one object: a hash, because keys are long.
type versionID [16]byte

// versionID is that of what a listing or HEAD tells: the ETag without quotes and Last-Modified.
func (f *FS) versionID(key, etag string, stored time.Time) versionID {
	text := make([]byte, 0, 256)
	for _, s := range []string{f.opts.Bucket, f.opts.Address, key, etag} {
		text = append(append(text, s...), 0) // none of them holds one
	}
	sum := sha256.Sum256(strconv.AppendInt(text, stored.Unix(), 10))
	return versionID(sum[:16])
}

// remember keeps the attributes that HEAD has told.
func (f *FS) remember(o *object, i *info) {
	if o.etag == "" || o.stored.IsZero() || o.answered.Sub(o.stored) < settledAfter {
		return
	}
	f.engine.attributes.Add(f.versionID(o.key, bareETag(o.etag), o.stored), attributes{i.modified, i.mode, i.hasMode})
}

// recall completes a listed file from what is known of it, and reports whether it could.
func (f *FS) recall(dir string, file *info) bool {
	if file.etag == "" || file.stored.IsZero() {
		return false
	}
	known, ok := f.engine.attributes.Get(f.versionID(dir+file.name, file.etag, file.stored))
	if ok {
		file.modified, file.mode, file.hasMode = known.modified, known.mode, known.hasMode
	}
	return ok
}
