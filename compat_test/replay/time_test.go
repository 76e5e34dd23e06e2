package replay

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// matcher turns recorded text into a regular expression over what ours may answer.
type matcher struct {
	began time.Time
	// replace maps {HOME} and the like to their values.
	replace map[string]string
}

var placeholders = regexp.MustCompile(`\{(?:list:|mlsd:|unique\})`)

var placeholder = regexp.MustCompile(`\\\{(list|mlsd):([^}]*)\\\}`)

// compile matches text as a whole. Where wildcard is set, * stands for anything within a line.
func (m *matcher) compile(text string, wildcard bool) (*regexp.Regexp, error) {
	for name, value := range m.replace {
		text = strings.ReplaceAll(text, name, value)
	}
	pattern := regexp.QuoteMeta(text)
	if wildcard {
		pattern = strings.ReplaceAll(pattern, `\*`, `[^\r\n]*`)
	}
	pattern = placeholder.ReplaceAllStringFunc(pattern, func(found string) string {
		part := placeholder.FindStringSubmatch(found)
		return m.times(part[1], strings.ReplaceAll(part[2], `\`, ""))
	})
	pattern = strings.ReplaceAll(pattern, `\{unique\}`, `[0-9a-f]+`)
	return regexp.Compile(`(?s)\A(?:` + pattern + `)\z`)
}

// times is a pattern for the ways in which LIST or MLSD may write a time.
func (m *matcher) times(kind, when string) string {
	ways := m.ways(kind, when)
	for i := range ways {
		ways[i] = regexp.QuoteMeta(ways[i])
	}
	return "(?:" + strings.Join(ways, "|") + ")"
}

// ways lists how LIST or MLSD may write a time: one for a seed of that age, and the minutes or seconds from a
// little before the dialogue began to now for an object that the dialogue itself made.
func (m *matcher) ways(kind, when string) []string {
	if when != "now" {
		days, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(when, "-"), "d"))
		if err != nil {
			return []string{when}
		}
		return []string{writeTime(kind, m.began.Add(-time.Duration(days)*24*time.Hour))}
	}
	step := time.Minute
	if kind == "mlsd" {
		step = time.Second
	}
	var ways []string
	for at := m.began.Add(-step); at.Before(time.Now().Add(step)); at = at.Add(step) {
		ways = append(ways, writeTime(kind, at))
	}
	return ways
}

// generalise puts the placeholders back for the times of now and of the seeds.
func (m *matcher) generalise(text string, seeds []rig.Seed) string {
	whens := []string{"now"}
	for _, s := range seeds {
		when := fmt.Sprintf("-%dd", s.Age/(24*time.Hour))
		if s.Age > 0 && !slices.Contains(whens, when) {
			whens = append(whens, when)
		}
	}
	for _, when := range whens {
		for _, kind := range []string{"list", "mlsd"} {
			for _, way := range m.ways(kind, when) {
				text = strings.ReplaceAll(text, way, "{"+kind+":"+when+"}")
			}
		}
	}
	return uniqueFact.ReplaceAllString(text, "unique={unique};")
}

var uniqueFact = regexp.MustCompile(`unique=[0-9a-f]+;`)

// writeTime is the original's rule: UTC always, the year instead of the time from 180 days on.
func writeTime(kind string, at time.Time) string {
	at = at.UTC()
	switch {
	case kind == "mlsd":
		return at.Format("20060102150405")
	case time.Since(at) > 180*24*time.Hour:
		return at.Format("Jan 02 2006")
	}
	return at.Format("Jan 02 15:04")
}

func TestMatcher(t *testing.T) {
	began := time.Now()
	m := &matcher{began: began, replace: map[string]string{"{HOME}": "/h"}}
	lastYear := began.Add(-400 * 24 * time.Hour).UTC().Format("Jan 02 2006")
	for _, c := range []struct {
		text, got string
		wildcard  bool
		want      bool
	}{
		{"550 {HOME}/a* is", "550 /h/a* is", false, true},
		{"227 (*).", "227 (1,2).", true, true},
		{"227 (*).", "227 (1\n2).", true, false},
		{"x {list:now} y", "x " + began.UTC().Format("Jan 02 15:04") + " y", false, true},
		{"x {list:now} y", "x " + lastYear + " y", false, false},
		{"x {list:-400d}", "x " + lastYear, false, true},
		{"{mlsd:now}", fmt.Sprint(began.UTC().Format("20060102150405")), false, true},
	} {
		re, err := m.compile(c.text, c.wildcard)
		if err != nil {
			t.Fatal(err)
		}
		if re.MatchString(c.got) != c.want {
			t.Errorf("%q against %q: want %v (%s)", c.text, c.got, c.want, re)
		}
	}
}
