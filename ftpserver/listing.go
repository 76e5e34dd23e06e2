package ftpserver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
)

const (
	// sortedListing is up to how many entries a LIST is sorted as the original does. Longer ones come in the
	// order of the storage, so that memory does not grow with them; it is what one page of COS can hold.
	sortedListing = 999
	// listBuffer is how much of a listing is gathered before it is sent, in bytes.
	listBuffer = 32 << 10
)

// entries is a directory being listed. Its first entry is known, so errors are found before any reply.
type entries struct {
	next func() (fs.FileInfo, error, bool)
	stop func()
	head fs.FileInfo // nil: empty
	keep func(name string) bool
	note func(info fs.FileInfo) error // told of each entry that is kept; nil: nobody is
}

// openEntries starts listing the directory name; a file is syscall.ENOTDIR. Bare says that name, kind and size will do.
func openEntries(ctx context.Context, files FileSystem, name string, bare bool) (*entries, error) {
	if selector, ok := files.(Selector); ok && bare {
		return pullEntries(selector.Select(ctx, name, "", nil, bare))
	}
	return pullEntries(files.List(ctx, name))
}

func pullEntries(list iter.Seq2[fs.FileInfo, error]) (*entries, error) {
	next, stop := iter.Pull2(list)
	head, err, ok := next()
	if ok && err != nil {
		stop()
		return nil, err
	}
	return &entries{next: next, stop: stop, head: head, keep: listable}, nil
}

// single is a listing of one entry.
func single(info fs.FileInfo) *entries {
	none := func() (fs.FileInfo, error, bool) { return nil, nil, false }
	return &entries{next: none, stop: func() {}, head: info, keep: listable}
}

// openMatching starts listing the entries of the directory dir that match a pattern of path.Match; that none
// does is fs.ErrNotExist.
func openMatching(ctx context.Context, files FileSystem, dir, pattern string, bare bool) (*entries, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fs.ErrNotExist
	}
	matching := func(name string) bool {
		ok, _ := path.Match(pattern, name)
		return ok && listable(name)
	}
	source := files.List(ctx, dir)
	if selector, ok := files.(Selector); ok {
		source = selector.Select(ctx, dir, pattern[:strings.IndexAny(pattern, wildcards)], matching, bare)
	}
	list, err := pullEntries(source)
	if err != nil {
		return nil, err
	}
	list.keep = matching
	if list.head, err = list.pull(); err == nil && list.head == nil {
		err = fs.ErrNotExist
	}
	if err != nil {
		list.stop()
		return nil, err
	}
	return list, nil
}

// pull gives the next entry that can be listed; nil at the end.
func (e *entries) pull() (fs.FileInfo, error) {
	for {
		info := e.head
		e.head = nil
		if info == nil {
			var err error
			var ok bool
			if info, err, ok = e.next(); !ok || err != nil {
				return nil, err
			}
		}
		if !e.keep(info.Name()) {
			continue
		}
		if e.note != nil {
			return info, e.note(info)
		}
		return info, nil
	}
}

// format appends the line of one entry.
type format func(b []byte, info fs.FileInfo) []byte

// writeTo writes the lines of all entries, piece by piece. With an order they are sorted if they are few.
func (e *entries) writeTo(w io.Writer, line format, order func(a, b fs.FileInfo) int) error {
	var buf []byte
	if order != nil {
		first, ended, err := e.gather()
		if err != nil {
			return err
		}
		if ended {
			slices.SortFunc(first, order)
		}
		for _, info := range first {
			buf = line(buf, info)
		}
		if _, err := w.Write(buf); err != nil || ended {
			return err
		}
		buf = buf[:0]
	}
	for {
		info, err := e.pull()
		if err != nil {
			return err
		}
		if info != nil {
			buf = line(buf, info)
		}
		if len(buf) >= listBuffer || info == nil {
			if _, err := w.Write(buf); err != nil || info == nil {
				return err
			}
			buf = buf[:0]
		}
	}
}

// gather takes entries until they are enough, or the end.
func (e *entries) gather() (first []fs.FileInfo, ended bool, err error) {
	for len(first) < sortedListing {
		info, err := e.pull()
		if err != nil || info == nil {
			return first, true, err
		}
		first = append(first, info)
	}
	return first, false, nil
}

// listing is what one LIST, NLST, MLSD or STAT sends.
type listing struct {
	*entries
	line  format
	order func(a, b fs.FileInfo) int // nil: as they come
	tree  *tree                      // of what is below, for -R; nil: not wanted
}

func (l *listing) writeTo(w io.Writer) error {
	if l.tree != nil {
		return l.writeTree(w)
	}
	return l.entries.writeTo(w, l.line, l.order)
}

func (s *session) listLine() format {
	now, account := s.srv.now(), s.account
	if s.srv.opts.UnixListing {
		return func(b []byte, info fs.FileInfo) []byte { return appendUnixLine(b, info, account.modeOf(info), now) }
	}
	return func(b []byte, info fs.FileInfo) []byte { return appendListLine(b, info, now) }
}

// nameLine is the line of NLST, the name behind the directory that is to be in front.
func nameLine(folder string) format {
	return func(b []byte, info fs.FileInfo) []byte {
		return append(append(append(b, folder...), info.Name()...), "\r\n"...)
	}
}

func (s *session) cmdList(r request) reply {
	r.wish.bare = r.wish.names && !r.wish.long
	return s.list(r, func(ctx context.Context) (*listing, error) {
		found, err := s.openWish(ctx, &r)
		if err != nil {
			return nil, err
		}
		if r.wish.bare {
			found.line = nameLine("")
		}
		return &found.listing, nil
	})
}

// cmdNlst answers with bare names, as pyftpdlib meant to. What a pattern matches, which mget of many clients sends, or
// a file gets the directory in front that was given, so that it can be fetched.
func (s *session) cmdNlst(r request) reply {
	r.wish.bare = true
	return s.list(r, func(ctx context.Context) (*listing, error) {
		found, err := s.openWish(ctx, &r)
		if err != nil {
			return nil, err
		}
		found.line, found.order = nameLine(found.folder), r.wish.order()
		return &found.listing, nil
	})
}

func (s *session) cmdMlsd(r request) reply {
	facts, account := s.facts, s.account
	line := func(b []byte, info fs.FileInfo) []byte {
		b = facts.appendFacts(b, info, path.Join(r.name, info.Name()), account)
		return append(append(b, info.Name()...), "\r\n"...)
	}
	return s.list(r, func(ctx context.Context) (*listing, error) {
		list, err := openEntries(ctx, s.account.FS, r.name, facts&(factModify|factMode) == 0)
		return &listing{entries: list, line: line}, err
	})
}

// list begins a listing over the data connection.
func (s *session) list(r request, open func(context.Context) (*listing, error)) reply {
	t := s.newTransfer(r.verb, "")
	list, err := open(t.ctx)
	if err != nil {
		t.cancel(err)
		return s.fail(r, err)
	}
	charset := s.charset()
	t.move = func(t *transfer) outcome { return t.sendList(list, encodedWriter{t.data, charset}) }
	t.discard = list.stop
	return s.begin(t)
}

func (t *transfer) sendList(list *listing, w io.Writer) outcome {
	defer list.stop()
	return t.sent(list.writeTo(w), 0, func(err error) outcome {
		if errors.Is(err, errWideTree) {
			return outcome{reply: answer(451, "Too many directories for one listing; list them one by one."), fault: err}
		}
		return t.internalError(err)
	})
}

// statPath answers STAT with a path: a listing on the control connection. Its lines are never bare names, and never in
// blocks, for a name must not look like the end of the reply.
func (s *session) statPath(r request) reply {
	r.wish.recursive = false
	list, err := s.openWish(s.asking.ctx, &r)
	if err != nil {
		return s.fail(r, err)
	}
	defer list.stop()
	w := &controlWriter{s: s, head: encoded(s.charset(), []byte("213-Status of \""+r.name+"\":\r\n"))}
	// The lines are not indented, as in the original; none can begin with the reply's code.
	switch err := list.writeTo(encodedWriter{w, s.charset()}); {
	case err == nil:
		_, _ = w.Write(nil)
		return answer(213, "End of status.")
	case w.head != nil:
		return s.fail(r, err)
	default: // a reply of several lines must end with the code it began with (RFC 959 4.2)
		s.srv.logFault(s.login, r.verb, r.name, err)
		return answer(213, "Internal error; listing aborted.")
	}
}

// controlWriter writes a listing to the control connection.
type controlWriter struct {
	s    *session
	head []byte // goes before the listing; not sent before there is any of it, so that a failure can have its own reply
}

func (w *controlWriter) Write(p []byte) (int, error) {
	head := w.head
	w.head = nil
	if w.s.over || w.s.ended && w.s.controlGone.Load() {
		return 0, io.ErrClosedPipe
	}
	w.s.write(append(head, p...))
	return len(p), nil
}

func (s *session) cmdMlst(r request) reply {
	info, err := s.account.FS.Stat(s.asking.ctx, r.name)
	if err != nil {
		return s.fail(r, err)
	}
	facts := s.facts.appendFacts([]byte{' '}, info, r.name, s.account)
	return reply{250, []string{"Listing \"" + r.name + "\":", string(facts) + r.name, "End MLST."}}
}
