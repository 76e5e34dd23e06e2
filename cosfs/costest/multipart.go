package costest

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// upload is an open multipart upload. The lock of its bucket covers parts.
type upload struct {
	key, id string
	header  header
	started time.Time
	parts   map[int]*part
	coming  map[int]bool // numbers that are coming in; kept only for WithRepeatedPartConflict
}

// part is a part that has come in. It never changes; the same number again makes a new one.
type part struct {
	number   int
	body     blob
	size     int64
	crc      uint64
	etag     string
	modified time.Time
}

// initiateUpload is Initiate Multipart Upload (document 436/7746).
func (x *exchange) initiateUpload() error {
	h, err := x.requestHeader()
	if err != nil {
		return err
	}
	u := &upload{key: x.key, id: newID(), header: h, started: x.server.now()}
	u.parts, u.coming = map[int]*part{}, map[int]bool{}
	if err := x.store.openUpload(u); err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(xmlHead + "<InitiateMultipartUploadResult>")
	element(&b, "Bucket", x.bucket)
	element(&b, "Key", x.key)
	element(&b, "UploadId", u.id)
	b.WriteString("</InitiateMultipartUploadResult>")
	x.xml(http.StatusOK, b.Bytes())
	return nil
}

// newID is a name that nobody has had before.
func newID() string { return strings.ToLower(rand.Text()) }

// partOf returns the open upload and the part number that the request names.
func (x *exchange) partOf() (*upload, int, error) {
	text := x.query.Get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPartCount {
		return nil, 0, errInvalidArgument.because("partNumber is %q, want 1 to %d.", text, maxPartCount)
	}
	u := x.store.upload(x.key, x.query.Get("uploadId"))
	if u == nil {
		u = x.store.reopen(x.key, x.query.Get("uploadId"))
	}
	if u == nil {
		return nil, 0, errNoSuchUpload
	}
	return u, n, nil
}

// uploadPart is Upload Part (document 436/7750).
func (x *exchange) uploadPart() error {
	u, number, err := x.partOf()
	if err != nil {
		return err
	}
	switch {
	case x.r.ContentLength < 0:
		return errNoLength
	case x.r.ContentLength > maxPut:
		return errEntityTooLarge
	}
	sum, err := x.contentMD5()
	if err != nil {
		return err
	}
	if err := x.store.beginPart(u, number); err != nil {
		return err
	}
	defer x.store.endPart(u, number)
	in, err := x.server.takeIn(x.store, x.body, x.r.ContentLength, sum)
	if err != nil {
		return err
	}
	if err := x.store.addPart(u, number, in); err != nil {
		return err
	}
	x.stored(in)
	return nil
}

// completeUpload is Complete Multipart Upload (document 436/7742).
func (x *exchange) completeUpload() error {
	doc, err := x.readXML()
	if err != nil {
		return err
	}
	wanted, err := parseParts(doc)
	if err != nil {
		return err
	}
	id := x.query.Get("uploadId")
	obj, err := x.store.complete(x.key, id, wanted, x.forbidsOverwrite())
	if made := x.store.current(x.key); errors.Is(err, errNoSuchUpload) && x.server.completeAgain && made != nil && made.upload == id {
		obj, err = made, nil
	}
	if err != nil {
		return err
	}
	x.versionHeader(obj)
	x.w.Header().Set("X-Cos-Hash-Crc64ecma", x.crc(obj.crc))
	var b bytes.Buffer
	b.WriteString(strings.Repeat(" ", x.server.blanks) + xmlHead + "<CompleteMultipartUploadResult>")
	element(&b, "Location", "http://"+x.r.Host+"/"+escapeKey(x.key))
	element(&b, "Bucket", x.bucket)
	element(&b, "Key", x.key)
	element(&b, "ETag", x.etag(obj.etag))
	b.WriteString("</CompleteMultipartUploadResult>")
	x.xml(http.StatusOK, b.Bytes())
	return nil
}

// wantedPart is a part as Complete lists it.
type wantedPart struct {
	PartNumber int
	ETag       string
}

func parseParts(doc []byte) ([]wantedPart, error) {
	var list struct {
		XMLName xml.Name     `xml:"CompleteMultipartUpload"`
		Parts   []wantedPart `xml:"Part"`
	}
	if err := xml.Unmarshal(doc, &list); err != nil {
		return nil, errMalformedXML.because("%v.", err)
	}
	if len(list.Parts) == 0 || len(list.Parts) > maxPartCount {
		return nil, errMalformedXML.because("The list has %d parts, want 1 to %d.", len(list.Parts), maxPartCount)
	}
	for i, p := range list.Parts[1:] {
		before := list.Parts[i].PartNumber
		if p.PartNumber <= before {
			return nil, errInvalidPartOrder.because("Part %d is listed after part %d.", p.PartNumber, before)
		}
		if p.PartNumber != before+1 {
			return nil, errInvalidPart.because("Part numbers are not consecutive: %d after %d.", p.PartNumber, before)
		}
	}
	return list.Parts, nil
}

// abortUpload is Abort Multipart Upload (document 436/7740).
func (x *exchange) abortUpload() error {
	u := x.store.upload(x.key, x.query.Get("uploadId"))
	if u == nil || !x.store.closeUpload(u) {
		return errNoSuchUpload
	}
	x.deleted()
	return nil
}

// openUpload adds an upload to the bucket.
func (b *bucketStore) openUpload(u *upload) error {
	if b.disk != nil {
		if err := b.disk.writeUpload(u); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uploads[u.id] = u
	return nil
}

// upload returns an open upload of that key, nil if there is none.
func (b *bucketStore) upload(key, id string) *upload {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if u := b.uploads[id]; u != nil && u.key == key {
		return u
	}
	return nil
}

// addPart makes a part belong to an upload, unless that was completed or aborted meanwhile.
func (b *bucketStore) addPart(u *upload, number int, in intake) (err error) {
	p := &part{number: number, body: in.body, size: in.size, crc: in.crc, etag: in.etag, modified: b.server.now()}
	var ready preparedFile
	defer func() {
		if err != nil {
			ready.discard()
			in.body.release()
		}
	}()
	if b.disk != nil {
		if ready, err = b.disk.preparePart(u, p); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.uploads[u.id] == nil {
		return errNoSuchUpload
	}
	if err := ready.publish(); err != nil {
		return err
	}
	if old := u.parts[number]; old != nil {
		defer old.body.release()
	}
	u.parts[number] = p
	return nil
}

// closeUpload forgets an upload and its parts; false if it is not open.
func (b *bucketStore) closeUpload(u *upload) bool {
	b.mu.Lock()
	open := b.uploads[u.id] != nil
	delete(b.uploads, u.id)
	if open && b.server.partsAfterAbort {
		b.aborted[u.id] = &upload{
			key: u.key, id: u.id, header: u.header, started: u.started,
			parts: map[int]*part{}, coming: map[int]bool{},
		}
	}
	b.mu.Unlock()
	if open {
		b.forgetParts(u)
	}
	return open
}

// reopen makes an aborted upload one that is open, for WithPartsAfterAbort; nil if there is none.
func (b *bucketStore) reopen(key, id string) *upload {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.aborted[id]
	if u == nil || u.key != key {
		return nil
	}
	delete(b.aborted, id)
	b.uploads[id] = u
	return u
}

// forgetParts releases what an upload held that is no longer in the bucket.
func (b *bucketStore) forgetParts(u *upload) {
	if b.disk != nil {
		b.disk.removeUpload(u)
	}
	for _, p := range u.parts {
		p.body.release()
	}
}

// beginPart claims a part number until endPart, for WithRepeatedPartConflict.
func (b *bucketStore) beginPart(u *upload, number int) error {
	if !b.server.partConflict {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if u.coming[number] || u.parts[number] != nil {
		return errUploadConflict.because("Part %d is coming in or has come in already.", number)
	}
	u.coming[number] = true
	return nil
}

// endPart ends a claim that beginPart gave.
func (b *bucketStore) endPart(u *upload, number int) {
	if !b.server.partConflict {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(u.coming, number)
}

// complete turns an upload into an object.
func (b *bucketStore) complete(key, id string, wanted []wantedPart, forbidOverwrite bool) (*object, error) {
	u := b.upload(key, id)
	if u == nil {
		return nil, b.notOpen(key, id)
	}
	obj, err := b.assemble(u, wanted)
	if err != nil {
		return nil, err
	}
	err = b.commit(obj, commitOptions{
		forbidOverwrite: forbidOverwrite,
		check: func(*object) error {
			if b.uploads[id] == nil {
				return b.notOpenLocked(key, id)
			}
			return nil
		},
		done: func() {
			delete(b.uploads, id)
			if b.server.completeConflict {
				b.completed[id] = key
			}
		},
	})
	if err != nil {
		return nil, err
	}
	b.forgetParts(u)
	return obj, nil
}

// notOpen says why an upload that is not open cannot be completed.
func (b *bucketStore) notOpen(key, id string) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.notOpenLocked(key, id)
}

// notOpenLocked is notOpen for those who hold the lock.
func (b *bucketStore) notOpenLocked(key, id string) error {
	if completed, ok := b.completed[id]; ok && completed == key {
		return errUploadConflict.because("The upload was completed before.")
	}
	return errNoSuchUpload
}

// assemble joins the wanted parts to an object; no byte moves.
func (b *bucketStore) assemble(u *upload, wanted []wantedPart) (*object, error) {
	obj := &object{key: u.key, header: u.header, modified: b.server.now(), upload: u.id}
	if b.server.initiateTime {
		obj.modified = u.started
	}
	sum := md5.New()
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i, w := range wanted {
		p := u.parts[w.PartNumber]
		if p == nil {
			return nil, errInvalidPart.because("Part %d was not uploaded.", w.PartNumber)
		}
		if strings.Trim(w.ETag, `"`) != p.etag {
			return nil, errInvalidPart.because("The ETag of part %d is not %s.", w.PartNumber, w.ETag)
		}
		if p.size < b.server.minPart && i < len(wanted)-1 {
			return nil, errEntityTooSmall.because("Part %d has %d bytes, less than %d.", w.PartNumber, p.size, b.server.minPart)
		}
		raw, _ := hex.DecodeString(p.etag) // made by us
		sum.Write(raw)
		obj.body = append(obj.body, p.body...)
		obj.crc = combineCRC(obj.crc, p.crc, p.size)
		obj.size += p.size
	}
	if b.server.partTime {
		obj.modified = u.parts[wanted[len(wanted)-1].PartNumber].modified
	}
	obj.modified = obj.modified.Add(b.server.timeShift)
	obj.etag = fmt.Sprintf("%x-%d", sum.Sum(nil), len(wanted))
	obj.body = obj.body.retain().joined()
	return obj, nil
}
