package conf

import (
	"bytes"
	"fmt"
	"strings"
)

// entry is one section header or option as Python 2.7's RawConfigParser finds it.
type entry struct {
	section string
	line    int
	key     string   // lower case; "" for a header
	value   []string // the value and its continuation lines, each stripped
}

// scanner reads conf text line by line by the rules of Python 2.7's ConfigParser.RawConfigParser._read. It works
// on bytes as that does: nothing is decoded, and white space is C's isspace.
type scanner struct {
	file     string
	entries  []entry
	problems []Problem
	warnings []Problem

	inSection bool
	section   string
	open      int // index of the option that an indented line continues, -1 for none
	headless  bool
	indented  map[place]int // lines that hold options but are read as more of a value, by what they seem to be
}

const (
	byteOrderMark = "\xef\xbb\xbf"
	wantLine      = "want key = value, [SECTION], or a comment that starts with # or ; in the first column"
)

// scan splits text into entries; what RawConfigParser refuses becomes a problem, and scanning goes on.
func scan(file string, text []byte) *scanner {
	s := &scanner{file: file, open: -1, indented: map[place]int{}}
	if rest, found := bytes.CutPrefix(text, []byte(byteOrderMark)); found {
		text = rest
		s.warn(1, "", "byte order mark at the start ignored: save the file as UTF-8 without BOM")
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		s.readLine(number, line)
	}
	return s
}

func (s *scanner) readLine(number int, line string) {
	switch {
	case isBlankOrComment(line):
	case isSpace(line[0]) && s.open >= 0:
		s.continueValue(number, strip(line))
	default:
		if name, ok := sectionHeader(line); ok {
			s.inSection, s.section, s.open = true, name, -1
			s.entries = append(s.entries, entry{section: name, line: number})
			return
		}
		if !s.inSection {
			s.beforeSections(number)
			return
		}
		s.readOption(number, line)
	}
}

// isBlankOrComment: RawConfigParser looks for comments in the first column only. "rem" is one as a word of its own.
func isBlankOrComment(line string) bool {
	stripped := strip(line)
	if stripped == "" || line[0] == '#' || line[0] == ';' {
		return true
	}
	word := stripped
	if end := strings.IndexFunc(stripped, isSpaceRune); end >= 0 {
		word = stripped[:end]
	}
	return !isSpace(line[0]) && lower(word) == "rem"
}

// sectionHeader finds the name in "[name] anything".
func sectionHeader(line string) (string, bool) {
	if line[0] != '[' {
		return "", false
	}
	name, _, closed := strings.Cut(line[1:], "]")
	return name, closed && name != ""
}

// beforeSections reports the first of the lines that no section holds. The text is not shown: it may be a secret.
func (s *scanner) beforeSections(number int) {
	if !s.headless {
		s.problem(number, "", "text before the first [SECTION]: want a section such as [COS_ACCOUNT_0] above it")
	}
	s.headless = true
}

func (s *scanner) readOption(number int, line string) {
	at := strings.IndexAny(line, ":=")
	if at <= 0 || isSpace(line[0]) {
		s.badOption(number, line)
		return
	}
	s.open = len(s.entries)
	s.entries = append(s.entries, entry{
		section: s.section,
		line:    number,
		key:     lower(strip(line[:at])),
		value:   []string{optionValue(line[at+1:])},
	})
}

// badOption names the key if there is one, and nothing else of the line, which may be a secret.
func (s *scanner) badOption(number int, line string) {
	word := strip(line)
	if end := strings.IndexFunc(word, func(r rune) bool { return isSpaceRune(r) || r == '=' || r == ':' }); end >= 0 {
		word = word[:end]
	}
	word = lower(word)
	switch {
	case !isKnown(word):
		s.problem(number, "", "neither option nor comment: "+wantLine)
	case isSpace(line[0]):
		s.problem(number, word, "indented below the section line: want it to start in the first column")
	default:
		s.problem(number, word, "no = or : after the key: want "+word+" = value")
	}
}

// optionValue is what RawConfigParser makes of the text behind the delimiter: stripped, without a comment.
func optionValue(text string) string {
	text = strings.TrimSuffix(strings.TrimLeftFunc(text, isSpaceRune), "\n")
	if at := strings.IndexByte(text, ';'); at >= 0 {
		// Legacy: only the first semicolon counts, and in front of a semicolon at the very start Python's
		// index -1 finds the last character.
		before := text[(at+len(text)-1)%len(text)]
		if isSpace(before) {
			text = text[:at]
		}
	}
	text = strip(text)
	if text == `""` {
		return ""
	}
	return text
}

func (s *scanner) continueValue(number int, text string) {
	option := &s.entries[s.open]
	option.value = append(option.value, text)
	if at := strings.IndexAny(text, ":="); at > 0 {
		if key := lower(strip(text[:at])); isKnown(key) {
			s.indented[place{s.section, key}] = number
			s.warn(number, key, fmt.Sprintf(
				"indented, so it is read as more of the value of %s in line %d: remove the blanks before it",
				printable(option.key), option.line))
		}
	}
}

func (s *scanner) problem(line int, key, want string) {
	s.problems = append(s.problems, s.at(line, key, want))
}

func (s *scanner) warn(line int, key, want string) {
	s.warnings = append(s.warnings, s.at(line, key, want))
}

func (s *scanner) at(line int, key, want string) Problem {
	return Problem{File: s.file, Line: line, Section: s.section, Key: key, Secret: true, Want: want}
}

// isSpace is C's isspace, which Python 2 uses for bytes.
func isSpace(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' }

func isSpaceRune(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }

func strip(text string) string { return strings.TrimFunc(text, isSpaceRune) }

// lower is Python 2's str.lower: ASCII only, whatever the encoding.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
