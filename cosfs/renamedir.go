package cosfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// dirCopies is how many objects of one directory are copied, or deleted, at once; COS moves the data.
	dirCopies = 16
	// dirMoves is how many directories are renamed at once, by all accounts, see slots; others wait. It bounds the memory,
	// which is that for the keys of Options.RenameDirLimit objects each.
	dirMoves = 4
)

// renameDir moves all objects below one key to below another. See Rename. It claims the names when its turn has come.
func (f *FS) renameDir(ctx context.Context, source, target string) error {
	from, to := source+"/", target+"/"
	op := fmt.Sprintf("rename directory %q to %q", from, to)
	switch {
	case f.opts.RenameDirLimit <= 0:
		return fmt.Errorf("%s: %w", op, errors.ErrUnsupported)
	case strings.HasPrefix(to, from):
		return fmt.Errorf("%s: it cannot be moved into itself: %w", op, fs.ErrInvalid)
	case strings.HasPrefix(from, to):
		return fmt.Errorf("%s: the new name holds the directory itself: %w", op, syscall.ENOTEMPTY)
	}
	if err := f.engine.moving.acquire(ctx, f.endpoint, source); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer f.engine.moving.release(f.endpoint)
	release, err := f.claim(lasting.with(ctx), []string{source, target}, []string{from, to})
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer release()
	accelerated, err := f.isAccelerated(ctx)
	if err == nil && accelerated {
		err = f.moveDir(ctx, source, target)
	}
	if err != nil || accelerated {
		return wrapped(op, err)
	}
	m := &dirMove{f: f, from: from, to: to, order: f.engine.rivals.now()}
	if err := m.prepare(ctx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	ctx = lasting.with(ctx)
	if err := m.copyAll(ctx); err != nil {
		f.log.Warn("rename of a directory is not done: the old one is complete, and copies of some of its files stay in "+
			"the new one; the same rename again goes on", "from", from, "to", to, "error", err)
		return fmt.Errorf("%s: nothing is moved: %w", op, err)
	}
	// From here on an end of the session should not leave both directories, but a stop cannot wait for ever.
	lingering, end := lingerFor(ctx, abortTimeout)
	defer end()
	return m.deleteSources(lingering)
}

// wrapped says before an error what was being done; nil stays nil.
func wrapped(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

// dirMove is the renaming of one directory.
type dirMove struct {
	f        *FS
	from, to string
	order    int64      // see rivals
	items    []moveItem // by rest
}

// moveItem is an object to move. Its leaf is the version that was listed, later that which was copied.
type moveItem struct {
	leaf
	made  version // the copy, where this rename made it
	there bool    // the target has a copy that this rename did not make, or did not hear of
	gone  bool    // somebody else has moved or deleted it
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
	if len(m.items) == 0 && !m.f.recent.kept.has(m.from) {
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

func (m *dirMove) isLeft() bool { return m.f.engine.moves.isLeft(m.move()) }

func (m *dirMove) move() move { return move{m.f.opts.Bucket, m.from, m.to} }

func (m *dirMove) notEmpty() error {
	return fmt.Errorf("%q holds something else: %w", m.to, syscall.ENOTEMPTY)
}

// isCopied reports whether the target holds copies of all that is left of the source, so that only deletions were
// left to do. An empty directory alone proves nothing: that must be remembered.
func (m *dirMove) isCopied() bool {
	if len(m.items) == 0 || len(m.items) == 1 && m.items[0].rest == "" && !m.isLeft() {
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
		switch item := &m.items[i]; {
		case item.there:
		case item.size > m.f.copyLimit:
			big = append(big, item)
		default:
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
	return ctx.Err()
}

// copy copies an item where the target has nothing of its name; another gateway may do the same rename.
func (m *dirMove) copy(ctx context.Context, item *moveItem) error {
	began := time.Now()
	made, err := m.copyItem(ctx, item)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := m.f.head(ctx, m.from+item.rest); !errors.Is(err, fs.ErrNotExist) {
			return cmp.Or(err, fmt.Errorf("%q comes and goes: %w", m.from+item.rest, syscall.ESTALE))
		}
		item.gone = true
		return nil
	case errors.Is(err, fs.ErrExist):
		return m.adopt(ctx, item, began)
	case err != nil:
		return err
	}
	item.made = made
	m.f.moved(m.to+item.rest, item.size, made, m.order)
	return nil
}

// adopt takes what stands at the target for the copy of an item: one of which no answer came, or one that another gateway
// made. It must have the data of the source, or be the version of it that was asked for.
func (m *dirMove) adopt(ctx context.Context, item *moveItem, began time.Time) error {
	asked := item.etag
	err := m.checkThere(ctx, item)
	if !errors.Is(err, syscall.ENOTEMPTY) {
		item.there = true
		return err
	}
	target, headErr := m.f.head(ctx, m.to+item.rest)
	since := target.answered.Add(-time.Since(began) - clockGrain)
	if headErr != nil || !item.hasPlainETag() || bareETag(target.etag) != asked || target.stored.Before(since) {
		return err
	}
	item.made = target.version() // the source has changed since, and is copied again before it is deleted
	m.f.moved(m.to+item.rest, target.size, item.made, m.order)
	return nil
}

// copyItem copies the version of an object that was listed, or the one that is there now. For most the ETag proves that
// the copy is right, so that one request does.
func (m *dirMove) copyItem(ctx context.Context, item *moveItem) (version, error) {
	source, target := m.from+item.rest, m.to+item.rest
	if item.size <= m.f.copyLimit && item.hasPlainETag() {
		o := object{key: source, size: item.size, etag: item.etag}
		header := http.Header{}
		header.Set(forbidOverwrite, "true")
		if item.class != "" {
			header.Set("x-cos-storage-class", item.class)
		}
		made, err := m.f.copyObject(ctx, o, target, "Copy", header)
		if err == nil && bareETag(made.etag) != item.etag { // it is none of the data, as with KMS encryption
			err = m.checkSize(ctx, item)
		}
		if !errors.Is(err, syscall.ESTALE) {
			return made, err
		}
	}
	o, err := m.f.head(ctx, source)
	if err != nil {
		return version{}, err
	}
	o, made, err := m.f.copyNewest(ctx, o, target, true)
	if err == nil {
		item.sees(o)
	}
	return made, err
}

// checkSize fails unless the copy of an item has its size, where nothing else tells that it is whole.
func (m *dirMove) checkSize(ctx context.Context, item *moveItem) error {
	o, err := m.f.head(ctx, m.to+item.rest)
	if err == nil && o.size != item.size {
		err = fmt.Errorf("the copy of %q has %d bytes instead of %d", m.from+item.rest, o.size, item.size)
	}
	return err
}

// sees takes an object for the version that is moved.
func (it *moveItem) sees(o object) { it.size, it.etag, it.stored = o.size, bareETag(o.etag), o.stored }

// hasPlainETag reports whether the ETag is normally the MD5 of the data, and so that of a copy too; that of an object
// made of parts tells how many there were.
func (it *moveItem) hasPlainETag() bool {
	return it.etag != "" && !strings.Contains(it.etag, "-")
}

// checkThere fails unless the target has the data of the source.
func (m *dirMove) checkThere(ctx context.Context, item *moveItem) error {
	source, err := m.f.head(ctx, m.from+item.rest)
	if errors.Is(err, fs.ErrNotExist) {
		item.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	target, err := m.f.head(ctx, m.to+item.rest)
	if err != nil {
		return err
	}
	same := bareETag(source.etag) == bareETag(target.etag) || source.hasCRC
	if !same || !sameData(source, target) {
		return m.notEmpty()
	}
	item.sees(source)
	m.f.moved(m.to+item.rest, target.size, target.version(), m.order)
	return nil
}

// deleteSources deletes what was copied, the directory's own marker last, so that the directory is there as long as
// anything of it is. Each is looked at just before.
func (m *dirMove) deleteSources(ctx context.Context) error {
	markers := 0
	if len(m.items) > 0 && m.items[0].rest == "" {
		markers = 1
	}
	err := each(ctx, dirCopies, len(m.items)-markers, func(ctx context.Context, i int) error {
		return m.deleteSource(ctx, &m.items[i+markers])
	})
	if err == nil && markers > 0 {
		err = m.deleteSource(ctx, &m.items[0])
	}
	if err != nil {
		m.f.engine.moves.leave(m.move())
		m.f.log.Warn("rename left both directories: the copies are made, not all sources are deleted",
			"from", m.from, "to", m.to, "error", err)
		return fmt.Errorf("directory %q is copied to %q but both names exist; the same rename again will finish it: %w",
			m.from, m.to, err)
	}
	m.f.engine.moves.finish(m.move())
	m.f.recent.kept.move(m.from, m.to)
	return nil
}

func (m *dirMove) deleteSource(ctx context.Context, item *moveItem) error {
	if item.there && !item.gone {
		if err := m.checkThere(ctx, item); err != nil {
			return err
		}
	}
	if item.gone {
		return nil
	}
	copied := object{key: m.from + item.rest, size: item.size, etag: item.etag, stored: item.stored}
	return m.f.deleteCopied(ctx, copied, m.to+item.rest, item.made)
}
