package house

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/conf"
)

// maxReadme is what a newcomer reads before the first start, in bytes.
const maxReadme = 12 << 10

func TestReadmeIsShort(t *testing.T) {
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		if n := len(rig.ReadText(t, filepath.Join("../..", name))); n > maxReadme {
			t.Errorf("%s has %d bytes, want %d at most: move what not everybody needs to docs/", name, n, maxReadme)
		}
	}
}

// papers returns the paths of all Markdown files of the project.
func papers(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir("../..", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "node_modules" || len(name) > 2 && name[0] == '.') {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 10 {
		t.Fatalf("found no more papers than %q", paths)
	}
	return paths
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	mdLink  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^(#+) (.*)$`)
)

// prose returns the text of a page without its blocks of code.
func prose(t *testing.T, path string) string {
	t.Helper()
	return fence.ReplaceAllString(rig.ReadText(t, path), "")
}

// TestLinksResolve: every relative link leads to a file, and its anchor to a heading.
func TestLinksResolve(t *testing.T) {
	for _, path := range papers(t) {
		text := rig.CodeSpan.ReplaceAllString(prose(t, path), "")
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if err := resolve(t, path, m[1]); err != nil {
				t.Errorf("%s: %s: %v", path, m[1], err)
			}
		}
	}
}

func resolve(t *testing.T, from, target string) error {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	path := from
	if file != "" {
		path = filepath.Join(filepath.Dir(from), file)
	}
	if _, err := os.Stat(path); err != nil {
		return errors.New("there is no such file")
	}
	if anchor != "" && !slices.Contains(anchors(prose(t, path)), anchor) {
		return fmt.Errorf("%s has no such heading", path)
	}
	return nil
}

// anchors returns the anchors that GitHub makes of the headings of a page.
func anchors(text string) (list []string) {
	seen := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[2])
		if n := seen[anchor]; n > 0 {
			list = append(list, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			list = append(list, anchor)
		}
		seen[anchor]++
	}
	return list
}

const chinese = ".zh-CN.md"

// TestLanguagesHaveTheSameStructure: an English page and its Chinese twin have the same levels of headings in the same
// order, and as many rows of tables, items of lists and blocks of code.
func TestLanguagesHaveTheSameStructure(t *testing.T) {
	twins := 0
	for _, path := range papers(t) {
		if !strings.HasSuffix(path, chinese) {
			continue
		}
		twins++
		english := structure(rig.ReadText(t, strings.TrimSuffix(path, chinese)+".md"))
		if got := structure(rig.ReadText(t, path)); got != english {
			t.Errorf("%s has\n%s\nits English twin has\n%s", path, got, english)
		}
	}
	if twins < 9 {
		t.Errorf("%d pages are in both languages", twins)
	}
}

func structure(text string) string {
	blocks := len(fence.FindAllString(text, -1))
	text = fence.ReplaceAllString(text, "")
	var levels []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		levels = append(levels, m[1])
	}
	return fmt.Sprintf("headings %s; %d rows, %d items, %d blocks of code", strings.Join(levels, " "),
		strings.Count(text, "\n|"), strings.Count(text, "\n- "), blocks)
}

// topics are questions that the README of the Python tool answers, and words of our answers.
var topics = []struct{ page, english, chinese string }{
	{"README", "`cos_region` is set and nothing can be reached: how do I set `cos_endpoint`?", "填写了 `cos_region` 之后连接不通，如何配置 `cos_endpoint`？"},
	{"README", "leads to an internal address, and the traffic is free", "被解析为内网地址，流量走内网，不产生流量费用"},
	{"README", "## System requirements", "## 系统环境"},
	{"README", "Linux or macOS, amd64 or arm64", "Linux 和 macOS，amd64 和 arm64"},
	{"README", "COS's XML API only", "只使用 COS 的 XML API"},
	{"README", "(max_connection_num − 1) / 2 clients can transfer at once, 255 by default", "(max_connection_num − 1) / 2 个客户端可以同时传输，默认为 255 个"},
	{"README", "refuses to start where it is short", "内存不足时拒绝启动"},
	{"README", "user names must differ", "用户名都不能重复"},
	{"README", "What is `masquerade_address` for?", "`masquerade_address` 有何作用？"},
	{"README", "An upload was cancelled, and there is a file all the same?", "上传中途取消，为什么 COS 上仍有文件？"},
	{"README", "Why is there a greatest file size", "为什么要设置单文件的最大限制"},
	{"docs/running", "## Stop", "## 停止"},
	{"docs/clients", "## NAT and security group on a CVM", "## CVM 上的 NAT 和安全组"},
}

// TestTopicsOfThePythonTool: what its README answers, ours answers in both languages.
func TestTopicsOfThePythonTool(t *testing.T) {
	for _, topic := range topics {
		for page, words := range map[string]string{topic.page + ".md": topic.english, topic.page + chinese: topic.chinese} {
			if !strings.Contains(rig.ReadText(t, filepath.Join("../..", page)), words) {
				t.Errorf("%s does not say %q", page, words)
			}
		}
	}
}

var optionOfReadme = regexp.MustCompile("(?m)^\\| (`[a-z_]+`(?:(?:, |、)`[a-z_]+`)?) \\| ([^|]*) \\|")

// TestReadmeOptions: the options in the READMEs exist and have the defaults that are given there.
func TestReadmeOptions(t *testing.T) {
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		rows := optionOfReadme.FindAllStringSubmatch(rig.ReadText(t, filepath.Join("../..", name)), -1)
		if len(rows) < 12 {
			t.Errorf("%s has a table of %d options", name, len(rows))
		}
		for _, row := range rows {
			for _, span := range rig.CodeSpan.FindAllString(row[1], -1) {
				i := slices.IndexFunc(conf.Keys(), func(k conf.Key) bool { return k.Name == strings.Trim(span, "`") })
				if i < 0 {
					t.Errorf("%s: %s is no option", name, span)
				} else if want := conf.Keys()[i].Default; want != "" && row[2] != "`"+want+"`" || want == "" && strings.Contains(row[2], "`") {
					t.Errorf("%s: the default of %s is %q, not %s", name, span, want, row[2])
				}
			}
		}
	}
}
