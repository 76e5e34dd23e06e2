package admin

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// kindColumns are the columns of the table of bucket kinds in docs/buckets.md.
var kindColumns = []costest.BucketOption{
	nil, costest.Accelerated(), costest.Versioned(), costest.Locked(), costest.EncryptedByKMS(), costest.MultiZone(),
}

// kindRows are its rows, and the commands that are played for each, by the rows of the table of rights.
var kindRows = []struct{ english, chinese, commands string }{
	{"upload to a new name", "上传新文件", "`STOR` of one part; `STOR` of several parts; `STOU`; `APPE` to a new name; `APPE` to a new name, several parts"},
	{"upload over a file", "上传覆盖已有文件", "`STOR` over a file; `REST`, `STOR` below 5 MiB"},
	{"APPE below 5 MiB", "APPE，5 MiB 以下", "`APPE` to a file below 5 MiB"},
	{"APPE from 5 MiB", "APPE，5 MiB 及以上", "`APPE` to a file from 5 MiB"},
	{"download, listing", "下载、列表", "`CWD`; `LIST`; `NLST`; `MLSD`; `STAT` of a path; `MLST`; `SIZE`; `MDTM`; `RETR`; `HASH` and its kin"},
	{"MKD", "MKD", "`MKD`"},
	{"RMD", "RMD", "`RMD`"},
	{"DELE", "DELE", "`DELE`"},
	{"RNTO of a file", "RNTO 文件", "`RNFR`, `RNTO` of a file"},
	{"RNTO of a directory", "RNTO 目录", "`RNFR`, `RNTO` of a directory"},
	{"MFMT, SITE CHMOD", "MFMT、SITE CHMOD", "`MFMT`; `SITE CHMOD`"},
}

// kindCells reads the table of a page: the cells behind the first of each row, by the first.
func kindCells(t *testing.T, page string) map[string][]string {
	t.Helper()
	cells := map[string][]string{}
	for line := range strings.SplitSeq(rig.ReadText(t, filepath.Join("../..", "docs", page)), "\n") {
		if row := strings.Split(line, " | "); len(row) == len(kindColumns)+1 {
			cells[strings.TrimPrefix(row[0], "| ")] = row[1:]
		}
	}
	return cells
}

// TestKindRequests holds how many requests a rename costs where COS does it by itself (docs/performance.md).
func TestKindRequests(t *testing.T) {
	t.Parallel()
	s := newRightsSite(t, costest.WithBucket(rig.BucketName(0), costest.Accelerated()))
	for name, want := range map[string]int{"`RNFR`, `RNTO` of a file": 4, "`RNFR`, `RNTO` of a directory": 7} {
		i := slices.IndexFunc(rightsCases, func(c rightsCase) bool { return c.english == name })
		if reply := s.run(rightsCases[i], nil); reply[0] != '2' {
			t.Errorf("%s: %s", name, reply)
		}
		if n := len(s.store.Requests()); n != want {
			t.Errorf("%s: %d requests, want %d: %s", name, n, want, rig.Operations(s.store))
		}
	}
}

// TestKindsTable: every FTP command does on each kind of bucket what the table in docs/buckets.md says, in both languages.
func TestKindsTable(t *testing.T) {
	t.Parallel()
	english, chinese := kindCells(t, "buckets.md"), kindCells(t, "buckets.zh-CN.md")
	played := map[string]bool{}
	for column, kind := range kindColumns {
		var opts []costest.Option
		if kind != nil {
			opts = append(opts, costest.WithBucket(rig.BucketName(0), kind))
		}
		s := newRightsSite(t, opts...)
		for _, row := range kindRows {
			if len(english[row.english]) == 0 || len(chinese[row.chinese]) == 0 {
				t.Fatalf("a page has no row %s, %s", row.english, row.chinese)
			}
			works := strings.HasPrefix(english[row.english][column], "yes")
			if other := strings.HasPrefix(chinese[row.chinese][column], "可以"); other != works {
				t.Errorf("%s: the languages differ in column %d", row.english, column+1)
			}
			want := "550"
			if works {
				want = "2"
			}
			for _, c := range rightsCases {
				if !strings.Contains("; "+row.commands+"; ", "; "+c.english+"; ") {
					continue
				}
				played[c.english] = true
				if reply := s.run(c, nil); !strings.HasPrefix(reply, want) {
					t.Errorf("column %d, %s: %s, want %s", column+1, c.english, reply, want)
				}
			}
		}
	}
	if len(played) != len(rightsCases) {
		t.Errorf("%d commands were played, want %d", len(played), len(rightsCases))
	}
}
