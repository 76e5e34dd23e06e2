package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// restatedOnCopy are the headers that a copy resets to their defaults unless they are given again (COS document
// 436/10881). The ACL of the object is reset too; COS does not tell it in the same answer.
var restatedOnCopy = []string{
	"x-cos-storage-class",
	"x-cos-server-side-encryption",
	"x-cos-server-side-encryption-cos-kms-key-id",
}

// restatedOnReplace are those that are lost, besides, when metadata is replaced instead of copied.
var restatedOnReplace = []string{
	"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires",
	"x-cos-website-redirect-location",
}

// Rename moves a file or a directory. COS has no such operation but in a bucket with metadata acceleration, so elsewhere
// each object is copied and the source deleted, and what follows is about that.
// Metadata and storage class are kept, ACLs are not. Renaming to the same name does nothing; a name that is both a
// file and a directory is taken for the file. Who does the same rename at the same time waits, and succeeds with it.
//
// A file replaces one of the new name; fs.ErrExist if that is a directory. A source is deleted only when a HEAD just
// before shows the version that was copied: a newer one is copied too. syscall.ESTALE if it changes again and again, or
// its deletion fails: then both names exist, and the error says so.
//
// A directory of up to Options.RenameDirLimit objects is copied completely before the first of them is deleted.
// errors.ErrUnsupported if it has more, fs.ErrInvalid for a new name inside it or a name in it that cannot be copied,
// syscall.ENOTDIR if the new name is a file, syscall.ENOTEMPTY if it is a directory that holds anything else than
// copies left by the same rename. When it fails on the way nothing is lost: the old directory is complete, or what it
// lacks is in the new one, and what was copied stays there, for no look at COS could prove that it is no longer needed.
// The same rename again brings it to its end, also in another process. What is stored in the directory while it is
// renamed waits, and stays in it. Unlike that of a single file, the server-side encryption with COS's own key that an
// object, not its bucket, was given is not kept: listings do not tell it.
//
// In a bucket with metadata acceleration COS renames a directory of any size in one step, or not at all; the new name must
// be free: fs.ErrExist if it is an empty directory. A file is renamed so where Check, or an earlier rename of a directory,
// has seen what kind of bucket it is.
func (f *FS) Rename(ctx context.Context, from, to string) error {
	source, err := f.keyOf(from)
	if err != nil {
		return err
	}
	target, err := f.keyOf(to)
	if err != nil || source == target {
		return err
	}
	m, done := move{f.opts.Bucket, source, target}, false
	f.engine.moves.begin(m)
	defer func() { f.engine.moves.end(m, done) }()
	err = f.rename(ctx, source, target)
	if errors.Is(err, syscall.EISDIR) {
		err = f.renameDir(ctx, source, target)
	}
	if errors.Is(err, fs.ErrNotExist) && f.engine.moves.isDone(m) {
		err = nil
	}
	done = err == nil
	return err
}

// rename moves a file; syscall.EISDIR if it is a directory.
func (f *FS) rename(ctx context.Context, source, target string) error {
	release, err := f.claim(lasting.with(ctx), []string{source, target}, []string{source + "/", target + "/"})
	if err != nil {
		return fmt.Errorf("rename %q: %w", source, err)
	}
	defer release()
	o, err := f.file(ctx, source)
	if err != nil {
		return err
	}
	return f.renameFile(ctx, o, target)
}

func (f *FS) renameFile(ctx context.Context, o object, target string) error {
	is, err := f.isDir(ctx, target)
	if err != nil {
		return err
	}
	if is {
		return fmt.Errorf("rename %q: the new name %q is a directory: %w", o.key, target, fs.ErrExist)
	}
	if err := checkLock(o); err != nil {
		return err
	}
	if f.knownAccelerated() {
		return f.moveFile(ctx, o, target)
	}
	order := f.engine.rivals.now()
	ctx = lasting.with(ctx)
	o, made, err := f.copyNewest(ctx, o, target, false)
	if err != nil {
		return err
	}
	f.moved(target, o.size, made, order)

	// From here on an end of the session should not leave both names, but a stop cannot wait for ever.
	lingering, end := lingerFor(ctx, abortTimeout)
	defer end()
	if err := f.deleteCopied(lingering, o, target, made); err != nil {
		f.log.Warn("rename left both names: the copy is made, the source is not deleted",
			"from", o.key, "to", target, "error", err)
		return fmt.Errorf("%q is copied to %q but both names exist: %w", o.key, target, err)
	}
	return nil
}

// moved tells what others must know of a name that has become another object: uploads that began before are outdated,
// and it is the beginning of none.
func (f *FS) moved(target string, size int64, made version, order int64) {
	f.wrote(target, size, made)
	outdated := f.engine.rivals.outdate(f.place(target), order)
	f.engine.remains.moved(f.place(target), order, outdated)
}

// sourceChanges is how often a source is copied that changes meanwhile.
const sourceChanges = 3

// copyNewest copies an object, or what another gateway stores in its place meanwhile, and returns what it copied.
func (f *FS) copyNewest(ctx context.Context, o object, target string, isNew bool) (object, version, error) {
	for range sourceChanges {
		made, err := f.copyAny(ctx, o, target, isNew)
		if !errors.Is(err, syscall.ESTALE) {
			return o, made, err
		}
		if o, err = f.head(ctx, o.key); err != nil {
			return o, version{}, err
		}
	}
	return o, version{}, fmt.Errorf("%q changes again and again: %w", o.key, syscall.ESTALE)
}

// deleteCopied deletes a source that was copied as the version made of target, if a HEAD shows that it is what was
// copied. Another gateway may have stored it anew meanwhile: then that is copied too, over nothing but our own copy.
func (f *FS) deleteCopied(ctx context.Context, copied object, target string, made version) error {
	for range sourceChanges {
		now, err := f.head(ctx, copied.key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody else has moved or deleted it
		}
		if err != nil {
			return err
		}
		if isSameVersion(now, copied) {
			return f.deleteSource(ctx, now)
		}
		if err := f.checkCopy(ctx, target, made); err != nil {
			return err
		}
		if copied, made, err = f.copyNewest(ctx, now, target, false); err != nil {
			return err
		}
		f.wrote(target, copied.size, made)
	}
	return fmt.Errorf("%q changes again and again: %w", copied.key, syscall.ESTALE)
}

// isSameVersion reports whether an object is the one that was seen before. The same data may have been stored anew, or
// given other metadata: then it is later.
func isSameVersion(now, before object) bool {
	return now.size == before.size && bareETag(now.etag) == bareETag(before.etag) && !laterSecond(now.stored, before.stored)
}

func (f *FS) deleteSource(ctx context.Context, o object) error {
	if _, err := f.delete(ctx, o.key, o.version()); err != nil {
		return err
	}
	f.removed(o.key, o.stored)
	f.engine.remains.forget(f.place(o.key))
	return nil
}

// checkCopy fails unless the target is still the copy that was made.
func (f *FS) checkCopy(ctx context.Context, target string, made version) error {
	o, err := f.head(ctx, target)
	if err == nil && bareETag(o.etag) != bareETag(made.etag) {
		err = fmt.Errorf("%q was stored by somebody else meanwhile: %w", target, syscall.ESTALE)
	}
	return err
}

// forbidOverwrite is the header with which COS replaces no object (document 436/10881; not in versioned buckets).
const forbidOverwrite = "x-cos-forbid-overwrite"

// copyAny copies an object of any size; with isNew it does not replace one, which is fs.ErrExist.
func (f *FS) copyAny(ctx context.Context, o object, target string, isNew bool) (version, error) {
	if o.size > f.copyLimit {
		return f.copyParts(ctx, o, target, isNew)
	}
	header := restate(o.header, restatedOnCopy)
	if isNew {
		header.Set(forbidOverwrite, "true")
	}
	return f.copyWhole(ctx, o, target, "Copy", header)
}

// copyWhole is copyObject for callers that need certainty where all answers are lost.
func (f *FS) copyWhole(ctx context.Context, o object, target, directive string, header http.Header) (version, error) {
	began := time.Now()
	made, err := f.copyObject(ctx, o, target, directive, header)
	isCopy := func(made object) bool { return isCopyOf(made, o, header) }
	if found, ok := f.made(ctx, err, target, began, isCopy); ok {
		return found.version(), nil
	}
	return made, err
}

// copyObject copies an object with one request, repeated where its answer is lost: as long as the source is what o
// says the copy comes out the same. directive is "Copy" or "Replaced" (the metadata, by those in header).
func (f *FS) copyObject(ctx context.Context, o object, target, directive string, header http.Header) (version, error) {
	source, err := f.copySource(o.key)
	if err != nil {
		return version{}, err
	}
	var res *cos.ObjectCopyResult
	op := "copy " + strconv.Quote(o.key) + " to " + strconv.Quote(target)
	err = f.ifUnchanged(ctx, o, func(condition string) error {
		opt := &cos.ObjectCopyOptions{ObjectCopyHeaderOptions: &cos.ObjectCopyHeaderOptions{
			XCosMetadataDirective: directive,
			XCosCopySourceIfMatch: condition,
			XOptionHeader:         &header,
		}}
		return f.tryWithin(ctx, f.engine.opts.CopyTimeout, op, func(ctx context.Context) (err error) {
			res, _, err = f.client.Object.Copy(ctx, target, source, opt)
			if err == nil && res.ETag == "" {
				err = badAnswer("a copy without an ETag")
			}
			return err
		})
	})
	if err != nil {
		return version{}, err
	}
	if crc, err := strconv.ParseUint(res.CRC64, 10, 64); err == nil && o.hasCRC && crc != o.crc64 {
		return version{}, fmt.Errorf("%s: the copy differs from its source: CRC64 %d instead of %d", op, crc, o.crc64)
	}
	made := version{etag: res.ETag}
	if made.at, err = time.Parse(time.RFC3339, res.LastModified); err != nil {
		made.at = time.Now()
	}
	return made, nil
}

// ifUnchanged makes a copy under the condition (x-cos-copy-source-If-Match) that its source still has its ETag;
// syscall.ESTALE if not. No document says whether COS wants the ETag's quotes there, so when it refuses an ETag that the
// source has, the other spelling is tried, and kept if it is the right one.
func (f *FS) ifUnchanged(ctx context.Context, source object, copy func(condition string) error) error {
	bare := f.bareConditions.Load()
	err := copy(condition(source.etag, bare))
	if !errors.Is(err, syscall.ESTALE) {
		return err
	}
	now, headErr := f.head(ctx, source.key)
	if headErr != nil || bareETag(now.etag) != bareETag(source.etag) {
		return err
	}
	again := copy(condition(source.etag, !bare))
	if again == nil {
		f.bareConditions.Store(!bare)
	}
	return again
}

// condition spells an ETag, bare or quoted.
func condition(etag string, bare bool) string {
	if bare {
		return bareETag(etag)
	}
	return `"` + bareETag(etag) + `"`
}

// isCopyOf reports whether an object has the data of another, and the metadata that a request gave it besides.
func isCopyOf(made, o object, header http.Header) bool {
	for name := range header {
		meta := strings.ToLower(name)
		if strings.HasPrefix(meta, metaPrefix) && made.meta[meta] != header.Get(name) {
			return false
		}
	}
	return made.size == o.size && (bareETag(made.etag) == bareETag(o.etag) || made.hasCRC && o.hasCRC && made.crc64 == o.crc64)
}

// copySource names a key of this bucket as the source of a copy. The SDK cuts a key at "?versionId=" and would copy
// another object, so fs.ErrInvalid for such a key.
func (f *FS) copySource(key string) (string, error) {
	if strings.Contains(key, "?versionId=") {
		return "", fmt.Errorf("%q cannot be copied, its name contains ?versionId=: %w", key, fs.ErrInvalid)
	}
	host := url.URL{Host: f.opts.Host}
	return host.Hostname() + "/" + key, nil
}

// restate picks the named headers of an answer for a request.
func restate(answer http.Header, names []string) http.Header {
	header := make(http.Header)
	for _, name := range names {
		if value := answer.Get(name); value != "" {
			header.Set(name, value)
		}
	}
	return header
}

// restateAll is what a new object needs to be told to have all that o has.
func restateAll(o object) http.Header {
	header := restate(o.header, restatedOnCopy)
	for name, values := range restate(o.header, restatedOnReplace) {
		header[name] = values
	}
	for name, value := range o.meta {
		header.Set(name, value)
	}
	return header
}
