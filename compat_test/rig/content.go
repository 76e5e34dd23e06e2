package rig

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// ParseContent reads an expression for bytes, as the dialogues write them:
//
//	"text\r\n"            a Go string
//	pattern:3145733       that many bytes in which every block differs from the others
//	pattern:100[10:90]    a part of those
//	x:1000                that many of one character
//	bytes:1024            00 01 … ff 00 01 …
//	"CWD " + A:3000       one after the other
func ParseContent(expr string) ([]byte, error) {
	var content []byte
	for rest := strings.TrimSpace(expr); ; {
		term, tail, err := cutTerm(rest)
		if err != nil {
			return nil, fmt.Errorf("content %q: %w", expr, err)
		}
		content = append(content, term...)
		if tail == "" {
			return content, nil
		}
		after, found := strings.CutPrefix(tail, "+")
		if !found {
			return nil, fmt.Errorf("content %q: want + before %q", expr, tail)
		}
		rest = strings.TrimSpace(after)
	}
}

func cutTerm(expr string) (content []byte, tail string, err error) {
	if strings.HasPrefix(expr, `"`) {
		quoted, err := strconv.QuotedPrefix(expr)
		if err != nil {
			return nil, "", err
		}
		text, err := strconv.Unquote(quoted)
		return []byte(text), strings.TrimSpace(expr[len(quoted):]), err
	}
	term, tail, _ := strings.Cut(expr, " ")
	content, err = generate(term)
	return content, strings.TrimSpace(tail), err
}

func generate(term string) ([]byte, error) {
	kind, size, found := strings.Cut(term, ":")
	if !found {
		return nil, fmt.Errorf("%q is neither a string nor KIND:SIZE", term)
	}
	size, slice, sliced := strings.Cut(size, "[")
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%q: want a size after the colon", term)
	}
	content := make([]byte, n)
	switch {
	case kind == "pattern":
		FillPattern(content)
	case kind == "bytes":
		for i := range content {
			content[i] = byte(i)
		}
	case len(kind) == 1:
		for i := range content {
			content[i] = kind[0]
		}
	default:
		return nil, fmt.Errorf("%q: unknown kind of content", term)
	}
	if !sliced {
		return content, nil
	}
	return cutSlice(content, strings.TrimSuffix(slice, "]"))
}

func cutSlice(content []byte, bounds string) ([]byte, error) {
	low, high, _ := strings.Cut(bounds, ":")
	from, to := 0, len(content)
	var err error
	if low != "" {
		from, err = strconv.Atoi(low)
	}
	if err == nil && high != "" {
		to, err = strconv.Atoi(high)
	}
	if err != nil || from < 0 || from > to || to > len(content) {
		return nil, fmt.Errorf("[%s] is no part of %d bytes", bounds, len(content))
	}
	return content[from:to], nil
}

// FillPattern writes bytes that repeat nowhere near: a part that is lost, doubled or moved shows.
func FillPattern(content []byte) {
	state := uint32(2463534242)
	for i := range content {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		content[i] = byte(state >> 11)
	}
}

// Describe shows bytes as a content expression where they are short, else by size.
func Describe(content []byte) string {
	if len(content) <= 3000 {
		return strconv.Quote(string(content))
	}
	return fmt.Sprintf("%d bytes", len(content))
}

// Pattern is n bytes that differ from those of another seed.
func Pattern(seed, n int) []byte {
	data := make([]byte, n)
	costest.Fill(data, int64(seed))
	return data
}
