package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// source is one version of an object, to be read in ranges.
type source struct {
	f    *FS
	key  string
	etag string // "" before the first answer
}

// stream reads the bytes from at to end of a source, one request at a time: a connection that breaks or stalls is
// replaced where it stopped.
type stream struct {
	source *source
	at     int64
	end    int64

	body io.ReadCloser // nil while there is no request
	left int64         // of it
	dog  *watchdog
}

// read fills some of p. io.EOF comes at end only.
func (s *stream) read(ctx context.Context, p []byte) (int, error) {
	if s.at >= s.end {
		return 0, io.EOF
	}
	if s.body != nil {
		if n, _ := s.take(p); n > 0 {
			return n, nil
		}
	}
	var n int
	op := fmt.Sprintf("read %q from %d", s.source.key, s.at)
	err := s.source.f.try(ctx, op, func(ctx context.Context) error {
		if _, err := s.open(ctx); err != nil {
			return err
		}
		var err error
		n, err = s.take(p)
		return err
	})
	return n, err
}

// take reads from the request under way. No bytes mean an error, and the end of the request.
func (s *stream) take(p []byte) (int, error) {
	p = p[:min(int64(len(p)), s.left)]
	s.dog.expect(s.source.f.engine.downloads.move)
	n, err := s.body.Read(p)
	s.dog.rest()
	s.at += int64(n)
	s.left -= int64(n)
	if n > 0 {
		if s.left == 0 {
			s.finish(err)
		}
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	err = s.dog.explain(err)
	s.close()
	return 0, err
}

// finish ends a request whose last byte has come. It reads the end too, so that the connection can be used again.
func (s *stream) finish(err error) {
	if err == nil {
		s.dog.expect(s.source.f.engine.downloads.move)
		_, _ = s.body.Read(make([]byte, 1))
	}
	s.close()
}

// open requests what is left, and answers what the headers tell of the whole object.
func (s *stream) open(ctx context.Context) (object, error) {
	s.close()
	dog := watch(ctx, s.source.f.engine.downloads.answer)
	opt := &cos.ObjectGetOptions{Range: fmt.Sprintf("bytes=%d-%d", s.at, s.end-1)}
	if s.source.etag != "" {
		opt.XOptionHeader = &http.Header{"If-Match": {s.source.etag}}
	}
	resp, err := s.source.f.client.Object.Get(dog.ctx, s.source.key, opt)
	if err != nil {
		err = s.judge(dog.explain(err))
		dog.stop()
		return object{}, err
	}
	dog.rest()
	o, length, err := s.accept(resp)
	if err != nil {
		resp.Body.Close()
		dog.stop()
		return object{}, err
	}
	s.body, s.left, s.dog = resp.Body, length, dog
	return o, nil
}

// judge gives the answers their meaning that come when the object is gone or has become shorter meanwhile.
func (s *stream) judge(err error) error {
	err = classify(err)
	if s.source.etag == "" {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) || statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("%w: %w", syscall.ESTALE, err)
	}
	return err
}

// accept checks that an answer is the range that was asked for, of the same version.
func (s *stream) accept(resp *cos.Response) (object, int64, error) {
	first, end, size, ok := parseContentRange(resp.Header.Get("Content-Range"))
	if resp.StatusCode == http.StatusOK && s.at == 0 && resp.ContentLength >= 0 { // a server that knows no ranges
		first, end, size, ok = 0, resp.ContentLength, resp.ContentLength, true
	}
	if !ok || first != s.at || end <= first || size < end {
		return object{}, 0, badAnswer("a range other than the one asked for")
	}
	o := objectOf(s.source.key, resp.Header, size)
	if o.etag == "" { // an answer of somebody else, whose text is no file's data
		return object{}, 0, badAnswer("a get request without an ETag")
	}
	if s.source.etag != "" && o.etag != s.source.etag {
		return object{}, 0, fmt.Errorf("%q has changed: %w", s.source.key, syscall.ESTALE)
	}
	return o, min(end, s.end) - first, nil
}

// close ends the request under way.
func (s *stream) close() {
	if s.body == nil {
		return
	}
	s.dog.stop()
	s.body.Close()
	s.body = nil
}

// parseContentRange reads "bytes first-last/size" (RFC 9110, 14.4). end is last + 1.
func parseContentRange(value string) (first, end, size int64, ok bool) {
	span, total, _ := strings.Cut(strings.TrimPrefix(value, "bytes "), "/")
	from, to, _ := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	return first, last + 1, size, errors.Join(err1, err2, err3) == nil
}
