package admin

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// rightsKey is the key pair of all accounts of these tests.
const rightsKey = "test-id"

// rightsDocs hold the table of actions and the policies, in English and in Chinese.
var rightsDocs = []string{"../../docs/rights.md", "../../docs/rights.zh-CN.md"}

// rightsCase is an FTP command, or two that belong together: a row of the table. {} in a command is a directory of its
// own, with what seedRights makes in it, so that nothing is remembered of another case.
type rightsCase struct {
	english, chinese string // the first cell of its row
	run              func(p *rig.Peer, dir string) string
}

// rightsCases are all rows of the table but the one that cosfs.TestRightsOfABigRename holds.
var rightsCases = []rightsCase{
	{"`CWD`", "`CWD`", say("CWD {}/dir")},
	{"`LIST`", "`LIST`", receive("LIST {}/dir")},
	{"`NLST`", "`NLST`", receive("NLST {}/dir")},
	{"`MLSD`", "`MLSD`", receive("MLSD {}/dir")},
	{"`STAT` of a path", "带路径的 `STAT`", say("STAT {}/dir")},
	{"`MLST`", "`MLST`", say("MLST {}/small")},
	{"`SIZE`", "`SIZE`", say("SIZE {}/small")},
	{"`MDTM`", "`MDTM`", say("MDTM {}/small")},
	{"`RETR`", "`RETR`", receive("RETR {}/big")},
	{"`HASH` and its kin", "`HASH` 等校验命令", say("HASH {}/small")},
	{"`STOR` of one part", "单个分块的 `STOR`", send("STOR {}/new", 10)},
	{"`STOR` over a file", "覆盖文件的 `STOR`", send("STOR {}/small", 10)},
	{"`STOR` of several parts", "多个分块的 `STOR`", send("STOR {}/new", 3<<20)},
	{"`REST`, `STOR` below 5 MiB", "5 MiB 以下的 `REST`、`STOR`", func(p *rig.Peer, dir string) string {
		p.Command("REST 5")
		return send("STOR {}/small", 10)(p, dir)
	}},
	{"`STOU`", "`STOU`", send("STOU {}/x", 10)},
	{"`APPE` to a new name", "`APPE` 到新文件", send("APPE {}/new", 10)},
	{"`APPE` to a new name, several parts", "`APPE` 到新文件，多个分块", send("APPE {}/new", 3<<20)},
	{"`APPE` to a file below 5 MiB", "`APPE` 到 5 MiB 以下的文件", send("APPE {}/small", 10)},
	{"`APPE` to a file from 5 MiB", "`APPE` 到 5 MiB 及以上的文件", send("APPE {}/big", 10)},
	{"`MKD`", "`MKD`", say("MKD {}/made")},
	{"`RMD`", "`RMD`", say("RMD {}/empty")},
	{"`DELE`", "`DELE`", say("DELE {}/small")},
	{"`RNFR`, `RNTO` of a file", "文件的 `RNFR`、`RNTO`", say("RNFR {}/small", "RNTO {}/renamed")},
	{"`RNFR`, `RNTO` of a directory", "目录的 `RNFR`、`RNTO`", say("RNFR {}/dir", "RNTO {}/renamed")},
	{"`MFMT`", "`MFMT`", say("MFMT 20200102030405 {}/small")},
	{"`SITE CHMOD`", "`SITE CHMOD`", say("SITE CHMOD 600 {}/small")},
}

// say sends commands until one is refused, and returns the last reply.
func say(commands ...string) func(p *rig.Peer, dir string) string {
	return func(p *rig.Peer, dir string) (reply string) {
		for _, command := range commands {
			if reply = p.Command("%s", strings.ReplaceAll(command, "{}", dir)); reply[0] > '3' {
				break
			}
		}
		return reply
	}
}

func receive(command string) func(p *rig.Peer, dir string) string {
	return func(p *rig.Peer, dir string) string {
		return transferred(p, strings.ReplaceAll(command, "{}", dir), nil)
	}
}

func send(command string, size int) func(p *rig.Peer, dir string) string {
	return func(p *rig.Peer, dir string) string {
		return transferred(p, strings.ReplaceAll(command, "{}", dir), make([]byte, size))
	}
}

// transferred does a transfer and returns its last reply. Data is sent; nil receives.
func transferred(p *rig.Peer, command string, data []byte) string {
	p.Command("PASV")
	if err := p.Open(""); err != nil {
		return err.Error()
	}
	defer p.DropData()
	reply := p.Command("%s", command)
	if !strings.HasPrefix(reply, "1") {
		return reply
	}
	if data != nil {
		_ = p.Upload(data) // the reply tells what came of it
	} else if _, err := p.Download(rig.ReplyTime); err != nil {
		return err.Error()
	}
	return p.Reply(rig.ReplyTime)
}

// rightsRow is a row of the table.
type rightsRow struct{ needs, also []string }

var (
	actionSpan = regexp.MustCompile("`([A-Z][A-Za-z]+)`")
	policyText = regexp.MustCompile("(?s)```json\n(.*?)```")
)

// readRights reads the table, by first cell, and the policies, in their order, of a document.
func readRights(t *testing.T, path string) (rows map[string]rightsRow, policies [][]string) {
	t.Helper()
	text := rig.ReadText(t, path)
	rows = map[string]rightsRow{}
	for line := range strings.SplitSeq(text, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[2], "`") {
			continue
		}
		row := rightsRow{}
		for i, list := range []*[]string{&row.needs, &row.also} {
			for _, m := range actionSpan.FindAllStringSubmatch(cells[2+i], -1) {
				*list = append(*list, m[1])
			}
		}
		rows[strings.TrimSpace(cells[1])] = row
	}
	for _, m := range policyText.FindAllStringSubmatch(text, -1) {
		policies = append(policies, policyActions(t, m[1]))
	}
	if len(policies) != 3 {
		t.Fatalf("%s has %d policies, want read-only, write-only and full", path, len(policies))
	}
	return rows, policies
}

// policyActions are the actions that a policy of CAM allows.
func policyActions(t *testing.T, text string) (actions []string) {
	t.Helper()
	var policy struct {
		Version   string `json:"version"`
		Statement []struct {
			Effect   string   `json:"effect"`
			Action   []string `json:"action"`
			Resource []string `json:"resource"`
		} `json:"statement"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&policy); err != nil || policy.Version != "2.0" {
		t.Fatalf("a policy cannot be read: %v\n%s", err, text)
	}
	for _, s := range policy.Statement {
		if s.Effect != "allow" || len(s.Resource) != 1 || !strings.HasPrefix(s.Resource[0], "qcs::cos:") {
			t.Errorf("a policy has the statement %+v", s)
		}
		for _, action := range s.Action {
			name, ours := strings.CutPrefix(action, "name/cos:")
			if !ours {
				t.Errorf("a policy has the action %q", action)
			}
			actions = append(actions, name)
		}
	}
	return actions
}

// rightsSite is a gateway on a store whose rights change from case to case.
type rightsSite struct {
	t     *testing.T
	store *rig.Store
	p     *rig.Peer
	runs  int
}

func newRightsSite(t *testing.T, opts ...costest.Option) *rightsSite {
	store := rig.NewStore(t, opts...)
	gate := rig.StartGateway(t, store, map[string]string{"rename_dir_limit": "100", "extended_commands": "true", "resume_upload": "any"})
	return &rightsSite{t: t, store: store, p: rig.LoggedIn(t, gate)}
}

// run plays a case with only these actions allowed, all of them where allowed is nil, and returns the reply.
func (s *rightsSite) run(c rightsCase, allowed []string) string {
	s.runs++
	dir := fmt.Sprintf("/%d", s.runs)
	for name, size := range map[string]int{"small": 10, "big": 6 << 20, "dir/file": 10, "empty/": 0} {
		s.store.Put(rig.BucketName(0), dir[1:]+"/"+name, make([]byte, size))
	}
	s.store.Deny(rightsKey)
	if allowed != nil {
		s.store.Allow(rightsKey, allowed...)
	}
	s.store.ResetRequests()
	return c.run(s.p, dir)
}

// TestRightsTable: every FTP command succeeds with exactly the actions that the table names for it, also where a missing
// name is 403; without each single one it is 550; and it asks for nothing that the table does not name.
func TestRightsTable(t *testing.T) {
	t.Parallel()
	rows, _ := readRights(t, rightsDocs[0])
	if want := len(rightsCases) + 1; len(rows) != want {
		t.Errorf("the table has %d rows, want %d", len(rows), want)
	}
	for _, opts := range [][]costest.Option{nil, {costest.WithForbiddenMissing()}} {
		s := newRightsSite(t, opts...)
		for _, c := range rightsCases {
			row, there := rows[c.english]
			if !there {
				t.Errorf("the table has no row %s", c.english)
				continue
			}
			for _, allowed := range [][]string{nil, row.needs, slices.Concat(row.needs, row.also)} {
				if reply := s.run(c, allowed); reply[0] != '2' {
					t.Errorf("%s with %v: %s", c.english, allowed, reply)
				}
				if allowed == nil {
					s.wantUsed(c, row)
				}
			}
			for i, missing := range row.needs {
				if reply := s.run(c, slices.Delete(slices.Clone(row.needs), i, i+1)); !strings.HasPrefix(reply, "550") {
					t.Errorf("%s without %s: %s, want 550", c.english, missing, reply)
				}
			}
		}
	}
}

// wantUsed expects that the requests of a command needed nothing but what its row names.
func (s *rightsSite) wantUsed(c rightsCase, row rightsRow) {
	s.t.Helper()
	own := fmt.Sprint(s.runs, "/")
	for _, r := range s.store.Requests() {
		if r.Key != "" && !strings.HasPrefix(r.Key, own) {
			continue // parts of an earlier case are deleted, which had no right to
		}
		used := []string{r.Op}
		switch r.Op {
		case "ListObjects":
			used = []string{"GetBucket"}
		case "CopyObject":
			used = []string{"PutObjectCopy", "GetObject"}
		case "UploadPartCopy":
			used = []string{"UploadPartCopy", "GetObject"}
		}
		for _, action := range used {
			// On a slow machine an upload looks at what it found at its name; it does without.
			optional := action == "HeadObject" && strings.Contains(c.english, "STOR")
			if !optional && !slices.Contains(row.needs, action) && !slices.Contains(row.also, action) {
				s.t.Errorf("%s asks for %s, which its row does not name", c.english, action)
			}
		}
	}
}

// TestRightsPolicies: under each of the ready policies those commands work whose actions it holds, and the others are 550.
func TestRightsPolicies(t *testing.T) {
	t.Parallel()
	rows, policies := readRights(t, rightsDocs[0])
	s := newRightsSite(t, costest.WithForbiddenMissing())
	works := make([]int, len(policies))
	for i, allowed := range policies {
		for _, c := range rightsCases {
			want := "550"
			if !slices.ContainsFunc(rows[c.english].needs, func(action string) bool { return !slices.Contains(allowed, action) }) {
				want = "2"
				works[i]++
			}
			if reply := s.run(c, allowed); !strings.HasPrefix(reply, want) {
				t.Errorf("policy %d, %s: %s, want %s", i+1, c.english, reply, want)
			}
		}
	}
	if works[2] != len(rightsCases) || works[0] < 10 || works[1] < 6 {
		t.Errorf("%v commands work under the policies", works)
	}
	for i, action := range []string{"PutObject", "GetObject"} {
		if slices.Contains(policies[i], action) {
			t.Errorf("policy %d allows %s", i+1, action)
		}
	}
}

// TestRightsDocs: both languages have the same table and the same policies.
func TestRightsDocs(t *testing.T) {
	english, policies := readRights(t, rightsDocs[0])
	chinese, others := readRights(t, rightsDocs[1])
	for _, c := range append(slices.Clone(rightsCases), rightsCase{english: bigRename, chinese: "超过 5 GiB 的文件的 `RNFR`、`RNTO`"}) {
		a, b := english[c.english], chinese[c.chinese]
		if len(b.needs) == 0 || !slices.Equal(a.needs, b.needs) || !slices.Equal(a.also, b.also) {
			t.Errorf("%s: %v in English, %v in Chinese", c.english, a, b)
		}
	}
	if len(english) != len(chinese) || fmt.Sprint(policies) != fmt.Sprint(others) {
		t.Errorf("%d and %d rows, policies %v and %v", len(english), len(chinese), policies, others)
	}
}

// bigRename is the row that cosfs.TestRightsOfABigRename holds.
const bigRename = "`RNFR`, `RNTO` of a file over 5 GiB"

// TestRightsMissingNames: what is not there is 550, also where COS answers 403 for it.
func TestRightsMissingNames(t *testing.T) {
	t.Parallel()
	s := newRightsSite(t, costest.WithForbiddenMissing())
	for _, denied := range [][]string{nil, {"GetBucket"}, {"GetBucket", "HeadObject"}} {
		s.store.Deny(rightsKey, denied...)
		for _, command := range []string{"RNFR none", "DELE none", "RMD none", "CWD none", "SIZE none", "MDTM none", "MLST none", "MFMT 20200102030405 none"} {
			if reply := s.p.Command("%s", command); !strings.HasPrefix(reply, "550") {
				t.Errorf("%s without %v: %s, want 550", command, denied, reply)
			}
		}
		if reply := transferred(s.p, "RETR none", nil); !strings.HasPrefix(reply, "550") {
			t.Errorf("RETR none without %v: %s, want 550", denied, reply)
		}
	}
}
