package ftpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// memFS is a FileSystem in memory with the manners of a bucket: a directory is there when a marker or anything
// below it is. Faults are set per operation.
type memFS struct {
	mu    sync.Mutex
	files map[string]memFile // by absolute name
	dirs  map[string]bool    // markers
	calls []string

	// fault, when set, is asked before every operation ("stat", "list", "open", "create", "write", "close",
	// "read", ...) and may block, fail or panic.
	fault func(ctx context.Context, op, name string) error
	// listFails makes List fail after so many entries; 0 is never.
	listFails int
	// readFails makes a download fail after so many bytes; 0 is never.
	readFails int64
	maxSize   int64
}

type memFile struct {
	data     []byte
	modified time.Time
	mode     fs.FileMode
}

var (
	memTime    = time.Date(2026, 11, 20, 1, 2, 3, 456e6, time.UTC)
	memDirTime = time.Date(2026, 11, 19, 1, 2, 3, 0, time.UTC)
)

func newMemFS(files map[string]string) *memFS {
	m := &memFS{files: map[string]memFile{}, dirs: map[string]bool{}}
	for name, text := range files {
		if strings.HasSuffix(name, "/") {
			m.dirs[strings.TrimSuffix(name, "/")] = true
		} else {
			m.files[name] = memFile{data: []byte(text), modified: memTime}
		}
	}
	return m
}

type memInfo struct {
	name string
	file memFile
	dir  bool
}

func (i memInfo) Name() string { return i.name }
func (i memInfo) Size() int64  { return int64(len(i.file.data)) }
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o777
	}
	if i.HasMode() {
		return i.file.mode
	}
	return 0o555
}
func (i memInfo) HasMode() bool { return i.file.mode != 0 }
func (i memInfo) ModTime() time.Time {
	if i.dir {
		return memDirTime
	}
	return i.file.modified
}
func (i memInfo) IsDir() bool { return i.dir }
func (i memInfo) Sys() any    { return nil }

// begin notes an operation and asks for its fault.
func (m *memFS) begin(ctx context.Context, op, name string) error {
	m.mu.Lock()
	m.calls = append(m.calls, op+" "+name)
	fault := m.fault
	m.mu.Unlock()
	if fault != nil {
		if err := fault(ctx, op, name); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// setFault changes fault while sessions run.
func (m *memFS) setFault(fault func(ctx context.Context, op, name string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

// content is a file as it is now; ok is false where there is none.
func (m *memFS) content(name string) (text string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	return string(f.data), ok
}

func (m *memFS) isDir(name string) bool {
	if name == "/" || m.dirs[name] {
		return true
	}
	for _, other := range slices.Concat(slices.Collect(maps.Keys(m.files)), slices.Collect(maps.Keys(m.dirs))) {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

func (m *memFS) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	if err := m.begin(ctx, "stat", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.files[name]; ok {
		return memInfo{name: path.Base(name), file: f}, nil
	}
	if m.isDir(name) {
		return memInfo{name: path.Base(name), dir: true}, nil
	}
	return nil, fs.ErrNotExist
}

func (m *memFS) List(ctx context.Context, name string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		entries, err := m.entries(ctx, name)
		if err != nil {
			yield(nil, err)
			return
		}
		for i, e := range entries {
			if m.listFails > 0 && i == m.listFails {
				yield(nil, errStorage)
				return
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// entries are the entries of a directory by name, as a bucket lists them.
func (m *memFS) entries(ctx context.Context, name string) ([]memInfo, error) {
	if err := m.begin(ctx, "list", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isDir(name) {
		if _, ok := m.files[name]; ok {
			return nil, syscall.ENOTDIR
		}
		return nil, fs.ErrNotExist
	}
	prefix := strings.TrimSuffix(name, "/") + "/"
	var found []memInfo
	dirs := map[string]bool{}
	for other, f := range m.files {
		rest, ok := strings.CutPrefix(other, prefix)
		if first, _, deeper := strings.Cut(rest, "/"); ok && deeper {
			dirs[first] = true
		} else if ok {
			found = append(found, memInfo{name: rest, file: f})
		}
	}
	for other := range m.dirs {
		if rest, ok := strings.CutPrefix(other, prefix); ok {
			first, _, _ := strings.Cut(rest, "/")
			dirs[first] = true
		}
	}
	for dir := range dirs {
		found = append(found, memInfo{name: dir, dir: true})
	}
	slices.SortFunc(found, func(a, b memInfo) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

type memReader struct {
	fs   *memFS
	ctx  context.Context
	name string
	info memInfo
	at   int64
}

func (m *memFS) Open(ctx context.Context, name string, offset int64) (fs.File, error) {
	if err := m.begin(ctx, "open", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		if m.isDir(name) {
			return nil, syscall.EISDIR
		}
		return nil, fs.ErrNotExist
	}
	return &memReader{fs: m, ctx: ctx, name: name, info: memInfo{name: path.Base(name), file: f}, at: offset}, nil
}

func (r *memReader) Stat() (fs.FileInfo, error) { return r.info, nil }

func (r *memReader) Read(p []byte) (int, error) {
	if err := r.fs.begin(r.ctx, "read", r.name); err != nil {
		return 0, err
	}
	if r.at >= r.info.Size() {
		return 0, io.EOF
	}
	if r.fs.readFails > 0 && r.at >= r.fs.readFails {
		return 0, errStorage
	}
	end := r.info.Size()
	if r.fs.readFails > 0 {
		end = min(end, r.fs.readFails)
	}
	n := copy(p, r.info.file.data[r.at:end])
	r.at += int64(n)
	return n, nil
}

func (r *memReader) Close() error { return r.fs.begin(context.Background(), "closed", r.name) }

type memWriter struct {
	fs     *memFS
	ctx    context.Context
	name   string
	buf    bytes.Buffer
	failed error
}

func (w *memWriter) Interrupted(_, _ bool) { w.fs.note("interrupted " + w.name) }

func (m *memFS) note(call string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, call)
}

func (m *memFS) called(call string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.calls, call)
}

func (m *memFS) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := m.begin(ctx, "create", name); err != nil {
		return nil, err
	}
	return &memWriter{fs: m, ctx: ctx, name: name}, nil
}

func (m *memFS) Append(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := m.begin(ctx, "append", name); err != nil {
		return nil, err
	}
	w := &memWriter{fs: m, ctx: ctx, name: name}
	old, _ := m.content(name)
	w.buf.WriteString(old)
	return w, nil
}

func (m *memFS) CreateAt(ctx context.Context, name string, offset int64) (io.WriteCloser, error) {
	if err := m.begin(ctx, "createat", name); err != nil {
		return nil, err
	}
	old, ok := m.content(name)
	switch {
	case !ok && m.isDir(name):
		return nil, syscall.EISDIR
	case !ok:
		return nil, fs.ErrNotExist
	case offset > int64(len(old)):
		return nil, memPastEnd(len(old))
	}
	w := &memWriter{fs: m, ctx: ctx, name: name}
	w.buf.WriteString(old[:offset])
	return w, nil
}

// memPastEnd is the error of an offset beyond a file of so many bytes.
type memPastEnd int64

func (memPastEnd) Error() string     { return "past the end" }
func (e memPastEnd) FileSize() int64 { return int64(e) }

func (w *memWriter) Write(p []byte) (int, error) {
	if w.failed == nil {
		w.failed = w.fs.begin(w.ctx, "write", w.name)
	}
	if w.fs.maxSize > 0 && int64(w.buf.Len()+len(p)) > w.fs.maxSize {
		w.failed = syscall.EFBIG
	}
	if w.failed != nil {
		return 0, w.failed
	}
	return w.buf.Write(p)
}

func (w *memWriter) Close() error {
	err := w.failed
	if err == nil {
		err = w.fs.begin(w.ctx, "close", w.name)
	}
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	if err == nil {
		if _, file := w.fs.files[w.name]; !file && w.fs.isDir(w.name) {
			err = syscall.EISDIR
		}
	}
	if err != nil {
		w.fs.calls = append(w.fs.calls, "abandoned "+w.name)
		return err
	}
	w.fs.calls = append(w.fs.calls, "committed "+w.name)
	w.fs.files[w.name] = memFile{data: w.buf.Bytes(), modified: memTime}
	return nil
}

func (m *memFS) Mkdir(ctx context.Context, name string) error {
	if err := m.begin(ctx, "mkdir", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isDir(name) {
		return fs.ErrExist
	}
	m.dirs[name] = true
	return nil
}

func (m *memFS) Remove(ctx context.Context, name string) error {
	if err := m.begin(ctx, "remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[name]; !ok {
		if m.isDir(name) {
			return syscall.EISDIR
		}
		return fs.ErrNotExist
	}
	delete(m.files, name)
	return nil
}

func (m *memFS) RemoveDir(ctx context.Context, name string) error {
	if err := m.begin(ctx, "removedir", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isDir(name) {
		if _, ok := m.files[name]; ok {
			return syscall.ENOTDIR
		}
		return fs.ErrNotExist
	}
	had := m.dirs[name]
	delete(m.dirs, name)
	if m.isDir(name) {
		m.dirs[name] = had
		return syscall.ENOTEMPTY
	}
	return nil
}

func (m *memFS) Rename(ctx context.Context, from, to string) error {
	if err := m.begin(ctx, "rename", from); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[from]
	if !ok {
		if m.isDir(from) {
			return errors.ErrUnsupported
		}
		return fs.ErrNotExist
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memFS) SetModTime(ctx context.Context, name string, t time.Time) error {
	return m.change(ctx, "setmodtime", name, func(f *memFile) { f.modified = t })
}

func (m *memFS) SetMode(ctx context.Context, name string, mode fs.FileMode) error {
	return m.change(ctx, "setmode", name, func(f *memFile) { f.mode = mode })
}

func (m *memFS) change(ctx context.Context, op, name string, edit func(*memFile)) error {
	if err := m.begin(ctx, op, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	switch {
	case !ok && m.isDir(name):
		return nil
	case !ok:
		return fs.ErrNotExist
	}
	edit(&f)
	m.files[name] = f
	return nil
}

// errStorage is a fault of the storage that trying again does not cure, errOutage one that it may.
var errStorage = errors.New("storage said no")

type outageError struct{}

func (outageError) Error() string   { return "storage is away" }
func (outageError) Temporary() bool { return true }

var errOutage error = outageError{}
