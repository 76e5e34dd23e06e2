package house

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// notChinese are words of the first translation that say nothing, or something else, to who reads Tencent's documents, and
// what those say.
var notChinese = map[string]string{
	"残片": "不完整的对象", "不声不响": "没有任何提示", "不可能的端口": "无效的端口", "想先看一看": "替换前可以先检查", "照样入库": "保存为对象",
	"架在": "部署在", "强杀": "强制终止", "字节每秒": "字节/秒", "小节": "section（配置段）", "逐字节读取": "按原样读取", "文件的读法": "解析规则",
	"均为大的": "最新的、最大的在前", "数字、开关": "数字、布尔值", "同名的不同桶": "存储桶不同", "1.3 上的 FTP": "基于 TLS 1.2/1.3 的 FTP（FTPS）",
	"被 COS 切断": "因 COS 侧断开而中断", "让客户端认识": "让客户端信任", "读不懂": "无法解析", "半张图片": "不完整的图片", "没有它们时一切": "没有 ALG 时",
	"名字": "名称", "回复": "应答",
}

func TestChineseWords(t *testing.T) {
	for _, path := range papers(t) {
		if !strings.HasSuffix(path, chinese) {
			continue
		}
		text := rig.ReadText(t, path)
		for word, better := range notChinese {
			if strings.Contains(text, word) {
				t.Errorf("%s says %s, want words like %s", path, word, better)
			}
		}
	}
}

// TestProxyBehindAFirewall: what to set where the default Go proxy cannot be reached is said, and no host is recommended.
func TestProxyBehindAFirewall(t *testing.T) {
	host := regexp.MustCompile(`(?i)GOPROXY\W*=?\W*(https?://|[a-z0-9-]+\.[a-z]{2,})|goproxy\.`)
	for _, name := range []string{"docs/running.md", "docs/running.zh-CN.md", "setup.sh"} {
		text := rig.ReadText(t, filepath.Join("../..", name))
		for _, want := range []string{"GOPROXY", "GOTOOLCHAIN=local"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say what to set: %s", name, want)
			}
		}
		if named := host.FindString(text); named != "" {
			t.Errorf("%s names a host: %q", name, named)
		}
	}
}

// TestTimesAreSaidToBeUTC, as TestReplay/13-list-timezone shows them.
func TestTimesAreSaidToBeUTC(t *testing.T) {
	for name, want := range map[string]string{
		"docs/commands.md": "times are UTC, as in the Python tool", "docs/clients.md": "**Times are UTC**, in LIST, MLSD and MDTM, as in the Python tool",
		"docs/clients.zh-CN.md": "**时间均为 UTC**：LIST、MLSD 和 MDTM 都是如此，与 Python 工具相同",
	} {
		if !strings.Contains(rig.ReadText(t, filepath.Join("../..", name)), want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
}

// TestDocsKeepTimes: where a client compares times, the line is there with which it need not copy everything again, as
// TestRclone shows.
func TestDocsKeepTimes(t *testing.T) {
	for _, name := range []string{"docs/clients.md", "docs/clients.zh-CN.md"} {
		text := rig.ReadText(t, filepath.Join("../..", name))
		for _, client := range []string{"rclone", "lftp", "FileZilla"} {
			if !strings.Contains(rig.Section(text, client), "list_metadata = true") {
				t.Errorf("%s does not say list_metadata = true to users of %s", name, client)
			}
		}
	}
}
