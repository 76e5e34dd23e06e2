package costest

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// copySource opens the object that a copy names, as host/key with the key URL-encoded; its conditions hold.
func (x *exchange) copySource() (*object, error) {
	if x.store.kind.noCopy {
		return nil, errNotImplemented.because("Objects cannot be copied into this bucket.")
	}
	text := x.r.Header.Get("X-Cos-Copy-Source")
	path, _, _ := strings.Cut(text, "?") // a version
	host, encoded, found := strings.Cut(path, "/")
	key, err := url.PathUnescape(encoded)
	if !found || err != nil || key == "" {
		return nil, errInvalidArgument.because("x-cos-copy-source is %q, want host/key with the key URL-encoded.", text)
	}
	if x.server.keyRule != nil {
		key = x.server.keyRule(key)
	}
	b := x.server.bucket(bucketOf(host))
	if b == nil {
		return nil, errNoSuchBucket.because("The bucket of the source %q does not exist.", text)
	}
	src := b.open(key)
	switch {
	case src == nil:
		return nil, x.missing().because("The source %q does not exist.", text)
	case src.append && !x.server.appendableCopies:
		err = errNotAppendable.because("An appendable object cannot be copied.")
	case strings.HasSuffix(src.header.class, "ARCHIVE"):
		err = errArchived
	case x.changesZones(src):
		err = errStorageClass.because("An object of several zones is copied to the same storage class only.")
	default:
		err = x.checkCopyConditions(src)
	}
	if err != nil {
		src.body.release()
		return nil, err
	}
	return src, nil
}

// checkCopyConditions checks what x-cos-copy-source-If-* ask for.
func (x *exchange) checkCopyConditions(src *object) error {
	if x.server.noConditions {
		return nil
	}
	if want := x.r.Header.Get("X-Cos-Copy-Source-If-Match"); want != "" && !x.server.copyETag.allows(want) {
		return errPrecondition
	}
	return checkConditions(x.r.Header, "X-Cos-Copy-Source-", src)
}

// allows reports whether an ETag is spelled in that form.
func (f ETagForm) allows(etag string) bool {
	return f == AnyETag || strings.HasPrefix(etag, `"`) == (f == QuotedETag)
}

// copyObject is PUT Object - Copy (document 436/10881).
func (x *exchange) copyObject() error {
	h, err := x.requestHeader()
	if err != nil {
		return err
	}
	src, err := x.copySource()
	if err != nil {
		return err
	}
	h, err = x.copiedHeader(src, h)
	if err == nil && src.size > x.server.copyLimit {
		err = errEntityTooLarge.because("The source has %d bytes, more than the %d that one copy may have.", src.size, x.server.copyLimit)
	}
	if err != nil {
		src.body.release()
		return err
	}
	body, err := x.server.adopt(x.store, src.body)
	src.body.release()
	if err != nil {
		return err
	}
	in := intake{body: body, size: src.size, crc: src.crc, etag: src.etag}
	obj := x.store.encrypted(in.object(x.key, h, x.server.now()))
	in.etag = obj.etag
	if err := x.store.commit(obj, commitOptions{forbidOverwrite: x.forbidsOverwrite()}); err != nil {
		return err
	}
	x.copied("CopyObjectResult", in, obj)
	return nil
}

// copiedHeader is what the copy is stored with: given is what the request says. The storage class is not copied.
func (x *exchange) copiedHeader(src *object, given header) (header, error) {
	directive := x.r.Header.Get("X-Cos-Metadata-Directive")
	switch {
	case strings.EqualFold(directive, "Replaced"):
		return given, nil
	case directive != "" && !strings.EqualFold(directive, "Copy"):
		return given, errInvalidArgument.because("x-cos-metadata-directive is %q, want Copy or Replaced.", directive)
	}
	if src == x.store.current(x.key) {
		return given, errInvalidArgument.because("Copying an object to itself needs the metadata directive Replaced.")
	}
	class := given.class
	given = src.header
	given.class = class
	return given, nil
}

// current returns the object of a key without retaining it.
func (b *bucketStore) current(key string) *object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.objectAt(key)
}

// copied answers a copy, which made the object or part made.
func (x *exchange) copied(root string, in intake, made *object) {
	x.versionHeader(made)
	x.w.Header().Set("X-Cos-Hash-Crc64ecma", x.crc(in.crc))
	var b bytes.Buffer
	b.WriteString(strings.Repeat(" ", x.server.blanks) + xmlHead + "<" + root + ">")
	element(&b, "ETag", x.etag(in.etag))
	element(&b, "CRC64", x.crc(in.crc))
	element(&b, "LastModified", made.modified.UTC().Format(listTime))
	if made.version != "" {
		element(&b, "VersionId", made.version)
	}
	b.WriteString("</" + root + ">")
	x.xml(http.StatusOK, b.Bytes())
}

// uploadPartCopy is Upload Part - Copy (document 436/8287).
func (x *exchange) uploadPartCopy() error {
	u, number, err := x.partOf()
	if err != nil {
		return err
	}
	src, err := x.copySource()
	if err != nil {
		return err
	}
	defer src.body.release()
	if err := x.store.beginPart(u, number); err != nil {
		return err
	}
	defer x.store.endPart(u, number)
	off, n, err := x.copyRange(src.size)
	if err != nil {
		return err
	}
	body, err := x.server.adopt(x.store, src.body.cut(off, n))
	if err != nil {
		return err
	}
	in := intake{body: body, size: n}
	if err := x.server.sum(&in); err != nil {
		in.body.release()
		return err
	}
	if err := x.store.addPart(u, number, in); err != nil {
		return err
	}
	x.w.Header().Set("ETag", x.etag(in.etag))
	if x.server.sourceCRC {
		in.crc = src.crc
	}
	x.copied("CopyPartResult", in, &object{modified: x.server.now()})
	return nil
}

// copyRange reads x-cos-copy-source-range, which must lie inside the source.
func (x *exchange) copyRange(size int64) (off, n int64, err error) {
	n = size
	text := x.r.Header.Get("X-Cos-Copy-Source-Range")
	if text != "" {
		first, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
		from, err1 := strconv.ParseInt(first, 10, 64)
		to, err2 := strconv.ParseInt(last, 10, 64)
		if !ok || !strings.HasPrefix(text, "bytes=") || err1 != nil || err2 != nil || from > to {
			return 0, 0, errInvalidArgument.because("x-cos-copy-source-range is %q, want bytes=first-last.", text)
		}
		if to >= size {
			return 0, 0, errInvalidRange.because("x-cos-copy-source-range is %q, but the source has %d bytes.", text, size)
		}
		off, n = from, to-from+1
	}
	if n > maxPut {
		return 0, 0, errEntityTooLarge
	}
	return off, n, nil
}
