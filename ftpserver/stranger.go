package ftpserver

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// What a session may do before somebody logs in to it. Whoever reaches the port can do that much on each connection.
const (
	// maxUnknown is how many lines may be unknown commands or too long.
	maxUnknown = 20
	// maxStrangerLog is how many bytes a session may write to the log, as meter counts them. A client that is about to log
	// in writes some hundred bytes, at DEBUG a few thousand.
	maxStrangerLog = 64 << 10
)

// How many characters of a text that a client has chosen are logged.
const (
	prefixName  = 32  // of the user name in front of each line
	longestName = 256 // of the user name where a line is about it
	longestWhy  = 256 // of an error, which may hold what the client sent
)

// shortened cuts a text to some characters.
func shortened(text string, most int) string {
	n := 0
	for i := range text {
		if n == most {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

// meter is a log handler that counts what it writes.
type meter struct {
	slog.Handler
	written *atomic.Int64
	prefix  int // bytes in front of each message
}

func (m meter) Handle(ctx context.Context, r slog.Record) error {
	const dateAndSource = 80 // about
	m.written.Add(int64(dateAndSource + m.prefix + len(r.Message)))
	return m.Handler.Handle(ctx, r)
}

func (m meter) WithAttrs(attrs []slog.Attr) slog.Handler {
	m.Handler = m.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		m.prefix += len(a.Value.String())
	}
	return m
}

func (m meter) WithGroup(name string) slog.Handler {
	m.Handler = m.Handler.WithGroup(name)
	return m
}

// overLimit returns why a session without a login must end, "" if it need not. The gate asks it before each command.
func (s *session) overLimit(r *request) string {
	switch {
	case s.account != nil:
		return ""
	case s.written.Load() > s.srv.maxStrangerLog:
		return "Too many commands before login."
	case r.cmd != nil && r.cmd != tooLong:
		return ""
	}
	s.unknown++
	if s.unknown > s.srv.maxUnknown {
		return "Too many unknown commands before login."
	}
	return ""
}

// expel is the last reply of a session, and a line in the log. Neither says what the client sent.
func (s *session) expel(why string) reply {
	s.log.Warn(why)
	return answer(serviceEnds, why+" Closing control connection.")
}

// cmdWeb ends the session: not one line of a web page may be answered, and none behind it executed.
func (s *session) cmdWeb(request) reply {
	s.log.Warn("The client speaks another protocol than FTP, HTTP most likely: session ends.")
	return answer(serviceEnds, "This is not a web server. Closing control connection.")
}

// serviceEnds is the code of a reply to a command that ends the session (RFC 959 5.4).
const serviceEnds = 421
