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

// Rename moves a file or a directory: COS has no such operation, so each object is copied and the source deleted.
// Metadata and storage class are kept, ACLs are not. Renaming to the same name does nothing; a name that is both a
// file and a directory is taken for the file.
//
// A file replaces one of the new name. syscall.ESTALE if it changed on the way. When only the delete fails both names
// exist, and the error says so.
//
// A directory of up to Options.RenameDirLimit objects is copied completely before the first of them is deleted.
// errors.ErrUnsupported if it has more, fs.ErrInvalid for a new name inside it or a name in it that cannot be copied,
// syscall.ENOTDIR if the new name is a file, syscall.ENOTEMPTY if it is a directory that holds anything else than
// copies left by the same rename, syscall.ESTALE if anything in it changed meanwhile; then the old directory is
// complete and what was copied is deleted again, as far as COS can be reached. When a delete fails both exist. In
// either case the same rename again brings it to its end, also in another process. What is stored in the directory
// while it is renamed stays in it. Unlike that of a single file, the server-side encryption with COS's own key that an
// object, not its bucket, was given is not kept: listings do not tell it.
func (f *FS) Rename(ctx context.Context, from, to string) error {
	source, err := f.keyOf(from)
	if err != nil {
		return err
	}
	target, err := f.keyOf(to)
	if err != nil || source == target {
		return err
	}
	o, err := f.file(ctx, source)
	if errors.Is(err, syscall.EISDIR) {
		return f.renameDir(ctx, source+"/", target+"/")
	}
	if err != nil {
		return err
	}
	stored, err := f.copyAny(ctx, o, target)
	if err != nil {
		return err
	}
	f.wrote(target, o.size, stored)

	// From here on an end of the session must not leave both names.
	if _, err := f.delete(context.WithoutCancel(ctx), source); err != nil {
		f.log.Warn("rename left both names: the copy is made, the source could not be deleted",
			"from", source, "to", target, "error", err)
		return fmt.Errorf("%q is copied to %q but both names exist: %w", source, target, err)
	}
	f.removed(source, o.stored)
	return nil
}

// copyAny copies an object of any size and answers COS's time of the copy.
func (f *FS) copyAny(ctx context.Context, o object, target string) (time.Time, error) {
	if o.size > f.copyLimit {
		return f.copyParts(ctx, o, target)
	}
	return f.copyWhole(ctx, o, target, "Copy", restate(o.header, restatedOnCopy))
}

// copyWhole is copyObject for callers that need COS's time of the copy only, and certainty where all answers are lost.
func (f *FS) copyWhole(ctx context.Context, o object, target, directive string, header http.Header) (time.Time, error) {
	began := time.Now()
	made, err := f.copyObject(ctx, o, target, directive, header)
	isCopy := func(made object) bool { return isCopyOf(made, o, header) }
	if found, ok := f.made(ctx, err, target, began, isCopy); ok {
		return found.stored, nil
	}
	return made.stored, err
}

// copyObject copies an object with one request, repeated where its answer is lost: as long as the source is what o
// says the copy comes out the same. directive is "Copy" or "Replaced" (the metadata, by those in header). Of the copy,
// ETag and time are answered.
func (f *FS) copyObject(ctx context.Context, o object, target, directive string, header http.Header) (object, error) {
	source, err := f.copySource(o.key)
	if err != nil {
		return object{}, err
	}
	opt := &cos.ObjectCopyOptions{ObjectCopyHeaderOptions: &cos.ObjectCopyHeaderOptions{
		XCosMetadataDirective: directive,
		XCosCopySourceIfMatch: o.etag,
		XOptionHeader:         &header,
	}}
	var res *cos.ObjectCopyResult
	op := "copy " + strconv.Quote(o.key) + " to " + strconv.Quote(target)
	err = f.tryWithin(ctx, f.engine.opts.CopyTimeout, op, func(ctx context.Context) (err error) {
		res, _, err = f.client.Object.Copy(ctx, target, source, opt)
		if err == nil && res.ETag == "" {
			err = badAnswer("a copy without an ETag")
		}
		return err
	})
	if err != nil {
		return object{}, err
	}
	if crc, err := strconv.ParseUint(res.CRC64, 10, 64); err == nil && o.hasCRC && crc != o.crc64 {
		return object{}, fmt.Errorf("%s: the copy differs from its source: CRC64 %d instead of %d", op, crc, o.crc64)
	}
	made := object{key: target, size: o.size, etag: res.ETag}
	if made.stored, err = time.Parse(time.RFC3339, res.LastModified); err != nil {
		made.stored = time.Now()
	}
	return made, nil
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
