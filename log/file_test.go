package log

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExistingLogIsAppendedTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cos_v5.log")
	if err := os.WriteFile(name, []byte("old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	l, _ := open(t, Options{File: name}, &clock{t: noon})
	l.Info("new")
	wantMessages(t, name, "old\nINFO new\n")
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o640 {
		t.Errorf("mode %v, want that of before", info.Mode())
	}
}

func TestNewFileIsReadableByCollectors(t *testing.T) {
	_, f := open(t, Options{}, &clock{t: noon})
	python := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(python, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := os.Stat(f.path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(python)
	if err != nil {
		t.Fatal(err)
	}
	if got.Mode() != want.Mode() {
		t.Errorf("mode %v, want %v", got.Mode(), want.Mode())
	}
}

func TestNewMakesTheDirectory(t *testing.T) {
	l, f := open(t, Options{File: filepath.Join(t.TempDir(), "a", "b", "cos_v5.log")}, &clock{t: noon})
	l.Info("m")
	wantMessages(t, f.path, "INFO m\n")
}

func TestNewSaysWhyItCannotWrite(t *testing.T) {
	blocker := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(blocker, "cos_v5.log"), filepath.Dir(blocker)} {
		_, _, err := New(Options{File: name})
		if _, isPath := errors.AsType[*fs.PathError](err); !isPath || !strings.Contains(err.Error(), "log file "+name) ||
			!strings.Contains(err.Error(), "must be writable") {
			t.Errorf("error %v, want one about %s", err, name)
		}
	}
}

func TestFollowsThePathWhenTheFileIsMovedOrDeleted(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	l.Info("a")
	if err := os.Rename(f.path, f.path+".old"); err != nil {
		t.Fatal(err)
	}
	l.Info("b")
	wantMessages(t, f.path+".old", "INFO a\n")
	wantMessages(t, f.path, "INFO b\n")
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	l.Info("c")
	wantMessages(t, f.path, "INFO c\n")
	if err := os.Rename(f.path, f.path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, []byte("created by logrotate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Info("d")
	wantMessages(t, f.path, "created by logrotate\nINFO d\n")
}

func TestFollowsAFileThatIsEmptied(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	l.Info("a")
	if err := os.Truncate(f.path, 0); err != nil {
		t.Fatal(err)
	}
	l.Info("b")
	wantMessages(t, f.path, "INFO b\n")
}

func TestCutLineIsEnded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cos_v5.log")
	if err := os.WriteFile(name, []byte("the power fai"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, _ := open(t, Options{File: name}, &clock{t: noon})
	l.Info("new")
	wantMessages(t, name, "the power fai\nINFO new\n")
}

func TestLargeLogGoesOn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cos_v5.log")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const size = 1 << 30 // sparse; lumberjack would rotate at 100 MiB
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	l, f := open(t, Options{File: name}, &clock{t: noon})
	l.Info("a")
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); len(entries) != 1 || err != nil || info.Size() <= size {
		t.Errorf("%d files, %v, %v, want one that has grown", len(entries), info, err)
	}
}

func TestLineAfterCloseIsWritten(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	l.Info("a")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l.Info("b")
	wantMessages(t, f.path, "INFO a\nINFO b\n")
}

func TestRemovedDirectoryIsMadeAgain(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		c := &clock{t: noon}
		var stderr strings.Builder
		l, f := open(t, Options{Rotate: rotate, When: "S", Stderr: &stderr}, c)
		l.Info("a")
		if err := os.RemoveAll(filepath.Dir(f.path)); err != nil {
			t.Fatal(err)
		}
		c.add(time.Minute)
		l.Info("b")
		l.Info("c")
		wantMessages(t, f.path, "INFO b\nINFO c\n")
		if stderr.Len() > 0 {
			t.Errorf("stderr %q, want nothing, as nothing is lost", stderr.String())
		}
	}
}

// fullDisk writes room bytes, then fails until more is given.
type fullDisk struct {
	io.WriteCloser
	room int
}

var errNoSpace = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	n, err := d.WriteCloser.Write(p[:min(d.room, len(p))])
	d.room -= n
	if n < len(p) && err == nil {
		err = errNoSpace
	}
	return n, err
}

func TestFullDiskIsToldOnceAMinuteAndPasses(t *testing.T) {
	c := &clock{t: noon}
	var stderr strings.Builder
	l, f := open(t, Options{Stderr: &stderr}, c)
	disk := &fullDisk{f.out, 1 << 20}
	f.out = disk
	l.Info("a")

	written := time.Now().Format("Mon, 02 Jan") // what the disk has room for: the beginning of a line
	disk.room = len(written)
	l.Info("b")
	c.add(59 * time.Second)
	l.Info("c")
	l.Info("d")
	const first = "cos-ftp-server: trouble with the log (lines lost: 1): no space left\n"
	if stderr.String() != first {
		t.Errorf("stderr %q, want %q", stderr.String(), first)
	}
	c.add(time.Second)
	l.Info("e")
	const second = first + "cos-ftp-server: trouble with the log (lines lost: 3): no space left\n"
	if stderr.String() != second {
		t.Errorf("stderr %q, want %q", stderr.String(), second)
	}

	l.Info("f")
	disk.room = 1 << 20
	l.Info("g")
	l.Info("h")
	wantMessages(t, f.path, "INFO a\n"+written+"\nWARNING the log could not be written, lines lost here: 5\nINFO g\nINFO h\n")
	if stderr.String() != second {
		t.Errorf("stderr %q, want %q", stderr.String(), second)
	}
	f.Close()
	if want := second + first; stderr.String() != want {
		t.Errorf("stderr %q, want %q", stderr.String(), want)
	}
}

func TestDeviceFull(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cos_v5.log")
	if err := os.Symlink("/dev/full", name); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	l, _ := open(t, Options{File: name, Stderr: &stderr}, &clock{t: noon})
	l.Info("a")
	l.Info("b")
	if !strings.HasPrefix(stderr.String(), "cos-ftp-server: trouble with the log (lines lost: 1): ") || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("stderr %q, want one complaint", stderr.String())
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	l.Info("c")
	wantMessages(t, name, "WARNING the log could not be written, lines lost here: 2\nINFO c\n")
}

func TestDirectoryThatCannotBeMadeAgain(t *testing.T) {
	var stderr strings.Builder
	l, f := open(t, Options{Stderr: &stderr}, &clock{t: noon})
	dir := filepath.Dir(f.path)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.Info("a")
	if want := "cos-ftp-server: trouble with the log (lines lost: 1): mkdir " + dir; !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("stderr %q, want %q", stderr.String(), want)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	l.Info("b")
	wantMessages(t, f.path, "WARNING the log could not be written, lines lost here: 1\nINFO b\n")
}
