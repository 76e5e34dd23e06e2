package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// recorded is one command of a history, or a look at the store after its end.
type recorded struct {
	client, gateway int
	verb            string // STOR, APPE, RETR, SIZE, DELE, RNFR, RNTO, LIST; GET is the look at the store
	name, target    string // target of RNTO only
	began, ended    time.Duration
	reply           string // the last one; "" where none came
	manner          string // how an upload was ended, for people
	refused         bool   // no transfer began

	// Of an upload: what was to be stored is the bytes offset..size of a content, and those up to sent were written.
	// It was broken off by its client at broken, 0 for not.
	content, offset, sent, size int
	broken                      time.Duration
	opened                      time.Duration // when the gateway said that the transfer begins

	got   []piece  // of RETR and GET
	shown []string // of LIST
}

// endless is the end of a command whose reply was lost: it may take effect at any time.
const endless = time.Duration(1 << 62)

func (r *recorded) isLost() bool      { return r.reply == "" }
func (r *recorded) has(c string) bool { return strings.HasPrefix(r.reply, c) }

// isUpload says whether the command gets a data connection to store something.
func (r *recorded) isUpload() bool { return r.verb == "STOR" || r.verb == "APPE" }

// saysMissing says whether the reply means that there is no such file.
func (r *recorded) saysMissing() bool {
	switch r.verb {
	case "SIZE":
		return strings.HasSuffix(r.reply, "is not retrievable.")
	case "RETR":
		return strings.HasSuffix(r.reply, "in read mode.")
	case "DELE", "RNFR":
		return strings.HasSuffix(r.reply, "No such file or directory.")
	case "GET":
		return r.reply == "404"
	}
	return false
}

// changes says whether a command may have changed what is stored.
func (r *recorded) changes() bool { return r.isUpload() || r.verb == "DELE" || r.verb == "RNTO" }

// touches says whether a command is about a name, also as one of a directory.
func (r *recorded) touches(name string) bool {
	return r.name == name || r.target == name ||
		strings.HasPrefix(name, r.name+"/") || r.target != "" && strings.HasPrefix(name, r.target+"/")
}

func (r *recorded) String() string {
	end := "        "
	if r.ended < endless {
		end = fmt.Sprintf("%8.1f", r.ended.Seconds()*1000)
	}
	what := r.verb + " " + r.name
	switch {
	case r.target != "":
		what += " to " + r.target
	case r.isUpload():
		what += fmt.Sprintf(" u%d[%d:%d]", r.content, r.offset, r.size)
		if r.sent < r.size || r.broken > 0 {
			what += fmt.Sprintf(", %s at %d, %.1f ms", r.manner, r.sent, r.broken.Seconds()*1000)
		}
	}
	result := cmp.Or(r.reply, "(no reply)")
	switch {
	case r.verb == "RETR" && r.has("226") || r.verb == "GET" && r.has("200"):
		result += ": " + describePieces(r.got)
	case r.verb == "LIST" && r.has("226"):
		result += ": " + strings.Join(r.shown, " ")
	}
	return fmt.Sprintf("%8.1f … %s ms  client %d, gateway %d  %-40s  %s",
		r.began.Seconds()*1000, end, r.client, r.gateway+1, what, result)
}

// history is everything that the clients of one site did and saw.
type history struct {
	keep    bool // the gateways keep what arrived of a broken upload
	initial map[string][]piece
	groups  [][]string // names that renames join

	start    time.Time
	mu       sync.Mutex
	commands []*recorded
	contents int
}

func (h *history) now() time.Duration { return time.Since(h.start) }

func (h *history) add(r *recorded) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commands = append(h.commands, r)
}

// newContent is a number that no content of this history has.
func (h *history) newContent() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.contents++
	if h.contents >= maxContent {
		panic("a history has more contents than tellingContent can number")
	}
	return h.contents
}

// about is the commands on some names, in the order in which they began.
func (h *history) about(names []string) (found []*recorded) {
	for _, r := range h.commands {
		if slices.ContainsFunc(names, r.touches) {
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, func(a, b *recorded) int { return cmp.Compare(a.began, b.began) })
	return found
}
