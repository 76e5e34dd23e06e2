package clients

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/conf"
)

var (
	optionLike = regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`)
)

// TestClientsDocs: both languages name the same commands and options, in as many rows, and every option exists.
func TestClientsDocs(t *testing.T) {
	spans, rows := map[string][]string{}, map[string]int{}
	for _, name := range []string{"clients.md", "clients.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("../..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(string(text), "")
		spans[name] = rig.CodeSpan.FindAllString(prose, -1)
		rows[name] = strings.Count(prose, "\n|")
		slices.Sort(spans[name])
	}
	english, chinese := spans["clients.md"], spans["clients.zh-CN.md"]
	for _, span := range slices.Compact(slices.Concat(english, chinese)) {
		count := func(list []string) (n int) {
			for _, s := range list {
				if s == span {
					n++
				}
			}
			return n
		}
		if count(english) != count(chinese) {
			t.Errorf("%s is there %d times in English and %d times in Chinese", span, count(english), count(chinese))
		}
		option, _, _ := strings.Cut(strings.Trim(span, "`"), " ")
		if optionLike.MatchString(option) && !slices.ContainsFunc(conf.Keys(), func(k conf.Key) bool { return k.Name == option }) &&
			option != "compat_test" {
			t.Errorf("%s is no option", span)
		}
	}
	if len(english) < 50 || rows["clients.md"] != rows["clients.zh-CN.md"] {
		t.Errorf("%d names, rows of tables %v", len(english), rows)
	}
}
