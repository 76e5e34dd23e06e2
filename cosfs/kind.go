package cosfs

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// kind is what COS tells of a bucket as a whole, as far as anything here depends on it. The accounts of a bucket share
// it. Nothing is known of the zero value.
type kind struct {
	mu          sync.Mutex
	known       bool
	accelerated bool // metadata acceleration: a file system, with directories and a rename of its own
	zones       bool // several availability zones, with storage classes of their own
}

// note reads the answer to a HEAD of the bucket.
func (k *kind) note(h http.Header) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = true
	k.accelerated = h.Get("X-Cos-Bucket-Arch") == "OFS"
	k.zones = h.Get("X-Cos-Bucket-Az-Type") == "MAZ"
}

// read returns what is known.
func (k *kind) read() (accelerated, zones, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.accelerated, k.zones, k.known
}

// isAccelerated reports whether the bucket has metadata acceleration. Where neither Check nor anybody else has heard, it
// asks once. A key pair that may not ask takes the bucket for an ordinary one, in which nothing is done by halves either:
// see leaves.
func (f *FS) isAccelerated(ctx context.Context) (bool, error) {
	accelerated, _, known := f.recent.kind.read()
	if known || f.kindRefused.Load() {
		return accelerated, nil
	}
	err := f.call(ctx, "head the bucket", func(ctx context.Context) error {
		resp, err := f.client.Bucket.Head(ctx)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = badAnswer(fmt.Sprintf("a head request for the bucket with status %d", resp.StatusCode))
		}
		if err == nil {
			f.recent.kind.note(resp.Header)
		}
		return err
	})
	if err != nil && (isTemporary(err) || ctx.Err() != nil) {
		return false, err
	}
	if err != nil {
		f.kindRefused.Store(true)
		f.log.Debug("the kind of the bucket is not known, it is taken for an ordinary one", "error", err)
		return false, nil
	}
	accelerated, _, _ = f.recent.kind.read()
	return accelerated, nil
}

// checkLock refuses to rename an object whose retention period is not over: its copy could be made, and then neither of
// the two deleted. Where COS does not tell the period, the deletion is refused.
func checkLock(o object) error {
	until, err := time.Parse(time.RFC3339, o.header.Get("x-cos-object-lock-retain-until-date"))
	if err == nil && until.After(o.answered) {
		return fmt.Errorf("rename %q: it is locked until %s: %w", o.key, until.Format(time.DateTime), fs.ErrPermission)
	}
	return nil
}

// knownAccelerated is isAccelerated without asking.
func (f *FS) knownAccelerated() bool {
	accelerated, _, _ := f.recent.kind.read()
	return accelerated
}

// moveFile renames a file of a bucket with metadata acceleration. COS does it in one step.
func (f *FS) moveFile(ctx context.Context, o object, target string) error {
	order := f.engine.rivals.now()
	err := f.renameInBucket(ctx, o.key, target, func(ctx context.Context) (bool, error) { return f.isMoved(ctx, o, target) })
	if errors.Is(err, syscall.EISDIR) { // a directory has come there, and must not make a directory of the source
		return fmt.Errorf("rename %q: the new name %q, or one above it, is in the way: %w", o.key, target, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	f.moved(target, o.size, o.version(), order)
	f.removed(o.key, o.stored)
	f.engine.remains.forget(f.place(o.key))
	return nil
}

// isMoved reports whether a file has its new name. syscall.ESTALE if somebody else has stored the old one anew.
func (f *FS) isMoved(ctx context.Context, o object, target string) (bool, error) {
	now, err := f.glance(ctx, o.key)
	if err == nil && isSameVersion(now, o) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	moved, targetErr := f.glance(ctx, target)
	switch {
	case targetErr == nil && moved.size == o.size && bareETag(moved.etag) == bareETag(o.etag):
		return true, nil
	case targetErr != nil && !errors.Is(targetErr, fs.ErrNotExist):
		return false, targetErr
	}
	if err == nil {
		err = fmt.Errorf("%q was stored by somebody else meanwhile: %w", o.key, syscall.ESTALE)
	}
	return false, err
}

// moveDir renames a directory of a bucket with metadata acceleration, however much it holds. The new name must be free:
// what COS makes of a directory onto another one no document tells. The caller holds both names.
func (f *FS) moveDir(ctx context.Context, source, target string) error {
	from, to := source+"/", target+"/"
	if err := f.checkFree(ctx, target); err != nil {
		return err
	}
	order := f.engine.rivals.now()
	err := f.renameInBucket(ctx, source, target, func(ctx context.Context) (bool, error) { return f.isDirMoved(ctx, source, target) })
	if errors.Is(err, syscall.EISDIR) {
		return fmt.Errorf("%q, or a name above it, is in the way: %w", to, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	f.movedDir(from, to, order)
	return nil
}

// checkFree refuses a new name of a directory at which there is something.
func (f *FS) checkFree(ctx context.Context, target string) error {
	_, err := f.head(ctx, target)
	switch {
	case err == nil:
		return fmt.Errorf("the new name is a file: %w", syscall.ENOTDIR)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	marker, others, err := f.below(ctx, target+"/", 2)
	switch {
	case err != nil:
		return err
	case others:
		return fmt.Errorf("%q holds something else: %w", target+"/", syscall.ENOTEMPTY)
	case marker:
		return fmt.Errorf("%q is there: %w", target+"/", fs.ErrExist)
	}
	return nil
}

// isDirMoved reports whether a directory has its new name, which was free before.
func (f *FS) isDirMoved(ctx context.Context, source, target string) (bool, error) {
	there, err := f.isDir(ctx, target)
	if err != nil || !there {
		return false, err
	}
	still, err := f.isDir(ctx, source)
	if err == nil && still {
		err = fmt.Errorf("%q and %q are both there: %w", source+"/", target+"/", syscall.ENOTEMPTY)
	}
	return err == nil, err
}

// movedDir tells what others must know of a directory that has another name: listings, uploads to names below both, and
// what is remembered of such.
func (f *FS) movedDir(from, to string, order int64) {
	when := version{at: time.Now()}
	for key, c := range f.recent.under(from) {
		if !c.removed {
			f.recent.note(to+strings.TrimPrefix(key, from), c)
			f.removed(key, c.stored)
		}
	}
	f.removed(from, when.at)
	f.recent.kept.move(from, to)
	f.wrote(to, 0, when)
	f.engine.rivals.outdateBelow(f.place(to), order)
	f.engine.remains.forgetBelow(f.place(from))
	f.engine.remains.forgetBelow(f.place(to))
}

// renameInBucket has COS rename a file or a directory: all of it or nothing. An answer may be lost, and the old name be
// stored anew before the request is repeated; so isDone looks before each repetition, and at the end.
func (f *FS) renameInBucket(ctx context.Context, source, target string, isDone func(context.Context) (bool, error)) error {
	op := "rename " + strconv.Quote(source) + " to " + strconv.Quote(target)
	attempt := 0
	// Cut off after a few seconds a request goes on in COS, and the next one meets it.
	err := f.tryWithin(lasting.with(ctx), f.engine.opts.CopyTimeout, op, func(ctx context.Context) error {
		if attempt++; attempt > 1 {
			if done, err := isDone(ctx); done || err != nil {
				return err
			}
		}
		encoded := renameSource(source)
		err := classify(f.putRename(ctx, encoded, target))
		if plain := "/" + source; errors.Is(err, fs.ErrNotExist) && plain != encoded && isPlain(source) {
			err = f.putRename(ctx, plain, target) // no document says which spelling COS reads
		}
		return err
	})
	// A repetition may find nothing at the old name, or something at the new one, because an earlier one has done it.
	refused := attempt > 1 && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EISDIR))
	if (isTemporary(err) || refused) && ctx.Err() == nil {
		if done, lookErr := isDone(ctx); done && lookErr == nil {
			return nil
		}
	}
	return err
}

const renameSourceHeader = "x-cos-rename-source"

// renameSource is a key as x-cos-rename-source names it. Read without decoding, it is at worst the name of nothing.
func renameSource(key string) string {
	elements := strings.Split(key, "/")
	for i, element := range elements {
		elements[i] = cos.EncodeURIComponent(element)
	}
	return "/" + strings.Join(elements, "/")
}

// isPlain reports whether a key means the same in a header, whether or not that is decoded: as a path, or as a query.
func isPlain(key string) bool {
	return !strings.ContainsFunc(key, func(r rune) bool { return r == '%' || r == '+' || r < ' ' || r == 0x7f })
}

// putRename sends the request to rename, which the SDK does not have.
func (f *FS) putRename(ctx context.Context, source, target string) error {
	base := f.client.BaseURL.BucketURL
	u := url.URL{Scheme: base.Scheme, Host: base.Host, Path: "/" + target, RawPath: "/" + cos.EncodeURIComponent(target), RawQuery: "rename"}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", f.client.UserAgent)
	req.Header.Set(renameSourceHeader, source)
	resp, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	answer := &cos.ErrorResponse{Response: resp}
	_ = xml.Unmarshal(body, answer) // what is no XML has no code
	if resp.StatusCode/100 != 2 || answer.Code != "" {
		return answer // COS tells some failures behind a 200
	}
	if err == nil && resp.Header.Get("x-cos-request-id") == "" {
		err = badAnswer("a rename with nothing that shows that it was COS")
	}
	return err
}
