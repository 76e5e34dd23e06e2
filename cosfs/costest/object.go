package costest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// storageClasses are those that COS takes (document 436/33417).
var storageClasses = map[string]bool{
	"STANDARD": true, "STANDARD_IA": true, "INTELLIGENT_TIERING": true, "ARCHIVE": true, "DEEP_ARCHIVE": true,
	"COLD": true, "MAZ_STANDARD": true, "MAZ_STANDARD_IA": true, "MAZ_INTELLIGENT_TIERING": true, "MAZ_ARCHIVE": true,
}

func normalClass(class string) string {
	if class == "STANDARD" {
		return ""
	}
	return class
}

// putObject is PUT Object (document 436/7749).
func (x *exchange) putObject() error {
	length := x.r.ContentLength
	if length > maxPut {
		return errEntityTooLarge
	}
	h, err := x.requestHeader()
	if err != nil {
		return err
	}
	sum, err := x.contentMD5()
	if err != nil {
		return err
	}
	in, err := x.server.takeIn(x.store, x.body, length, sum)
	if err != nil {
		return err
	}
	obj := x.store.encrypted(in.object(x.key, h, x.server.now()))
	in.etag = obj.etag
	if old := x.store.current(x.key); x.server.appendableStays && old != nil {
		obj.append = old.append
	}
	if err := x.store.commit(obj, commitOptions{forbidOverwrite: x.forbidsOverwrite()}); err != nil {
		return err
	}
	x.versionHeader(obj)
	x.stored(in)
	return nil
}

// stored answers an upload.
func (x *exchange) stored(in intake) {
	h := x.w.Header()
	h.Set("ETag", x.etag(in.etag))
	h.Set("X-Cos-Hash-Crc64ecma", x.crc(in.crc))
	x.status(http.StatusOK)
}

func (x *exchange) forbidsOverwrite() bool {
	return !x.server.noForbidOverwrite && strings.EqualFold(x.r.Header.Get("X-Cos-Forbid-Overwrite"), "true")
}

// contentMD5 is what Content-MD5 promises, nil if there is none.
func (x *exchange) contentMD5() ([]byte, error) {
	text := x.r.Header.Get("Content-Md5")
	if text == "" {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != 16 {
		return nil, errInvalidDigest
	}
	return sum, nil
}

// requestHeader is requestHeader for a new object of the bucket, which may know storage classes of its own only.
func (x *exchange) requestHeader() (header, error) {
	h, err := requestHeader(x.r.Header)
	if err == nil {
		h.class, err = x.store.kind.class(h.class)
	}
	return h, err
}

// requestHeader reads what an object is to be stored with.
func requestHeader(from http.Header) (header, error) {
	h := header{contentType: from.Get("Content-Type"), class: from.Get("X-Cos-Storage-Class")}
	if h.class != "" && !storageClasses[h.class] {
		return h, errStorageClass.because("There is no storage class %q.", h.class)
	}
	h.class = normalClass(h.class)
	for _, name := range keptHeaders {
		if value := from.Get(name); value != "" {
			if h.other == nil {
				h.other = map[string]string{}
			}
			h.other[name] = value
		}
	}
	size := 0
	for name, values := range from {
		short, is := strings.CutPrefix(strings.ToLower(name), "x-cos-meta-")
		if !is {
			continue
		}
		if short == "" || strings.Contains(short, "_") {
			return h, errInvalidArgument.because("A name of user metadata must not be empty or contain an underscore: %q.", name)
		}
		if h.meta == nil {
			h.meta = map[string]string{}
		}
		h.meta[short] = values[0]
		size += len(name) + len(values[0])
	}
	if size > maxMeta {
		return h, errMetadataTooLarge.because("Your user metadata has %d bytes, more than %d.", size, maxMeta)
	}
	return h, nil
}

// headObject is HEAD Object (document 436/7745).
func (x *exchange) headObject() error {
	obj := x.store.open(x.key)
	if obj == nil && x.store.kind.accelerated {
		obj = x.store.open(x.key + "/")
	}
	if obj == nil {
		return x.missing()
	}
	defer obj.body.release()
	if err := x.checkRead(obj); err != nil {
		return err
	}
	x.objectHeaders(obj)
	x.w.Header().Set("Content-Length", strconv.FormatInt(obj.size, 10))
	x.status(http.StatusOK)
	return nil
}

func (x *exchange) objectHeaders(o *object) {
	x.versionHeader(o)
	h := x.w.Header()
	o.header.set(h)
	if x.store.kind.accelerated && strings.HasSuffix(o.key, "/") {
		h.Set("X-Cos-File-Mode-Dir", "true")
	}
	if x.store.kind.locked {
		h.Set("X-Cos-Object-Lock-Mode", "COMPLIANCE")
		h.Set("X-Cos-Object-Lock-Retain-Until-Date", x.server.now().AddDate(1, 0, 0).UTC().Format(listTime))
	}
	if x.store.kind.kms {
		h.Set("X-Cos-Server-Side-Encryption", "cos/kms")
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", o.contentType())
	h.Set("ETag", x.etag(o.etag))
	h.Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	h.Set("X-Cos-Hash-Crc64ecma", x.crc(o.crc))
	if o.append {
		h.Set("X-Cos-Object-Type", "appendable")
		h.Set("X-Cos-Next-Append-Position", strconv.FormatInt(o.size, 10))
	} else {
		h.Set("X-Cos-Object-Type", "normal")
	}
}

// getObject is GET Object (document 436/7753).
func (x *exchange) getObject() error {
	obj := x.store.open(x.key)
	if obj == nil {
		return x.missing()
	}
	defer obj.body.release()
	if strings.HasSuffix(obj.header.class, "ARCHIVE") {
		return errArchived
	}
	if err := x.checkRead(obj); err != nil {
		return err
	}
	off, n, partial, err := parseRange(x.r.Header.Get("Range"), obj.size)
	if err != nil {
		x.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", obj.size))
		return err
	}
	x.objectHeaders(obj)
	x.overrideHeaders()
	h := x.w.Header()
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	code := http.StatusOK
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, obj.size))
		code = http.StatusPartialContent
	}
	x.status(code)
	return x.send(obj.body.cut(off, n), n)
}

// overrideHeaders applies the response-* parameters, which only signed requests may use.
func (x *exchange) overrideHeaders() {
	for _, name := range append([]string{"Content-Type"}, keptHeaders...) {
		if value := x.query.Get("response-" + strings.ToLower(name)); value != "" {
			x.w.Header().Set(name, value)
		}
	}
}

// send sends the body of an object, as fast and as far as faults and bandwidth let it.
func (x *exchange) send(body blob, n int64) error {
	if x.cutting {
		body = body.cut(0, x.cutPoint(n))
	}
	p := x.newPace()
	var err error
	switch {
	case p != nil:
		_, err = body.writeTo(writerFunc(func(data []byte) (int, error) { return x.writePaced(data, p) }))
	case x.hidden:
		// nobody reads it
	default:
		x.seen.out.Add(body.size()) // before the client can have it
		_, err = body.writeTo(x.w)
	}
	if x.cutting {
		x.cutBody()
		return nil
	}
	return err
}

// cutPoint is where a body of n bytes is cut.
func (x *exchange) cutPoint(n int64) int64 {
	if x.cutAt < 0 {
		return n / 2
	}
	return min(x.cutAt, n)
}

// cutBody ends an answer before its end, as the fault says.
func (x *exchange) cutBody() {
	_ = http.NewResponseController(x.w).Flush()
	if x.fault.Hang {
		x.hang()
	} else {
		x.cut()
	}
}

func (x *exchange) writePaced(data []byte, p *pace) (int, error) {
	done := 0
	for done < len(data) {
		piece := data[done:min(done+p.step(), len(data))]
		if err := p.wait(len(piece)); err != nil {
			return done, err
		}
		n, err := x.write(piece)
		done += n
		if err != nil {
			return done, err
		}
		_ = http.NewResponseController(x.w).Flush()
	}
	return done, nil
}

// deleteObject is DELETE Object (document 436/7743): deleting what is not there succeeds.
func (x *exchange) deleteObject() error {
	if x.store.kind.accelerated && x.query.Has("recursive") {
		x.store.removeTree(x.key)
		x.status(http.StatusNoContent)
		return nil
	}
	marker, err := x.store.remove(x.key, false)
	if err != nil {
		return err
	}
	x.versionHeader(marker)
	x.deleted()
	return nil
}

// deleted answers a deletion.
func (x *exchange) deleted() { x.status(cmp.Or(x.server.deleteStatus, http.StatusNoContent)) }

// appendObject is APPEND Object (document 436/7741).
func (x *exchange) appendObject() error {
	if x.store.kind.accelerated || x.store.kind.versioned {
		return errNotAppendable.because("Objects of this bucket are not appendable.")
	}
	if x.r.ContentLength < 0 {
		return errNoLength
	}
	position, err := strconv.ParseInt(x.query.Get("position"), 10, 64)
	if err != nil || position < 0 {
		return errInvalidArgument.because("position is %q, want a number.", x.query.Get("position"))
	}
	h, err := x.requestHeader()
	if err != nil {
		return err
	}
	in, err := x.server.takeIn(x.store, x.body, x.r.ContentLength, nil)
	if err != nil {
		return err
	}
	total, err := x.appendTo(position, h, in)
	if err != nil {
		return err
	}
	x.w.Header().Set("X-Cos-Next-Append-Position", strconv.FormatInt(total.size, 10))
	x.stored(total)
	return nil
}

// appendTo commits the old object and the piece as one.
func (x *exchange) appendTo(position int64, h header, piece intake) (intake, error) {
	old := x.store.open(x.key)
	total := piece
	if old != nil {
		h = old.header
		total = intake{
			body: slices.Concat(old.body, piece.body).joined(),
			size: old.size + piece.size,
			crc:  combineCRC(old.crc, piece.crc, piece.size),
		}
		total.etag = etagFromCRC(total.crc, total.size)
	}
	obj := total.object(x.key, h, x.server.now())
	obj.append = true
	err := x.store.commit(obj, commitOptions{check: func(now *object) error {
		switch {
		case now != nil && !now.append:
			return errNotAppendable
		case now != old:
			return errAppendPosition.because("The object changed meanwhile.")
		case now == nil && position != 0, now != nil && position != now.size:
			return errAppendPosition
		}
		return nil
	}})
	return total, err
}

// checkConditions applies If-* headers, or those of a copy source where prefix is X-Cos-Copy-Source-. The order is
// that of RFC 9110, section 13.2.2.
func checkConditions(h http.Header, prefix string, o *object) error {
	modified := o.modified.Truncate(time.Second)
	if want := h.Get(prefix + "If-Match"); want != "" {
		if !etagListed(want, o.etag) {
			return errPrecondition
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "If-Unmodified-Since")); err == nil && modified.After(t) {
		return errPrecondition
	}
	unchanged := errNotModified
	if prefix != "" {
		unchanged = errPrecondition
	}
	if known := h.Get(prefix + "If-None-Match"); known != "" {
		if etagListed(known, o.etag) {
			return unchanged
		}
	} else if t, err := http.ParseTime(h.Get(prefix + "If-Modified-Since")); err == nil && !modified.After(t) {
		return unchanged
	}
	return nil
}

func etagListed(list, etag string) bool {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.Trim(strings.TrimSpace(item), `"`)
		if item == "*" || item == etag {
			return true
		}
	}
	return false
}

// parseRange reads a Range header with one range; others are ignored, as RFC 9110 lets a server do.
func parseRange(text string, size int64) (off, n int64, partial bool, err error) {
	spec, is := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !is || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	if first == "" {
		suffix, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return 0, size, false, nil
		}
		if suffix == 0 || size == 0 {
			return 0, 0, false, errInvalidRange
		}
		n = min(suffix, size)
		return size - n, n, true, nil
	}
	off, err = strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, size, false, nil
	}
	end := size - 1
	if last != "" {
		given, err := strconv.ParseInt(last, 10, 64)
		if err != nil || given < off {
			return 0, size, false, nil
		}
		end = min(end, given)
	}
	if off >= size {
		return 0, 0, false, errInvalidRange
	}
	return off, end - off + 1, true, nil
}

// readXML reads a body that is to be parsed.
func (x *exchange) readXML() ([]byte, error) {
	doc, err := io.ReadAll(io.LimitReader(x.body, maxXML+1))
	if err != nil {
		return nil, errIncompleteBody
	}
	if len(doc) > maxXML {
		return nil, errMalformedXML.because("The document is larger than %d bytes.", maxXML)
	}
	return doc, nil
}
