package abuse

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// waysOut are names that would leave a directory if any part of the way took them for something else.
var waysOut = []string{
	"..", "../", "../secret", "../../secret", "/../secret", "/../../../../secret", "a/../../secret", "./../secret", "/./../secret",
	"//secret", "///../secret", "/../teamwork/c", "../team/../secret", "dir/../../team/../secret", `..\secret`, `\..\secret`, `\secret`,
	"%2e%2e/secret", "..%2fsecret", "%2e%2e%2fsecret", "..%00/secret", "....//secret", "..;/secret", "．．/secret", "․․/secret",
	"a\x00/../../secret", "\x00/../../secret", "../secret\x00", "../secret\n", "\n../secret", "\r/../secret", " ../secret", "../secret ",
	"~/../secret", "~root", "*/../../secret", "../*", "../s?cret", "[.][.]/secret", "?prefix=", "../secret?acl", "#/../secret",
	"\xc0\xae\xc0\xae/secret", "\xff../secret", "\ufeff../secret", strings.Repeat("../", 300) + "secret", strings.Repeat("x/../", 200) + "../secret",
}

// pathCommands are all commands with a name of a file; %s is the name. Those with > have a data connection.
var pathCommands = []string{
	"CWD %s", "XCWD %s", "MKD %s", "XMKD %s", "RMD %s", "XRMD %s", "DELE %s", "SIZE %s", "MDTM %s", "MFMT 20200101000000 %s", "MLST %s",
	"STAT %s", "STAT -la %s", "RNFR %s", "RNTO %s", "SITE CHMOD 644 %s", "SITE UTIME 202001010000 %s", "SITE UTIME %s 20200101000000 20200101000000 20200101000000 UTC",
	"AVBL %s", "HASH %s", "MD5 %s", "XCRC %s", "XMD5 %s", "XSHA %s", "XSHA1 %s", "XSHA256 %s", "XSHA512 %s", `XMD5 "%s" 0 1`,
	">RETR %s", ">STOR %s", ">APPE %s", ">STOU %s", ">LIST %s", ">LIST -a %s", ">LIST -la %s", ">NLST %s", ">NLST -a %s", ">NLST %s/*", ">NLST %s*", ">MLSD %s",
}

// otherCommands have no name of a file.
var otherCommands = strings.Fields("ABOR ALLO CDUP CLNT EPRT EPSV FEAT HELP HOST MODE NOOP OPTS PASS PASV PORT PWD QUIT RANG REIN REST SITE SITE-HELP SITE-UMASK STRU SYST TYPE USER XCUP XPWD")

// TestNoCommandLeavesThePrefix tries every way out with every command, and looks at what COS was asked.
func TestNoCommandLeavesThePrefix(t *testing.T) {
	t.Parallel()
	s := rig.NewStore(t)
	outside := []string{"secret", "team", "teamwork/c", "tea", "secret/deep"}
	someObjects(outside...)(s)
	someObjects("team/a", "team/dir/b")(s)
	g := rig.StartEdited(t, s, map[string]string{"extended_commands": "true", "rename_dir_limit": "100", "config_check_enable": "false"}, func(conf string) string {
		return strings.Replace(conf, "cos_bucket", "cos_prefix = team\ncos_bucket", 1)
	})
	p := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0")
	everyCommandIsTried(t, p)
	s.ResetRequests()
	tried, kept := 0, map[string]string{}
	for _, key := range outside {
		kept[key] = key
	}
	for _, command := range pathCommands {
		for _, name := range waysOut {
			someObjects("team/a", "team/dir/b")(s)
			if err := p.TryPath(command, name); err != nil {
				t.Fatalf(command+": %v", name, err)
			}
			if err := p.Want("250", "CWD /"); err != nil {
				t.Fatal(err)
			}
			tried++
		}
	}
	asked := s.Requests()
	for _, r := range asked {
		query, err := url.ParseQuery(r.Query)
		source := r.Header.Get("x-cos-copy-source")
		if at := strings.IndexByte(source, '/'); at >= 0 {
			source, _ = url.PathUnescape(source[at+1:])
		}
		within := r.Key == "" || strings.HasPrefix(r.Key, "team/")
		listed := r.Op != "ListObjects" && r.Op != "ListMultipartUploads" || strings.HasPrefix(query.Get("prefix"), "team/")
		if err != nil || !within || !listed || source != "" && !strings.HasPrefix(source, "team/") {
			t.Errorf("COS is asked for %s %q, query %q, source %q, %v", r.Op, r.Key, r.Query, source, err)
		}
	}
	for _, o := range s.Objects(rig.BucketName(0)) {
		if strings.HasPrefix(o.Key, "team/") {
			continue
		}
		if kept[o.Key] != string(o.Data) {
			t.Errorf("there is now %q = %q", o.Key, o.Data)
		}
		delete(kept, o.Key)
	}
	if len(kept) > 0 {
		t.Errorf("gone from outside: %v", kept)
	}
	t.Logf("%d commands with %d names, %d tries, made %d requests to COS, all below the prefix", len(pathCommands), len(waysOut), tried, len(asked))
}

// everyCommandIsTried compares the tables above with what the server says it knows.
func everyCommandIsTried(t *testing.T, p *rig.Peer) {
	t.Helper()
	known := slices.Clone(otherCommands)
	for _, c := range pathCommands {
		words := strings.Fields(strings.TrimPrefix(c, ">"))
		if words[0] == "SITE" {
			words[0] = "SITE-" + words[1]
		}
		known = append(known, words[0])
	}
	verb := regexp.MustCompile(`[A-Z0-9]+`)
	for help, prefix := range map[string]string{"HELP": "", "SITE HELP": "SITE-"} {
		lines := strings.Split(p.Command("%s", help), "\n")
		for _, line := range lines[1 : len(lines)-1] {
			for _, word := range verb.FindAllString(line, -1) {
				if !slices.Contains(known, prefix+word) {
					t.Errorf("%s%s is in no table of this test", prefix, word)
				}
			}
		}
	}
}

// TestNamesAsTheyAre: names that look alike are different files, and names that COS cannot hold, or that would forge
// lines, are refused with 553.
func TestNamesAsTheyAre(t *testing.T) {
	t.Parallel()
	s := rig.NewStore(t)
	g := rig.StartGateway(t, s, nil)
	p := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0")
	alike := []string{"caf\u00e9", "cafe\u0301", "\u212b", "\u00c5", "A\u030a", "ﬁ", "fi", "FI", "한글", "\u1112\u1161\u11ab\u1100\u1173\u11af", "x\u200by", "xy", "\u202etxt.exe"}
	for _, name := range alike {
		if reply, err := p.STOR("STOR "+name, []byte(name)); err != nil || !strings.HasPrefix(reply, "226") {
			t.Errorf("STOR %q: %q, %v", name, reply, err)
		}
	}
	for _, name := range alike {
		if got, reply, err := p.Fetch("RETR " + name); string(got) != name || err != nil {
			t.Errorf("RETR %q: %q, %q, %v", name, got, reply, err)
		}
	}
	if n := len(s.Objects(rig.BucketName(0))); n != len(alike) {
		t.Errorf("%d objects, want %d", n, len(alike))
	}
	long := strings.Repeat("x", 851)
	for _, name := range []string{
		"a\nb", "a\rb", "a\x00b", "a\x1bb", "a\x18b", `\a`, long, "d/" + long[:849], strings.Repeat("é", 426),
		"x\r-rwxrwxrwx 1 root root 0 Jan 1 1970 forged", "x\n250 forged reply",
	} {
		for _, command := range []string{"MKD ", "SITE CHMOD 644 ", "RNFR "} {
			if reply := p.Command("%s", command+name); reply[0] != '5' || strings.ContainsAny(reply, "\n\r\x00\x1b") {
				t.Errorf("%s%q is answered %q", command, name, reply)
			}
		}
		if reply, err := p.STOR("STOR "+name, nil); err == nil {
			t.Errorf("STOR %q: %q", name, reply)
		}
		p.DropData()
		if err := p.Want("200", "NOOP"); err != nil {
			t.Fatal(err)
		}
	}
	fits := long[:850]
	if reply, err := p.STOR("STOR "+fits, []byte("fits")); err != nil || !strings.HasPrefix(reply, "226") {
		t.Errorf("STOR of 850 bytes: %q, %v", reply, err)
	}
	if n := len(s.Objects(rig.BucketName(0))); n != len(alike)+1 {
		t.Errorf("%d objects, want %d", n, len(alike)+1)
	}
}
