package ftpserver

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// latin is a Charset that a test can read: one byte for each character up to U+00FF.
type latin struct{}

func (latin) Decode(name string) (string, error) {
	var b strings.Builder
	for i := range len(name) {
		if name[i] == 0xff {
			return "", errors.New("the name is not Latin")
		}
		b.WriteRune(rune(name[i]))
	}
	return b.String(), nil
}

func (latin) Encode(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r <= 0xff {
			b.WriteByte(byte(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// startLatin serves one account with a Charset.
func startLatin(t *testing.T, files map[string]string) (*testServer, *client) {
	memory := newMemFS(files)
	ts := start(t, nil, func(o *Options) {
		o.Login = func(context.Context, Attempt) *Account {
			return &Account{Name: "user0", Home: "/home/user0", FS: memory, Perm: allPerm, Delete: true, Charset: latin{}}
		}
	})
	ts.fs = memory
	c := ts.connect(t)
	c.want("220 *")
	c.login("user0")
	c.ask("TYPE I", "200 *")
	return ts, c
}

// exact sends a line and wants an answer byte for byte; ask's patterns are UTF-8.
func (c *client) exact(line, want string) {
	c.t.Helper()
	c.send(line)
	if got := c.line(); got != want {
		c.t.Errorf("%q: got reply %q, want %q", line, got, want)
	}
}

func TestCharsetBothWays(t *testing.T) {
	t.Parallel()
	ts, c := startLatin(t, map[string]string{"/d\u00e9/\u00fcber": "x"})
	c.exact("CWD d\xe9", "250 \"/d\xe9\" is the current directory.")
	c.exact("PWD", "257 \"/d\xe9\" is the current directory.")
	for command, want := range map[string]string{
		"NLST": "\xfcber", "LIST": "\t\xfcber\r\n", "MLSD": "; \xfcber\r\n", "NLST \xfc*": "\xfcber\r\n", "LIST \xfcber": "\xfcber\r\n",
	} {
		if got := c.retr(command); !strings.Contains(got, want) {
			t.Errorf("%q lists %q, want %q", command, got, want)
		}
	}
	c.exact("STAT /d\xe9", "213-Status of \"/d\xe9\":")
	if got := c.line(); !strings.HasSuffix(got, "\t\xfcber") {
		t.Errorf("STAT lists %q", got)
	}
	c.want("213 *")
	c.exact("MLST \xfcber", "250-Listing \"/d\xe9/\xfcber\":")
	if got := c.line(); !strings.HasSuffix(got, "; /d\xe9/\xfcber") {
		t.Errorf("MLST tells %q", got)
	}
	c.want("250 *")
	c.exact("MKD \xe4", "257 \"/d\xe9/\xe4\" directory created.")
	c.ask("RNFR \xfcber", "350 *")
	c.ask("RNTO \xfcber \xdf", "250 *")
	if got := c.stor("STOR n\xe8", "content"); !strings.HasPrefix(got, "226 ") {
		t.Error(got)
	}
	c.wantObject("/d\u00e9/n\u00e8", "content")
	c.wantObject("/d\u00e9/\u00fcber \u00df", "x")
	if !ts.log.has("INFO * STOR d\u00e9/n\u00e8 completed=1 *") {
		t.Errorf("the log is not in UTF-8: %q", ts.log.all())
	}
	c.ask("RETR x\xff", "553 Requested action not taken: the name is not Latin; OPTS UTF8 ON switches to UTF-8.")
	c.ask("CWD x\xff", "553 *")
}

func TestOptsUTF8SwitchesTheCharset(t *testing.T) {
	t.Parallel()
	_, c := startLatin(t, map[string]string{"/\u00fc": "x"})
	c.ask("SIZE \xfc", "213 1")
	c.ask("OPTS UTF8 ON", "200 UTF8 mode is on.")
	c.ask("SIZE \u00fc", "213 1")
	if got := c.retr("NLST"); got != "\u00fc\r\n" {
		t.Errorf("in UTF-8 NLST gives %q", got)
	}
	c.ask("OPTS utf8 off", "200 UTF8 mode is off.")
	c.ask("SIZE \xfc", "213 1")
	c.ask("OPTS UTF8 ON", "200 *")
	c.ask("REIN", "230 *")
	c.login("user0")
	c.ask("TYPE I", "200 *")
	c.ask("SIZE \xfc", "213 1") // a new user begins anew
	c.ask("OPTS UTF8 MAYBE", "501 Invalid argument.")
}

func TestUTF8Accounts(t *testing.T) {
	t.Parallel()
	c := start(t, nil).user(t)
	c.ask("OPTS UTF8 ON", "200 Always in UTF8 mode.")
	c.ask("OPTS UTF8 OFF", "501 Invalid argument.")
}

// TestNameThatIsNotUTF8IsNotMade: two such names would be one, and the second file replace the first. What was made so
// can be fetched, renamed and deleted.
func TestNameThatIsNotUTF8IsNotMade(t *testing.T) {
	t.Parallel()
	const first, second = "\xd6\xd0\xce\xc4.txt", "\xd6\xd0\xd0\xc4.txt" // GBK
	const old = "/\ufffd\ufffd\ufffd\ufffd.txt"
	ts := start(t, map[string]string{old: "old", "/f": "f"})
	c := ts.user(t)
	for _, name := range []string{first, second, "sub/" + first, first + "/x"} {
		for _, command := range []string{"STOR ", "APPE ", "STOU ", "MKD ", "XMKD "} {
			c.ask(command+name, "553 *it is not UTF-8*filename_charset = gbk*")
		}
		c.ask("RNFR f", "350 *")
		c.ask("RNTO "+name, "553 *")
	}
	c.wantObject("/f", "f")
	if got := c.retr("RETR " + first); got != "old" {
		t.Errorf("the old file reads %q", got)
	}
	c.ask("SIZE "+first, "213 3")
	c.ask("RNFR "+first, "350 *")
	c.ask("RNTO good.txt", "250 *")
	c.wantObject("/good.txt", "old")
	c.ask("RNFR good.txt", "350 *")
	c.ask("RNTO bad.txt", "250 *")
	ts.fs.mu.Lock()
	ts.fs.files[old] = memFile{data: []byte("old")}
	ts.fs.mu.Unlock()
	c.ask("DELE "+first, "250 *")
	if _, there := ts.fs.content(old); there {
		t.Error("the old file is not deleted")
	}
}

type reasonError struct{}

func (reasonError) Error() string  { return "details for the log" }
func (reasonError) Unwrap() error  { return fs.ErrInvalid }
func (reasonError) Reason() string { return "has the control character 0x1b" }

func TestNameThatTheStorageCannotHold(t *testing.T) {
	account := &Account{Home: "/home"}
	for operation, want := range map[string]string{
		"STOR": "Requested action not taken: file name not allowed: it has the control character 0x1b.",
		"MKD":  "Requested action not taken: file name not allowed: it has the control character 0x1b.",
		"CWD":  "No such file or directory.", // recorded
	} {
		if got := failed(operation, reasonError{}, names{name: "/x", account: account}); got.text() != want {
			t.Errorf("%s: %d %s", operation, got.code, got.text())
		}
	}
	if got := failed("MKD", fs.ErrInvalid, names{name: "/x", account: account}); got.code != 553 || got.text() != "Requested action not taken: file name not allowed." {
		t.Errorf("without a reason: %+v", got)
	}
}
