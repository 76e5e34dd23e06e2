package costest

import (
	"io"
	"os"
	"sync/atomic"
)

// chunk is bytes received in one go. Several objects may share one: copies and completed uploads do not move
// bytes. A chunk with neither data nor file was not kept; it reads as Fill's pattern.
type chunk struct {
	size int64
	data []byte
	file string       // where it is on disk
	refs atomic.Int32 // spans that use the file; the last one removes it
}

// span is a stretch of a chunk.
type span struct {
	chunk *chunk
	off   int64
	n     int64
}

// blob is a body: spans one after the other.
type blob []span

func (b blob) size() int64 {
	var n int64
	for _, s := range b {
		n += s.n
	}
	return n
}

// retain keeps the files of a body until release.
func (b blob) retain() blob {
	for _, s := range b {
		s.chunk.refs.Add(1)
	}
	return b
}

// release gives up the files of a body. Removing a file can fail without harm: the next start sweeps.
func (b blob) release() {
	for _, s := range b {
		if s.chunk.refs.Add(-1) == 0 && s.chunk.file != "" {
			_ = os.Remove(s.chunk.file)
		}
	}
}

// cut returns n bytes from off on, which must exist. The spans are not retained.
func (b blob) cut(off, n int64) blob {
	var out blob
	for _, s := range b {
		if off >= s.n {
			off -= s.n
			continue
		}
		take := min(s.n-off, n)
		if take <= 0 {
			break
		}
		out = append(out, span{s.chunk, s.off + off, take})
		off, n = 0, n-take
	}
	return out
}

// joined returns the body in one piece if none of it was kept, so that it reads as one pattern.
func (b blob) joined() blob {
	for _, s := range b {
		if s.chunk.kept() {
			return b
		}
	}
	return blob{{chunk: &chunk{size: b.size()}, n: b.size()}}.retain()
}

// kept reports whether all bytes can be read back.
func (b blob) kept() bool {
	for _, s := range b {
		if !s.chunk.kept() {
			return false
		}
	}
	return true
}

func (c *chunk) kept() bool { return c.size == 0 || c.data != nil || c.file != "" }

// bytes returns the body, without a copy where it is in one piece in memory.
func (b blob) bytes() ([]byte, error) {
	if len(b) == 1 && b[0].chunk.data != nil {
		s := b[0]
		return s.chunk.data[s.off : s.off+s.n : s.off+s.n], nil
	}
	out := make([]byte, 0, b.size())
	_, err := b.writeTo(writerFunc(func(p []byte) (int, error) {
		out = append(out, p...)
		return len(p), nil
	}))
	return out, err
}

// writerFunc is a function as an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// writeTo writes the body: straight from memory, and from disk through w's ReadFrom (sendfile) where it has one.
func (b blob) writeTo(w io.Writer) (int64, error) {
	var total int64
	for _, s := range b {
		n, err := s.writeTo(w)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (s span) writeTo(w io.Writer) (int64, error) {
	switch {
	case s.chunk.data != nil:
		n, err := w.Write(s.chunk.data[s.off : s.off+s.n])
		return int64(n), err
	case s.chunk.file != "":
		return s.writeFile(w)
	}
	return s.writePattern(w)
}

func (s span) writeFile(w io.Writer) (int64, error) {
	f, err := os.Open(s.chunk.file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(s.off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.CopyN(w, f, s.n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (s span) writePattern(w io.Writer) (int64, error) {
	block := pattern()
	var total int64
	for total < s.n {
		at := (s.off + total) % int64(len(block))
		n, err := w.Write(block[at:min(int64(len(block)), at+s.n-total)])
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
