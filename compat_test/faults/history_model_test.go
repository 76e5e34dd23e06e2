package faults

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// action is what a command does to the names of one group at one moment. A command is one action, but a rename, which
// is a copy and later a removal, for each file where it is that of a directory.
type action struct {
	*recorded
	kind     actionKind
	number   int // of the rename that it is a step of
	from, to int // indexes of names; to only of copies and removals of a source
	twin     bool
	ofDir    bool
}

type actionKind int

const (
	storing actionKind = iota
	appending
	looking
	measuring
	existing
	removing
	copying
	unlinking
)

// groupState is what a group of names holds: indexes into the table of files.
type groupState struct {
	files [2]int32 // absent, or what file the name is
	held  [maxHeld]heldFile
}

// heldFile is what a rename under way has copied, absent for nothing. Entries are sorted; unused ones are zero.
type heldFile struct {
	rename int32 // number, from 1 on
	file   int32
}

// maxHeld is how many renames of one group may be under way, those included whose replies were lost. Eight clients do
// not come near it.
const maxHeld = 16

const absent int32 = 0

// fileTable gives every file that may come about in a group of names a number, and knows of the history what steps
// depend on.
type fileTable struct {
	keep, loose bool // loose: there are other gateways, whose changes listings show late
	files       [][]piece
	numbers     map[string]int32
	ends        map[int][]int     // of contents, where they were seen to be cut off
	begun       map[string]bool   // what files that were seen begin with
	emptySeen   bool              // an empty file was seen
	acked       map[int]*recorded // the last upload of a content that was answered with 226
}

func newFileTable(h *history, commands []*recorded, loose bool) *fileTable {
	t := &fileTable{
		keep: h.keep, loose: loose, numbers: map[string]int32{}, files: [][]piece{nil},
		ends: map[int][]int{}, begun: map[string]bool{}, acked: map[int]*recorded{},
	}
	for _, r := range commands {
		if r.isUpload() && r.has("226") {
			t.acked[r.content] = r
		}
		t.emptySeen = t.emptySeen || r.verb == "SIZE" && r.reply == "213 0"
		if r.verb == "RETR" && r.has("226") || r.verb == "GET" && r.has("200") {
			t.emptySeen = t.emptySeen || len(r.got) == 0
			for i, p := range r.got {
				t.begun[describePieces(r.got[:i+1])] = true
				if !slices.Contains(t.ends[p.id], p.to) {
					t.ends[p.id] = append(t.ends[p.id], p.to)
				}
			}
		}
	}
	return t
}

// number is that of a file. Files that were never seen, and can become none that was by APPE, are told apart by their
// sizes only: else the search would have to do with each order of uploads that nobody ever looked at.
func (t *fileTable) number(pieces []piece) int32 {
	key := describePieces(pieces)
	if len(pieces) > 1 && !t.begun[key] {
		pieces = unseenFile(pieces)
		key = describePieces(pieces)
	}
	n, known := t.numbers[key]
	if !known {
		n = int32(len(t.files))
		t.files = append(t.files, pieces)
		t.numbers[key] = n
	}
	return n
}

// unseenFile has the size of a file only.
func unseenFile(pieces []piece) []piece {
	size, open := 0, false
	for _, p := range pieces {
		size += max(p.to, p.from) - p.from
		open = open || p.to == unseenEnd
	}
	unseen := []piece{{unseenID, 0, size}}
	if open {
		unseen = append(unseen, piece{unseenID, size, unseenEnd})
	}
	return unseen
}

// lastAcked is the upload that wrote the end of a file, nil if it was not answered with 226.
func (t *fileTable) lastAcked(file int32) *recorded {
	if pieces := t.files[file]; len(pieces) > 0 {
		return t.acked[pieces[len(pieces)-1].id]
	}
	return nil
}

// step is the states that an action may lead to, none where it cannot have happened.
func (t *fileTable) step(s groupState, a *action) []groupState {
	switch a.kind {
	case storing, appending:
		return t.upload(s, a)
	case looking, measuring, existing:
		if t.agrees(s.files[a.from], a) {
			return []groupState{s}
		}
		return nil
	case removing:
		return t.remove(s, a)
	case copying:
		return t.copy(s, a)
	}
	return t.unlink(s, a)
}

// agrees says whether a name can be a file, or absent, in view of what a command was told.
func (t *fileTable) agrees(file int32, a *action) bool {
	if file == absent || a.saysMissing() {
		return file == absent && a.saysMissing()
	}
	size, open := 0, false
	for _, p := range t.files[file] {
		if p.to == unseenEnd {
			open = true
			continue
		}
		size += p.to - p.from
	}
	switch a.kind {
	case looking:
		return file == t.number(a.got)
	case measuring:
		told := 0
		fmt.Sscanf(a.reply, "213 %d", &told)
		return told == size || open && told > size
	}
	return true
}

// upload is STOR and APPE. Whole or not, what it adds begins at the offset of a REST.
func (t *fileTable) upload(s groupState, a *action) (next []groupState) {
	base, fits := t.base(s.files[a.from], a)
	is := func(pieces []piece) {
		after := s
		after.files[a.from] = t.number(pieces)
		next = append(next, after)
	}
	if a.sent == a.size && fits {
		is(addPiece(base, piece{a.content, a.offset, a.size}))
	}
	if a.has("226") {
		return next
	}
	if t.keep && fits && !t.isOutdated(s.files[a.from], a) {
		for _, end := range t.ends[a.content] {
			if end > a.offset && end <= a.sent && end < a.size {
				is(addPiece(base, piece{a.content, a.offset, end}))
			}
		}
		if t.emptySeen || a.offset > 0 || len(base) > 0 {
			is(base)
		}
		if a.sent > a.offset {
			is(addPiece(base, piece{a.content, a.offset, unseenEnd}))
		}
	}
	if !a.isLost() || len(next) == 0 {
		next = append(next, s)
	}
	return next
}

// base is what of the file stays in front of an upload; false: the upload cannot be made to such a file.
func (t *fileTable) base(file int32, a *action) ([]piece, bool) {
	switch {
	case a.kind == appending:
		return t.files[file], true
	case a.offset == 0:
		return nil, true
	}
	if file == absent || len(t.files[file]) == 0 {
		return nil, false
	}
	// A client only goes on with what it sent itself: anything else would be a mixture of two uploads.
	first := t.files[file][0]
	return []piece{{a.content, 0, a.offset}}, first.id == a.content && (first.to == unseenEnd || first.to >= a.offset)
}

// isOutdated says whether a part of a file must not replace what is there: another upload began and was answered with
// 226 while the part's upload was under way. One that had begun before may have been stored before.
func (t *fileTable) isOutdated(file int32, a *action) bool {
	other := t.lastAcked(file)
	return a.kind == storing && other != nil && other.content != a.content && other.began > a.opened && other.ended < a.broken
}

func (t *fileTable) remove(s groupState, a *action) []groupState {
	gone := s
	gone.files[a.from] = absent
	switch {
	case a.saysMissing() && s.files[a.from] != absent:
		return nil
	case a.saysMissing() || a.has("250") || a.isLost():
		return []groupState{gone}
	}
	return []groupState{gone, s}
}

// copy is the first step of a rename. It notes what was copied, for the second.
func (t *fileTable) copy(s groupState, a *action) (next []groupState) {
	source, target := s.files[a.from], s.files[a.to]
	none := s.hold(a.number, absent)
	if source != absent && (!a.ofDir || t.loose || target == absent || target == source) {
		done := s.hold(a.number, source)
		done.files[a.to] = source
		next = append(next, done)
	}
	maySkip := !a.has("250") || source == absent && (a.twin || a.ofDir) || a.ofDir && (t.loose || t.lastAcked(source) == nil)
	if maySkip && (!a.isLost() || len(next) == 0) {
		next = append(next, none)
	}
	return next
}

// unlink is the second step of a rename: the source goes, unless something else is there now. A rename that failed may
// have taken its copy back instead, but none that another rename relies on.
func (t *fileTable) unlink(s groupState, a *action) (next []groupState) {
	held, after, ok := s.release(a.number)
	if !ok {
		return nil
	}
	source, target := s.files[a.from], s.files[a.to]
	if held != absent && source == held {
		moved := after
		moved.files[a.from] = absent
		next = append(next, moved)
	}
	if a.has("250") {
		if held == absent || source == absent {
			next = append(next, after)
		}
		return next
	}
	if held != absent && a.ofDir && source == held && target == held && !after.holds(held) {
		undone := after
		undone.files[a.to] = absent
		next = append(next, undone)
	}
	return append(next, after)
}

// hold notes that a rename has copied a file.
func (s groupState) hold(number int, file int32) groupState {
	i := maxHeld - 1
	if s.held[i].rename != 0 {
		panic("more renames at once than a state can hold")
	}
	for ; i > 0 && (s.held[i-1].rename == 0 || s.held[i-1].rename > int32(number+1)); i-- {
		s.held[i] = s.held[i-1]
	}
	s.held[i] = heldFile{int32(number + 1), file}
	return s
}

// release forgets it again.
func (s groupState) release(number int) (file int32, after groupState, ok bool) {
	for i, h := range s.held {
		if h.rename == int32(number+1) {
			copy(s.held[i:], s.held[i+1:])
			s.held[maxHeld-1] = heldFile{}
			return h.file, s, true
		}
	}
	return 0, s, false
}

// holds says whether a rename under way has copied a file.
func (s groupState) holds(file int32) bool {
	return slices.ContainsFunc(s.held[:], func(h heldFile) bool { return h.rename != 0 && h.file == file })
}

var stateSeed = maphash.MakeSeed()

// model is what porcupine needs to know of a group of names. Its states are sets of those that the group may be in:
// its own way to such sets is slower by far.
func (t *fileTable) model(initial groupState, names []string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return []groupState{initial} },
		Step: func(state, input, _ any) (bool, any) {
			var next []groupState
			for _, s := range state.([]groupState) {
				for _, after := range t.step(s, input.(*action)) {
					if !slices.Contains(next, after) {
						next = append(next, after)
					}
				}
			}
			return len(next) > 0, next
		},
		Equal: func(a, b any) bool {
			one, other := a.([]groupState), b.([]groupState)
			return len(one) == len(other) && !slices.ContainsFunc(one, func(s groupState) bool {
				return !slices.Contains(other, s)
			})
		},
		Hash: func(state any) (sum uint64) {
			for _, s := range state.([]groupState) {
				sum ^= maphash.Comparable(stateSeed, s)
			}
			return sum
		},
		DescribeOperation: func(input, _ any) string { return input.(*action).recorded.String() },
		DescribeState: func(state any) string {
			var may []string
			for _, s := range state.([]groupState) {
				for i, name := range names {
					may = append(may, name+" "+t.describe(s.files[i]))
				}
			}
			return strings.Join(may, ", ")
		},
	}
}

func (t *fileTable) describe(file int32) string {
	if file == absent {
		return "absent"
	}
	return describePieces(t.files[file])
}
