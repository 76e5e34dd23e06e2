package ftpserver

import (
	"bytes"
	"io"
)

const (
	// maxLine is the longest command line in bytes, without its end.
	maxLine = 2048
	// idleBuffer is what a session that waits for a command holds.
	idleBuffer = 512
)

// input is one thing that happened on the control connection, in the order of its arrival.
type input struct {
	kind    inputKind
	line    string  // without CR LF
	request request // what the line says
}

type inputKind uint8

const (
	lineComplete inputKind = iota
	lineTooLong            // the rest of the line is thrown away
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
		end := bytes.Index(r.buf, crlf)
		switch {
		case end >= 0 && r.skipping:
			r.skipping = false
			r.drop(end + len(crlf))
			continue
		case end >= 0 && end <= maxLine:
			line := string(r.buf[:end])
			r.drop(end + len(crlf))
			return input{kind: lineComplete, line: line}
		case r.skipping:
			r.dropPart()
		case end >= 0 || len(r.buf) > maxLine+1:
			r.skipping = true
			return input{kind: lineTooLong}
		}
		if !r.fill() {
			return input{kind: inputEnded}
		}
	}
}

// dropPart throws away a line that has not ended; a CR at the end may be half of its end.
func (r *lineReader) dropPart() {
	n := len(r.buf)
	if n > 0 && r.buf[n-1] == '\r' {
		n--
	}
	r.drop(n)
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

// read hands lines to the session's loop, or its panic.
func (s *session) read() {
	err := caught(func() error {
		s.readLines(&lineReader{src: s.conn})
		return nil
	})
	if err != nil {
		s.readerPanic <- err
	}
}

// readLines waits for the loop only when the loop is far behind, and never for a transfer. When the session ends it
// reads on for a moment, throwing all away: closing a connection with unread input would make the system reset it, and
// the last reply might never arrive.
func (s *session) readLines(lines *lineReader) {
	for {
		in := lines.next()
		switch in.kind {
		case inputEnded:
			s.controlGone.Store(true)
			close(s.readToEnd)
		case lineTooLong:
			in.request = request{cmd: tooLong}
		case lineComplete:
			in.request = s.srv.parse(in.line)
			in.request.followed = len(lines.buf) > 0
		}
		cmd := in.request.cmd
		if cmd != nil && cmd.ends && in.request.raw == "" {
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
		if in.kind == inputEnded || cmd != nil && cmd.switchesTLS && !s.awaitSwitch(lines) {
			return
		}
	}
}

// awaitSwitch waits until a command that may switch TLS on or off is answered, and goes on with what it made of the
// connection; false when the session ended instead.
func (s *session) awaitSwitch(lines *lineReader) bool {
	select {
	case lines.src = <-s.switched:
		return true
	case <-s.ctx.Done():
		io.Copy(io.Discard, s.raw)
		return false
	}
}
