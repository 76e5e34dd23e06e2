package costest

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"
	"sync"
	"time"
)

const (
	readSize    = 256 << 10 // of one read from the network
	segmentSize = 4 << 20   // of one allocation for a body in memory
)

// intake is a body that has come in.
type intake struct {
	body blob
	size int64
	crc  uint64
	md5  []byte // nil if it was not asked for
	etag string
}

// object makes an object of the body.
func (in intake) object(key string, h header, modified time.Time) *object {
	return &object{
		key: key, body: in.body, size: in.size, crc: in.crc, etag: in.etag,
		header: h, modified: modified,
	}
}

// sink is where a body goes.
type sink interface {
	// buffer returns room for the next read; rest is the number of bytes to come, -1 if unknown.
	buffer(rest int64) []byte
	// filled says that the first n bytes of that room are now part of the body.
	filled(n int) error
	// done ends the body, which is retained once; abort forgets it.
	done() (blob, error)
	abort()
}

func (s *Server) newSink(b *bucketStore) (sink, error) {
	switch {
	case s.discard:
		return &nullSink{room: rooms.Get().(*[]byte)}, nil
	case b.disk != nil:
		return b.disk.newSink()
	}
	return &memorySink{}, nil
}

// takeIn reads a body of length bytes, or to its end if length is -1, into the store of a bucket. wantMD5 is
// what Content-MD5 promised, nil if nothing.
func (s *Server) takeIn(b *bucketStore, r io.Reader, length int64, wantMD5 []byte) (in intake, err error) {
	to, err := s.newSink(b)
	if err != nil {
		return in, err
	}
	defer func() {
		if err != nil {
			to.abort()
		}
	}()
	var sum hash.Hash
	if !s.noMD5 || wantMD5 != nil {
		sum = md5.New()
	}
	if in.size, in.crc, err = pour(to, r, length, sum); err != nil {
		return in, err
	}
	if sum != nil {
		in.md5 = sum.Sum(nil)
		if wantMD5 != nil && !slices.Equal(in.md5, wantMD5) {
			return in, errBadDigest
		}
	}
	in.etag = etagFromCRC(in.crc, in.size)
	if !s.noMD5 {
		in.etag = hex.EncodeToString(in.md5)
	}
	in.body, err = to.done()
	return in, err
}

// adopt returns a body, retained, that a bucket may keep: the same one unless its files are another bucket's.
func (s *Server) adopt(b *bucketStore, body blob) (blob, error) {
	if b.disk == nil || b.disk.owns(body) {
		return slices.Clone(body).retain(), nil
	}
	to, err := s.newSink(b)
	if err != nil {
		return nil, err
	}
	_, err = body.writeTo(writerFunc(func(p []byte) (int, error) {
		done := 0
		for done < len(p) {
			n := copy(to.buffer(int64(len(p)-done)), p[done:])
			done += n
			if err := to.filled(n); err != nil {
				return done, err
			}
		}
		return done, nil
	}))
	if err != nil {
		to.abort()
		return nil, err
	}
	return to.done()
}

// sum computes CRC and ETag of a body that is already here.
func (s *Server) sum(in *intake) error {
	var md hash.Hash
	if !s.noMD5 {
		md = md5.New()
	}
	_, err := in.body.writeTo(writerFunc(func(p []byte) (int, error) {
		in.crc = updateCRC(in.crc, p)
		if md != nil {
			md.Write(p)
		}
		return len(p), nil
	}))
	in.etag = etagFromCRC(in.crc, in.size)
	if md != nil {
		in.etag = hex.EncodeToString(md.Sum(nil))
	}
	return err
}

// pour reads length bytes, or all if length is -1, into a sink.
func pour(to sink, r io.Reader, length int64, sum hash.Hash) (size int64, crc uint64, err error) {
	for length < 0 || size < length {
		rest := int64(-1)
		if length >= 0 {
			rest = length - size
		}
		p := to.buffer(rest)
		n, err := r.Read(p)
		p = p[:n]
		crc = updateCRC(crc, p)
		if sum != nil {
			sum.Write(p)
		}
		size += int64(n)
		if err := to.filled(n); err != nil {
			return size, crc, err
		}
		switch {
		case size > maxPut:
			return size, crc, errEntityTooLarge
		case err == io.EOF && length < 0, err == io.EOF && size == length:
			return size, crc, nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return size, crc, errIncompleteBody
		case err != nil:
			return size, crc, err
		}
	}
	return size, crc, nil
}

// memorySink keeps a body in memory, read straight into its place.
type memorySink struct {
	body blob
	open []byte // the last segment, as far as it is filled
}

func (m *memorySink) buffer(rest int64) []byte {
	if len(m.open) == cap(m.open) {
		m.close()
		size := min(rest, segmentSize)
		if rest < 0 {
			size = min(max(64<<10, m.body.size()), segmentSize)
		}
		m.open = make([]byte, 0, size)
	}
	room := m.open[len(m.open):cap(m.open)]
	return room[:min(len(room), readSize)]
}

func (m *memorySink) filled(n int) error {
	m.open = m.open[:len(m.open)+n]
	return nil
}

func (m *memorySink) close() {
	if len(m.open) > 0 {
		c := &chunk{size: int64(len(m.open)), data: m.open}
		m.body = append(m.body, span{chunk: c, n: c.size})
	}
	m.open = nil
}

func (m *memorySink) done() (blob, error) {
	m.close()
	return m.body.retain(), nil
}

func (m *memorySink) abort() { *m = memorySink{} }

// rooms are buffers for bodies that go elsewhere.
var rooms = sync.Pool{New: func() any { p := make([]byte, readSize); return &p }}

// nullSink counts a body and keeps nothing.
type nullSink struct {
	room *[]byte
	size int64
}

func (s *nullSink) buffer(int64) []byte { return *s.room }

func (s *nullSink) filled(n int) error {
	s.size += int64(n)
	return nil
}

func (s *nullSink) done() (blob, error) {
	s.abort()
	return blob{{chunk: &chunk{size: s.size}, n: s.size}}.retain(), nil
}

func (s *nullSink) abort() {
	if s.room != nil {
		rooms.Put(s.room)
		s.room = nil
	}
}
