package ftpserver

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

var asciiTable = []struct{ name, wire, unix string }{
	{"nothing", "", ""},
	{"lines", "one\r\ntwo\r\n", "one\ntwo\n"},
	{"no end", "one\r\ntwo", "one\ntwo"},
	{"empty lines", "\r\n\r\n\r\n", "\n\n\n"},
	{"lone CR", "a\rb", "a\rb"},
	{"lone CR at the end", "xxxxxxxxxx\r", "xxxxxxxxxx\r"},
}

func TestASCIIUpload(t *testing.T) {
	t.Parallel()
	more := []struct{ name, wire, unix string }{
		{"bare LF stays", "one\ntwo\r\n", "one\ntwo\n"},
		{"CR CR LF", "b\r\r\nc", "b\r\nc"},
		{"many CR", "\r\r\r\r", "\r\r\r\r"},
	}
	for _, test := range append(more, asciiTable...) {
		for name, src := range map[string]func(string) io.Reader{
			"whole":         func(s string) io.Reader { return strings.NewReader(s) },
			"byte by byte":  func(s string) io.Reader { return iotest.OneByteReader(strings.NewReader(s)) },
			"end with data": func(s string) io.Reader { return iotest.DataErrReader(strings.NewReader(s)) },
		} {
			for _, size := range []int{1, 2, 3, 512} {
				got, err := io.ReadAll(sized{&asciiReader{src: src(test.wire)}, size})
				if err != nil || string(got) != test.unix {
					t.Errorf("%s, %s, %d at a time: got %q, %v; want %q", test.name, name, size, got, err, test.unix)
				}
			}
		}
	}
}

// sized reads at most n bytes at a time.
type sized struct {
	io.Reader
	n int
}

func (s sized) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(s.n, len(p))]) }

func TestASCIIDownload(t *testing.T) {
	t.Parallel()
	more := []struct{ name, wire, unix string }{
		{"CR LF stays", "one\r\ntwo\r\n", "one\r\ntwo\n"},
		{"CR CR LF", "b\r\r\nc", "b\r\r\nc"},
		{"long line", strings.Repeat("x", 3*asciiBuffer) + "\r\n", strings.Repeat("x", 3*asciiBuffer) + "\n"},
	}
	for _, test := range append(more, asciiTable...) {
		for _, size := range []int{1, 2, 3, 512, 1 << 20} {
			var got bytes.Buffer
			w := &asciiWriter{dst: &got}
			for rest := []byte(test.unix); len(rest) > 0; {
				n := min(size, len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Flush(); err != nil || got.String() != test.wire {
				t.Errorf("%s, %d at a time: got %.80q, %v; want %.80q", test.name, size, got.String(), err, test.wire)
			}
		}
	}
}

// countWrites counts.
type countWrites struct{ n int }

func (c *countWrites) Write(p []byte) (int, error) { c.n++; return len(p), nil }

// TestASCIIDownloadGathersLines: ftpserverlib makes one system call per line.
func TestASCIIDownloadGathersLines(t *testing.T) {
	t.Parallel()
	var dst countWrites
	w := &asciiWriter{dst: &dst}
	text := []byte(strings.Repeat(strings.Repeat("x", 79)+"\n", 10_000))
	if n, err := w.Write(text); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if most := len(text)/(asciiBuffer/2) + 2; dst.n > most {
		t.Errorf("%d writes for %d bytes", dst.n, len(text))
	}
}

func FuzzASCII(f *testing.F) {
	f.Add([]byte("one\r\ntwo\n\r\r\n\r"), uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		got, err := io.ReadAll(sized{&asciiReader{src: bytes.NewReader(stream)}, int(size) + 1})
		if want := bytes.ReplaceAll(stream, crlf, []byte("\n")); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("upload of %q: got %q, %v", stream, got, err)
		}
		var wire bytes.Buffer
		w := &asciiWriter{dst: &wire}
		for _, b := range stream {
			w.Write([]byte{b})
		}
		w.Flush()
		want := bytes.ReplaceAll(bytes.ReplaceAll(stream, crlf, []byte("\n")), []byte("\n"), crlf)
		if !bytes.Equal(wire.Bytes(), want) {
			t.Fatalf("download of %q: got %q, want %q", stream, wire.Bytes(), want)
		}
	})
}
