package abuse

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// secretValues are what no output may hold: keys, passwords, what is made of them, and passwords that clients typed.
type secretValues map[string]string

func (s secretValues) look(t *testing.T, where, text string) {
	t.Helper()
	for what, value := range s {
		if strings.Contains(text, value) {
			at := strings.Index(text, value)
			t.Errorf("%s holds %s: …%q", where, what, text[max(0, at-60):at+len(value)])
		}
	}
}

// TestNoSecretLeavesTheProgram works at log_level DEBUG with all kinds of credentials, honestly, wrongly and with a COS
// that fails in many ways, ends the program with the dump of all its goroutines, and looks through everything that it
// wrote.
func TestNoSecretLeavesTheProgram(t *testing.T) {
	t.Parallel()
	secrets := secretValues{
		"a SecretKey": "test-key", "a SecretId": "test-id", "a session token": "tOkEn-of-sts", "a password": "pass0", "a hashed password": "hashedpassword",
		"a password mistyped": "typedwrong", "a signature": "q-signature", "an Authorization header": "Authorization", "a signing key": "q-sign-algorithm",
	}
	hash := rig.HashOf(t, "hashedpassword")
	secrets["a hash"] = hash
	cert, key := rig.Certificate(t, time.Now().Add(time.Hour))
	pem, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	secrets["a TLS key"] = strings.Split(string(pem), "\n")[1]
	s := rig.NewStore(t)
	g := rig.StartEdited(t, s, map[string]string{
		"log_level": "DEBUG", "extended_commands": "true", "tls_cert_file": cert, "tls_key_file": key, "ban_after": "50", "max_login_attempts": "50", "rename_dir_limit": "10",
	}, func(conf string) string {
		conf = strings.Replace(conf, "ftp_login_user_password = pass1", "ftp_login_user_password_hash = "+hash+"\ncos_session_token = tOkEn-of-sts", 1)
		return strings.Replace(conf, "ftp_login_user_password = pass0", "ftp_login_user_password = pass0\ncos_session_token = tOkEn-of-sts", 1)
	})
	a := &rig.Abused{T: t, Addr: g.Addr, Store: s}
	answers := mistypePasswords(t, a)
	replies := workThroughFaults(t, a)
	g.Proc.Cmd.Process.Signal(syscall.SIGQUIT)
	g.Proc.Wait(rig.ReplyTime)

	text, err := os.ReadFile(filepath.Join(g.Home, "log", "cos_v5.log"))
	if err != nil {
		t.Fatal(err)
	}
	output := g.Proc.Output()
	for _, must := range []string{"DEBUG", "<- PASS ******", "InvalidAccessKeyId", "failed login"} {
		if !strings.Contains(string(text), must) {
			t.Errorf("the log lacks %q: it does not tell what this test is about", must)
		}
	}
	if n := strings.Count(output, "goroutine "); n < 5 {
		t.Errorf("the dump has %d goroutines", n)
	}
	secrets.look(t, "the log", string(text))
	secrets.look(t, "the output or the dump", output)
	secrets.look(t, "a reply", replies)
	t.Logf("looked for %d secrets in %d bytes of log, %d of output and dump, and %d of replies; %d ways to mistype a password", len(secrets), len(text), len(output), len(replies), answers)
}

// mistypePasswords sends passwords where none belongs.
func mistypePasswords(t *testing.T, a *rig.Abused) (ways int) {
	t.Helper()
	wrong := []string{
		"PASSS typedwrong", "PASStypedwrong", " PASS typedwrong", "PASS\ttypedwrong", "pass typedwrong", "PAAS typedwrong", "ACCT typedwrong",
		"SITE PSWD typedwrong typedwrong", "typedwrong", "\xff\xf4PASS typedwrong", "PASS typedwrong",
	}
	p := &rig.Peer{Addr: a.Addr}
	if err := p.Connect(); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Reply(rig.ReplyTime)
	for _, line := range wrong {
		if reply := p.Command("%s", line); reply[0] != '5' {
			t.Errorf("%q is answered %q", line, reply)
		}
	}
	p.Command("USER user0")
	p.Command("PASS typedwrong")
	p.Command("USER user1")
	p.Command("PASS typedwrong")
	return len(wrong)
}

// workThroughFaults uses all of COS's operations while each fails in turn, and returns what the client read.
func workThroughFaults(t *testing.T, a *rig.Abused) (replies string) {
	t.Helper()
	someObjects("f", "d/g", "d/h")(a.Store)
	plain, afar := costest.Fault{}, costest.Fault{Op: "HeadObject", Drop: "before"}
	for _, fault := range []costest.Fault{
		plain, {Status: 403, Code: "SignatureDoesNotMatch"}, {Status: 403, Code: "InvalidAccessKeyId"}, {Status: 403, Code: "ExpiredToken"},
		{Status: 400, Code: "InvalidRequest"}, {Status: 409, Code: "Conflict"}, {Op: "UploadPart", Status: 403, Code: "AccessDenied"}, afar,
	} {
		commands := []string{
			"SIZE f", "MDTM f", "MLST d", "CWD d", "CWD /", "MKD x", "RMD x", "SITE CHMOD 600 f", "MFMT 20200101000000 f", "RNFR f", "RNTO i", "RNFR i", "RNTO f",
			"RNFR d", "RNTO e", "RNFR e", "RNTO d", "HASH f", "DELE none", "STAT d",
		}
		for _, user := range []string{"user0 pass0", "user1 hashedpassword"} {
			name, password, _ := strings.Cut(user, " ")
			p := a.LoginAs(name, password)
			if fault == afar {
				commands = commands[:1] // each is tried again for seconds
			}
			if fault != plain {
				a.Store.Inject(fault)
			}
			for _, command := range commands {
				replies += p.Command("%s", command) + "\n"
			}
			replies += transferThroughFaults(p)
			a.Store.ClearFaults()
			p.Close()
		}
	}
	return replies
}

func transferThroughFaults(p *rig.Peer) (replies string) {
	for _, command := range []string{"LIST", "NLST d", "MLSD d", "RETR f"} {
		_, reply, err := p.Fetch(command)
		p.DropData()
		replies += fmt.Sprintln(reply, err)
	}
	for _, content := range [][]byte{[]byte("small"), bigObject} {
		for _, command := range []string{"STOR new", "APPE new"} {
			reply, err := p.STOR(command, content)
			p.DropData()
			replies += fmt.Sprintln(reply, err)
		}
	}
	return replies
}

// TestNoSecretInMessagesAboutTheConf: -check, -dump-config and the start tell what is wrong with a conf without its
// secrets, wherever in it they stand by mistake.
func TestNoSecretInMessagesAboutTheConf(t *testing.T) {
	t.Parallel()
	s := rig.NewStore(t)
	secrets := secretValues{"a SecretKey": "test-key", "a SecretId": "test-id", "a password": "pass0", "a secret by mistake": "tOpSeCrEt"}
	for name, edit := range map[string]func(string) string{
		"as it should be":        func(c string) string { return c },
		"no equals sign":         strings.NewReplacer("cos_secretkey = test-key", "cos_secretkey tOpSeCrEt").Replace,
		"a colon":                strings.NewReplacer("cos_secretkey = test-key", "cos_secretkey: tOpSeCrEt").Replace,
		"a line by itself":       strings.NewReplacer("cos_secretkey = test-key", "tOpSeCrEt").Replace,
		"a misspelt key":         strings.NewReplacer("cos_secretkey = ", "cos_secretkey = tOpSeCrEt\ncos_secretky = ").Replace,
		"a wrong section":        strings.NewReplacer("[NETWORK]", "[NETWORK]\ncos_secretkey = tOpSeCrEt\nftp_login_user_password = tOpSeCrEt").Replace,
		"an indented secret":     strings.NewReplacer("cos_secretkey = test-key", "cos_secretkey = test-key\n  tOpSeCrEt").Replace,
		"a hash of another kind": strings.NewReplacer("ftp_login_user_password = pass0", "ftp_login_user_password_hash = $1$tOpSeCrEt$x").Replace,
		"a password as a hash":   strings.NewReplacer("ftp_login_user_password = pass0", "ftp_login_user_password_hash = tOpSeCrEt").Replace,
		"password and hash":      strings.NewReplacer("ftp_login_user_password = pass0", "ftp_login_user_password = pass0\nftp_login_user_password_hash = tOpSeCrEt").Replace,
		"a bad token":            strings.NewReplacer("cos_secretkey = test-key", "cos_secretkey = test-key\ncos_session_token = tOpSeCrEt\x01 blank").Replace,
		"a key twice":            strings.NewReplacer("cos_secretkey = test-key", "cos_secretkey = tOpSeCrEt\ncos_secretkey = test-key").Replace,
		"no section":             func(c string) string { return "cos_secretkey = tOpSeCrEt\n" + c },
		"a NUL":                  strings.NewReplacer("cos_secretkey = test-key", "cos_secretkey = tOpSeCrEt\x00x").Replace,
		"a refused key":          strings.NewReplacer("cos_secretkey = test-key", "cos_secretkey = tOpSeCrEt").Replace,
	} {
		t.Run(name, func(t *testing.T) {
			home := rig.Homes(t)
			file := filepath.Join(t.TempDir(), "vsftpd.conf")
			text := edit(rig.ConfText(s, home, filepath.Join(home, "log"), rig.FreePort(t), nil))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, flag := range []string{"-check", "-dump-config"} {
				output, _ := exec.Command(rig.Binary, flag, "-conf", file).CombinedOutput()
				secrets.look(t, flag, string(output))
				if len(output) == 0 {
					t.Errorf("%s says nothing", flag)
				}
			}
		})
	}
}
