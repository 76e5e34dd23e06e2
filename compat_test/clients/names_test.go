package clients

import (
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestNamesThatCannotBe: whatever would make a file or a directory of a name that cannot be is 553 and says why, and
// nothing is stored. Names that only look bad are cleaned, as in the original.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	store.Put(rig.BucketName(0), "f", []byte("data"))
	gate := rig.StartGateway(t, store, nil)
	p := rig.LoggedIn(t, gate)
	cells := 0
	for _, test := range []struct{ name, reason string }{
		{strings.Repeat("x", 851), "is 851 bytes long, COS holds names up to 850"},
		{strings.Repeat("中", 284), "is 852 bytes long, COS holds names up to 850"},
		{"d/" + strings.Repeat("x", 849), "is 851 bytes long, COS holds names up to 850"},
		{"nul\x00", "has the control character 0x00"},
		{"a\rb", "has the control character 0x0d"},
		{"a\nb", "has the control character 0x0a"},
		{"\x01", "has the control character 0x01"},
		{"d\x07/bell", "has the control character 0x07"},
		{"tab\tin it", "has the control character 0x09"},
		{"\x0b", "has the control character 0x0b"},
		{"\x18", "has the control character 0x18"},
		{"\x1b[2J", "has the control character 0x1b"},
		{"\x7f", "has the control character 0x7f"},
		{"\u0085", "has the control character 0x85"},
		{"\u009b2J", "has the control character 0x9b"},
		{"\u2028", "has the control character 0x2028"},
		{`\back`, "begins with a backslash"},
	} {
		want := "553 Requested action not taken: file name not allowed: it " + test.reason + "."
		for _, command := range []string{"STOR", "APPE", "MKD", "XMKD", "RNTO"} {
			if command == "RNTO" {
				p.Command("RNFR f")
			}
			if got := p.Command("%s", command+" "+test.name); got != want {
				t.Errorf("%s %.20q: %s, want %s", command, test.name, got, want)
			}
			cells++
		}
		for _, command := range []string{"RETR", "SIZE", "MDTM", "DELE", "RMD", "CWD", "RNFR", "LIST", "NLST", "MLST", "STAT"} {
			if got := p.Command("%s", command+" "+test.name); !strings.HasPrefix(got, "550 ") {
				t.Errorf("%s %.20q: %s, want 550", command, test.name, got)
			}
			cells++
		}
	}
	// A directory needs a byte more than a file.
	long := strings.Repeat("x", 850)
	if got := p.Command("MKD %s", long); !strings.HasPrefix(got, "553 ") || !strings.Contains(got, "COS holds directories up to 849") {
		t.Errorf("MKD of 850 bytes: %s", got)
	}
	for name, clean := range map[string]string{
		"a/": "/a", "./b": "/b", "x/../c": "/c", "../../d": "/d", "e//f/.": "/e/f", "/": "", "..": "", ".": "", long[:849]: "/" + long[:849],
	} {
		got := p.Command("MKD %s", name)
		if want := `257 "` + clean + `" directory created.`; clean != "" && got != want {
			t.Errorf("MKD %.20q: %s, want %.40s", name, got, want)
		}
		if clean == "" && !strings.HasPrefix(got, "550 ") {
			t.Errorf("MKD %q: %s, want 550 for the root", name, got)
		}
	}
	var keys []string
	for _, o := range store.Objects(rig.BucketName(0)) {
		keys = append(keys, o.Key)
	}
	if want := "a/ b/ c/ d/ e/f/ f " + long[:849] + "/"; strings.Join(keys, " ") != want {
		t.Errorf("the bucket holds %q", keys)
	}
	t.Logf("%d commands", cells)
}
