package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

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
		if err := sleep(ctx, c.Pause*4); err != nil || round == 10 {
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

// removeVersion returns why a version could not be removed, "" where it was.
func (c *client) removeVersion(ctx context.Context, v named) (failure string) {
	r := deleteRequest(v.key)
	r.query = url.Values{"versionId": {v.id}}
	if failure = c.remove(ctx, r); failure == "" {
		c.made.forgetVersion(v)
	}
	return failure
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
		c.made.addUpload(named{decode(u.Key, list.EncodingType), u.UploadId})
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
		c.made.addVersion(named{decode(v.Key, list.EncodingType), v.VersionId})
	}
	return nil
}
