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
	"syscall"
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
}

// openEntries starts listing the directory name; a file is syscall.ENOTDIR.
func openEntries(ctx context.Context, files FileSystem, name string) (*entries, error) {
	next, stop := iter.Pull2(files.List(ctx, name))
	head, err, ok := next()
	if ok && err != nil {
		stop()
		return nil, err
	}
	return &entries{next: next, stop: stop, head: head, keep: listable}, nil
}

// openPath starts listing what LIST, NLST and STAT may be given: a directory, or a file, which lists itself.
func (s *session) openPath(ctx context.Context, name string) (*entries, error) {
	list, err := openEntries(ctx, s.account.FS, name)
	if errors.Is(err, syscall.ENOTDIR) {
		return s.openFile(ctx, name)
	}
	return list, err
}

// openFile lists one file.
func (s *session) openFile(ctx context.Context, name string) (*entries, error) {
	info, err := s.account.FS.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	none := func() (fs.FileInfo, error, bool) { return nil, nil, false }
	return &entries{next: none, stop: func() {}, head: info, keep: listable}, nil
}

// openMatching starts listing the entries of the directory dir that match a pattern of path.Match; that none
// does is fs.ErrNotExist.
func (s *session) openMatching(ctx context.Context, dir, pattern string) (*entries, error) {
	list, err := openEntries(ctx, s.account.FS, dir)
	if err != nil {
		return nil, err
	}
	list.keep = func(name string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil && listable(name)
	}
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
		if e.keep(info.Name()) {
			return info, nil
		}
	}
}

// format appends the line of one entry.
type format func(b []byte, info fs.FileInfo) []byte

// writeTo writes the lines of all entries, piece by piece.
func (e *entries) writeTo(w io.Writer, line format, sorted bool) error {
	var buf []byte
	if sorted {
		first, ended, err := e.gather()
		if err != nil {
			return err
		}
		if ended {
			slices.SortFunc(first, compareEntries)
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

func (s *session) listLine() format {
	now := s.srv.now()
	return func(b []byte, info fs.FileInfo) []byte { return appendListLine(b, info, now) }
}

func (s *session) cmdList(r request) reply { return s.list(r, s.openPath, s.listLine(), true) }

// cmdNlst answers with bare names, as pyftpdlib meant to. A pattern in the last element, which mget of many
// clients sends, or a file gets the names with the directory that was given, so that they can be fetched.
func (s *session) cmdNlst(r request) reply {
	typed, pattern := path.Split(withoutOptions(r.arg))
	open := func(ctx context.Context, name string) (*entries, error) {
		list, err := openEntries(ctx, s.account.FS, name)
		if err == nil {
			typed = ""
		}
		if errors.Is(err, syscall.ENOTDIR) {
			return s.openFile(ctx, name)
		}
		return list, err
	}
	if strings.ContainsAny(pattern, "*?[") {
		open = func(ctx context.Context, name string) (*entries, error) {
			return s.openMatching(ctx, path.Dir(name), pattern)
		}
	}
	line := func(b []byte, info fs.FileInfo) []byte {
		return append(append(append(b, typed...), info.Name()...), "\r\n"...)
	}
	return s.list(r, open, line, false)
}

func (s *session) cmdMlsd(r request) reply {
	facts := s.facts
	line := func(b []byte, info fs.FileInfo) []byte {
		b = facts.appendFacts(b, info, r.name)
		return append(append(b, info.Name()...), "\r\n"...)
	}
	open := func(ctx context.Context, name string) (*entries, error) { return openEntries(ctx, s.account.FS, name) }
	return s.list(r, open, line, false)
}

// list begins a listing over the data connection.
func (s *session) list(r request, open func(context.Context, string) (*entries, error), line format, sorted bool) reply {
	t := s.newTransfer(r.verb, "")
	list, err := open(t.ctx, r.name)
	if err != nil {
		t.cancel(err)
		return s.fail(r, err)
	}
	charset := s.charset()
	t.move = func(t *transfer) outcome { return t.sendList(list, encodedWriter{t.data, charset}, line, sorted) }
	t.discard = list.stop
	return s.begin(t)
}

func (t *transfer) sendList(list *entries, w io.Writer, line format, sorted bool) outcome {
	defer list.stop()
	err := list.writeTo(w, line, sorted)
	switch {
	case !t.settle(): // ABOR
		t.data.Close()
		return outcome{}
	case err == nil:
		t.data.Close()
		return outcome{reply: complete, completed: true}
	case t.data.failed(err):
		t.data.reset()
		return t.clientFault()
	}
	t.data.reset()
	return t.internalError(err)
}

// statPath answers STAT with a path: a listing on the control connection.
func (s *session) statPath(r request) reply {
	list, err := s.openPath(s.ctx, r.name)
	if err != nil {
		return s.fail(r, err)
	}
	defer list.stop()
	s.write(encoded(s.charset(), []byte("213-Status of \""+r.name+"\":\r\n")))
	// The lines are not indented, as in the original; none can begin with the reply's code.
	if err := list.writeTo(encodedWriter{controlWriter{s}, s.charset()}, s.listLine(), true); err != nil {
		s.logFault(r.verb, r.name, err)
		return answer(213, "Internal error; listing aborted.")
	}
	return answer(213, "End of status.")
}

// controlWriter writes a listing to the control connection.
type controlWriter struct{ s *session }

func (w controlWriter) Write(p []byte) (int, error) {
	if w.s.over || w.s.ended && w.s.controlGone.Load() {
		return 0, io.ErrClosedPipe
	}
	w.s.write(p)
	return len(p), nil
}

func (s *session) cmdMlst(r request) reply {
	info, err := s.account.FS.Stat(s.ctx, r.name)
	if err != nil {
		return s.fail(r, err)
	}
	facts := s.facts.appendFacts([]byte{' '}, info, path.Dir(r.name))
	return reply{250, []string{"Listing \"" + r.name + "\":", string(facts) + r.name, "End MLST."}}
}
