package cosfs

import (
	"cmp"
	"context"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"
)

// List yields the entries of a directory page by page: names sorted within a page of up to 1000, pages in the order
// of COS. The next page is asked for while one is consumed, so that n pages cost n requests and little waiting.
//
// Left out are the directory's own marker, names that FTP cannot tell or ask for (empty, ".", "..", with CR or LF:
// they could forge lines of a listing), and, once Options.MaxList entries have come, all further pages, of which the
// log then tells.
//
// With Options.ListMetadata each file costs a HEAD more, but for those of which the answer is known. A file that is gone by then is left out; one for which COS
// does not answer is shown with what COS lists of it.
//
// A missing directory yields fs.ErrNotExist, a file syscall.ENOTDIR, as the only pair.
func (f *FS) List(ctx context.Context, name string) iter.Seq2[fs.FileInfo, error] {
	return f.Select(ctx, name, "", nil, false)
}

// Select is List for those entries of a directory whose name begins with prefix and that keep wants, nil for all;
// Options.MaxList counts all that begin so. With either a directory that is missing yields nothing. Where bare is true
// no file costs a HEAD: times and modes are those that COS lists.
func (f *FS) Select(ctx context.Context, name, prefix string, keep func(name string) bool, bare bool) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		dir, err := f.dirKeyOf(name)
		if err != nil {
			yield(nil, err)
			return
		}
		if prefix != "" && len(dir)+len(prefix) > maxKey {
			return // nothing begins so
		}
		ctx, cancel := context.WithCancel(ctx)
		l := &listing{f: f, dir: dir, prefix: dir + prefix, keep: keep, describes: f.opts.ListMetadata && !bare}
		l.merger = newMerger(dir, l.prefix, dir == f.opts.Prefix, f.recent)
		defer l.wait() // the page under way ends at once, since cancel runs first
		defer cancel()
		if err := l.run(ctx, yield); err != nil {
			yield(nil, err)
		}
	}
}

// listing is one run of List.
type listing struct {
	f      *FS
	dir    string                 // key of the directory, "" for the root
	prefix string                 // of the keys that are looked for, dir or more
	keep   func(name string) bool // nil: all
	merger *merger
	shown  int
	ahead  chan fetched // the page under way, nil for none

	describes bool // files are asked for their metadata
	described description
}

type fetched struct {
	page page
	err  error
}

// run yields all entries. It returns the error to yield last, nil also when the consumer stopped.
func (l *listing) run(ctx context.Context, yield func(fs.FileInfo, error) bool) error {
	for marker := ""; ; {
		p, err := l.next(ctx, marker)
		if err != nil {
			return err
		}
		entries := l.merger.merge(p)
		l.shown += len(entries)
		if l.keep != nil {
			entries = slices.DeleteFunc(entries, func(i info) bool { return !l.keep(i.name) })
		}
		marker = p.next
		cut := marker != "" && l.enough()
		for i := range entries {
			if i == 1 && marker != "" && !cut {
				l.fetch(ctx, marker)
			}
			if i%describedBatch == 0 {
				if err := l.describe(ctx, entries[i:min(i+describedBatch, len(entries))]); err != nil {
					return err
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if !entries[i].gone && !yield(&entries[i], nil) {
				return nil
			}
		}
		if marker == "" || cut {
			return l.end(ctx, cut)
		}
	}
}

func (l *listing) enough() bool {
	return l.f.opts.MaxList > 0 && l.shown >= l.f.opts.MaxList
}

// end says what there is to say after the last page.
func (l *listing) end(ctx context.Context, cut bool) error {
	if cut {
		l.f.log.Warn("listing cut short: not all entries of the directory are shown; max_list_file sets the limit",
			"directory", l.f.nameOf(l.dir), "shown", l.shown, "max_list_file", l.f.opts.MaxList)
	}
	if n := l.merger.unnameable; n > 0 {
		l.f.log.Debug("listing leaves out names that FTP cannot tell", "directory", l.f.nameOf(l.dir), "left_out", n)
	}
	if n := l.described.failed; n > 0 {
		l.f.log.Warn("listing shows files as COS lists them, without their metadata",
			"directory", l.f.nameOf(l.dir), "files", n, "error", l.described.failure)
	}
	if !l.merger.found && l.keep == nil && l.prefix == l.dir && l.dir != l.f.opts.Prefix {
		return l.f.notDir(ctx, l.dir)
	}
	return nil
}

// fetch asks for a page in the background.
func (l *listing) fetch(ctx context.Context, marker string) {
	l.ahead = make(chan fetched, 1)
	go func(done chan<- fetched) {
		guard(func(err error) { done <- fetched{err: err} }, func() {
			p, err := l.f.page(ctx, l.prefix, "/", marker, pageSize)
			done <- fetched{p, err}
		})
	}(l.ahead)
}

// next answers the page after marker, the one under way if there is one.
func (l *listing) next(ctx context.Context, marker string) (page, error) {
	if l.ahead == nil {
		return l.f.page(ctx, l.prefix, "/", marker, pageSize)
	}
	r := <-l.ahead
	l.ahead = nil
	rethrow(r.err)
	return r.page, r.err
}

// wait returns when no page is under way.
func (l *listing) wait() {
	if l.ahead != nil {
		<-l.ahead
		l.ahead = nil
	}
}

// merger turns the pages of one directory into entries, with our own recent changes on top.
type merger struct {
	dir     string
	root    bool // dir is the account's root
	times   *dirTimes
	changes map[string]change
	added   map[string]change // what we wrote and no page has shown yet, by key or, for a directory, by prefix

	last       string // greatest key or prefix of the pages so far
	found      bool   // there is anything at all, so the directory exists
	unnameable int
}

// newMerger makes the merger of the keys of a directory that begin with prefix.
func newMerger(dir, prefix string, root bool, recent *overlay) *merger {
	m := &merger{dir: dir, root: root, times: recent.times, changes: recent.under(dir), added: make(map[string]change)}
	m.found = recent.kept.has(dir)
	for _, sub := range recent.kept.in(dir) {
		if strings.HasPrefix(sub, prefix) {
			m.added[sub] = change{}
		}
	}
	for key, c := range m.changes {
		if c.removed || !strings.HasPrefix(key, prefix) {
			continue
		}
		m.found = true
		if rest := key[len(dir):]; rest != "" {
			if slash := strings.IndexByte(rest, '/'); slash >= 0 {
				key = key[:len(dir)+slash+1]
			}
			m.added[key] = c
		}
	}
	return m
}

// merge answers the entries of a page in the order of their names.
func (m *merger) merge(p page) []info {
	m.times.note(m.dir, p.objects)
	entries := make([]info, 0, len(p.objects)+len(p.prefixes))
	for _, o := range p.objects {
		c, ours := m.changes[o.key]
		if o.key <= m.last && m.last != "" || ours && c.hides(o.stored) {
			continue
		}
		m.found = true
		if ours && !c.removed && !laterSecond(o.stored, c.stored) {
			o.size, o.stored, o.etag = c.size, c.stored, c.etag
		}
		delete(m.added, o.key)
		entries = m.add(entries, o)
	}
	for _, prefix := range p.prefixes {
		_, written := m.added[prefix]
		if prefix <= m.last && m.last != "" || m.changes[prefix].removed && !written {
			continue
		}
		m.found = true
		delete(m.added, prefix)
		entries = m.add(entries, listed{key: prefix})
	}
	for key, c := range m.added {
		if p.next == "" || key <= p.next {
			delete(m.added, key)
			entries = m.add(entries, listed{key: key, size: c.size, stored: c.stored, etag: c.etag})
		}
	}
	m.last = p.next
	m.dateDirs(entries)
	slices.SortStableFunc(entries, func(a, b info) int { return cmp.Compare(a.name, b.name) })
	return entries
}

// add puts an object, or a prefix with its slash, behind the entries, unless it is the directory itself or has no name.
func (m *merger) add(entries []info, o listed) []info {
	name, below := strings.CutPrefix(o.key, m.dir)
	if !below || name == "" {
		return entries
	}
	name, isDir := strings.CutSuffix(name, "/")
	if badElement(name) != "" || strings.Contains(name, "/") || m.root && name[0] == '\\' {
		m.unnameable++
		return entries
	}
	if isDir {
		return append(entries, info{name: name, mode: dirMode})
	}
	if o.stored.IsZero() {
		o.stored = time.Unix(0, 0)
	}
	return append(entries, info{name: name, size: o.size, mode: fileMode, modified: o.stored, etag: o.etag, stored: o.stored})
}

// dateDirs gives the directories among the entries of a page a time, of which the page tells none: one that was seen
// elsewhere, else that of the newest file of the page, else the present.
func (m *merger) dateDirs(entries []info) {
	var newest time.Time
	for i := range entries {
		if entries[i].modified.After(newest) {
			newest = entries[i].modified
		}
	}
	if newest.IsZero() {
		newest = time.Now()
	}
	for i := range entries {
		if !entries[i].IsDir() {
			continue
		}
		entries[i].modified = newest
		if at, known := m.times.of(m.dir + entries[i].name + "/"); known {
			entries[i].modified = at
		}
	}
}
