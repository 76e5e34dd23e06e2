package costest

import (
	"bytes"
	"net/http"
	"slices"
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
