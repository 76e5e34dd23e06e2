package ftpserver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
)

// found is a listing of what the path of LIST, NLST or STAT names.
type found struct {
	listing
	folder string // what NLST puts in front of each name
}

// openWish starts listing what LIST, NLST or STAT asks for, in the lines of LIST. An exact name goes before a pattern,
// and before options that nobody knows.
func (s *session) openWish(ctx context.Context, r *request) (*found, error) {
	if r.wish.unsure {
		name := listWish{path: r.arg, bare: r.wish.bare}
		if whole, err := s.openExact(ctx, name); !isNoName(err) {
			r.wish = name
			return whole, err
		}
	}
	exact, err := s.openExact(ctx, r.wish)
	pattern, ok := r.wish.pattern()
	if !ok || !isNoName(err) {
		return exact, err
	}
	folder := r.wish.folder()
	dir := absolute(s.cwd, folder)
	list, err := openMatching(ctx, s.account.FS, dir, pattern, r.wish.needsNames())
	if err != nil {
		return nil, err
	}
	return s.foundIn(ctx, r.wish, list, dir, folder, folder), nil
}

// isNoName says that there is nothing of a name, or can be nothing.
func isNoName(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) }

// openExact starts listing a directory, or a file, which lists itself.
func (s *session) openExact(ctx context.Context, wish listWish) (*found, error) {
	name := absolute(s.cwd, wish.path)
	if wish.itself {
		return s.openItself(ctx, wish, name)
	}
	list, err := openEntries(ctx, s.account.FS, name, wish.needsNames())
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return s.openItself(ctx, wish, name)
	case err != nil:
		return nil, err
	}
	return s.foundIn(ctx, wish, list, name, wish.path, ""), nil
}

// openItself lists a file, or a directory as one entry.
func (s *session) openItself(ctx context.Context, wish listWish, name string) (*found, error) {
	info, err := s.account.FS.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	wish.recursive = false
	folder := wish.folder()
	if info.IsDir() {
		info, folder = called{info, label(wish.path)}, ""
	}
	return s.foundIn(ctx, wish, single(info), name, "", folder), nil
}

// called is a directory under another name than its last element: as the client wrote it.
type called struct {
	fs.FileInfo
	name string
}

func (c called) Name() string { return c.name }

// foundIn is the listing of entries of the directory dir, which the client wrote in its own way.
func (s *session) foundIn(ctx context.Context, wish listWish, list *entries, dir, written, folder string) *found {
	f := &found{listing: listing{entries: list, line: s.listLine(), order: compareEntries}, folder: folder}
	if order := wish.order(); order != nil {
		f.order = order
	}
	if wish.recursive {
		files := s.account.FS // REIN may come while the tree is read
		f.folder = ""         // the block's name says where its names are
		f.tree = &tree{label: label(written), reverse: wish.reverse, open: func(below string) (*entries, error) {
			return openEntries(ctx, files, absolute(dir, below), wish.needsNames())
		}}
	}
	return f
}

// tree is what -R lists: a directory and all below it.
type tree struct {
	label   string // of the directory, as the client wrote it
	reverse bool   // -r
	open    func(below string) (*entries, error)

	waiting []string // directories below it that are still to be listed, the next one last
	bytes   int      // in them
}

const (
	// widestTree bounds the names of directories that a recursive listing keeps, in bytes.
	widestTree = 512 << 10
	// nameCost is what keeping a name takes beside its bytes.
	nameCost = 32
)

var errWideTree = errors.New("more directories than a recursive listing can remember")

// writeTree writes a block for each directory as ls -R does, depth first: an empty line, its name with a colon, its
// entries. Each directory is asked of the storage when its turn comes. One that is gone by then is left out.
func (l *listing) writeTree(w io.Writer) error {
	list, at := l.entries, ""
	for heading := l.tree.label + ":\r\n"; ; heading = "\r\n" + below(l.tree.label, at) + ":\r\n" {
		if _, err := io.WriteString(w, heading); err != nil {
			return err
		}
		subs, err := l.writeBlock(w, list, at)
		if err != nil {
			return err
		}
		l.tree.push(subs)
		if list, at, err = l.tree.next(); err != nil || list == nil {
			return err
		}
	}
}

// writeBlock writes the entries of one directory and answers the directories in it.
func (l *listing) writeBlock(w io.Writer, list *entries, at string) (subs []string, err error) {
	defer list.stop()
	room := widestTree - l.tree.bytes
	list.note = func(info fs.FileInfo) error {
		if !info.IsDir() {
			return nil
		}
		name := info.Name()
		if at != "" {
			name = at + "/" + name
		}
		if room -= len(name) + nameCost; room < 0 {
			return errWideTree
		}
		subs = append(subs, name)
		return nil
	}
	err = list.writeTo(w, l.line, l.order)
	return subs, err
}

// push keeps the directories of a block, to be listed by name as in ls.
func (t *tree) push(subs []string) {
	slices.Sort(subs)
	if !t.reverse {
		slices.Reverse(subs)
	}
	for _, name := range subs {
		t.bytes += len(name) + nameCost
	}
	t.waiting = append(t.waiting, subs...)
}

// next starts listing the next directory; nil: there is none.
func (t *tree) next() (list *entries, at string, err error) {
	for len(t.waiting) > 0 {
		at = t.waiting[len(t.waiting)-1]
		t.waiting = t.waiting[:len(t.waiting)-1]
		t.bytes -= len(at) + nameCost
		if list, err = t.open(at); !isNoName(err) && !errors.Is(err, syscall.ENOTDIR) {
			return list, at, err
		}
	}
	return nil, "", nil
}
