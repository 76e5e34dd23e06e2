package cosfs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// abortUpload deletes the parts of a multipart upload. One that is not there (any more) is no error. COS answers 204;
// anything else may come from somebody in between, and another try, answered with 404, tells.
func (f *FS) abortUpload(ctx context.Context, key, id string) error {
	return f.call(ctx, "abort upload of "+strconv.Quote(key), func(ctx context.Context) error {
		resp, err := f.client.Object.AbortMultipartUpload(ctx, key, id)
		if resp != nil && resp.StatusCode == http.StatusNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		return checkDeleted(resp)
	})
}

// abortLater aborts an upload, which could not be aborted now, as soon as COS lets it.
func (f *FS) abortLater(key, id string, failure error) {
	first := f.engine.leftovers.later(func(ctx context.Context) error {
		err := f.abortUpload(ctx, key, id)
		if err == nil {
			f.log.Info("parts of a failed upload are deleted now", "key", key, "upload", id)
		}
		return err
	})
	f.logLeftover(first, "parts of a failed upload stay in the bucket until COS lets them be deleted", key, failure)
}

// logLeftover tells of the first thing that stays behind. An outage may leave hundreds, which would be the same news.
func (f *FS) logLeftover(first bool, what, key string, failure error) {
	level := slog.LevelDebug
	if first {
		level = slog.LevelWarn
	}
	f.log.Log(context.Background(), level, what, "key", key, "error", failure)
}

// lostUploads are those that COS began for us without our hearing of their ID: of exactly this key, begun while we
// asked for one.
type lostUploads struct {
	key, not string    // not: the ID that we did hear of, "" for none
	from, to time.Time // by our clock
}

// sweep aborts lost uploads, later if that does not work now, which it tells.
func (f *FS) sweep(ctx context.Context, lost lostUploads) (done bool) {
	err := f.sweepNow(ctx, lost)
	if err != nil {
		first := f.engine.leftovers.later(func(ctx context.Context) error { return f.sweepNow(ctx, lost) })
		f.logLeftover(first, "an upload may stay in the bucket until COS lets it be deleted", lost.key, err)
	}
	return err == nil
}

func (f *FS) sweepNow(ctx context.Context, lost lostUploads) error {
	found, err := f.findLost(ctx, lost)
	for _, id := range found {
		err = errors.Join(err, f.abortUpload(ctx, lost.key, id))
	}
	return err
}

// findLost asks COS for the IDs of lost uploads.
func (f *FS) findLost(ctx context.Context, lost lostUploads) (found []string, err error) {
	err = f.call(ctx, "look for lost uploads of "+strconv.Quote(lost.key), func(ctx context.Context) error {
		asked := time.Now()
		res, resp, err := f.client.Object.ListUploads(ctx, &cos.ObjectListUploadsOptions{
			Prefix: lost.key, EncodingType: "url",
		})
		if err == nil && res.XMLName.Local == "" { // the SDK takes an empty answer for an empty list
			err = badAnswer("a request for the uploads with nothing")
		}
		if err != nil {
			return err
		}
		told := answeredAt(resp) // at some moment since we asked
		found = lost.pick(res, time.Until(told), told.Sub(asked))
		return nil
	})
	return found, err
}

// pick answers the IDs of lost uploads; COS's clock is ahead of ours by something between least and most.
func (l lostUploads) pick(res *cos.ObjectListUploadsResult, least, most time.Duration) []string {
	from, to := l.from.Add(least-time.Second), l.to.Add(most+time.Second) // COS tells whole seconds
	var ids []string
	for _, u := range res.Upload {
		key, err := cos.DecodeURIComponent(u.Key)
		began, timeErr := time.Parse(time.RFC3339, u.Initiated)
		if errors.Join(err, timeErr) == nil && key == l.key && u.UploadID != l.not && !began.Before(from) && !began.After(to) {
			ids = append(ids, u.UploadID)
		}
	}
	return ids
}
