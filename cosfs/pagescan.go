package cosfs

import (
	"strconv"
	"strings"
)

// scanPage reads a list answer of the plain form that COS sends: elements and text, no entities or sections where we
// look. It reports false for anything else, which parsePage then reads. It takes a tenth of the time of encoding/xml,
// which decides how fast long listings are.
func scanPage(body string) (page, bool) {
	s := scanner{rest: body, page: page{objects: make([]listed, 0, strings.Count(body, "<Contents>"))}}
	for s.step() {
	}
	if s.bad || s.depth != 0 || !s.whole || s.decoder.err != nil {
		return page{}, false
	}
	if s.truncated != (s.page.next != "") {
		return page{}, false
	}
	return s.page, true
}

// scanner walks over a list answer.
type scanner struct {
	rest  string
	depth int // elements that are open
	bad   bool
	whole bool // the ListBucketResult came to its end

	inContents, inPrefixes bool
	truncated              bool
	decoder                decoder
	page                   page
}

// step takes the next tag with the text after it, and reports whether there may be another.
func (s *scanner) step() bool {
	open := strings.IndexByte(s.rest, '<')
	if open < 0 {
		return false
	}
	shut := strings.IndexByte(s.rest[open:], '>')
	if shut < 0 {
		s.bad = true
		return false
	}
	tag := s.rest[open+1 : open+shut]
	s.rest = s.rest[open+shut+1:]
	switch {
	case tag == "" || tag[0] == '!':
		s.bad = true
	case tag[0] == '?':
	case tag[0] == '/':
		s.close(tag[1:])
	case tag[len(tag)-1] == '/':
		s.skip(strings.TrimRight(tag[:len(tag)-1], " "))
	default:
		name, _, _ := strings.Cut(tag, " ")
		s.open(name)
	}
	return !s.bad
}

// skip passes an element without content, which must be none of those that matter.
func (s *scanner) skip(name string) {
	switch name {
	case "Contents", "CommonPrefixes", "Key", "Size", "LastModified", "ETag", "StorageClass", "EncodingType", "IsTruncated":
		s.bad = true
	}
	s.bad = s.bad || s.depth == 0 || s.inPrefixes
}

func (s *scanner) open(name string) {
	s.depth++
	switch s.depth {
	case 1:
		s.bad = name != "ListBucketResult" || s.whole
	case 2:
		s.openInRoot(name)
	case 3:
		if s.inContents {
			s.openInContents(name)
		} else if s.inPrefixes && name == "Prefix" {
			s.page.prefixes = append(s.page.prefixes, s.decoder.key(s.text()))
		}
	}
}

func (s *scanner) openInRoot(name string) {
	switch name {
	case "Contents":
		s.inContents = true
		s.page.objects = append(s.page.objects, listed{})
	case "CommonPrefixes":
		s.inPrefixes = true
	case "EncodingType":
		s.decoder.encoded = s.text() == "url"
		s.bad = s.bad || len(s.page.objects)+len(s.page.prefixes) > 0
	case "IsTruncated":
		text := s.text()
		s.truncated = text == "true"
		s.bad = s.bad || !s.truncated && text != "false"
	case "NextMarker":
		s.page.next = s.decoder.key(s.text())
	}
}

func (s *scanner) openInContents(name string) {
	o := &s.page.objects[len(s.page.objects)-1]
	switch name {
	case "Key":
		o.key = s.decoder.key(s.text())
	case "LastModified":
		o.stored = s.decoder.time(s.text())
	case "Size":
		n, err := strconv.ParseInt(s.text(), 10, 64)
		o.size, s.bad = n, s.bad || err != nil
	case "ETag":
		quoted := strings.ReplaceAll(s.raw(), "&quot;", `"`)
		o.etag, s.bad = bareETag(quoted), s.bad || strings.IndexByte(quoted, '&') >= 0
	case "StorageClass":
		o.class = s.text()
	}
}

func (s *scanner) close(name string) {
	s.depth--
	switch s.depth {
	case 0:
		s.whole = name == "ListBucketResult"
	case 1:
		s.inContents, s.inPrefixes = false, false
	}
	s.bad = s.bad || s.depth < 0
}

// text is what stands between the tag and its end, which must need no decoding.
func (s *scanner) text() string {
	text := s.raw()
	s.bad = s.bad || strings.IndexByte(text, '&') >= 0
	return text
}

// raw is text where an entity may stand in it.
func (s *scanner) raw() string {
	end := strings.IndexByte(s.rest, '<')
	if end < 0 || !strings.HasPrefix(s.rest[end:], "</") {
		s.bad = true
		return ""
	}
	return s.rest[:end]
}
