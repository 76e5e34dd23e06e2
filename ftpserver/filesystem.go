package ftpserver

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"time"
)

// FileSystem is what one logged-in account sees of its storage. Names are absolute, slash-separated and
// clean ("/", "/a/b.txt"). It is used by many sessions at once, and
// must be comparable, as a pointer is.
//
// Errors match these sentinels with errors.Is, so that one table (reply.go) can turn any of them into a reply;
// an error that matches none is a fault of the storage:
//
//	fs.ErrNotExist          no such file or directory
//	fs.ErrExist             Mkdir: the directory is there
//	fs.ErrPermission        the storage denies it, or the account may not (delete_enable)
//	fs.ErrInvalid           the storage cannot hold such a name; a method Reason() string of the error may say why
//	syscall.EISDIR          a file was expected, the name is a directory
//	syscall.ENOTDIR         a directory was expected, the name is a file
//	syscall.ENOTEMPTY       RemoveDir: something is in it
//	syscall.EFBIG           the upload exceeds the greatest size of a file
//	syscall.ESTALE          the file changed while it was read or stored
//	syscall.EBUSY           Append: another upload is about to replace the file
//	errors.ErrUnsupported   the storage has no such operation
//	context.Canceled        the caller's context ended
type FileSystem interface {
	// Stat tells about a file or a directory. The root always exists. Name() is the last element of name,
	// "/" for the root; Mode() has fs.ModeDir for a directory.
	Stat(ctx context.Context, name string) (fs.FileInfo, error)

	// List yields the entries of a directory in the order of the storage, page by page as they arrive. A
	// missing directory yields fs.ErrNotExist and a file yields syscall.ENOTDIR, as the first and only pair.
	// An error in the middle is the last pair.
	List(ctx context.Context, name string) iter.Seq2[fs.FileInfo, error]

	// Open starts reading at offset (bytes, >= 0). The file's Stat is known when Open returns. An offset at
	// or past the end is not an error here: the file then reads as empty. Cancelling ctx ends the reading.
	// A short file is io.ErrUnexpectedEOF, never a clean end. Callers prefer io.WriterTo where it is offered.
	Open(ctx context.Context, name string, offset int64) (fs.File, error)

	// Create starts an upload that replaces name when Close returns nil; until then readers see the old
	// file. Cancelling ctx before Close abandons it: Close then returns an error and the old file stays.
	// Closing without cancelling commits what was written, however little, unless a newer upload of the name has
	// ended meanwhile (syscall.ESTALE). A Write error is final, and Close
	// after it abandons. Callers prefer io.ReaderFrom where it is offered; a read error of the source is
	// returned by ReadFrom, and the bytes before it count as written.
	Create(ctx context.Context, name string) (io.WriteCloser, error)

	// Mkdir makes a directory; parents need not exist.
	Mkdir(ctx context.Context, name string) error

	// Remove deletes a file.
	Remove(ctx context.Context, name string) error

	// RemoveDir deletes an empty directory.
	RemoveDir(ctx context.Context, name string) error

	// Rename moves a file, replacing a file of the new name. Renaming onto itself does nothing.
	Rename(ctx context.Context, from, to string) error
}

// ModeKeeper is an add-on for the fs.FileInfo of a FileSystem: whether Mode is one that was kept for the file (SITE
// CHMOD), or a stand-in.
type ModeKeeper interface {
	HasMode() bool
}

// DirStater is an add-on for a FileSystem that can tell about a directory at less cost than Stat, which must look for a file
// as well. A missing directory is fs.ErrNotExist, also where there is a file of that name.
type DirStater interface {
	StatDir(ctx context.Context, name string) (fs.FileInfo, error)
}

// Selector is an add-on for a FileSystem that can list a part of what List tells at less cost: the entries whose name
// begins with prefix and that keep wants, nil for all; and of them, where bare is true, no more than name, kind and
// size, the rest being as it may. With a prefix or with keep a missing directory, or a file, yields nothing.
type Selector interface {
	Select(ctx context.Context, name, prefix string, keep func(name string) bool, bare bool) iter.Seq2[fs.FileInfo, error]
}

// Appender is an add-on for a FileSystem that can append to a file without replacing what is there. The
// contract is Create's; a missing file is created. The error has a method NotResumable() if the last upload of the
// file failed, so that it is not the one that is to be continued.
type Appender interface {
	Append(ctx context.Context, name string) (io.WriteCloser, error)
}

// Resumer is an add-on for a FileSystem that can replace the end of a file: the first offset bytes (> 0) stay, what is
// written follows them, and what was behind them is gone. All else is as with Create. A missing file is fs.ErrNotExist;
// for an offset past the end the error has a method FileSize() int64, which tells where that is. The
// error has a method NotResumable() if the file is not known to be what an interrupted upload has left, so that its
// beginning may be another file's.
type Resumer interface {
	CreateAt(ctx context.Context, name string, offset int64) (io.WriteCloser, error)
}

// Partial is an add-on for what Create, Append and CreateAt return. Interrupted says, before Close or while it runs, that
// the client has broken off or may have: what was written is the beginning of a file. told is whether it is told all the
// same, should it listen, that the file is stored; waited is whether it was there for a while after the end of its data,
// so that it did not die in the middle of the file. Said before, Close commits it only if nobody has stored the file since
// the upload began, and returns an error that is syscall.ESTALE if somebody has.
type Partial interface {
	Interrupted(told, waited bool)
}

// Waiter is an add-on for what Create, Append, CreateAt and Open return. Outage returns for how long the storage has been
// out of order or overloaded, so that the transfer may be waiting for it; 0 where it works. STAT tells it.
type Waiter interface {
	Outage() time.Duration
}

// AttributeSetter is an add-on for a FileSystem that keeps a modification time (MFMT, whole seconds) and a
// mode (SITE CHMOD, permission bits). What cannot be kept for a directory, the root among them, is no error: clients that
// mirror trees set both for each directory.
type AttributeSetter interface {
	SetModTime(ctx context.Context, name string, t time.Time) error
	SetMode(ctx context.Context, name string, mode fs.FileMode) error
}
