package rig

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

// MemFS is an ftpserver.FileSystem in memory, for the tests that put both engines on the same storage. Hooks slow
// it down or make it panic.
type MemFS struct {
	mu    sync.Mutex
	Files map[string][]byte
	Dirs  map[string]bool

	OnWrite  func(name string) // before each write of an upload
	OnRename func()            // before a rename takes effect
	onCreate func()            // before an upload begins
}

// Has reports whether there is such a file.
func (m *MemFS) Has(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, there := m.Files[name]
	return there || m.Dirs[name]
}

// Content returns what a file holds.
func (m *MemFS) Content(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.Files[name])
}

// memInfo is a file or directory of MemFS.
type memInfo struct {
	name string
	size int64
	dir  bool
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) ModTime() time.Time { return time.Unix(1_700_000_000, 0) }
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o777
	}
	return 0o555
}

func (m *MemFS) Stat(_ context.Context, name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Dirs[name] {
		return memInfo{name: path.Base(name), dir: true}, nil
	}
	content, there := m.Files[name]
	if !there {
		return nil, fs.ErrNotExist
	}
	return memInfo{name: path.Base(name), size: int64(len(content))}, nil
}

func (m *MemFS) List(ctx context.Context, name string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		entries, err := m.entries(name)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, entry := range entries {
			info, err := m.Stat(ctx, entry)
			if !yield(info, err) {
				return
			}
		}
	}
}

func (m *MemFS) entries(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, file := m.Files[name]; file {
		return nil, syscall.ENOTDIR
	}
	if !m.Dirs[name] {
		return nil, fs.ErrNotExist
	}
	var found []string
	for entry := range m.Files {
		if path.Dir(entry) == name {
			found = append(found, entry)
		}
	}
	for entry := range maps.Keys(m.Dirs) {
		if entry != "/" && path.Dir(entry) == name {
			found = append(found, entry)
		}
	}
	slices.Sort(found)
	return found, nil
}

type memFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f memFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f memFile) Close() error               { return nil }

func (m *MemFS) Open(ctx context.Context, name string, offset int64) (fs.File, error) {
	info, err := m.Stat(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, syscall.EISDIR
	}
	content := m.Content(name)
	return memFile{bytes.NewReader([]byte(content[min(offset, int64(len(content))):])), info}, nil
}

// memUpload becomes the file at Close.
type memUpload struct {
	m      *MemFS
	ctx    context.Context
	name   string
	buffer bytes.Buffer
}

func (u *memUpload) Write(p []byte) (int, error) {
	if u.m.OnWrite != nil {
		u.m.OnWrite(u.name)
	}
	return u.buffer.Write(p)
}

func (u *memUpload) Close() error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	u.m.Files[u.name] = u.buffer.Bytes()
	return nil
}

func (m *MemFS) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if m.onCreate != nil {
		m.onCreate()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Dirs[name] {
		return nil, syscall.EISDIR
	}
	return &memUpload{m: m, ctx: ctx, name: name}, nil
}

func (m *MemFS) Mkdir(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Dirs[name] {
		return fs.ErrExist
	}
	m.Dirs[name] = true
	return nil
}

func (m *MemFS) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.Files[name]; !there {
		return fs.ErrNotExist
	}
	delete(m.Files, name)
	return nil
}

func (m *MemFS) RemoveDir(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.Dirs[name] {
		return fs.ErrNotExist
	}
	for entry := range m.Files {
		if strings.HasPrefix(entry, name+"/") {
			return syscall.ENOTEMPTY
		}
	}
	delete(m.Dirs, name)
	return nil
}

func (m *MemFS) Rename(_ context.Context, from, to string) error {
	if m.OnRename != nil {
		m.OnRename()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content, there := m.Files[from]
	switch {
	case m.Dirs[from]:
		return errors.ErrUnsupported
	case !there:
		return fs.ErrNotExist
	}
	delete(m.Files, from)
	m.Files[to] = content
	return nil
}
