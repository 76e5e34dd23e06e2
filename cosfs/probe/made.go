package probe

import (
	"net/http"
	"sync"
)

// made is what the requests of a run have made, or may have.
type made struct {
	mu        sync.Mutex
	objects   map[string]int  // keys that an object may stand at: how many requests may have stored one
	touched   map[string]bool // keys of any request that changes something
	uploads   map[named]bool
	versions  map[named]bool
	versioned bool            // the bucket has told a version
	doubtful  map[string]bool // keys of requests that had no answer: COS may still be busy with them
	doubt     bool            // there was such a request since it was asked last

	// In a bucket with metadata acceleration, which makes the directories above a key:
	directories bool
	above       []string // those of the account's prefix that were not there, the outermost first
}

// named is an upload or a version of a key.
type named struct{ key, id string }

func newMade() *made {
	return &made{
		objects: map[string]int{}, touched: map[string]bool{},
		uploads: map[named]bool{}, versions: map[named]bool{}, doubtful: map[string]bool{},
	}
}

// begin notes a request before it is sent.
func (m *made) begin(r request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.touched[r.key] = true
	if r.stores() {
		m.objects[r.key]++
	}
}

// stores reports whether a request may store an object.
func (r request) stores() bool {
	return r.method != http.MethodDelete && !r.query.Has("uploads") && !r.query.Has("partNumber")
}

// end notes what is known of a request afterwards; without an answer, a is nil. A refusal without a request ID is the word
// of somebody in between.
func (m *made) end(r request, a *answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a == nil || a.status/100 == 4 && a.header.Get("x-cos-request-id") == "" {
		if r.method != http.MethodDelete {
			m.doubt, m.doubtful[r.key] = true, true
		}
		return
	}
	if r.stores() && a.status/100 == 4 { // refused
		if m.objects[r.key]--; m.objects[r.key] == 0 {
			delete(m.objects, r.key)
		}
	}
	if id := a.header.Get("x-cos-version-id"); id != "" && !r.query.Has("versionId") {
		m.versions[named{r.key, id}] = true
		m.versioned = true
	}
	if id := uploadID(a); r.query.Has("uploads") && id != "" {
		m.uploads[named{r.key, id}] = true
	}
}

// uploadID is what an answer to Initiate names, "" where it names none.
func uploadID(a *answer) string {
	var result struct{ UploadId string }
	if !a.ok() || a.read(&result) != nil {
		return ""
	}
	return result.UploadId
}

// takeDoubt reports whether a request had no answer since the last call.
func (m *made) takeDoubt() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	doubt := m.doubt
	m.doubt = false
	return doubt
}

// all returns copies of what is to be removed.
func (m *made) all() (objects []string, uploads, versions []named) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.objects {
		objects = append(objects, key)
	}
	for u := range m.uploads {
		uploads = append(uploads, u)
	}
	for v := range m.versions {
		versions = append(versions, v)
	}
	return objects, uploads, versions
}

func (m *made) forgetUpload(u named) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.uploads, u)
}

// forgetObject is told that an object is removed. Where it is doubtful whether another one comes, it must be removed once
// more.
func (m *made) forgetObject(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.doubtful[key] {
		delete(m.doubtful, key)
		return
	}
	delete(m.objects, key)
}

func (m *made) forgetVersion(v named) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.versions, v)
}

// addUpload and addVersion add what a listing has shown, if it is of a key of ours.
func (m *made) addUpload(u named) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.touched[u.key] {
		m.uploads[u] = true
	}
}

func (m *made) addVersion(v named) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.touched[v.key] {
		m.versions[v] = true
	}
}
