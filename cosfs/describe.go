package cosfs

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"
)

const (
	// describers is how many files are asked for their metadata at once, by all listings of the process.
	describers = 32
	// describedBatch is how many entries of a listing are described before the first of them is yielded.
	describedBatch = 4 * describers
	// describeTimeout is how long one file is waited for; there is no second attempt.
	describeTimeout = 5 * time.Second
	// blindAfter is after how many failures in a row a listing asks no more.
	blindAfter = 10
)

// description is what a listing asks of its files beside what COS lists of them (Options.ListMetadata).
type description struct {
	mu      sync.Mutex
	inARow  int // failures since the last answer
	failed  int // files that are shown as COS lists them
	failure error
}

// describe completes the files among some entries: one HEAD for each that is not known yet. Files that are gone are marked; for others that do
// not answer the listing's own time must do. It fails only with ctx.
func (l *listing) describe(ctx context.Context, entries []info) error {
	if !l.describes {
		return nil
	}
	var files []*info
	for i := range entries {
		if !entries[i].IsDir() && !l.f.recall(l.dir, &entries[i]) {
			files = append(files, &entries[i])
		}
	}
	return each(ctx, describers, len(files), func(_ context.Context, i int) error {
		return l.describeFile(ctx, files[i])
	})
}

func (l *listing) describeFile(ctx context.Context, file *info) error {
	if l.described.isBlind() {
		return nil
	}
	if err := l.f.engine.describing.acquire(ctx, l.f.endpoint, l); err != nil {
		return err
	}
	defer l.f.engine.describing.release(l.f.endpoint)
	attempt, cancel := context.WithTimeout(ctx, l.f.engine.describeTimeout)
	defer cancel()
	o, err := l.f.glance(attempt, l.dir+file.name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		file.gone, err = true, nil
	case err == nil:
		*file = *o.info()
		l.f.remember(&o, file)
	}
	l.described.note(err)
	return nil
}

// isBlind says that no file need be asked about any more, and counts one that is not.
func (d *description) isBlind() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inARow < blindAfter {
		return false
	}
	d.failed++
	return true
}

// note counts an answer, or the lack of one.
func (d *description) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.inARow = 0
		return
	}
	d.inARow++
	d.failed++
	d.failure = err
}
