package conf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Problem is one thing wrong with a conf file, or, as the text of a warning, one thing repaired or ignored.
type Problem struct {
	File    string
	Line    int    // 1 for the first line; 0 where no line is to blame
	Section string // "" where no section is to blame
	Key     string // "" where no key is to blame
	Value   string // as the file has it; "" where there is none or it is a secret
	Secret  bool   // the value is not shown
	Want    string // what would do, or what was done
}

// Error is one line: FILE:LINE: [SECTION] key = value: want ….
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(":")
	if p.Section != "" {
		fmt.Fprintf(&b, " [%s]", printable(p.Section))
	}
	if p.Key != "" {
		b.WriteString(" " + printable(p.Key))
		switch {
		case p.Secret:
		case p.Value == "":
			b.WriteString(" =")
		default:
			b.WriteString(" = " + printable(p.Value))
		}
	}
	if p.Section != "" || p.Key != "" {
		b.WriteString(":")
	}
	b.WriteString(" " + p.Want)
	return b.String()
}

// longestShown is how many bytes of a value an error shows.
const longestShown = 100

// printable keeps a value on one line and at a bearable length.
func printable(value string) string {
	cut := len(value) > longestShown
	if cut {
		value = value[:longestShown]
		for i := 1; i < utf8.UTFMax; i++ { // not in the middle of a character
			if tail := value[len(value)-i:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRuneInString(tail) {
					value = value[:len(value)-i]
				}
				break
			}
		}
	}
	if quoted := strconv.Quote(value); len(quoted) != len(value)+2 {
		value = quoted
	}
	if cut {
		value += "…"
	}
	return value
}

// byLine sorts problems in place.
func byLine(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return problems
}

// joinProblems makes one error of all problems, in the order of their lines, nil of none.
func joinProblems(problems []Problem) error {
	errs := make([]error, len(problems))
	for i, p := range byLine(problems) {
		errs[i] = p
	}
	return errors.Join(errs...)
}
