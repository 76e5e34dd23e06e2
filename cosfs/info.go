package cosfs

import (
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	metaPrefix = "x-cos-meta-"
	metaTime   = metaPrefix + "mtime" // Unix seconds, with or without a fraction, as cosfs and rclone write it
	metaMode   = metaPrefix + "mode"  // decimal st_mode, as cosfs writes it

	fileMode = fs.FileMode(0o555) // as the original shows files
	dirMode  = fs.ModeDir | 0o777
)

// object is what HEAD (or an upload) tells about one key.
type object struct {
	key          string
	size         int64
	modified     time.Time // x-cos-meta-mtime where present, else Last-Modified
	stored       time.Time // Last-Modified
	etag         string    // as COS sent it, with its quotes
	crc64        uint64
	hasCRC       bool // objects older than the feature have none
	storageClass string
	contentType  string
	meta         map[string]string // x-cos-meta-*: full header name in lower case to value
	answered     time.Time         // COS's clock when it told this; ours where it told no time
	header       http.Header       // all of the answer
}

// objectOf reads the answer to a HEAD or GET of a whole object.
func objectOf(key string, h http.Header, size int64) object {
	o := object{
		key:          key,
		size:         size,
		etag:         h.Get("ETag"),
		storageClass: h.Get("x-cos-storage-class"),
		contentType:  h.Get("Content-Type"),
		answered:     dateOf(h),
		header:       h,
	}
	o.stored, _ = http.ParseTime(h.Get("Last-Modified"))
	if crc, err := strconv.ParseUint(h.Get("x-cos-hash-crc64ecma"), 10, 64); err == nil {
		o.crc64, o.hasCRC = crc, true
	}
	for name, values := range h {
		if name = strings.ToLower(name); strings.HasPrefix(name, metaPrefix) && len(values) > 0 {
			if o.meta == nil {
				o.meta = make(map[string]string)
			}
			o.meta[name] = values[0]
		}
	}
	o.modified = o.stored
	if t, ok := parseTime(o.meta[metaTime]); ok {
		o.modified = t
	}
	return o
}

func (o *object) version() version { return version{o.etag, o.stored} }

// info is the fs.FileInfo of the object.
func (o *object) info() *info {
	i := &info{name: lastElement(o.key), size: o.size, mode: fileMode, modified: o.modified}
	if n, err := strconv.ParseUint(unescaped(o.meta[metaMode]), 10, 32); err == nil {
		i.mode, i.hasMode = fs.FileMode(n)&fs.ModePerm, true
	}
	return i
}

// parseTime reads the value of x-cos-meta-mtime.
func parseTime(value string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(unescaped(value), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	var nanos int64
	if fraction != "" {
		if nanos, err = strconv.ParseInt((fraction + "000000000")[:9], 10, 64); err != nil {
			return time.Time{}, false
		}
	}
	t := time.Unix(seconds, nanos)
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return time.Time{}, false
	}
	return t, true
}

// unescaped undoes percent-encoding where value is encoded.
func unescaped(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// info is what Stat and List tell about one file or directory.
type info struct {
	name     string
	size     int64
	mode     fs.FileMode
	hasMode  bool // it is the object's own, not fileMode
	modified time.Time
	gone     bool // deleted since it was listed

	// Of a file that was listed: which version it is. The ETag is without quotes.
	etag   string
	stored time.Time
}

// dirInfo tells about a directory with a key.
func (f *FS) dirInfo(name, dir string) *info {
	i := &info{name: name, mode: dirMode, modified: time.Now()}
	if at, known := f.recent.times.of(dir); known {
		i.modified = at
	}
	return i
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return i.modified }
func (i *info) HasMode() bool      { return i.hasMode }
func (i *info) IsDir() bool        { return i.mode.IsDir() }
func (i *info) Sys() any           { return nil }
