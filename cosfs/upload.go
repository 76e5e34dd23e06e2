package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	// abortTimeout is how long parts are tried to be deleted, or another end is tried to be made, with all repetitions.
	abortTimeout = 20 * time.Second
	// abortWait is for how long of it a client waits for its reply.
	abortWait = 5 * time.Second
)

// upload is the life of one multipart upload: COS begins it, whoever has the data adds parts, and it ends completed or
// aborted. While COS may hold parts of it the journal names it.
//
// An upload that COS began without our hearing of its ID, because the answer was lost, never gets a part: it holds no
// data and costs nothing. No request tells whose it is, so it is never looked for; a lifecycle rule of the bucket
// removes it.
type upload struct {
	f     *FS
	key   string
	id    string     // "" until begin has succeeded
	asked time.Time  // by our clock, when COS was first asked for it
	entry *journaled // in the journal
	isNew bool       // complete must not replace an object

	looksAgain func() bool // whether mayReplace is asked before complete is repeated; nil: no
	mayReplace func() error
}

// whole is what the parts of an upload make.
type whole struct {
	size   int64
	etags  []string // of the parts
	crc    uint64
	hasCRC bool
}

// version is one state of an object, as COS told it when it was made.
type version struct {
	etag string
	at   time.Time // COS's clock
}

// is reports whether an object is this version. The same data may have been stored anew since: then it is later, by more
// than two times may differ that are told in whole seconds.
func (v version) is(o object) bool {
	return bareETag(o.etag) == bareETag(v.etag) && !o.stored.After(v.at.Add(clockGrain))
}

// begin asks COS for the upload. A request on its way is not cut off at once when the session ends, so that few uploads
// begin unheard of.
func (u *upload) begin(ctx context.Context, header *http.Header) error {
	opt := &cos.InitiateMultipartUploadOptions{ObjectPutHeaderOptions: &cos.ObjectPutHeaderOptions{XOptionHeader: header}}
	u.asked = time.Now()
	return u.f.try(ctx, "initiate upload of "+strconv.Quote(u.key), func(ctx context.Context) error {
		lingering, end := linger(ctx)
		defer end()
		lingering, cancel := context.WithTimeout(lingering, u.f.engine.opts.StallTimeout)
		defer cancel()
		res, _, err := u.f.client.Object.InitiateMultipartUpload(lingering, u.key, opt)
		if err == nil && res.UploadID == "" {
			err = badAnswer("an initiate request without an upload ID")
		}
		if err != nil {
			return err
		}
		u.id = res.UploadID
		u.entry = u.f.engine.journal.begin(u.f.opts.Host, u.key, u.id)
		return nil
	})
}

// complete makes the parts the object. COS may do it without our hearing of it, so any doubt is settled by asking for
// the object. After a failure the upload is still to be aborted. fs.ErrExist if it must not replace the object there.
func (u *upload) complete(ctx context.Context, want whole) (made version, err error) {
	var doubt error // why the object may be there; nil: it cannot
	err = u.f.try(ctx, "complete upload of "+strconv.Quote(u.key), func(ctx context.Context) (err error) {
		if doubt != nil && u.looksAgain != nil && u.looksAgain() {
			o, err := u.f.head(once.with(ctx), u.key)
			switch {
			case err == nil && u.isMade(o, want):
				made = o.version()
				return nil
			case err == nil || errors.Is(err, fs.ErrNotExist):
				err = u.mayReplace()
			}
			if errors.Is(err, syscall.ESTALE) && errors.As(doubt, new(mismatch)) {
				return doubt // it is ours, most likely, with a checksum that it should not have
			}
			if err != nil {
				return err
			}
		}
		made, err = u.completeOnce(ctx, want)
		if err == nil || !doubtfulComplete(err, doubt != nil) {
			return err
		}
		doubt = err
		made, err = u.settle(ctx, want, classify(err))
		return err
	})
	switch {
	case err != nil:
	case doubt != nil: // the object is there; should it be an older one of the same content, the parts must go
		u.abort(ctx)
	default:
		u.f.engine.journal.end(u.entry, completedEvent)
	}
	return made, err
}

// settle looks whether the parts are the object after a failure to make them one. Its error is temporary where that can
// still be tried, or is not known.
func (u *upload) settle(ctx context.Context, want whole, failure error) (version, error) {
	o, err := u.f.head(once.with(ctx), u.key)
	switch {
	case err == nil && u.isMade(o, want):
		return o.version(), nil
	case err != nil && isTemporary(err):
		return version{}, err
	case codeOf(failure) == "InvalidPart":
		return version{}, u.checkParts(ctx, want, failure)
	}
	return version{}, failure
}

// checkParts looks whether COS has all parts, in spite of its word that it has not. Where it has, the error is temporary.
func (u *upload) checkParts(ctx context.Context, want whole, failure error) error {
	has, err := u.parts(ctx)
	if err != nil {
		return err
	}
	for i, etag := range want.etags {
		if bareETag(has[i+1].ETag) != bareETag(etag) {
			return failure
		}
	}
	return badAnswer("a complete request with InvalidPart, though it has all parts")
}

// settlePart returns the ETag of a part that COS has in spite of a failure to send or copy it: 409 to a repetition, whose
// first try lost its answer. That it holds the right bytes the checksum of the whole shows.
func (u *upload) settlePart(ctx context.Context, number int, size int64, failure error) (etag string, err error) {
	if statusOf(classify(failure)) != http.StatusConflict {
		return "", failure
	}
	has, err := u.parts(ctx)
	if err != nil {
		return "", err
	}
	if p := has[number]; p.ETag != "" && p.Size == size {
		return p.ETag, nil
	}
	return "", failure
}

// copyPart has COS copy size bytes of a source, from first on, to a part.
func (u *upload) copyPart(ctx context.Context, number int, source string, first, size int64, condition string) (made copiedPart, err error) {
	res, resp, err := u.f.client.Object.CopyPart(ctx, u.key, u.id, number, source, &cos.ObjectCopyPartOptions{
		XCosCopySourceRange:   fmt.Sprintf("bytes=%d-%d", first, first+size-1),
		XCosCopySourceIfMatch: condition,
	})
	if err != nil {
		made.etag, err = u.settlePart(ctx, number, size, err)
		return made, err
	}
	if res.ETag == "" {
		return made, badAnswer("a copied part without an ETag")
	}
	crc, err := strconv.ParseUint(resp.Header.Get("x-cos-hash-crc64ecma"), 10, 64)
	return copiedPart{res.ETag, crc, err == nil}, nil
}

// parts are those that COS has, by number.
func (u *upload) parts(ctx context.Context) (map[int]cos.Object, error) {
	has := make(map[int]cos.Object)
	for marker, more := 0, true; more; {
		var page *cos.ObjectListPartsResult
		opt := &cos.ObjectListPartsOptions{PartNumberMarker: strconv.Itoa(marker)}
		err := u.f.call(once.with(ctx), "list parts of "+strconv.Quote(u.key), func(ctx context.Context) (err error) {
			page, _, err = u.f.client.Object.ListParts(ctx, u.key, u.id, opt)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range page.Parts {
			has[p.PartNumber] = p
		}
		next, _ := strconv.Atoi(page.NextPartNumberMarker)
		more = page.IsTruncated && next > marker
		marker = next
	}
	return has, nil
}

func (u *upload) completeOnce(ctx context.Context, want whole) (version, error) {
	ctx, end := linger(ctx) // as with put
	defer end()
	ctx, cancel := context.WithTimeout(ctx, u.f.engine.opts.CopyTimeout)
	defer cancel()
	opt := &cos.CompleteMultipartUploadOptions{Parts: make([]cos.Object, len(want.etags))}
	for i, etag := range want.etags {
		opt.Parts[i] = cos.Object{PartNumber: i + 1, ETag: etag}
	}
	if u.isNew {
		opt.XOptionHeader = &http.Header{forbidOverwrite: {"true"}}
	}
	res, resp, err := u.f.client.Object.CompleteMultipartUpload(ctx, u.key, u.id, opt)
	if err == nil && res.ETag == "" { // the SDK looks for it in a 200 only
		err = badAnswer(fmt.Sprintf("a complete request with status %d", resp.StatusCode))
	}
	if err == nil && want.hasCRC {
		err = compare(resp.Header, want.crc)
	}
	if err != nil {
		return version{}, err
	}
	return version{res.ETag, answeredAt(resp)}, nil
}

// doubtfulComplete reports whether the object may be there in spite of the error: no answer or an unreadable one, an
// overloaded COS, an upload that is not there (any more) or is being completed already, a wrong checksum; where an earlier
// try left a doubt, parts that are not there any more.
func doubtfulComplete(err error, again bool) bool {
	err = classify(err)
	switch codeOf(err) {
	case "NoSuchUpload", "FileAlreadyExists":
		return true
	case "InvalidPart":
		return again
	}
	return isTemporary(err) || statusOf(err) == 0 || statusOf(err) == http.StatusOK
}

// isMade reports whether an object is what the parts make.
func (u *upload) isMade(o object, want whole) bool {
	if o.size != want.size {
		return false
	}
	if o.hasCRC && want.hasCRC {
		return o.crc64 == want.crc
	}
	suffix := fmt.Sprintf("-%d", len(want.etags))
	return strings.HasSuffix(bareETag(o.etag), suffix) && !o.stored.Before(o.answered.Add(-time.Since(u.asked)-clockGrain))
}

// abort deletes the parts, also when the session is gone: they would be billed for ever. All who send parts must have
// ended, since one that comes after the abort would stay. What cannot be deleted now is deleted as soon as COS lets it.
func (u *upload) abort(ctx context.Context) {
	if u.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(brief.with(context.WithoutCancel(ctx)), abortWait)
	defer cancel()
	_, err := u.tryAbort(ctx)
	if err == nil {
		return
	}
	first := u.f.engine.leftovers.later(u.f.opts.Host, func(ctx context.Context) error {
		_, err := u.tryAbort(ctx)
		if err == nil {
			u.f.log.Info("parts of a failed upload are deleted now", "key", u.key, "upload", u.id)
		}
		return err
	})
	level := slog.LevelDebug // an outage may leave hundreds, which would be the same news
	if first {
		level = slog.LevelWarn
	}
	u.f.log.Log(ctx, level, "parts of a failed upload stay in the bucket until COS lets them be deleted",
		"key", u.key, "error", err)
}

// tryAbort deletes the parts, and reports whether COS still had the upload. COS answers 204, or 404 NoSuchUpload; anything
// else may come from somebody in between.
func (u *upload) tryAbort(ctx context.Context) (there bool, err error) {
	err = u.f.call(ctx, "abort upload of "+strconv.Quote(u.key), func(ctx context.Context) error {
		resp, err := u.f.client.Object.AbortMultipartUpload(ctx, u.key, u.id)
		if codeOf(classify(err)) == "NoSuchUpload" {
			return nil
		}
		if err == nil {
			err = checkDeleted(resp)
		}
		there = there || err == nil
		return err
	})
	if err == nil {
		u.f.engine.journal.end(u.entry, abortedEvent)
	}
	return there, err
}
