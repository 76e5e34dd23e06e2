package costest

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// entry is one key of a bucket. GET and HEAD see current, listings see listed until a pending change is due.
type entry struct {
	key     string
	current *object // nil when deleted
	listed  *object // nil when not in listings yet or any more
	pending []change

	versions []*object // in a versioned bucket: all of them, also current and delete markers, the oldest first
}

// change is what a listing will show from a time on.
type change struct {
	due    time.Time
	object *object
}

// settle applies the pending changes that are due.
func (e *entry) settle(now time.Time) {
	for len(e.pending) > 0 && !e.pending[0].due.After(now) {
		e.listed = e.pending[0].object
		e.pending = e.pending[1:]
	}
}

func (e *entry) empty() bool {
	return e.current == nil && e.listed == nil && len(e.pending) == 0 && len(e.versions) == 0
}

// runLength bounds the runs of an index: long enough that there are few, short enough to insert into cheaply.
const runLength = 512

// index is the keys of a bucket, by key and in order of their bytes. The order is kept as runs of sorted entries,
// so that an insertion into a million keys moves at most a run and not the whole order.
type index struct {
	entries map[string]*entry
	runs    [][]*entry // none is empty
}

func newIndex() *index { return &index{entries: map[string]*entry{}} }

// at returns the entry of a key, which it makes when there is none.
func (x *index) at(key string) *entry {
	if e := x.entries[key]; e != nil {
		return e
	}
	key = strings.Clone(key)
	e := &entry{key: key}
	x.entries[key] = e
	if len(x.runs) == 0 {
		x.runs = [][]*entry{{e}}
		return e
	}
	i, j := x.seek(key)
	if i == len(x.runs) {
		i--
		j = len(x.runs[i])
	}
	x.runs[i] = slices.Insert(x.runs[i], j, e)
	if run := x.runs[i]; len(run) > runLength {
		x.runs[i] = slices.Clip(run[:len(run)/2])
		x.runs = slices.Insert(x.runs, i+1, slices.Clone(run[len(run)/2:]))
	}
	return e
}

// drop forgets a key.
func (x *index) drop(key string) {
	if x.entries[key] == nil {
		return
	}
	delete(x.entries, key)
	i, j := x.seek(key)
	x.runs[i] = slices.Delete(x.runs[i], j, j+1)
	if len(x.runs[i]) == 0 {
		x.runs = slices.Delete(x.runs, i, i+1)
	}
}

// seek returns run and position of the first entry whose key is not less than key; run is len(runs) at the end.
func (x *index) seek(key string) (run, position int) {
	run, _ = slices.BinarySearchFunc(x.runs, key, func(r []*entry, key string) int {
		return strings.Compare(r[len(r)-1].key, key)
	})
	if run == len(x.runs) {
		return run, 0
	}
	position, _ = slices.BinarySearchFunc(x.runs[run], key, func(e *entry, key string) int {
		return strings.Compare(e.key, key)
	})
	return run, position
}

// from yields the entries in order, beginning at the first that is not less than key.
func (x *index) from(key string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		i, j := x.seek(key)
		for ; i < len(x.runs); i, j = i+1, 0 {
			for _, e := range x.runs[i][j:] {
				if !yield(e) {
					return
				}
			}
		}
	}
}
