package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// mayRemove finds out, before anything else is written, whether all can be removed again. Its error says why nothing may
// be written.
func (c *client) mayRemove(ctx context.Context, out *output) error {
	if len(c.base) > longestKey-100 {
		return fmt.Errorf("the prefix of the account is too long: keys of the probe begin with its %d bytes and %d more", len(c.Prefix), len(c.base)-len(c.Prefix))
	}
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
