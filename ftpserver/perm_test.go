package ftpserver

import (
	"context"
	"strings"
	"testing"
)

const allPerm = "elradfmwMT"

// permCommands is at least one command for each letter, and what it needs.
var permCommands = []struct {
	letter  string
	command string
}{
	{"e", "CWD d"}, {"e", "XCWD d"}, {"e", "CDUP"}, {"e", "XCUP"},
	{"l", "LIST"}, {"l", "NLST"}, {"l", "MLSD"}, {"l", "MLST f"}, {"l", "STAT f"}, {"l", "SIZE f"}, {"l", "MDTM f"},
	{"r", "RETR f"},
	{"a", "APPE f"},
	{"d", "DELE f"}, {"d", "RMD d"}, {"d", "XRMD d"},
	{"f", "RNFR f"}, {"f", "RNTO g"},
	{"m", "MKD n"}, {"m", "XMKD n2"},
	{"w", "STOR f"}, {"w", "STOU"},
	{"M", "SITE CHMOD 644 f"},
	{"T", "MFMT 20200101000000 f"},
}

// startPerm serves accounts whose user name is their Perm.
func startPerm(t *testing.T, deletes bool) *testServer {
	files := newMemFS(map[string]string{"/f": "F", "/d/x": "X"})
	return start(t, nil, func(o *Options) {
		o.Login = func(_ context.Context, a Attempt) *Account {
			return &Account{Name: a.User, Home: "/home", FS: files, Perm: strings.TrimPrefix(a.User, "-"), Delete: deletes}
		}
	})
}

func TestEachLetterOfPerm(t *testing.T) {
	t.Parallel()
	ts := startPerm(t, true)
	const refused = "550 Not enough privileges."
	answerTo := func(perm, command string) string {
		c := ts.connectUntied(t)
		defer c.close()
		c.want("220 *")
		c.ask("USER -"+perm, "331 *")
		c.ask("PASS x", "230 *")
		c.send(command)
		return c.line()
	}
	covered := map[byte]bool{}
	for _, p := range permCommands {
		covered[p.letter[0]] = true
		if got := answerTo(strings.ReplaceAll(allPerm, p.letter, ""), p.command); got != refused {
			t.Errorf("%s without %s: %s", p.command, p.letter, got)
		}
		if got := answerTo(p.letter, p.command); got == refused {
			t.Errorf("%s with %s: %s", p.command, p.letter, got)
		}
		if got := answerTo("", p.command); got != refused {
			t.Errorf("%s without rights: %s", p.command, got)
		}
	}
	for verb, c := range ts.commands {
		if c.perm != 0 && !strings.ContainsRune(allPerm, rune(c.perm)) {
			t.Errorf("%s needs %q, which nobody can have", verb, c.perm)
		}
	}
	for i := range len(allPerm) {
		if !covered[allPerm[i]] {
			t.Errorf("no command for %q", allPerm[i])
		}
	}
}

func TestDeleteDisabledGoesBeforePerm(t *testing.T) {
	t.Parallel()
	c := startPerm(t, false).connect(t)
	c.want("220 *")
	c.ask("USER d", "331 *")
	c.ask("PASS x", "230 *")
	c.ask("DELE f", "550 Current user is not allowed to delete..")
	c.ask("RMD d", "550 Current user is not allowed to delete..")
}
