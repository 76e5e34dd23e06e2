package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// A request whose answer is lost may have taken effect all the same. When all attempts of one have failed, the object
// itself tells. It is asked once only: where COS is out of order, its answer to the client must not wait any longer.

// glance is head without repetitions.
func (f *FS) glance(ctx context.Context, key string) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, f.engine.opts.StallTimeout)
	defer cancel()
	resp, err := f.client.Object.Head(ctx, key, nil)
	if err != nil {
		return object{}, classify(err)
	}
	return headed(key, resp)
}

// headed reads the answer to a HEAD. COS always sends 200 with an ETag and a size; anything else is somebody else's
// answer, a proxy's most likely, and would show an empty file.
func headed(key string, resp *cos.Response) (object, error) {
	switch {
	case resp.StatusCode != http.StatusOK:
		return object{}, badAnswer(fmt.Sprintf("a head request with status %d", resp.StatusCode))
	case resp.Header.Get("x-cos-file-mode-dir") != "" && !strings.HasSuffix(key, "/"):
		// A bucket with metadata acceleration finds a directory without its slash.
		return object{}, fmt.Errorf("%q is a directory: %w", key, fs.ErrNotExist)
	case resp.Header.Get("ETag") == "":
		return object{}, badAnswer("a head request without an ETag")
	case resp.ContentLength < 0 || resp.ContentLength > maxObject:
		return object{}, badAnswer("a head request without the size of an object")
	}
	return objectOf(key, resp.Header, resp.ContentLength), nil
}

// made reports whether a failed request, first sent at began, has made an object that is as wanted. The object must
// not be older than the request, by COS's clock: an older one may have other metadata.
func (f *FS) made(ctx context.Context, failure error, key string, began time.Time, isWanted func(object) bool) (object, bool) {
	lost := isTemporary(failure) || errors.Is(failure, fs.ErrExist) // the latter at a repetition that must replace nothing
	if wrong := new(mismatch); !lost || errors.As(failure, wrong) || ctx.Err() != nil {
		return object{}, false // where COS says that it has other data, nothing it says later is to be trusted
	}
	o, ok, _ := f.isMade(ctx, key, began, isWanted)
	return o, ok
}

// isMade is made without a failure, and says why the object cannot tell.
func (f *FS) isMade(ctx context.Context, key string, began time.Time, isWanted func(object) bool) (object, bool, error) {
	o, err := f.glance(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return object{}, false, nil
	case err != nil || !isWanted(o):
		return object{}, false, err
	}
	return o, !o.stored.Before(o.answered.Add(-time.Since(began) - clockGrain)), nil
}

// isGone reports whether a failed deletion has deleted the object.
func (f *FS) isGone(ctx context.Context, failure error, key string) bool {
	if !isTemporary(failure) || ctx.Err() != nil {
		return false
	}
	_, err := f.glance(ctx, key)
	return errors.Is(err, fs.ErrNotExist)
}

// checkStored refuses an answer to an upload that is none of COS's: a 200 alone proves nothing, a proxy may send it.
func checkStored(h http.Header) error {
	if h.Get("ETag") == "" {
		return badAnswer("an upload without an ETag")
	}
	return nil
}

// checkDeleted refuses an answer to a deletion that is none of COS's, which is 204 (COS documents 436/7743, 436/7740).
func checkDeleted(resp *cos.Response) error {
	if resp.StatusCode != http.StatusNoContent {
		return badAnswer(fmt.Sprintf("a deletion with status %d", resp.StatusCode))
	}
	return nil
}
