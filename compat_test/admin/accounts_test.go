package admin

import (
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// looksLikeAHash is the clear-text password of an account.
const looksLikeAHash = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"

// startAccounts runs the program with accounts that use what the Python tool does not have: user0 has a hash, GBK and a
// prefix; user1 is anonymous, with letters and a prefix in user0's bucket; user2 has a password like a hash, and a
// slow upload.
func startAccounts(t *testing.T, store *rig.Store) *rig.Gateway {
	t.Helper()
	edit := strings.NewReplacer(
		"ftp_login_user_password = pass0\n", "ftp_login_user_password_hash = "+rig.HashOf(t, "pass 0#")+"\nfilename_charset = gbk\ncos_prefix = team/photos\n",
		rig.BucketName(1), rig.BucketName(0),
		"ftp_login_user_name = user1\nftp_login_user_password = pass1\nauthority = RW\n",
		"ftp_login_user_name = anonymous\nperm = elr\ncos_prefix = /team/\n",
		"ftp_login_user_password = pass2\n", "ftp_login_user_password = "+looksLikeAHash+"\n",
		"authority = R\n", "authority = RW\nmax_upload_rate = 1\n",
	)
	change := map[string]string{"banner": "Guten Tag", "max_login_attempts": "1"}
	return rig.StartEdited(t, store, change, edit.Replace)
}

// talk sends commands and compares the replies, of which a * at the end leaves the rest open.
func talk(t *testing.T, gate *rig.Gateway, lines ...[2]string) *rig.Peer {
	t.Helper()
	p := &rig.Peer{Addr: gate.Addr}
	t.Cleanup(p.Close)
	if err := p.Connect(); err != nil {
		t.Fatal(err)
	}
	if got := p.Reply(rig.ReplyTime); got != "220 Guten Tag" {
		t.Fatalf("greeting %q", got)
	}
	for _, line := range lines {
		got := p.Command("%s", line[0])
		prefix, open := strings.CutSuffix(line[1], "*")
		if got != line[1] && !(open && strings.HasPrefix(got, prefix)) {
			t.Errorf("%q: %q, want %q", line[0], got, line[1])
		}
	}
	return p
}

func TestLoginsOfAccounts(t *testing.T) {
	store := rig.NewStore(t)
	gate := startAccounts(t, store)
	for _, c := range []struct{ user, password, want string }{
		{"user0", "pass 0#", "230 Login successful."},
		{"user2", looksLikeAHash, "230 Login successful."},
		{"anonymous", "any@where", "230 Login successful."},
		{"ftp", "", "230 Login successful."},
		{"user0", "pass 0", "530 Authentication failed. Disconnecting."},
		{"user2", "Hello world!", "530 Authentication failed. Disconnecting."},
		{"nobody", "", "530 Authentication failed. Disconnecting."},
	} {
		t.Run(c.user+" "+c.password, func(t *testing.T) {
			t.Parallel()
			talk(t, gate, [2]string{"USER " + c.user, "331 *"}, [2]string{strings.TrimSuffix("PASS "+c.password, " "), c.want})
		})
	}
}

func TestPrefixGBKAndPermOfAccounts(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	gate := startAccounts(t, store)
	store.Put(rig.BucketName(0), "secret", []byte("s"))
	p := talk(t, gate,
		[2]string{"USER user0", "331 *"}, [2]string{"PASS pass 0#", "230 *"}, [2]string{"TYPE I", "200 *"},
		[2]string{"CWD /", "250 *"}, [2]string{"SIZE ../../secret", "550 *"}, [2]string{"RETR /../secret", "550 *"},
		[2]string{"MKD \xd6\xd0", "257 \"/\xd6\xd0\" directory created."},
		[2]string{"MKD \xff", "553 Requested action not taken: the name is not valid GBK; OPTS UTF8 ON switches to UTF-8."},
		[2]string{"MKD a\x1bb", "553 Requested action not taken: file name not allowed: it has the control character 0x1b."},
		[2]string{"PASV", "227 *"},
	)
	if err := p.Open(""); err != nil {
		t.Fatal(err)
	}
	if got := p.Command("STOR \xce\xc4 1.txt"); !strings.HasPrefix(got, "1") {
		t.Fatal(got)
	}
	if err := p.Upload([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if got := p.Reply(rig.ReplyTime); got != "226 Transfer complete." {
		t.Error(got)
	}
	var keys []string
	for _, o := range store.Objects(rig.BucketName(0)) {
		keys = append(keys, o.Key)
	}
	if got := strings.Join(keys, " | "); got != "secret | team/photos/中/ | team/photos/文 1.txt" {
		t.Errorf("the bucket holds %s", got)
	}

	other := talk(t, gate,
		[2]string{"USER anonymous", "331 *"}, [2]string{"PASS x", "230 *"}, [2]string{"TYPE I", "200 *"},
		[2]string{"SIZE photos/文 1.txt", "213 3"}, [2]string{"SIZE secret", "550 *"},
		[2]string{"DELE photos/文 1.txt", "550 Not enough privileges."}, [2]string{"STOR x", "550 Not enough privileges."},
		[2]string{"PASV", "227 *"},
	)
	if err := other.Open(""); err != nil {
		t.Fatal(err)
	}
	other.Command("NLST photos")
	if list, err := other.Download(rig.ReplyTime); string(list) != "中\r\n文 1.txt\r\n" || err != nil {
		t.Errorf("NLST %q, %v", list, err)
	}
}

// TestRateOfAnAccountReachesTheTransfer: at 1 byte a second the rest of an upload waits, and ABOR ends the waiting.
func TestRateOfAnAccountReachesTheTransfer(t *testing.T) {
	t.Parallel()
	gate := startAccounts(t, rig.NewStore(t))
	p := talk(t, gate, [2]string{"USER user2", "331 *"}, [2]string{"PASS " + looksLikeAHash, "230 *"}, [2]string{"TYPE I", "200 *"}, [2]string{"PASV", "227 *"})
	if err := p.Open(""); err != nil {
		t.Fatal(err)
	}
	p.Command("STOR slow")
	if err := p.Upload(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if got := p.Reply(rig.QuietTime); got != "(silent)" {
		t.Errorf("a limited upload of 1000 bytes is answered %q at once", got)
	}
	if got := p.Command("ABOR"); !strings.HasPrefix(got, "426 ") {
		t.Errorf("ABOR: %q", got)
	}
}
