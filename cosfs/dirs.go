package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// markerType is the content type of directory markers, by which other tools know them.
const markerType = "application/x-directory"

// Mkdir makes a directory: an empty marker object. Its parents come into being with it. fs.ErrExist if it is there;
// a file of that name does not hinder. A key pair that may not list makes it where there is no marker yet.
func (f *FS) Mkdir(ctx context.Context, name string) error {
	if isRoot(name) {
		return fmt.Errorf("make directory %q: %w", name, fs.ErrExist)
	}
	dir, err := f.dirKeyOf(name)
	if err != nil {
		return err
	}
	release, err := f.share(ctx, dir)
	if err != nil {
		return err
	}
	defer release()
	marker, others, err := f.below(ctx, dir, 1)
	unseen := errors.Is(err, fs.ErrPermission)
	if err != nil && !unseen {
		return err
	}
	if marker || others {
		return fmt.Errorf("make directory %q: %w", dir, fs.ErrExist)
	}
	made, err := f.putMarker(ctx, dir, unseen)
	if err != nil {
		return err
	}
	f.wrote(dir, 0, made)
	f.recent.times.noteMarker(dir, made.at, made.at)
	return nil
}

// putMarker stores the marker of a directory; with isNew it replaces none, which is fs.ErrExist.
func (f *FS) putMarker(ctx context.Context, dir string, isNew bool) (made version, err error) {
	began := time.Now()
	header := &cos.ObjectPutHeaderOptions{ContentType: markerType}
	if isNew {
		header.XOptionHeader = &http.Header{}
		header.XOptionHeader.Set(forbidOverwrite, "true")
	}
	err = f.call(ctx, "make directory "+strconv.Quote(dir), func(ctx context.Context) error {
		resp, err := f.client.Object.Put(ctx, dir, http.NoBody, &cos.ObjectPutOptions{ObjectPutHeaderOptions: header})
		if err != nil {
			return err
		}
		made = version{resp.Header.Get("ETag"), answeredAt(resp)}
		return errors.Join(checkStored(resp.Header), compare(resp.Header, 0))
	})
	if o, ok := f.made(ctx, err, dir, began, func(o object) bool { return o.size == 0 }); ok {
		return o.version(), nil
	}
	return made, err
}

// Remove deletes a file: syscall.EISDIR if the name is a directory only. The directory that it was in stays, see keptDirs.
func (f *FS) Remove(ctx context.Context, name string) error {
	key, err := f.keyOf(name)
	if err != nil {
		return err
	}
	release, err := f.claim(ctx, []string{key}, nil)
	if err != nil {
		return err
	}
	defer release()
	o, err := f.file(ctx, key)
	if err != nil {
		return err
	}
	if _, err := f.delete(ctx, key, o.version()); err != nil {
		return err
	}
	f.removed(key, o.stored)
	f.engine.remains.forget(f.place(key))
	return nil
}

// RemoveDir deletes a directory that holds nothing, or forgets one that is only remembered, see keptDirs: syscall.ENOTEMPTY if it holds something, syscall.ENOTDIR if the
// name is a file, fs.ErrPermission for the root.
func (f *FS) RemoveDir(ctx context.Context, name string) error {
	if isRoot(name) {
		return fmt.Errorf("remove directory %q: the root stays: %w", name, fs.ErrPermission)
	}
	dir, err := f.dirKeyOf(name)
	if err != nil {
		return err
	}
	release, err := f.claim(ctx, nil, []string{dir})
	if err != nil {
		return err
	}
	defer release()
	marker, others, err := f.below(ctx, dir, 2)
	switch {
	case err != nil:
		return err
	case others || len(f.recent.kept.in(dir)) > 0:
		return fmt.Errorf("remove directory %q: %w", dir, syscall.ENOTEMPTY)
	case !marker && !f.recent.kept.has(dir):
		return f.notDir(ctx, dir)
	}
	when := time.Now()
	if marker {
		if when, err = f.delete(ctx, dir, version{}); err != nil {
			return err
		}
	}
	f.removedDir(dir, when)
	return nil
}

// notDir says why a directory key has nothing under it: syscall.ENOTDIR for a file of that name, else
// fs.ErrNotExist.
func (f *FS) notDir(ctx context.Context, dir string) error {
	_, err := f.head(ctx, strings.TrimSuffix(dir, "/"))
	switch {
	case err == nil:
		return fmt.Errorf("%q: %w", dir, syscall.ENOTDIR)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory %q: %w", dir, fs.ErrNotExist)
	}
	return err
}

// delete deletes the object that a look just before has shown, and returns COS's time of it. Where an answer is lost
// another gateway may store the name anew, so that is looked at before each repetition; with a version{} it is not. COS
// answers the same for a key that is not there.
func (f *FS) delete(ctx context.Context, key string, seen version) (time.Time, error) {
	var when time.Time
	attempt := 0
	err := f.call(ctx, "delete "+strconv.Quote(key), func(ctx context.Context) error {
		if attempt++; attempt > 1 && seen != (version{}) {
			o, err := f.glance(ctx, key)
			if errors.Is(err, fs.ErrNotExist) || err == nil && !seen.is(o) {
				when = time.Now()
				return nil
			}
			if err != nil {
				return err
			}
		}
		resp, err := f.client.Object.Delete(ctx, key)
		if err != nil {
			return err
		}
		when = answeredAt(resp)
		return checkDeleted(resp)
	})
	if err != nil && f.isGone(ctx, err, key) {
		return time.Now(), nil
	}
	return when, err
}

// below looks for the marker of a directory and for anything else in it, given the directory's key. It stops as soon
// as limit of them are found (1 or 2), normally after one request: more are needed only where a listing still shows
// what we have just removed.
func (f *FS) below(ctx context.Context, dir string, limit int) (marker, others bool, err error) {
	changes := f.recent.under(dir)
	for key, c := range changes {
		if !c.removed {
			marker = marker || key == dir
			others = others || key != dir
		}
	}
	for after, size := "", limit; ; size = pageSize {
		p, err := f.page(ctx, dir, "", after, size)
		if err != nil {
			return false, false, err
		}
		f.recent.times.note(dir, p.objects)
		for _, o := range p.objects {
			if c, ours := changes[o.key]; ours && c.hides(o.stored) {
				continue
			}
			marker = marker || o.key == dir
			others = others || o.key != dir
		}
		others = others || len(p.prefixes) > 0 // a bucket with metadata acceleration lists one level only
		if others || marker && limit == 1 || p.next == "" {
			return marker, others, nil
		}
		after = p.next
	}
}

// answeredAt is COS's time of an answer, by which listings sort out what is newer; ours if it told none.
func answeredAt(resp *cos.Response) time.Time {
	if resp != nil {
		if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			return t
		}
	}
	return time.Now()
}
