package ftpserver

import (
	"bytes"
	"io"
	"strings"
)

const (
	// maxLine is the longest command line in bytes, without its end.
	maxLine = 2048
	// idleBuffer is what a session that waits for a command holds.
	idleBuffer = 512
)

// input is one thing that happened on the control connection, in the order of its arrival.
type input struct {
	kind inputKind
	line string // without CR LF
}

type inputKind uint8

const (
	lineComplete inputKind = iota
	lineFollowed           // a complete one of a command that turns, and more came right behind it
	lineTooLong            // the rest of the line comes as an empty lineComplete
	inputEnded             // the client will send no more, or the connection is lost
)

// lineReader cuts a stream into lines that end with CR LF. A bare LF is part of the line, and what is not
// ended by CR LF when the stream ends is never a line.
type lineReader struct {
	src      io.Reader
	buf      []byte
	skipping bool // inside a line that was too long
}

var crlf = []byte("\r\n")

func (r *lineReader) next() input {
	for {
		if i := bytes.Index(r.buf, crlf); i >= 0 {
			if i > maxLine && !r.skipping {
				return r.skip(i)
			}
			return r.take(i)
		}
		if len(r.buf) > maxLine+1 || r.skipping {
			started := !r.skipping
			in := r.skip(len(r.buf))
			if started {
				return in
			}
		}
		if !r.fill() {
			return input{kind: inputEnded}
		}
	}
}

// take hands out the line of length n at the front of the buffer.
func (r *lineReader) take(n int) input {
	line := string(r.buf[:n])
	if r.skipping {
		line, r.skipping = "", false
	}
	r.drop(n + len(crlf))
	return input{kind: lineComplete, line: line}
}

// skip throws away the first n bytes of a line that is too long; a CR at the end may be half of its end.
func (r *lineReader) skip(n int) input {
	r.skipping = true
	if n > 0 && n == len(r.buf) && r.buf[n-1] == '\r' {
		n--
	}
	r.drop(n)
	return input{kind: lineTooLong}
}

func (r *lineReader) drop(n int) {
	rest := copy(r.buf, r.buf[n:])
	r.buf = r.buf[:rest]
	if rest == 0 && cap(r.buf) > idleBuffer {
		r.buf = nil
	}
}

// fill reads what is there, growing the buffer for long lines only.
func (r *lineReader) fill() bool {
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf), max(idleBuffer, 2*cap(r.buf)))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	return n > 0 || err == nil
}

// read hands lines to the session's loop. It waits for the loop only when the loop is far behind, and never
// for a transfer. When the session ends it reads on for a moment, throwing all away: closing a connection with
// unread input would make the system reset it, and the last reply might never arrive.
func (s *session) read() {
	lines := lineReader{src: s.conn}
	for {
		in := lines.next()
		turns := in.kind == lineComplete && s.srv.turns(in.line)
		switch {
		case turns && len(lines.buf) > 0:
			in.kind = lineFollowed
		case in.kind == inputEnded:
			s.controlGone.Store(true)
		case strings.EqualFold(in.line, "QUIT"):
			s.quitSeen.Store(true) // now, for the end may come before the loop gets to it
		}
		select {
		case s.input <- in:
		case <-s.ctx.Done():
			if in.kind != inputEnded {
				io.Copy(io.Discard, s.raw)
			}
			return
		}
		if in.kind == inputEnded || turns && !s.awaitTurn(&lines) {
			return
		}
	}
}

// turns says whether what comes behind a line may be of another kind, TLS or plain.
func (srv *Server) turns(line string) bool {
	r := srv.parse(line)
	return r.cmd != nil && r.cmd.turns
}

// awaitTurn waits until a command that turns is answered, and goes on with what it made of the connection; false
// when the session ended instead.
func (s *session) awaitTurn(lines *lineReader) bool {
	select {
	case lines.src = <-s.turned:
		return true
	case <-s.ctx.Done():
		io.Copy(io.Discard, s.raw)
		return false
	}
}
