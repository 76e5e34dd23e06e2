package rig

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Section is the text of a Markdown file under the first heading that begins with the title.
func Section(text, title string) string {
	lines := strings.Split(text, "\n")
	begin := slices.IndexFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "#") && strings.HasPrefix(strings.TrimLeft(line, "# "), title)
	})
	if begin < 0 {
		return ""
	}
	level := strings.IndexFunc(lines[begin], func(r rune) bool { return r != '#' })
	end := len(lines)
	for i := begin + 1; i < end; i++ {
		if n := strings.IndexFunc(lines[i], func(r rune) bool { return r != '#' }); n > 0 && n <= level {
			end = i
		}
	}
	return strings.Join(lines[begin+1:end], "\n")
}

// ReadText returns the text of a file.
func ReadText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// SourcesOfTests is the files that tests are in, by the names of the tests. Of tests with one name in several rooms it
// has all.
func SourcesOfTests(t *testing.T) map[string]string {
	t.Helper()
	sources := map[string]string{}
	for _, room := range []string{"../*", "../../ftpserver", "../../cosfs", "../../conf", "../../confcheck", "../../log"} {
		files, err := filepath.Glob(filepath.Join(room, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text := ReadText(t, file)
			for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
				sources[m[1]] += text
			}
		}
	}
	return sources
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
