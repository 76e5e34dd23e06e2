package log

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

// tellEvery is the shortest time between two complaints on stderr.
const tellEvery = time.Minute

// file is the log file: it follows the path when somebody moves the file, rotates it when its period is over,
// and carries on, counting what it loses, when it cannot be written.
type file struct {
	path     string
	now      func() time.Time
	stderr   io.Writer
	date     string // layout of the time at the start of a line
	rotation rotation

	mu     sync.Mutex
	out    io.WriteCloser // opens path at the first write after Close
	opened os.FileInfo    // identity of the file behind out; nil: look before the next write
	cut    bool           // the file ends within a line, after a full disk or a crash

	gap     int   // lines lost since the last one that was written
	lost    int   // lines lost that stderr has not been told about
	trouble error // what stderr has not been told about
	told    time.Time
}

func newFile(o Options, now func() time.Time) (*file, error) {
	f := &file{path: o.File, now: now, stderr: o.Stderr, date: dateLayout, out: newLumberjack(o.File)}
	if f.stderr == nil {
		f.stderr = io.Discard
	}
	if o.Rotate {
		f.date = rotatingDateLayout
		var err error
		if f.rotation, err = newRotation(o, now()); err != nil {
			return nil, err
		}
	}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("%w (the file and its directory must be writable for the user that runs the server)", err)
	}
	return f, nil
}

// newLumberjack makes the writer of path. Of what lumberjack can do we want the writing and reopening only. Its
// own rotation, with names of its own, happens
//   - at MaxSize: hence 2 PiB, more than any file here and no overflow as bytes;
//   - when it cannot open the existing file: open has just opened it;
//   - never by age or number: both stay 0.
//
// It starts one goroutine that ends with the process, so there must be one Logger per file, not one per opening.
func newLumberjack(path string) *lumberjack.Logger {
	return &lumberjack.Logger{Filename: path, MaxSize: math.MaxInt32}
}

// open makes path ready for out, which opens it at its next write. out would make a new file with mode 0600;
// here it gets the mode it had from Python.
func (f *file) open() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o777); err != nil {
		return err
	}
	probe, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer probe.Close()
	info, err := probe.Stat()
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if size := info.Size(); size > 0 {
		if _, err := probe.ReadAt(last, size-1); err != nil {
			return err
		}
	}
	f.opened, f.cut = info, last[0] != '\n'
	return nil
}

func (f *file) write(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if err := f.rotateIfDue(now); err != nil {
		f.trouble = err
	}
	if err := f.append(line, now); err != nil {
		f.trouble = err
		f.lost++
		f.gap++
	}
	if now.Sub(f.told) >= tellEvery {
		f.tell(now)
	}
}

func (f *file) append(line []byte, now time.Time) error {
	if err := f.reopenIfMoved(); err != nil {
		return err
	}
	if f.gap > 0 {
		line = append(gapLine(f.date, now, f.gap), line...)
	}
	if f.cut {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := f.out.Write(line); err != nil {
		// Half of the line may be in the file: let open look before the next one.
		return errors.Join(err, f.close())
	}
	f.gap, f.cut = 0, false
	return nil
}

// reopenIfMoved looks before every line, as one stat costs less than the write: a line in a deleted file is lost.
func (f *file) reopenIfMoved() error {
	if f.opened != nil {
		if info, err := os.Stat(f.path); err == nil && os.SameFile(info, f.opened) {
			return nil
		}
		if err := f.close(); err != nil {
			f.trouble = err
		}
	}
	return f.open()
}

// tell reports the trouble since the last report, also when it is over by now.
func (f *file) tell(now time.Time) {
	if f.trouble != nil {
		fmt.Fprintf(f.stderr, "cos-ftp-server: trouble with the log (lines lost: %d): %v\n", f.lost, f.trouble)
		f.lost, f.trouble, f.told = 0, nil, now
	}
}

func (f *file) close() error {
	f.opened = nil
	return f.out.Close()
}

// Close closes the file and tells stderr about losses that waited for their minute.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(f.now())
	return f.close()
}
