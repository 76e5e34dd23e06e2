package ftpserver

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readLines is all that a lineReader makes of a stream.
func readLines(r io.Reader) (got []input) {
	lines := lineReader{src: r}
	for {
		in := lines.next()
		if in.kind == inputEnded {
			return got
		}
		got = append(got, in)
	}
}

func TestLineReader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", maxLine)
	line := func(s string) input { return input{kind: lineComplete, line: s} }
	tooLong := input{kind: lineTooLong}
	for _, test := range []struct {
		name, stream string
		want         []input
	}{
		{"empty", "", nil},
		{"one", "NOOP\r\n", []input{line("NOOP")}},
		{"several", "NOOP\r\n\r\nPWD\r\n", []input{line("NOOP"), line(""), line("PWD")}},
		{"cut off", "DELE /b.txt", nil},
		{"cut off in its end", "DELE /b.txt\r", nil},
		{"bare LF", "NOOP\nPWD\r\n", []input{line("NOOP\nPWD")}},
		{"bare CR", "NOOP\rPWD\r\r\n", []input{line("NOOP\rPWD\r")}},
		{"as long as may be", long + "\r\nPWD\r\n", []input{line(long), line("PWD")}},
		{"one byte too long", long + "A\r\nPWD\r\n", []input{tooLong, line("PWD")}},
		{"much too long", long + long + long + "\r\nPWD\r\n", []input{tooLong, line("PWD")}},
		{"too long, with a CR at the edge", long + "\rA\r\nPWD\r\n", []input{tooLong, line("PWD")}},
		{"too long and cut off", long + long, []input{tooLong}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"at once":       strings.NewReader(test.stream),
				"byte by byte":  iotest.OneByteReader(strings.NewReader(test.stream)),
				"in halves":     iotest.HalfReader(strings.NewReader(test.stream)),
				"end with data": iotest.DataErrReader(strings.NewReader(test.stream)),
			} {
				if got := readLines(r); !slices.Equal(got, test.want) {
					t.Errorf("%s: got %d inputs, want %d: %.80v", name, len(got), len(test.want), got)
				}
			}
		})
	}
}

func TestLineReaderHoldsLittleWhenIdle(t *testing.T) {
	t.Parallel()
	lines := lineReader{src: strings.NewReader(strings.Repeat("A", 2000) + "\r\n")}
	lines.next()
	if cap(lines.buf) > idleBuffer {
		t.Errorf("%d bytes held after a long line", cap(lines.buf))
	}
}

// FuzzLineReader: however a stream is cut into reads, the lines are the same, complete and not too long.
func FuzzLineReader(f *testing.F) {
	f.Add([]byte("USER a\r\nPASS b\r\n"), uint8(1))
	f.Add([]byte("\xff\xf4\xff\xf2ABOR\r\n"), uint8(3))
	f.Add([]byte(strings.Repeat("A", 5000)+"\r\r\n\n\r\nNOOP"), uint8(7))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		whole := readLines(bytes.NewReader(stream))
		pieces := readLines(&pieceReader{stream, int(piece) + 1})
		if !slices.Equal(whole, pieces) {
			t.Fatalf("at once %v, in pieces %v", whole, pieces)
		}
		ends := 0
		for _, in := range whole {
			if len(in.line) > maxLine || strings.Contains(in.line, "\r\n") {
				t.Fatalf("line of %d bytes: %q", len(in.line), in.line)
			}
			ends++
		}
		parts := bytes.Split(stream, crlf)
		want := len(parts) - 1
		if len(parts[want]) > maxLine+1 {
			want++ // too long before it ends
		}
		if ends != want {
			t.Fatalf("%d lines from %q", ends, stream)
		}
	})
}

// pieceReader gives at most n bytes at a time.
type pieceReader struct {
	rest []byte
	n    int
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest[:min(r.n, len(r.rest))])
	r.rest = r.rest[n:]
	return n, nil
}
