package ftpserver

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// printable keeps what a client sent from breaking the lines of the log.
func printable(s string) string {
	clean := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' }
	if !strings.ContainsFunc(s, clean) {
		return decode(s)
	}
	var b strings.Builder
	for _, r := range s {
		if clean(r) {
			fmt.Fprintf(&b, "\\x%02x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// quoted is text as Python's repr shows it, which people parse.
func quoted(text string) string {
	quote := "'"
	if strings.Contains(text, "'") {
		if strings.Contains(text, `"`) {
			text = strings.ReplaceAll(text, "'", `\'`)
		} else {
			quote = `"`
		}
	}
	return quote + text + quote
}

// seconds is a duration as Python prints a float rounded to milliseconds.
func seconds(d time.Duration) string {
	s := strconv.FormatFloat(math.Round(d.Seconds()*1000)/1000, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
