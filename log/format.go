package log

import (
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The Python server's two forms of the time: without and with rotation.
const (
	dateLayout         = "Mon, 02 Jan 2006 15:04:05"
	rotatingDateLayout = "2006-01-02 15:04:05,000"
)

// parts are the attributes of a line, ready to print.
type parts struct {
	session string // before the message
	attrs   []byte // " key=value" for each, after the message
	stack   string // below the line
}

func appendLine(b []byte, date string, r slog.Record, p parts) []byte {
	b = r.Time.AppendFormat(b, date)
	b = append(b, ' ')
	b = appendSource(b, r.PC)
	b = append(b, ' ')
	b = append(b, levelWord(r.Level)...)
	b = append(b, ' ')
	if p.session != "" {
		b = appendEscaped(b, p.session)
		b = append(b, ' ')
	}
	b = appendEscaped(b, r.Message)
	b = append(b, p.attrs...)
	b = appendStack(b, p.stack)
	return append(b, '\n')
}

// gapLine marks a place in the log where lines are missing.
func gapLine(date string, now time.Time, lost int) []byte {
	var pc [1]uintptr
	runtime.Callers(1, pc[:])
	msg := fmt.Sprintf("the log could not be written, lines lost here: %d", lost)
	return appendLine(nil, date, slog.NewRecord(now, slog.LevelWarn, msg, pc[0]), parts{})
}

func levelWord(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l == slog.LevelError:
		return "ERROR"
	default:
		return "CRITICAL"
	}
}

func appendSource(b []byte, pc uintptr) []byte {
	file, line := "(unknown file)", 0 // Python's words
	if pc != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
		file, line = path.Base(frame.File), frame.Line
	}
	b = append(b, file...)
	b = append(b, "[line:"...)
	b = strconv.AppendInt(b, int64(line), 10)
	return append(b, ']')
}

// add follows slog's rules: empty attributes and groups vanish, a group without a name is part of its parent.
func (p *parts) add(group string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			p.add(group, member)
		}
	case a.Equal(slog.Attr{}):
	case group == "" && a.Key == "session":
		p.session = v.String()
	case group == "" && a.Key == "stack":
		p.stack = v.String()
	default:
		p.attrs = append(p.attrs, ' ')
		p.attrs = appendWord(p.attrs, group+a.Key)
		p.attrs = append(p.attrs, '=')
		p.attrs = appendWord(p.attrs, v.String())
	}
}

// appendWord appends s so that it is one word, quoted if it must be.
func appendWord(b []byte, s string) []byte {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || unicode.IsSpace(r) || forges(r) }) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

// appendStack indents every line of text, so that none looks like the start of a record.
func appendStack(b []byte, text string) []byte {
	if text == "" {
		return b
	}
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\t", "  ")
	for line := range strings.SplitSeq(text, "\n") {
		b = append(b, "\n  "...)
		b = appendEscaped(b, line)
	}
	return b
}

// appendEscaped appends s on one line of valid UTF-8: what would break it is written as in a Go string.
// Backslashes and quotes stay as they are, as in the Python server's messages.
func appendEscaped(b []byte, s string) []byte {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if forges(r) {
			quoted := strconv.Quote(s[:n])
			b = append(b, quoted[1:len(quoted)-1]...)
		} else {
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return b
}

// forges reports whether some reader would take r for the end of a line, a terminal for a command, or nobody
// for text: utf8.RuneError stands for bytes that are not UTF-8.
func forges(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
}
