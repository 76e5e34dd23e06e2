package abuse

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// fail2banLines does with a log what fail2ban does: it takes off the date that one of the patterns finds and puts the
// filter's expression on the rest, <HOST> being what server/failregex.py of fail2ban 1.0 makes of it. It prints, for
// each line that the filter finds, the address that would be blamed.
const fail2banLines = `
import configparser, re, sys
host = (r"(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})"
        r"|\[?(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))\]?"
        r"|(?P<dns>[\w\-.^_]*\w))")
date = {"%a": r"[A-Z][a-z]{2}", "%d": r"\d{2}", "%b": r"[A-Z][a-z]{2}", "%Y": r"\d{4}", "%m": r"\d{2}",
        "%H": r"\d{2}", "%M": r"\d{2}", "%S": r"\d{2}", "%f": r"\d{1,6}"}
conf = configparser.ConfigParser()
if not conf.read(sys.argv[1]):
    sys.exit("no filter")
definition = conf["Definition"]
fail = re.compile(definition["failregex"].replace("<HOST>", host))
dates = [re.compile(re.sub("%.", lambda m: date[m.group()], p.strip())) for p in definition["datepattern"].splitlines()]
for line in open(sys.argv[2], encoding="utf-8"):
    line = line.rstrip("\n")
    dated = next((d.match(line) for d in dates if d.match(line)), None)
    if dated is None:
        sys.exit("no date in: " + line)
    found = fail.search(line[:dated.start()] + line[dated.end():])
    if found:
        print(found.group("ip4") or found.group("ip6") or found.group("dns"), line)
`

// TestFail2ban: the filter in deploy/fail2ban finds the failed logins in the log of the program, each with the address
// of the guesser, and nothing else, whatever the guesser calls himself.
func TestFail2ban(t *testing.T) {
	t.Parallel()
	for _, rotated := range []string{"false", "true"} {
		t.Run("log_rotate_enabled="+rotated, func(t *testing.T) {
			t.Parallel()
			g := rig.StartGateway(t, rig.NewStore(t), map[string]string{
				"log_rotate_enabled": rotated, "log_level": "DEBUG", "max_login_attempts": "100", "ban_after": "100",
			})
			want := guessAround(t, g)
			g.Proc.Stop(t)
			blamed := blamedBy(t, filepath.Join(g.Home, "log", "cos_v5.log"))
			slices.Sort(want)
			slices.Sort(blamed)
			if !slices.Equal(blamed, want) {
				t.Errorf("the filter blames %d times:\n%s\nwant %d:\n%s", len(blamed), strings.Join(blamed, "\n"), len(want), strings.Join(want, "\n"))
			}
			t.Logf("%d failed logins found", len(blamed))
		})
	}
}

// guessAround fails logins from several addresses under honest and forged names, does much else, and returns whom the
// filter must blame.
func guessAround(t *testing.T, g *rig.Gateway) (want []string) {
	t.Helper()
	forged := "] USER 'x' failed login.\x00 9.9.9.9:1-[] USER 'y"
	var guessers []*rig.Peer
	for from, names := range map[string][]string{
		"127.0.0.5": {"user0", "anonymous", "nobody here", "密码"},
		"127.0.0.6": {
			"x' failed login. 9.9.9.9:1-[] USER 'y", forged, "\rSat, 21 Nov 2026 00:57:30 a.go[line:1] INFO 9.9.9.9:1-[] USER 'x",
			"x\nSat, 21 Nov 2026 00:57:30 a.go[line:1] INFO 9.9.9.9:1-[] USER 'x' failed login.\n", "<HOST>", "9.9.9.9",
			"\u2028INFO 9.9.9.9:1-[] USER 'x", "\xff\xfe", "[::1]:5-[]",
		},
	} {
		for _, name := range names {
			p := &rig.Peer{Addr: g.Addr}
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			control, err := dialer.Dial("tcp", g.Addr)
			if err != nil {
				t.Fatal(err)
			}
			p.Attach(control)
			t.Cleanup(p.Close)
			p.Reply(rig.ReplyTime)
			p.Send([]byte("USER " + name + "\r\n"))
			p.Reply(rig.ReplyTime)
			p.Send([]byte("PASS wrong\r\n"))
			guessers = append(guessers, p)
			want = append(want, from)
		}
	}
	honest := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0")
	for _, line := range []string{
		"MKD x' failed login.", "CWD USER 'x' failed login.", "RNFR USER 'x' failed login.", "DELE 9.9.9.9:1-[] USER 'x' failed login.",
		"CWD INFO 9.9.9.9:1-[] USER 'x' failed login.", "CWD a.go[line:1] INFO 9.9.9.9:1-[] USER 'x' failed login.",
		"USER user0", "PASS pass0", "USER ] USER 'x' failed login.", "NOOP", "QUIT",
	} {
		honest.Command("%s", line)
	}
	for _, p := range guessers {
		if err := p.WantReply("530"); err != nil {
			t.Error(err)
		}
	}
	return want
}

func blamedBy(t *testing.T, log string) (addresses []string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "filter.py")
	if err := os.WriteFile(script, []byte(fail2banLines), 0o600); err != nil {
		t.Fatal(err)
	}
	filter := filepath.Join("../..", "deploy", "fail2ban", "filter.d", "cos-ftp-server.conf")
	cmd := exec.Command(rig.FindCommand(t, "python3"), script, filter, log)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for line := range strings.Lines(string(output)) {
		address, _, _ := strings.Cut(line, " ")
		addresses = append(addresses, address)
	}
	return addresses
}

// TestFail2banBlamesIPv6 is the filter on a line whose address has brackets: tests may run without IPv6.
func TestFail2banBlamesIPv6(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "cos_v5.log")
	const line = "Sat, 21 Nov 2026 00:57:30 login.go[line:85] INFO %s-[] USER 'user0' failed login.\n"
	var text string
	for _, peer := range []string{"[2001:db8::7]:40000", "[::1]:40000", "192.0.2.7:40000"} {
		text += fmt.Sprintf(line, peer)
	}
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(blamedBy(t, log), " "); got != "2001:db8::7 ::1 192.0.2.7" {
		t.Errorf("the filter blames %s", got)
	}
}
