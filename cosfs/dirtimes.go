package cosfs

import (
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// dirTimesLimit is of how many directories of a bucket times are known.
const dirTimesLimit = 10000

// dirTimes are the times of directories, as far as answers that were needed anyway have told them: that of the marker,
// else that of the newest file that was seen. COS keeps none for a directory, and a listing of the one that it is in does
// not tell its marker's.
type dirTimes struct {
	known *lru.Cache[string, dirTime] // by key, with its slash
}

type dirTime struct {
	at     time.Time
	marker time.Time // Last-Modified of the marker, by which it is known again; zero for none
}

func newDirTimes() *dirTimes {
	known, _ := lru.New[string, dirTime](dirTimesLimit) // fails for no limit only
	return &dirTimes{known}
}

// of returns the time of a directory, given its key.
func (t *dirTimes) of(dir string) (time.Time, bool) {
	known, ok := t.known.Get(dir)
	return known.at, ok
}

// note takes what a page tells of the objects in a directory, and of its marker.
func (t *dirTimes) note(dir string, objects []listed) {
	var newest, marker time.Time
	for i := range objects {
		switch at := objects[i].stored; {
		case objects[i].key == dir:
			marker = at
		case at.After(newest):
			newest = at
		}
	}
	known, ok := t.known.Get(dir)
	switch {
	case !marker.IsZero() && (!ok || known.marker.Unix() != marker.Unix()):
		t.noteMarker(dir, marker, marker)
	case marker.IsZero() && known.marker.IsZero() && newest.After(known.at):
		t.known.Add(strings.Clone(dir), dirTime{at: newest})
	}
}

// noteMarker takes the time that a marker stands for, and when it was stored.
func (t *dirTimes) noteMarker(dir string, at, stored time.Time) {
	t.known.Add(strings.Clone(dir), dirTime{at, stored})
}

func (t *dirTimes) forget(dir string) { t.known.Remove(dir) }
