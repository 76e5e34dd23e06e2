package conf

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

// defaults is the section whose values hold in every other one.
const defaults = "DEFAULT"

// values is a parsed conf file: what each section says, and where.
type values struct {
	sections map[string]map[string]string
	order    []string // section names in the order of the file, without [DEFAULT]
	lines    map[place]int
	scanner  *scanner
}

// place names an option; with an empty key, the header of a section.
type place struct{ section, key string }

// parse reads conf text as Python 2.7's RawConfigParser does, and as leniently: any key, any section, any bytes.
// Its problems and warnings are in values.scanner.
//
// ini.v1 alone differs in quotes, backslashes, backquotes, comments, continuation lines, "-" and spelling. So our
// scanner decides what each line means, and ini.v1 gets a text without any of these, in which values are quoted
// and keys escaped; it merges sections and repeated keys.
func parse(file string, text []byte) (*values, error) {
	s := scan(file, text)
	tree, err := ini.LoadSources(ini.LoadOptions{
		IgnoreContinuation:      true,
		IgnoreInlineComment:     true,
		PreserveSurroundedQuote: true,
		KeyValueDelimiters:      "=",
		ChildSectionDelimiter:   "]", // no name holds it, so that no section is another's child
	}, normalised(s.entries))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	v := &values{sections: map[string]map[string]string{}, lines: map[place]int{}, scanner: s}
	for _, section := range tree.Sections() {
		if v.sections[section.Name()], err = unescaped(section); err != nil {
			return nil, fmt.Errorf("%s: [%s]: %w", file, section.Name(), err)
		}
	}
	for _, e := range s.entries {
		at := place{e.section, e.key}
		if _, again := v.lines[at]; e.key != "" || !again {
			v.lines[at] = e.line // of a repeated key the last line holds, of a section the first
		}
		if e.key == "" && e.section != defaults && !slices.Contains(v.order, e.section) {
			v.order = append(v.order, e.section)
		}
	}
	return v, nil
}

// normalised writes entries in a form that ini.v1 reads back without interpreting anything.
func normalised(entries []entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		if e.key == "" {
			fmt.Fprintf(&b, "[%s]\n", e.section)
			continue
		}
		fmt.Fprintf(&b, "%s = %s\n", escapeKey(e.key), strconv.QuoteToASCII(strings.Join(e.value, "\n")))
	}
	return b.Bytes()
}

// escapeKey leaves letters, digits and "_.~-". A key "-" alone means "number me" to ini.v1.
func escapeKey(key string) string {
	if key == "-" {
		return "%2D"
	}
	return url.QueryEscape(key)
}

func unescaped(section *ini.Section) (map[string]string, error) {
	options := map[string]string{}
	for escaped, quoted := range section.KeysHash() {
		key, err := url.QueryUnescape(escaped)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", escaped, err)
		}
		if options[key], err = strconv.Unquote(quoted); err != nil {
			return nil, fmt.Errorf("value of %s: %w", key, err)
		}
	}
	return options, nil
}

// has says whether the file has the section, [DEFAULT] aside.
func (v *values) has(section string) bool { return slices.Contains(v.order, section) }

// get finds an option in its section or, if the section is there, in [DEFAULT], with its line.
func (v *values) get(section, key string) (value string, line int, ok bool) {
	if !v.has(section) {
		return "", 0, false
	}
	for _, name := range []string{section, defaults} {
		if value, ok := v.sections[name][key]; ok {
			return value, v.lines[place{name, key}], true
		}
	}
	return "", v.lines[place{section, ""}], false
}
