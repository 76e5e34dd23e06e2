package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// dirCopies is how many objects of one directory are copied at once; COS moves the data.
	dirCopies = 16
	// dirMoves is how many directories are renamed at once, by all accounts; others wait. It bounds the memory, which
	// is that for the keys of Options.RenameDirLimit objects each.
	dirMoves = 4
	// undoTimeout is how long copies are tried to be deleted after a failed rename, with all repetitions.
	undoTimeout = 30 * time.Second
)

// renameDir moves all objects below one key to below another; both keys end in a slash. See Rename.
func (f *FS) renameDir(ctx context.Context, from, to string) error {
	op := fmt.Sprintf("rename directory %q to %q", from, to)
	switch {
	case f.opts.RenameDirLimit <= 0:
		return fmt.Errorf("%s: %w", op, errors.ErrUnsupported)
	case strings.HasPrefix(to, from):
		return fmt.Errorf("%s: it cannot be moved into itself: %w", op, fs.ErrInvalid)
	case strings.HasPrefix(from, to):
		return fmt.Errorf("%s: the new name holds the directory itself: %w", op, syscall.ENOTEMPTY)
	}
	select {
	case f.engine.moving <- struct{}{}:
		defer func() { <-f.engine.moving }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	m := &dirMove{f: f, from: from, to: to}
	if err := m.prepare(ctx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := m.copyAll(ctx); err != nil {
		m.undo(ctx)
		return fmt.Errorf("%s: nothing is moved: %w", op, err)
	}
	// From here on an end of the session must not leave both directories.
	return m.deleteSources(context.WithoutCancel(ctx))
}

// dirMove is the renaming of one directory.
type dirMove struct {
	f        *FS
	from, to string
	items    []moveItem // by rest
}

// moveItem is an object to move.
type moveItem struct {
	leaf
	there bool // the target had a copy of it before
	begun bool // COS was asked to copy it
}

// prepare finds out what is to be moved and whether it can be, before anything is changed.
func (m *dirMove) prepare(ctx context.Context) error {
	if err := m.list(ctx); err != nil {
		return err
	}
	for i := range m.items {
		if err := m.checkKey(m.items[i].rest); err != nil {
			return err
		}
	}
	return m.checkTarget(ctx)
}

func (m *dirMove) list(ctx context.Context) error {
	for l, err := range m.f.subtree(ctx, m.from) {
		if err != nil {
			return err
		}
		if len(m.items) == m.f.opts.RenameDirLimit {
			m.f.log.Warn("rename of a directory refused: it holds too many objects; rename_dir_limit sets how many may be",
				"directory", m.f.nameOf(m.from), "rename_dir_limit", m.f.opts.RenameDirLimit)
			return fmt.Errorf("it holds more than %d objects, which rename_dir_limit allows: %w",
				m.f.opts.RenameDirLimit, errors.ErrUnsupported)
		}
		m.items = append(m.items, moveItem{leaf: l})
	}
	if len(m.items) == 0 {
		return fs.ErrNotExist
	}
	slices.SortFunc(m.items, func(a, b moveItem) int { return strings.Compare(a.rest, b.rest) })
	return nil
}

// find answers the item of a key, nil for none.
func (m *dirMove) find(rest string) *moveItem {
	i, found := slices.BinarySearchFunc(m.items, rest, func(it moveItem, rest string) int {
		return strings.Compare(it.rest, rest)
	})
	if !found {
		return nil
	}
	return &m.items[i]
}

// checkKey refuses keys that COS cannot hold at the new place or that might arrive there, or be asked for, as others:
// dots are taken out of paths by much that handles URLs.
func (m *dirMove) checkKey(rest string) error {
	if n := len(m.to) + len(rest); n > maxKey {
		return fmt.Errorf("the new name of %.80q… has %d bytes, COS holds names up to %d: %w", m.from+rest, n, maxKey, fs.ErrInvalid)
	}
	for element := range strings.SplitSeq(rest, "/") {
		if element == "." || element == ".." {
			return fmt.Errorf("%q cannot be copied, its name has the element %s: %w", m.from+rest, element, fs.ErrInvalid)
		}
	}
	_, err := m.f.copySource(m.from + rest)
	return err
}

// checkTarget refuses a target that is a file or holds something, unless that is what an interrupted rename left: of
// the copying, a part of the source; of the deleting, all of the source and more.
func (m *dirMove) checkTarget(ctx context.Context) error {
	if _, err := m.f.head(ctx, strings.TrimSuffix(m.to, "/")); err == nil {
		return fmt.Errorf("the new name is a file: %w", syscall.ENOTDIR)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	foreign, count := 0, 0
	var doubtful []*moveItem
	for l, err := range m.f.subtree(ctx, m.to) {
		if err != nil {
			return err
		}
		if count++; count > m.f.opts.RenameDirLimit+1 { // a marker may have come in addition
			return m.notEmpty()
		}
		item := m.find(l.rest)
		switch {
		case item != nil && item.size == l.size && item.etag == l.etag:
			item.there = true
		case item != nil && item.size == l.size:
			doubtful = append(doubtful, item)
		case l.rest != "":
			foreign++
		}
	}
	if err := m.settle(ctx, doubtful); err != nil {
		return err
	}
	if foreign > 0 && !m.isCopied() {
		return m.notEmpty()
	}
	return nil
}

func (m *dirMove) notEmpty() error {
	return fmt.Errorf("%q holds something else: %w", m.to, syscall.ENOTEMPTY)
}

// isCopied reports whether the target holds copies of all that is left of the source, so that only deletions were
// left to do. An empty directory alone proves nothing: that must be remembered.
func (m *dirMove) isCopied() bool {
	if len(m.items) == 1 && m.items[0].rest == "" && !m.f.unfinished.has(m.from, m.to) {
		return false
	}
	return !slices.ContainsFunc(m.items, func(it moveItem) bool { return !it.there })
}

// settle asks COS for the checksums of objects of both sides that differ in their ETags, as those of big objects may,
// and refuses if their data does too.
func (m *dirMove) settle(ctx context.Context, items []*moveItem) error {
	return each(ctx, dirCopies, len(items), func(ctx context.Context, i int) error {
		source, err := m.f.head(ctx, m.from+items[i].rest)
		if err != nil {
			return err
		}
		target, err := m.f.head(ctx, m.to+items[i].rest)
		if err != nil {
			return err
		}
		if !source.hasCRC || !sameData(source, target) {
			return m.notEmpty()
		}
		items[i].there = true
		return nil
	})
}

// copyAll copies everything. Objects that take many requests go one after another, since each has its own.
func (m *dirMove) copyAll(ctx context.Context) error {
	var small, big []*moveItem
	for i := range m.items {
		if item := &m.items[i]; item.size > m.f.copyLimit {
			big = append(big, item)
		} else {
			small = append(small, item)
		}
	}
	for _, group := range []struct {
		items   []*moveItem
		workers int
	}{{small, dirCopies}, {big, 1}} {
		err := each(ctx, group.workers, len(group.items), func(ctx context.Context, i int) error {
			return m.copy(ctx, group.items[i])
		})
		if err != nil {
			return err
		}
	}
	return m.recheck(ctx)
}

func (m *dirMove) copy(ctx context.Context, item *moveItem) error {
	item.begun = true
	stored, err := m.copyItem(ctx, item)
	if errors.Is(err, fs.ErrNotExist) {
		return m.changed(item)
	}
	if err != nil {
		return err
	}
	m.f.wrote(m.to+item.rest, item.size, stored)
	return nil
}

// copyItem copies an object and makes sure that the copy is what the source was when it was listed. For most the ETag
// proves it, so that one request does.
func (m *dirMove) copyItem(ctx context.Context, item *moveItem) (time.Time, error) {
	source, target := m.from+item.rest, m.to+item.rest
	if item.size <= m.f.copyLimit && item.hasPlainETag() {
		o := object{key: source, size: item.size, etag: `"` + item.etag + `"`}
		header := make(http.Header)
		if item.class != "" {
			header.Set("x-cos-storage-class", item.class)
		}
		made, err := m.f.copyObject(ctx, o, target, "Copy", header)
		if err != nil || bareETag(made.etag) == item.etag {
			return made.stored, err
		}
		// The ETag is none of the data, as with KMS encryption.
	}
	o, err := m.f.head(ctx, source)
	if err != nil {
		return time.Time{}, err
	}
	if o.size != item.size || bareETag(o.etag) != item.etag {
		return time.Time{}, m.changed(item)
	}
	return m.f.copyAny(ctx, o, target)
}

// hasPlainETag reports whether the ETag is normally the MD5 of the data, and so that of a copy too; that of an object
// made of parts tells how many there were.
func (it *moveItem) hasPlainETag() bool {
	return it.etag != "" && !strings.Contains(it.etag, "-")
}

func (m *dirMove) changed(item *moveItem) error {
	return fmt.Errorf("%q changed meanwhile: %w", m.from+item.rest, syscall.ESTALE)
}

// recheck looks once more at what is about to be deleted: much time may have passed since it was copied. What is new
// in the directory does not matter, it stays there.
func (m *dirMove) recheck(ctx context.Context) error {
	for l, err := range m.f.subtree(ctx, m.from) {
		if err != nil {
			return err
		}
		item := m.find(l.rest)
		if item == nil || l.stored.Before(item.stored) { // a listing that lags behind
			continue
		}
		if laterSecond(l.stored, item.stored) || l.etag != item.etag {
			return m.changed(item)
		}
	}
	return ctx.Err()
}

// undo deletes the copies that were made, also when the session is gone. What the target held before stays.
func (m *dirMove) undo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var keys []string
	for i := range m.items {
		if item := &m.items[i]; item.begun && !item.there {
			keys = append(keys, m.to+item.rest)
		}
	}
	if err := m.f.deleteAll(ctx, keys, m.f.removed); err != nil {
		m.f.log.Warn("copies of a failed rename stay in the bucket: repeat the rename, or delete them",
			"from", m.from, "to", m.to, "error", err)
	}
}

// deleteSources deletes what was copied, the directory's own marker last, so that the directory is there as long as
// anything of it is.
func (m *dirMove) deleteSources(ctx context.Context) error {
	items := m.items
	var markers []string
	if items[0].rest == "" {
		markers, items = append(markers, m.from), items[1:]
	}
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = m.from + items[i].rest
	}
	gone := func(key string, _ time.Time) {
		m.f.removed(key, m.find(strings.TrimPrefix(key, m.from)).stored)
	}
	err := m.f.deleteAll(ctx, keys, gone)
	if err == nil {
		err = m.f.deleteAll(ctx, markers, gone)
	}
	if err != nil {
		m.f.unfinished.note(m.from, m.to)
		m.f.log.Warn("rename left both directories: the copies are made, not all sources could be deleted",
			"from", m.from, "to", m.to, "error", err)
		return fmt.Errorf("directory %q is copied to %q but both names exist; the same rename again will finish it: %w",
			m.from, m.to, err)
	}
	m.f.unfinished.forget(m.from)
	return nil
}

// unfinishedMoves remembers renames of directories of which only deletions are left.
type unfinishedMoves struct {
	mu sync.Mutex
	to map[string]string // by from
}

// maxUnfinished bounds the memory; what is forgotten is an empty directory that cannot be renamed but removed.
const maxUnfinished = 1000

func (u *unfinishedMoves) note(from, to string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.to == nil || len(u.to) >= maxUnfinished {
		u.to = make(map[string]string)
	}
	u.to[from] = to
}

func (u *unfinishedMoves) forget(from string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.to, from)
}

func (u *unfinishedMoves) has(from, to string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.to[from] == to
}
