package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// fault is a problem that keeps one account from working.
type fault struct {
	Problem
	tolerated bool // the original starts with it
}

// toleratedError is what is wrong with a value that the original starts with.
type toleratedError struct{ error }

func tolerated(want string) error { return toleratedError{errors.New(want)} }

func (l *loader) blame(section string, p Problem, tolerated bool) {
	if l.faults == nil {
		l.faults = map[string][]fault{}
	}
	l.faults[section] = append(l.faults[section], fault{p, tolerated})
}

// settleAccounts decides what the faults of accounts mean. One account that cannot work is no reason to serve none: the
// server starts while another works, or where the original starts too. Else each fault is a problem of the start.
func (l *loader) settleAccounts() {
	working, start := 0, len(l.problems) == 0
	for i := range l.cfg.Accounts {
		if len(l.faults[l.cfg.Accounts[i].Section]) == 0 {
			working++
		}
	}
	if working == 0 {
		for _, faults := range l.faults {
			start = start && !slices.ContainsFunc(faults, func(f fault) bool { return !f.tolerated })
		}
	}
	for i := range l.cfg.Accounts {
		a := &l.cfg.Accounts[i]
		for _, f := range l.faults[a.Section] {
			a.Unusable = append(a.Unusable, f.Error())
			if !start {
				l.problems = append(l.problems, f.Problem)
				continue
			}
			f.Want += "; until then nobody can log in to this account"
			l.errors = append(l.errors, f.Problem)
		}
	}
	if working == 0 && len(l.cfg.Accounts) > 0 && start {
		l.errors = append(l.errors, Problem{File: l.file, Want: "no account works, so nobody can log in"})
	}
}

// checkTwice looks for sections and options that are given again. The original takes the last value, and two sections of one
// name for one: an account that was copied without a new number has gone.
func (l *loader) checkTwice() {
	sections := map[string]int{}  // the first line of each
	options := map[place][2]int{} // the last line of each, and that of its section's header
	header := 0
	for _, e := range l.values.scanner.entries {
		kind := kindOf(e.section)
		at := Problem{File: l.file, Line: e.line, Section: e.section, Key: e.key, Secret: true}
		switch {
		case kind == "":
		case e.key == "":
			header = e.line
			if first := sections[e.section]; first > 0 {
				at.Want = fmt.Sprintf("line %d begins a section of this name too, and both are read as one: want one, or another name", first)
				l.errors = append(l.errors, at)
				continue
			}
			sections[e.section] = e.line
		case hasKey(kind, e.key):
			if before := options[place{e.section, e.key}]; before[0] > 0 && before[1] == header {
				at.Want = fmt.Sprintf("line %d has it too, and this line holds: delete one of them", before[0])
				l.errors = append(l.errors, at)
			}
			options[place{e.section, e.key}] = [2]int{e.line, header}
		}
	}
}

// checkEncoding warns of the first line that is no UTF-8. Nothing is decoded, so the file is as good as any for clients that
// send the same bytes.
func (l *loader) checkEncoding(text []byte) {
	if utf8.Valid(text) {
		return
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if !utf8.ValidString(line) {
			l.warnings = append(l.warnings, Problem{
				File: l.file, Line: number,
				Want: "not UTF-8 (GBK, perhaps): names and passwords are taken byte for byte, so clients that send UTF-8 have others: save the file as UTF-8",
			})
			return
		}
	}
}

// texts are the problems in the order of their lines, each as a line.
func texts(problems []Problem) []string {
	var lines []string
	for _, p := range byLine(problems) {
		lines = append(lines, p.Error())
	}
	return lines
}
