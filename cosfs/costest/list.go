package costest

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listTime is how listings write times.
const listTime = "2006-01-02T15:04:05.000Z"

// owner is who all objects belong to.
const owner = "<ID>qcs::cam::uin/100000000001:uin/100000000001</ID><DisplayName>100000000001</DisplayName>"

// page is one answer of a listing.
type page struct {
	prefix, delimiter, marker string
	limit                     int
	objects                   []*object
	prefixes                  []string // common prefixes
	truncated                 bool
	last                      string // the last entry, key or common prefix
}

// listObjects is GET Bucket (document 436/7734).
func (x *exchange) listObjects() error {
	limit, err := x.limit("max-keys")
	if err != nil {
		return err
	}
	if err := x.checkEncoding(); err != nil {
		return err
	}
	q := x.query
	p := &page{prefix: q.Get("prefix"), delimiter: q.Get("delimiter"), marker: q.Get("marker"), limit: limit}
	if x.store.kind.accelerated && p.delimiter == "" {
		p.delimiter = "/" // see Accelerated
	}
	x.store.fillPage(p)
	x.xml(http.StatusOK, x.pageXML(p))
	return nil
}

// limit reads a parameter that bounds a page; more than COS gives at once is cut to that.
func (x *exchange) limit(name string) (int, error) {
	text := x.query.Get(name)
	if text == "" {
		return maxPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errInvalidArgument.because("%s is %q, want 0 to %d.", name, text, maxPage)
	}
	return min(n, maxPage), nil
}

func (x *exchange) checkEncoding() error {
	if e := x.query.Get("encoding-type"); e != "" && e != "url" {
		return errInvalidArgument.because("encoding-type is %q, want url.", e)
	}
	return nil
}

// fillPage fills a page.
func (b *bucketStore) fillPage(p *page) {
	if p.limit == 0 {
		return
	}
	lock, unlock := b.mu.RLock, b.mu.RUnlock
	settles := b.server.settlesListings()
	if settles {
		lock, unlock = b.mu.Lock, b.mu.Unlock // settle writes
	}
	lock()
	defer unlock()
	var now time.Time // at which nothing is due
	if settles {
		now = b.server.now()
	}
	start, more := max(p.prefix, p.marker), true
	for more {
		start, more = b.scan(p, start, now)
	}
}

// scan adds entries from start on until it comes to a common prefix, and returns where to go on behind that.
func (b *bucketStore) scan(p *page, start string, now time.Time) (next string, again bool) {
	for e := range b.index.from(start) {
		if !strings.HasPrefix(e.key, p.prefix) {
			return "", false
		}
		e.settle(now)
		if e.listed == nil || e.key == p.marker && !b.server.markerIncluded {
			continue
		}
		if common := p.common(e.key); common != "" {
			past := common > p.marker || common == p.marker && b.server.markerIncluded
			if past && !p.add(common, nil) {
				return "", false
			}
			return behind(common)
		}
		if !p.add(e.key, e.listed) {
			return "", false
		}
	}
	return "", false
}

// common returns the common prefix that stands for the key, "" if the key stands for itself.
func (p *page) common(key string) string {
	if p.delimiter == "" {
		return ""
	}
	i := strings.Index(key[len(p.prefix):], p.delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(p.prefix)+i+len(p.delimiter)]
}

// add adds an object, or a common prefix where o is nil, and reports false if the page was full already.
func (p *page) add(name string, o *object) bool {
	if len(p.objects)+len(p.prefixes) == p.limit {
		p.truncated = true
		return false
	}
	p.last = name
	if o != nil {
		p.objects = append(p.objects, o)
	} else {
		p.prefixes = append(p.prefixes, name)
	}
	return true
}

// behind returns the first possible key that does not begin with prefix, false if there is none.
func behind(prefix string) (string, bool) {
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return "", false
	}
	end[len(end)-1]++
	return string(end), true
}

func (x *exchange) pageXML(p *page) []byte {
	var b bytes.Buffer
	b.Grow(1024 + 400*len(p.objects))
	name := x.nameEncoder()
	b.WriteString(xmlHead + "<ListBucketResult>")
	element(&b, "Name", x.bucket)
	if x.query.Get("encoding-type") != "" {
		element(&b, "EncodingType", "url")
	}
	element(&b, "Prefix", name(p.prefix))
	element(&b, "Marker", name(p.marker))
	element(&b, "MaxKeys", strconv.Itoa(p.limit))
	if asked := x.query.Get("delimiter"); asked != "" {
		element(&b, "Delimiter", name(asked))
	}
	element(&b, "IsTruncated", strconv.FormatBool(p.truncated))
	if p.truncated {
		element(&b, "NextMarker", name(p.last))
	}
	for _, o := range p.objects {
		b.WriteString("<Contents>")
		element(&b, "Key", name(o.key))
		element(&b, "LastModified", o.modified.UTC().Truncate(time.Second).Format(listTime))
		element(&b, "ETag", x.etag(o.etag))
		element(&b, "Size", strconv.FormatInt(o.size, 10))
		b.WriteString("<Owner>" + owner + "</Owner>")
		element(&b, "StorageClass", cmp.Or(o.header.class, "STANDARD"))
		b.WriteString("</Contents>")
	}
	writePrefixes(&b, p.prefixes, name)
	b.WriteString("</ListBucketResult>")
	return b.Bytes()
}

func writePrefixes(b *bytes.Buffer, prefixes []string, name func(string) string) {
	for _, p := range prefixes {
		b.WriteString("<CommonPrefixes>")
		element(b, "Prefix", name(p))
		b.WriteString("</CommonPrefixes>")
	}
}

// nameEncoder is what listings do to keys: encoding-type=url encodes them.
func (x *exchange) nameEncoder() func(string) string {
	if x.query.Get("encoding-type") == "url" {
		return escapeKey
	}
	return func(s string) string { return s }
}

// escapeKey percent-encodes all but unreserved characters and slashes.
func escapeKey(key string) string { return percentEncode(key, "/") }

// percentEncode encodes all but A-Za-z0-9-_.~ and the characters of also.
func percentEncode(s, also string) string {
	plain := func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("-_.~", c) >= 0 || strings.IndexByte(also, c) >= 0
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// listParts is List Parts (document 436/7747).
func (x *exchange) listParts() error {
	limit, err := x.limit("max-parts")
	if err != nil {
		return err
	}
	if err := x.checkEncoding(); err != nil {
		return err
	}
	u := x.store.upload(x.key, x.query.Get("uploadId"))
	if u == nil {
		return errNoSuchUpload
	}
	marker, _ := strconv.Atoi(x.query.Get("part-number-marker"))
	parts := x.store.parts(u)
	parts = slices.DeleteFunc(parts, func(p *part) bool { return p.number <= marker })
	truncated := len(parts) > limit
	parts = parts[:min(limit, len(parts))]

	var b bytes.Buffer
	b.WriteString(xmlHead + "<ListPartsResult>")
	element(&b, "Bucket", x.bucket)
	if x.query.Get("encoding-type") != "" {
		element(&b, "Encoding-type", "url")
	}
	element(&b, "Key", x.nameEncoder()(u.key))
	element(&b, "UploadId", u.id)
	b.WriteString("<Initiator>" + owner + "</Initiator><Owner>" + owner + "</Owner>")
	element(&b, "StorageClass", cmp.Or(u.header.class, "STANDARD"))
	element(&b, "PartNumberMarker", strconv.Itoa(marker))
	if truncated && len(parts) > 0 {
		element(&b, "NextPartNumberMarker", strconv.Itoa(parts[len(parts)-1].number))
	}
	element(&b, "MaxParts", strconv.Itoa(limit))
	element(&b, "IsTruncated", strconv.FormatBool(truncated))
	for _, p := range parts {
		b.WriteString("<Part>")
		element(&b, "PartNumber", strconv.Itoa(p.number))
		element(&b, "LastModified", p.modified.UTC().Truncate(time.Second).Format(listTime))
		element(&b, "ETag", x.etag(p.etag))
		element(&b, "Size", strconv.FormatInt(p.size, 10))
		b.WriteString("</Part>")
	}
	b.WriteString("</ListPartsResult>")
	x.xml(http.StatusOK, b.Bytes())
	return nil
}

// parts returns the parts of an upload by number.
func (b *bucketStore) parts(u *upload) []*part {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.SortedFunc(maps.Values(u.parts), func(p, q *part) int { return cmp.Compare(p.number, q.number) })
}

// listUploads is List Multipart Uploads (document 436/7736).
func (x *exchange) listUploads() error {
	limit, err := x.limit("max-uploads")
	if err != nil {
		return err
	}
	if err := x.checkEncoding(); err != nil {
		return err
	}
	q := x.query
	l := &uploadPage{
		page:     page{prefix: q.Get("prefix"), delimiter: q.Get("delimiter"), marker: q.Get("key-marker"), limit: limit},
		idMarker: q.Get("upload-id-marker"),
	}
	l.fill(x.store.openUploads())
	x.xml(http.StatusOK, x.uploadsXML(l))
	return nil
}

// openUploads returns all uploads by key and ID.
func (b *bucketStore) openUploads() []*upload {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.SortedFunc(maps.Values(b.uploads), func(u, v *upload) int {
		return cmp.Or(cmp.Compare(u.key, v.key), cmp.Compare(u.id, v.id))
	})
}

// uploadPage is one answer of a listing of uploads.
type uploadPage struct {
	page
	idMarker string
	uploads  []*upload
	lastID   string
}

func (l *uploadPage) fill(all []*upload) {
	if l.limit == 0 {
		return
	}
	for _, u := range all {
		if !strings.HasPrefix(u.key, l.prefix) || !l.after(u) {
			continue
		}
		common := l.common(u.key)
		if common != "" && (common == l.last || common <= l.marker) {
			continue
		}
		if len(l.uploads)+len(l.prefixes) == l.limit {
			l.truncated = true
			return
		}
		if common != "" {
			l.prefixes = append(l.prefixes, common)
			l.last, l.lastID = common, ""
			continue
		}
		l.uploads = append(l.uploads, u)
		l.last, l.lastID = u.key, u.id
	}
}

// after reports whether an upload comes behind the markers.
func (l *uploadPage) after(u *upload) bool {
	if u.key == l.marker && l.marker != "" {
		return l.idMarker != "" && u.id > l.idMarker
	}
	return u.key > l.marker
}

func (x *exchange) uploadsXML(l *uploadPage) []byte {
	var b bytes.Buffer
	name := x.nameEncoder()
	b.WriteString(xmlHead + "<ListMultipartUploadsResult>")
	element(&b, "Bucket", x.bucket)
	if x.query.Get("encoding-type") != "" {
		element(&b, "Encoding-Type", "url")
	}
	element(&b, "KeyMarker", name(l.marker))
	element(&b, "UploadIdMarker", l.idMarker)
	if l.truncated {
		element(&b, "NextKeyMarker", name(l.last))
		element(&b, "NextUploadIdMarker", l.lastID)
	}
	element(&b, "MaxUploads", strconv.Itoa(l.limit))
	element(&b, "IsTruncated", strconv.FormatBool(l.truncated))
	element(&b, "Prefix", name(l.prefix))
	element(&b, "Delimiter", name(l.delimiter))
	for _, u := range l.uploads {
		b.WriteString("<Upload>")
		element(&b, "Key", name(u.key))
		element(&b, "UploadId", u.id)
		element(&b, "StorageClass", cmp.Or(u.header.class, "STANDARD"))
		b.WriteString("<Initiator>" + owner + "</Initiator><Owner>" + owner + "</Owner>")
		element(&b, "Initiated", u.started.UTC().Truncate(time.Second).Format(listTime))
		b.WriteString("</Upload>")
	}
	writePrefixes(&b, l.prefixes, name)
	b.WriteString("</ListMultipartUploadsResult>")
	return b.Bytes()
}
