package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// made is what the requests of a run have made, or may have.
type made struct {
	mu        sync.Mutex
	objects   map[string]int  // keys that an object may stand at: how many requests may have stored one
	touched   map[string]bool // keys of any request that changes something
	uploads   map[named]bool
	versions  map[named]bool
	doubt     bool // a request that makes something had no answer
	versioned bool // the bucket has told a version

	// In a bucket with metadata acceleration, which makes the directories above a key:
	directories bool
	above       []string // those of the account's prefix that were not there, the outermost first
}

// named is an upload or a version of a key.
type named struct{ key, id string }

func newMade() *made {
	return &made{
		objects: map[string]int{}, touched: map[string]bool{},
		uploads: map[named]bool{}, versions: map[named]bool{},
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

// end notes what is known of a request afterwards; without an answer, a is nil.
func (m *made) end(r request, a *answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a == nil {
		m.doubt = m.doubt || r.method != http.MethodDelete
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

func (m *made) has(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.touched[key]
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

func (m *made) forgetObject(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
}

func (m *made) forgetVersion(v named) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.versions, v)
}

// mayRemove finds out, before anything else is written, whether all can be removed again. Its error says why nothing may
// be written.
func (c *client) mayRemove(ctx context.Context, out *output) error {
	bucket, err := c.do(ctx, request{method: http.MethodHead})
	if err != nil {
		return fmt.Errorf("bucket %s at %s: %w", c.Bucket, c.Host, err)
	}
	if !bucket.ok() && !bucket.denied() {
		return fmt.Errorf("bucket %s at %s: COS answers %s (request %s); cos-ftp-server -check says what to look at",
			c.Bucket, c.Host, bucket, bucket.id)
	}
	locked, err := c.do(ctx, request{method: http.MethodGet, query: url.Values{"object-lock": {""}}})
	if err != nil {
		return err
	}
	if err := c.lookAround(ctx, bucket); err != nil {
		return err
	}
	var lock struct{ ObjectLockEnabled string }
	if locked.ok() && locked.read(&lock) == nil && lock.ObjectLockEnabled == "Enabled" {
		return errors.New("the bucket has an object lock: what the probe would write could not be removed, so nothing was written")
	}
	const nothing = "nothing"
	for _, try := range []struct {
		question string
		request  request
	}{
		{rightID("DeleteObject"), deleteRequest(c.base + nothing)},
		{rightID("AbortMultipartUpload"), abortRequest(c.base+nothing, nothing)},
	} {
		a, err := c.do(ctx, try.request)
		if err != nil {
			return err
		}
		if a.denied() {
			out.deny(try.question, a)
			return fmt.Errorf("the key may not remove what the probe would write (%s, request %s), so nothing was written: "+
				"give it cos:DeleteObject and cos:AbortMultipartUpload", a, a.id)
		}
	}
	if err := c.mayRemoveVersions(ctx); err != nil {
		return err
	}
	return c.tryRemoving(ctx)
}

// mayRemoveVersions tries the right to remove versions, where the deletion of nothing has made one: a delete marker.
func (c *client) mayRemoveVersions(ctx context.Context) error {
	_, _, versions := c.made.all()
	for _, v := range versions {
		if failure := c.removeVersion(ctx, v); failure != "" {
			return fmt.Errorf("the bucket keeps versions, and the key may not remove them (%s), so nothing was written", failure)
		}
	}
	return nil
}

func (c *client) removeVersion(ctx context.Context, v named) (failure string) {
	r := deleteRequest(v.key)
	r.query = url.Values{"versionId": {v.id}}
	if failure = c.remove(ctx, r); failure == "" {
		c.made.forgetVersion(v)
	}
	return failure
}

// lookAround finds out which directories the run would make above its own, where the bucket has directories.
func (c *client) lookAround(ctx context.Context, bucket *answer) error {
	if bucket.header.Get("X-Cos-Bucket-Arch") != "OFS" {
		return nil
	}
	c.made.directories = true
	for i := range c.Prefix {
		if c.Prefix[i] != '/' {
			continue
		}
		a, err := c.do(ctx, headRequest(c.Prefix[:i+1]))
		if err != nil {
			return err
		}
		if a.status == http.StatusNotFound {
			c.made.above = append(c.made.above, c.Prefix[:i+1])
		}
	}
	return nil
}

// parents are the directories that the run has made, the innermost first.
func (c *client) parents() (dirs []string) {
	if !c.made.directories {
		return nil
	}
	dirs = slices.Clone(c.made.above)
	for key := range c.made.touched {
		for i := len(c.base) - 1; i < len(key); i++ {
			if key[i] == '/' {
				dirs = append(dirs, key[:i+1])
			}
		}
	}
	slices.Sort(dirs)
	dirs = slices.Compact(dirs)
	slices.Reverse(dirs) // a directory sorts before what is in it
	return dirs
}

// tryRemoving writes one small object and removes it. Where that fails, no more is written.
func (c *client) tryRemoving(ctx context.Context) error {
	first := c.base + "first"
	a, err := c.do(ctx, putRequest(first, []byte("first")))
	if err != nil || !a.ok() {
		return err // without the right to write, what only reads is asked
	}
	if a, err = c.do(ctx, deleteRequest(first)); err != nil || !a.ok() {
		return fmt.Errorf("the first object could not be removed, so no more was written: %w", orRefusal("DELETE", a, err))
	}
	return nil
}

// cleanup removes all that the run has made, although ctx may have ended.
func (c *client) cleanup(ctx context.Context) error {
	if len(c.made.touched) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Cleanup)
	defer cancel()
	for round := 1; ; round++ {
		doubt := c.made.takeDoubt()
		left := c.removeAll(ctx)
		if len(left) == 0 && !doubt {
			return nil
		}
		// COS may still be busy with a request whose answer was lost, so it is looked at once more.
		if err := sleep(ctx, c.Pause*2); err != nil || round == 10 {
			slices.Sort(left)
			return fmt.Errorf("%w, below %q: %s", ErrLeft, c.base, strings.Join(left, "; "))
		}
	}
}

// removeAll returns what it could not remove, in words.
func (c *client) removeAll(ctx context.Context) (left []string) {
	left = append(left, c.findUploads(ctx)...)
	if c.made.versioned {
		left = append(left, c.findVersions(ctx)...)
	}
	objects, uploads, versions := c.made.all()
	left = append(left, removeEach(uploads, func(u named) string {
		failure := c.remove(ctx, abortRequest(u.key, u.id))
		if failure == "" {
			c.made.forgetUpload(u)
			return ""
		}
		return fmt.Sprintf("upload %s of %q: %s", u.id, u.key, failure)
	})...)
	if c.made.versioned {
		return append(left, removeEach(versions, func(v named) string {
			failure := c.removeVersion(ctx, v)
			if failure == "" {
				return ""
			}
			return fmt.Sprintf("version %s of %q: %s", v.id, v.key, failure)
		})...)
	}
	left = append(left, removeEach(objects, func(key string) string {
		failure := c.remove(ctx, deleteRequest(key))
		if failure == "" {
			c.made.forgetObject(key)
			return ""
		}
		return fmt.Sprintf("%q: %s", key, failure)
	})...)
	for _, dir := range c.parents() {
		if failure := c.remove(ctx, deleteRequest(dir)); failure != "" {
			left = append(left, fmt.Sprintf("%q: %s", dir, failure))
		}
	}
	return left
}

// remove returns why a deletion failed, "" where it did not. What is not there any more needs no deletion.
func (c *client) remove(ctx context.Context, r request) string {
	a, err := c.do(ctx, r)
	switch {
	case err != nil:
		return err.Error()
	case a.ok() || a.status == http.StatusNotFound:
		return ""
	}
	return a.String()
}

// removeEach removes some at a time.
func removeEach[T any](all []T, remove func(T) string) (left []string) {
	failures := make([]string, len(all))
	slots := make(chan struct{}, 8)
	var running sync.WaitGroup
	for i, one := range all {
		slots <- struct{}{}
		running.Go(func() {
			failures[i] = remove(one)
			<-slots
		})
	}
	running.Wait()
	return slices.DeleteFunc(failures, func(f string) bool { return f == "" })
}

// findUploads looks for uploads that were begun without our hearing of their IDs. They are below a prefix that nobody else
// uses, and of keys that this run has asked for.
func (c *client) findUploads(ctx context.Context) (left []string) {
	a, err := c.do(ctx, request{method: http.MethodGet, query: url.Values{
		"uploads": {""}, "prefix": {c.base}, "encoding-type": {"url"},
	}})
	if err != nil {
		return []string{"maybe uploads, which cannot be listed: " + err.Error()}
	}
	var list struct {
		EncodingType string                           `xml:"Encoding-Type"`
		Uploads      []struct{ Key, UploadId string } `xml:"Upload"`
	}
	if !a.ok() || a.read(&list) != nil {
		return nil // without the right to list them, what is remembered must do
	}
	for _, u := range list.Uploads {
		if key := decode(u.Key, list.EncodingType); c.made.has(key) {
			c.made.mu.Lock()
			c.made.uploads[named{key, u.UploadId}] = true
			c.made.mu.Unlock()
		}
	}
	return nil
}

// findVersions looks for versions whose IDs no answer has told.
func (c *client) findVersions(ctx context.Context) (left []string) {
	a, err := c.do(ctx, request{method: http.MethodGet, query: url.Values{
		"versions": {""}, "prefix": {c.base}, "encoding-type": {"url"}, "max-keys": {strconv.Itoa(maxPage)},
	}})
	if err != nil {
		return []string{"maybe versions, which cannot be listed: " + err.Error()}
	}
	type entry struct{ Key, VersionId string }
	var list struct {
		EncodingType string
		Versions     []entry `xml:"Version"`
		Markers      []entry `xml:"DeleteMarker"`
	}
	if !a.ok() || a.read(&list) != nil {
		return nil
	}
	for _, v := range append(list.Versions, list.Markers...) {
		if key := decode(v.Key, list.EncodingType); c.made.has(key) {
			c.made.mu.Lock()
			c.made.versions[named{key, v.VersionId}] = true
			c.made.mu.Unlock()
		}
	}
	return nil
}
