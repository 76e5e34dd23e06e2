package cosfs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// abortTimeout is how long parts are tried to be deleted after a failed upload, with all repetitions.
const abortTimeout = 20 * time.Second

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

	mayReplace func() error // asked before complete is repeated; nil: it may
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

// begin asks COS for the upload. A request on its way is not cut off at once when the session ends, so that few uploads
// begin unheard of.
func (u *upload) begin(ctx context.Context, header *http.Header) error {
	opt := &cos.InitiateMultipartUploadOptions{ObjectPutHeaderOptions: &cos.ObjectPutHeaderOptions{XOptionHeader: header}}
	u.asked = time.Now()
	return u.f.try(ctx, "initiate upload of "+strconv.Quote(u.key), func(ctx context.Context) error {
		lasting, end := linger(ctx)
		defer end()
		lasting, cancel := context.WithTimeout(lasting, u.f.engine.opts.StallTimeout)
		defer cancel()
		res, _, err := u.f.client.Object.InitiateMultipartUpload(lasting, u.key, opt)
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
	doubt := false
	var failure error
	err = u.f.try(ctx, "complete upload of "+strconv.Quote(u.key), func(ctx context.Context) (err error) {
		if doubt && u.mayReplace != nil && u.mayReplace() != nil {
			return failure // what is there now is somebody else's, or ours with a checksum that it should not have
		}
		made, err = u.completeOnce(ctx, want)
		if err == nil || !doubtfulComplete(err) {
			return err
		}
		doubt, failure = true, err
		if o, headErr := u.f.head(ctx, u.key); headErr == nil && u.isMade(o, want) {
			made = o.version()
			return nil
		}
		return err
	})
	switch {
	case err != nil:
	case doubt: // the object is there; should it be an older one of the same content, the parts must go
		u.abort(ctx)
	default:
		u.f.engine.journal.end(u.entry, completedEvent)
	}
	return made, err
}

func (u *upload) completeOnce(ctx context.Context, want whole) (version, error) {
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
// overloaded COS, an upload that is not there (any more), a wrong checksum.
func doubtfulComplete(err error) bool {
	err = classify(err)
	switch code := codeOf(err); code {
	case "NoSuchUpload", "FileAlreadyExists", "UploadConflict":
		return true
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
	return strings.HasSuffix(bareETag(o.etag), suffix) && !o.stored.Before(u.asked.Add(-clockAhead))
}

// abort deletes the parts, also when the session is gone: they would be billed for ever. All who send parts must have
// ended, since one that comes after the abort would stay. What cannot be deleted now is deleted as soon as COS lets it.
func (u *upload) abort(ctx context.Context) {
	if u.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_, err := u.tryAbort(ctx)
	if err == nil {
		return
	}
	first := u.f.engine.leftovers.later(func(ctx context.Context) error {
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

// tryAbort deletes the parts, and reports whether COS still had the upload. COS answers 204; anything else may come from
// somebody in between, and another try, answered with 404, tells.
func (u *upload) tryAbort(ctx context.Context) (there bool, err error) {
	err = u.f.call(ctx, "abort upload of "+strconv.Quote(u.key), func(ctx context.Context) error {
		resp, err := u.f.client.Object.AbortMultipartUpload(ctx, u.key, u.id)
		if resp != nil && resp.StatusCode == http.StatusNotFound {
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
