package ftpserver

import (
	"bytes"
	"io"
)

// asciiReader turns the CR LF of TYPE A (RFC 959 3.1.1.1) into LF. A CR that no LF follows stays.
type asciiReader struct {
	src  io.Reader
	cr   bool   // a CR was read whose successor is not known yet
	rest []byte // decoded, but p was too small
	pair [2]byte
}

func (a *asciiReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(a.rest) > 0 {
		n := copy(p, a.rest)
		a.rest = a.rest[n:]
		return n, nil
	}
	if len(p) == 1 {
		n, err := a.decode(a.pair[:])
		a.rest = a.pair[copy(p, a.pair[:n]):n]
		if len(a.rest) > 0 {
			return 1, nil // the error, if any, comes again
		}
		return n, err
	}
	return a.decode(p)
}

// decode reads and decodes in place; p has room for two bytes at least.
func (a *asciiReader) decode(p []byte) (int, error) {
	for {
		kept := 0
		if a.cr {
			p[0], kept, a.cr = '\r', 1, false
		}
		n, err := a.src.Read(p[kept:])
		n += kept
		if err == nil && n > 0 && p[n-1] == '\r' {
			a.cr = true
			n--
		}
		n = unixLines(p[:n])
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// unixLines drops each CR before an LF and returns the new length.
func unixLines(p []byte) int {
	out, in := 0, 0
	for in < len(p) {
		i := bytes.Index(p[in:], crlf)
		if i < 0 {
			i = len(p) - in
			out += copy(p[out:], p[in:in+i])
			break
		}
		if out != in {
			copy(p[out:], p[in:in+i])
		}
		out += i
		in += i + 1 // the LF is copied with what follows
	}
	return out
}

// asciiWriter turns LF into the CR LF of TYPE A; CR LF stays as it is. Flush must be called at the end.
type asciiWriter struct {
	dst io.Writer
	buf []byte
	cr  bool // the last byte was a CR
}

// asciiBuffer is how much an asciiWriter gathers before it writes, in bytes.
const asciiBuffer = 64 << 10

func (a *asciiWriter) Write(p []byte) (int, error) {
	if a.buf == nil {
		a.buf = make([]byte, 0, asciiBuffer)
	}
	written := 0
	for written < len(p) {
		line := p[written:]
		// A line may take one byte more than its length, for the CR.
		line = line[:min(len(line), asciiBuffer/2)]
		lf := bytes.IndexByte(line, '\n')
		if lf >= 0 {
			line = line[:lf+1]
		}
		if len(a.buf)+len(line)+1 > cap(a.buf) {
			if err := a.Flush(); err != nil {
				return written, err
			}
		}
		a.put(line, lf >= 0)
		written += len(line)
	}
	return written, nil
}

// put appends a piece that holds an LF, if any, at its end only.
func (a *asciiWriter) put(line []byte, ended bool) {
	if !ended {
		a.buf = append(a.buf, line...)
		a.cr = line[len(line)-1] == '\r'
		return
	}
	text := line[:len(line)-1]
	a.buf = append(a.buf, text...)
	if len(text) > 0 {
		a.cr = text[len(text)-1] == '\r'
	}
	if !a.cr {
		a.buf = append(a.buf, '\r')
	}
	a.buf = append(a.buf, '\n')
	a.cr = false
}

// Flush writes what was gathered.
func (a *asciiWriter) Flush() error {
	if len(a.buf) == 0 {
		return nil
	}
	_, err := a.dst.Write(a.buf)
	a.buf = a.buf[:0]
	return err
}
