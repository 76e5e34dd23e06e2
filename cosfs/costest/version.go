package costest

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Versions returns all versions of an object in a bucket that is Versioned, delete markers too, the newest first.
// It returns nil where there are none.
func (s *Server) Versions(bucket, key string) []Object {
	b := s.bucket(bucket)
	if b == nil {
		return nil
	}
	var all []Object
	for _, o := range slices.Backward(b.openVersions(key)) {
		all = append(all, o.public())
		o.body.release()
	}
	return all
}

// openVersions returns the versions of a key with their bodies retained, the oldest first.
func (b *bucketStore) openVersions(key string) []*object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.index.entries[key]
	if e == nil {
		return nil
	}
	for _, o := range e.versions {
		o.body.retain()
	}
	return slices.Clone(e.versions)
}

// hide puts a delete marker in front of the versions of a key, also where there are none. The lock must be held.
func (b *bucketStore) hide(key string, listAtOnce bool) *object {
	marker := &object{key: key, modified: b.server.now(), version: newID(), marker: true}
	e := b.index.at(key)
	e.current = nil
	e.versions = append(e.versions, marker)
	b.list(e, nil, listAtOnce)
	return marker
}

// versionHeader names the version that the answer is about. o is nil, or without a version, in an unversioned bucket.
func (x *exchange) versionHeader(o *object) {
	if o == nil || o.version == "" {
		return
	}
	x.w.Header().Set("X-Cos-Version-Id", o.version)
	if o.marker {
		x.w.Header().Set("X-Cos-Delete-Marker", "true")
	}
}

// bucketVersioning is GET Bucket versioning (document 436/19888).
func (x *exchange) bucketVersioning() error {
	var b bytes.Buffer
	b.WriteString(xmlHead + "<VersioningConfiguration>")
	if x.store.kind.versioned {
		element(&b, "Status", "Enabled")
	}
	b.WriteString("</VersioningConfiguration>")
	x.xml(http.StatusOK, b.Bytes())
	return nil
}

// deleteVersion is DELETE Object with a versionId (document 436/7743): that version is gone for good, and the newest of
// the others is what HEAD, GET and listings show.
func (x *exchange) deleteVersion() error {
	id := x.query.Get("versionId")
	x.store.removeVersion(x.key, id)
	x.w.Header().Set("X-Cos-Version-Id", id)
	x.deleted()
	return nil
}

func (b *bucketStore) removeVersion(key, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.index.entries[key]
	if e == nil {
		return
	}
	i := slices.IndexFunc(e.versions, func(o *object) bool { return o.version == id })
	if i < 0 {
		return
	}
	e.versions[i].body.release()
	e.versions = slices.Delete(e.versions, i, i+1)
	e.current = nil
	if n := len(e.versions); n > 0 && !e.versions[n-1].marker {
		e.current = e.versions[n-1]
	}
	b.list(e, e.current, false)
}

// listVersions is GET Bucket Object Versions (document 436/35521), in one page.
func (x *exchange) listVersions() error {
	if err := x.checkEncoding(); err != nil {
		return err
	}
	prefix, name := x.query.Get("prefix"), x.nameEncoder()
	var b bytes.Buffer
	b.WriteString(xmlHead + "<ListVersionsResult>")
	element(&b, "Name", x.bucket)
	if x.query.Get("encoding-type") != "" {
		element(&b, "EncodingType", "url")
	}
	element(&b, "Prefix", name(prefix))
	element(&b, "IsTruncated", "false")
	x.store.writeVersions(&b, prefix, name)
	b.WriteString("</ListVersionsResult>")
	x.xml(http.StatusOK, b.Bytes())
	return nil
}

func (b *bucketStore) writeVersions(to *bytes.Buffer, prefix string, name func(string) string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for e := range b.index.from(prefix) {
		if !strings.HasPrefix(e.key, prefix) {
			return
		}
		for i, o := range slices.Backward(e.versions) {
			kind := "Version"
			if o.marker {
				kind = "DeleteMarker"
			}
			to.WriteString("<" + kind + ">")
			element(to, "Key", name(e.key))
			element(to, "VersionId", o.version)
			element(to, "IsLatest", strconv.FormatBool(i == len(e.versions)-1))
			to.WriteString("</" + kind + ">")
		}
	}
}
