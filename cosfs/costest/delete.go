package costest

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"net/http"
)

// deleteObjects is DELETE Multiple Objects (document 436/8289).
func (x *exchange) deleteObjects() error {
	sum, err := x.contentMD5()
	if err != nil {
		return err
	}
	if sum == nil {
		return errInvalidDigest.because("Content-MD5 is missing.")
	}
	doc, err := x.readXML()
	if err != nil {
		return err
	}
	if got := md5.Sum(doc); !bytes.Equal(got[:], sum) {
		return errBadDigest
	}
	var list struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Objects []struct{ Key string } `xml:"Object"`
	}
	if err := xml.Unmarshal(doc, &list); err != nil {
		return errMalformedXML.because("%v.", err)
	}
	if n := len(list.Objects); n == 0 || n > maxPage {
		return errMalformedXML.because("The list has %d objects, want 1 to %d.", n, maxPage)
	}
	var b bytes.Buffer
	b.WriteString(xmlHead + "<DeleteResult>")
	for _, o := range list.Objects {
		x.deleteOne(&b, o.Key, list.Quiet)
	}
	b.WriteString("</DeleteResult>")
	x.xml(http.StatusOK, b.Bytes())
	return nil
}

// deleteOne deletes one key of many and writes what came of it.
func (x *exchange) deleteOne(b *bytes.Buffer, key string, quiet bool) {
	var marker *object
	var err error = errInvalidName
	if key != "" {
		marker, err = x.store.remove(key, false)
	}
	switch {
	case err != nil:
		api := asAPIError(err)
		b.WriteString("<Error>")
		element(b, "Key", key)
		element(b, "Code", api.code)
		element(b, "Message", api.message)
		b.WriteString("</Error>")
	case !quiet:
		b.WriteString("<Deleted>")
		element(b, "Key", key)
		if marker != nil {
			element(b, "DeleteMarker", "true")
			element(b, "DeleteMarkerVersionId", marker.version)
		}
		b.WriteString("</Deleted>")
	}
}
