package rig

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	lib "github.com/fclairamb/ftpserverlib"
	"github.com/spf13/afero"

	"github.com/tencentyun/cos-ftp-server/ftpserver"
)

// The adapter that puts github.com/fclairamb/ftpserverlib on an ftpserver.FileSystem: the alternative to our own
// engine, measured by the same tests. docs/decisions.md says why it is not the one in use.

// libDriver is the library's MainDriver.
type libDriver struct {
	login    func(user, password string) ftpserver.FileSystem // nil where refused
	settings *lib.Settings
}

func (d *libDriver) GetSettings() (*lib.Settings, error) { return d.settings, nil }
func (d *libDriver) ClientConnected(lib.ClientContext) (string, error) {
	return "Welcome to COS FTP Service", nil
}
func (d *libDriver) ClientDisconnected(lib.ClientContext) {}
func (d *libDriver) GetTLSConfig() (*tls.Config, error)   { return nil, errors.ErrUnsupported }
func (d *libDriver) AuthUser(_ lib.ClientContext, user, pass string) (lib.ClientDriver, error) {
	files := d.login(user, pass)
	if files == nil {
		return nil, errors.New("authentication failed")
	}
	return &libFS{files: files}, nil
}

// libFS is one session's afero.Fs. The library gives it no context, so nothing that it starts can be cancelled.
type libFS struct{ files ftpserver.FileSystem }

var (
	_ lib.ClientDriver                      = (*libFS)(nil)
	_ lib.ClientDriverExtensionFileList     = (*libFS)(nil)
	_ lib.ClientDriverExtentionFileTransfer = (*libFS)(nil)
	_ lib.ClientDriverExtensionRemoveDir    = (*libFS)(nil)
)

func (f *libFS) Name() string { return "FileSystem" }
func (f *libFS) Mkdir(name string, _ os.FileMode) error {
	return f.files.Mkdir(context.Background(), name)
}
func (f *libFS) MkdirAll(name string, _ os.FileMode) error {
	return f.files.Mkdir(context.Background(), name)
}
func (f *libFS) Remove(name string) error     { return f.files.Remove(context.Background(), name) }
func (f *libFS) RemoveDir(name string) error  { return f.files.RemoveDir(context.Background(), name) }
func (f *libFS) RemoveAll(string) error       { return errors.ErrUnsupported }
func (f *libFS) Rename(from, to string) error { return f.files.Rename(context.Background(), from, to) }
func (f *libFS) Stat(name string) (fs.FileInfo, error) {
	return f.files.Stat(context.Background(), name)
}
func (f *libFS) Chmod(string, os.FileMode) error            { return errors.ErrUnsupported }
func (f *libFS) Chown(string, int, int) error               { return errors.ErrUnsupported }
func (f *libFS) Chtimes(string, time.Time, time.Time) error { return errors.ErrUnsupported }
func (f *libFS) Create(string) (afero.File, error)          { return nil, errors.ErrUnsupported }
func (f *libFS) Open(string) (afero.File, error)            { return nil, errors.ErrUnsupported }
func (f *libFS) OpenFile(string, int, os.FileMode) (afero.File, error) {
	return nil, errors.ErrUnsupported
}

func (f *libFS) ReadDir(name string) ([]os.FileInfo, error) {
	var entries []os.FileInfo
	for info, err := range f.files.List(context.Background(), name) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, info)
	}
	return entries, nil
}

func (f *libFS) GetHandle(name string, flags int, offset int64) (lib.FileTransfer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	x, err := f.transfer(ctx, name, flags, offset)
	if err != nil {
		cancel()
		return nil, err
	}
	x.cancel = cancel
	return x, nil
}

func (f *libFS) transfer(ctx context.Context, name string, flags int, offset int64) (*libTransfer, error) {
	if flags&os.O_WRONLY == 0 {
		file, err := f.files.Open(ctx, name, offset)
		return &libTransfer{Reader: file, closer: file}, err
	}
	create := f.files.Create
	if appender, can := f.files.(ftpserver.Appender); can && flags&os.O_APPEND != 0 {
		create = appender.Append
	}
	upload, err := create(ctx, name)
	return &libTransfer{Writer: upload, closer: upload}, err
}

// libTransfer is one upload or download.
type libTransfer struct {
	io.Reader
	io.Writer
	closer io.Closer
	cancel context.CancelFunc
	once   sync.Once
}

// Seek is called with the offset that GetHandle has already heeded.
func (x *libTransfer) Seek(offset int64, _ int) (int64, error) { return offset, nil }

// TransferError is called before Close where a transfer ends early. What arrived is kept, as ours keeps it.
func (x *libTransfer) TransferError(error) {}

func (x *libTransfer) Read(p []byte) (int, error) {
	if x.Reader == nil {
		return 0, errors.ErrUnsupported
	}
	return x.Reader.Read(p)
}

func (x *libTransfer) Write(p []byte) (int, error) {
	if x.Writer == nil {
		return 0, errors.ErrUnsupported
	}
	return x.Writer.Write(p)
}

func (x *libTransfer) Close() (err error) {
	x.once.Do(func() { err = x.closer.Close() })
	x.cancel()
	return err
}
