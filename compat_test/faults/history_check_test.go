package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	checkTime  = 20 * time.Second // for each search of a serial order of one group of names
	checkStep  = 25               // commands
	shownLines = 30               // of a history, in the report of a violation
)

// finding is what is wrong with a history.
type finding struct {
	names   []string
	unknown bool // no serial order was found in the time there was
	what    string
	lines   []string // of the history
}

func (f finding) String() string {
	return fmt.Sprintf("%s: %s\n%s", strings.Join(f.names, ", "), f.what, strings.Join(f.lines, "\n"))
}

// check looks for a serial order of the commands on each group of names that explains what was answered. With loose
// there are several gateways. Visualizations of violations go to the directory html, "" for none.
func (h *history) check(loose bool, html string) (found []finding) {
	for _, names := range h.groups {
		commands := h.about(names)
		if f, ok := h.checkPieces(names, commands); ok {
			found = append(found, f)
			continue // the search would only say it again
		}
		if f, ok := h.checkOrder(names, commands, loose, html); ok {
			found = append(found, f)
		}
		if f, ok := h.checkListings(names, commands); !loose && ok {
			found = append(found, f)
		}
	}
	return found
}

// checkPieces looks for files that no serial order can make: a part of an upload that is not its beginning, and, where
// gateways discard what arrived of a broken upload, one that is not all of it.
func (h *history) checkPieces(names []string, commands []*recorded) (finding, bool) {
	sizes := map[int]int{}
	for _, r := range commands {
		if r.isUpload() {
			sizes[r.content] = r.size
		}
	}
	for i, r := range commands {
		for n, p := range r.got {
			text := describePieces(r.got[n : n+1])
			size, uploaded := sizes[p.id]
			f := finding{names: names, lines: excerpt(commands, i)}
			switch {
			case p.from != 0 || p.id == foreignID:
				f.what = fmt.Sprintf("a mixture: %s stands behind %s", text, describePieces(r.got[:n]))
				return f, true
			case !h.keep && uploaded && p.to != size && !(r.isCut() && n == len(r.got)-1):
				f.what = fmt.Sprintf("a part in mode discard: %s of %d bytes", text, size)
				return f, true
			}
		}
	}
	return finding{}, false
}

func (h *history) checkOrder(names []string, commands []*recorded, loose bool, html string) (finding, bool) {
	o := &orderSearch{history: h, names: names, commands: commands, loose: loose, html: html}
	// The shortest beginning that has no order is found the soonest, and is the best to read.
	for n := quietPoint(commands, 0); ; n = quietPoint(commands, n) {
		if f, ok := o.checkBeginning(n); ok || n == len(commands) {
			return f, ok
		}
	}
}

// orderSearch looks for a serial order of the commands on a group of names.
type orderSearch struct {
	*history
	names    []string
	commands []*recorded
	loose    bool
	html     string
}

// model is what porcupine needs, with a table of its own: a search that takes too long goes on with it for a while.
func (o *orderSearch) model() porcupine.Model {
	table := newFileTable(o.history, o.commands, o.loose)
	var initial groupState
	for i, name := range o.names {
		if pieces, there := o.initial[name]; there {
			initial.files[i] = table.number(pieces)
		}
	}
	return table.model(initial, o.names)
}

// quietPoint is where the next beginning ends: where the fewest changes are under way, since each may have happened or not.
func quietPoint(commands []*recorded, n int) int {
	if n+2*checkStep >= len(commands) {
		return len(commands)
	}
	best, fewest := 0, len(commands)
	for at := n + checkStep; at < n+2*checkStep; at++ {
		pending := 0
		for _, r := range commands[:at] {
			if r.changes() && !r.isLost() && r.ended > commands[at].began {
				pending++
			}
		}
		if pending < fewest {
			best, fewest = at, pending
		}
	}
	return best
}

// checkBeginning looks for an order of the first n commands. The uploads that lost their reply and that nobody saw are
// most likely of no effect: the search with them is much longer, and only for when there is no order without.
func (o *orderSearch) checkBeginning(n int) (finding, bool) {
	operations := newFileTable(o.history, o.commands, o.loose).actionsOf(o.names, o.commands, n)
	seen := slices.DeleteFunc(slices.Clone(operations), func(o porcupine.Operation) bool {
		return o.Input.(*action).isUpload() && o.Return == int64(endless)
	})
	without := porcupine.CheckOperationsTimeout(o.model(), seen, checkTime)
	if without == porcupine.Ok {
		return finding{}, false
	}
	switch porcupine.CheckOperationsTimeout(o.model(), operations, checkTime) {
	case porcupine.Ok:
		return finding{}, false
	case porcupine.Unknown:
		what := fmt.Sprintf("no serial order of %d commands was found in %v (%v without the uploads that nobody saw)",
			n, checkTime, without)
		return finding{names: o.names, unknown: true, what: what, lines: excerpt(o.commands[:n], n-1)}, true
	}
	return o.violation(operations, n), true
}

// violation describes why the first n commands have no order.
func (o *orderSearch) violation(operations []porcupine.Operation, n int) finding {
	model := o.model()
	_, info := porcupine.CheckOperationsVerbose(model, operations, checkTime/4) // what it finds until then will do
	culprit := unexplained(operations, info)
	at := slices.IndexFunc(o.commands, func(r *recorded) bool { return r.began == culprit.began && r.client == culprit.client })
	f := finding{
		names: o.names, lines: excerpt(o.commands[:n], at),
		what: fmt.Sprintf("no serial order explains client %d's %s", culprit.client, strings.TrimSpace(o.commands[at].String())),
	}
	if o.html != "" {
		f.what += "\n" + visualize(o.html, model, info)
	}
	return f
}

// visualize writes porcupine's picture, and says where.
func visualize(dir string, model porcupine.Model, info porcupine.LinearizationInfo) string {
	file, err := os.CreateTemp(dir, "history-*.html")
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if err := porcupine.Visualize(model, info, file); err != nil {
		return err.Error()
	}
	return "see " + filepath.ToSlash(file.Name())
}

// actionsOf are the actions of the first n commands on a group of names, for porcupine. What goes on when the last of
// these begins may have its effect later than that.
func (t *fileTable) actionsOf(names []string, commands []*recorded, n int) (operations []porcupine.Operation) {
	cut := endless
	if n < len(commands) {
		cut = commands[n].began
	}
	shown := firstShown(commands[:n], cut)
	for _, r := range commands[:n] {
		if r.ended > cut && !r.isLost() {
			if !r.changes() || r.refused {
				continue
			}
			pending := *r
			pending.reply, pending.ended = "", endless
			r = &pending
		}
		if r.isUpload() && !t.keep && r.sent < r.size && !r.has("226") {
			continue // a part is never kept; checkPieces sees where it was
		}
		end := r.ended
		if at, ok := shown[r.content]; ok && r.isUpload() && r.isLost() {
			end = max(at, r.began)
		}
		for _, a := range r.actions(names, commands) {
			operations = append(operations, porcupine.Operation{
				ClientId: r.client, Input: a, Call: int64(r.began), Return: int64(end),
			})
		}
	}
	return operations
}

// firstShown is when each content was first seen, which is after the upload had its effect; the contents of more
// than one upload are left out.
func firstShown(commands []*recorded, cut time.Duration) map[int]time.Duration {
	shown, uploads := map[int]time.Duration{}, map[int]int{}
	for _, r := range commands {
		if r.isUpload() {
			uploads[r.content]++
		}
		if r.ended > cut || !(r.verb == "RETR" && r.has("226") || r.verb == "GET") {
			continue
		}
		for _, p := range r.got {
			if at, before := shown[p.id]; !before || r.ended < at {
				shown[p.id] = r.ended
			}
		}
	}
	for content, n := range uploads {
		if n > 1 {
			delete(shown, content)
		}
	}
	return shown
}

// actions is what a command does to a group of names, nothing where nothing is known of it.
func (r *recorded) actions(names []string, commands []*recorded) []*action {
	name := slices.Index(names, r.name)
	switch {
	case r.verb == "RNTO":
		return r.renameActions(names, commands)
	case name < 0 || r.refused:
	case r.verb == "STOR":
		return []*action{{recorded: r, kind: storing, from: name}}
	case r.verb == "APPE":
		return []*action{{recorded: r, kind: appending, from: name}}
	case r.verb == "DELE":
		return []*action{{recorded: r, kind: removing, from: name}}
	case r.verb == "RNFR" && (r.has("350") || r.saysMissing()):
		return []*action{{recorded: r, kind: existing, from: name}}
	case r.verb == "SIZE" && (r.has("213") || r.saysMissing()):
		return []*action{{recorded: r, kind: measuring, from: name}}
	case r.verb == "RETR" && (r.has("226") || r.saysMissing()), r.verb == "GET":
		return []*action{{recorded: r, kind: looking, from: name}}
	}
	return nil
}

// renameActions are a copy and a removal for the file, or for the file of a directory, that a group has.
func (r *recorded) renameActions(names []string, commands []*recorded) (steps []*action) {
	is := func(other *recorded) bool { return other.began == r.began && other.client == r.client }
	number := slices.IndexFunc(commands, is)
	twin := slices.ContainsFunc(commands, func(other *recorded) bool {
		return !is(other) && other.verb == "RNTO" && other.name == r.name && other.target == r.target &&
			other.began < r.ended && (r.began < other.ended || other.isLost())
	})
	for from, name := range names {
		rest, of := strings.CutPrefix(name, r.name)
		to := slices.Index(names, r.target+rest)
		if !of || to < 0 {
			continue
		}
		for _, kind := range []actionKind{copying, unlinking} {
			steps = append(steps, &action{
				recorded: r, kind: kind, number: number, from: from, to: to, twin: twin, ofDir: rest != "",
			})
		}
	}
	return steps
}

// unexplained is the first command that is not in the longest serial order that was found.
func unexplained(operations []porcupine.Operation, info porcupine.LinearizationInfo) *action {
	explained := map[any]bool{}
	var longest []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	for _, o := range longest {
		explained[o.Input] = true
	}
	var first *porcupine.Operation
	for i := range operations {
		if o := &operations[i]; !explained[o.Input] && (first == nil || o.Return < first.Return) {
			first = o
		}
	}
	return first.Input.(*action)
}

// excerpt is the commands around one, and uploads before them that may have been stored at any time.
func excerpt(commands []*recorded, at int) (lines []string) {
	first := max(at-shownLines, 0)
	for i, r := range commands[:min(at+5, len(commands))] {
		if i >= first || r.isUpload() && r.isLost() && !r.refused {
			lines = append(lines, r.String())
		}
	}
	return lines
}

// checkListings looks for files that a listing does not show, though nothing but uploads that were answered with 226
// can have been the last change of them. That is all: listings are no part of the serial order.
func (h *history) checkListings(names []string, commands []*recorded) (finding, bool) {
	for i, l := range h.about([]string{listedDir}) {
		if l.verb != "LIST" || !l.has("226") {
			continue
		}
		for _, name := range names {
			if !strings.Contains(name, "/") && surelyThere(name, l, commands) && !slices.Contains(l.shown, name) {
				what := fmt.Sprintf("%s is not in the listing of client %d at %.1f ms", name, l.client, l.began.Seconds()*1000)
				return finding{names: names, what: what, lines: excerpt(commands, min(i, len(commands)-1))}, true
			}
		}
	}
	return finding{}, false
}

// listedDir is the only directory that clients list.
const listedDir = "/"

// surelyThere says whether a name must be a file all the time that a listing takes.
func surelyThere(name string, listing *recorded, commands []*recorded) bool {
	there := false
	for _, r := range commands {
		if !r.changes() || !r.touches(name) || r.refused || r.began > listing.ended {
			continue
		}
		switch {
		case r.ended > listing.began || r.isLost():
			return false
		case r.isUpload() && r.has("226"):
			there = true
		case !r.isUpload():
			there = false // an upload at the same time would not count; fewer listings are checked
		}
	}
	return there
}
