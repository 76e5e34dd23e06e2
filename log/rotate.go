package log

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// rotation is Python 2.7's logging.handlers.TimedRotatingFileHandler: a period begins with the first line after
// the period before, not on the hour or at midnight, and a rotated file is named for the start of its period.
type rotation struct {
	interval int64  // seconds; 0: never rotate
	suffix   string // layout of what follows "cos_v5.log."
	rotated  *regexp.Regexp
	backups  int   // to keep; 0: all
	due      int64 // Unix seconds
}

var periods = map[string]rotation{
	"S": {interval: 1, suffix: "2006-01-02_15-04-05"},
	"M": {interval: 60, suffix: "2006-01-02_15-04"},
	"H": {interval: 60 * 60, suffix: "2006-01-02_15"},
	"D": {interval: 24 * 60 * 60, suffix: "2006-01-02"},
}

func newRotation(o Options, now time.Time) (rotation, error) {
	r, ok := periods[o.When]
	if !ok {
		return r, fmt.Errorf("rotation period %q: want S, M, H or D", o.When)
	}
	r.backups = o.Backups
	date := regexp.MustCompile("[0-9]").ReplaceAllString(r.suffix, "[0-9]")
	r.rotated = regexp.MustCompile("^" + regexp.QuoteMeta(filepath.Base(o.File)) + `\.` + date + `(\.[0-9]+)?$`)
	start := now
	if info, err := os.Stat(o.File); err == nil {
		start = info.ModTime() // Legacy: a file that is found counts from when it was last written.
	}
	r.due = start.Unix() + r.interval
	return r, nil
}

// rotateIfDue moves the file away when its period is over; reopenIfMoved then begins the new one. If that fails,
// the file goes on as it is and the next line tries again.
func (f *file) rotateIfDue(now time.Time) error {
	r := &f.rotation
	if r.interval == 0 || now.Unix() < r.due {
		return nil
	}
	err := os.Rename(f.path, f.rotatedName(now))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.due = now.Unix() + r.interval
	return f.prune()
}

// rotatedName is a free name for the period that ends now. Where Python deletes an older log of that name, which
// there can be after the clock was set back, we count: .1, .2.
func (f *file) rotatedName(now time.Time) string {
	start := time.Unix(f.rotation.due-f.rotation.interval, 0).In(now.Location())
	// Legacy: a period that began before summer time came or went is named by the clock of today.
	switch {
	case now.IsDST() && !start.IsDST():
		start = start.Add(time.Hour)
	case !now.IsDST() && start.IsDST():
		start = start.Add(-time.Hour)
	}
	name := f.path + "." + start.Format(f.rotation.suffix)
	free := name
	for i := 1; exists(free); i++ {
		free = fmt.Sprintf("%s.%d", name, i)
	}
	return free
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// prune removes the oldest rotated files beyond the number to keep, and nothing that is not named like one.
func (f *file) prune() error {
	if f.rotation.backups <= 0 {
		return nil
	}
	dir := filepath.Dir(f.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var old []string
	for _, e := range entries {
		if e.Type().IsRegular() && f.rotation.rotated.MatchString(e.Name()) {
			old = append(old, e.Name())
		}
	}
	dated := len(filepath.Base(f.path)) + len(".") + len(f.rotation.suffix)
	slices.SortFunc(old, func(a, b string) int { // by date, then .9 before .10
		return cmp.Or(strings.Compare(a[:dated], b[:dated]), cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	for _, name := range old[:max(0, len(old)-f.rotation.backups)] {
		err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
	}
	return err
}
