package conf

import (
	"strings"
	"testing"
)

// without is the account section without some options, and with others.
func without(names []string, with ...string) string {
	var kept []string
	for line := range strings.Lines(account) {
		name, _, _ := strings.Cut(line, " =")
		drop := false
		for _, n := range names {
			drop = drop || n == name
		}
		if !drop {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "") + strings.Join(with, "\n") + "\n[NETWORK]\n"
}

func TestPermInPlaceOfAuthority(t *testing.T) {
	for perm, authority := range map[string]string{"elr": "R", "rle": "R", "elradfmwMT": "RW", "w": "", "elradfmw": "R"} {
		a := mustLoad(t, without([]string{"authority"}, "perm = "+perm)).Accounts[0]
		if a.Perm != perm || a.Authority() != authority {
			t.Errorf("perm = %s: %q, authority %q, want %q", perm, a.Perm, a.Authority(), authority)
		}
	}
	for authority, perm := range map[string]string{"R": "elr", "W": "adfmwMT", "RW": "elradfmwMT"} {
		if a := mustLoad(t, without([]string{"authority"}, "authority = "+authority)).Accounts[0]; a.Perm != perm {
			t.Errorf("authority = %s: %q", authority, a.Perm)
		}
	}
}

const (
	bcryptHash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	cryptHash  = "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
	shortCrypt = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
)

func TestPasswordHashInPlaceOfPassword(t *testing.T) {
	for _, hash := range []string{bcryptHash, strings.Replace(bcryptHash, "$2a$", "$2b$", 1), strings.Replace(bcryptHash, "$2a$", "$2y$", 1), cryptHash, shortCrypt} {
		a := mustLoad(t, without([]string{"ftp_login_user_password"}, "ftp_login_user_password_hash = "+hash)).Accounts[0]
		if a.PasswordHash.Reveal() != hash || a.Password.Reveal() != "" {
			t.Errorf("%s: hash %q, password %q", hash, a.PasswordHash.Reveal(), a.Password.Reveal())
		}
	}
	// What looks like a hash is a password where passwords stand.
	a := mustLoad(t, without([]string{"ftp_login_user_password"}, "ftp_login_user_password = "+bcryptHash)).Accounts[0]
	if a.Password.Reveal() != bcryptHash || a.PasswordHash.Reveal() != "" {
		t.Errorf("a password that looks like a hash: %q, %q", a.Password.Reveal(), a.PasswordHash.Reveal())
	}
}

func TestAnonymousNeedsNoPassword(t *testing.T) {
	names := []string{"ftp_login_user_name", "ftp_login_user_password"}
	c := mustLoad(t, without(names, "ftp_login_user_name = anonymous"))
	if !c.Accounts[0].Anonymous() || len(c.Warnings) != 0 {
		t.Errorf("anonymous: %+v, warnings %q", c.Accounts[0], c.Warnings)
	}
	c = mustLoad(t, without(names, "ftp_login_user_name = anonymous", "ftp_login_user_password = x"))
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "anybody gets in") {
		t.Errorf("with a password: warnings %q", c.Warnings)
	}
	for _, name := range []string{"Anonymous", "ftp", "anonymous2"} {
		if _, err := loadText(t, without(names, "ftp_login_user_name = "+name)); err == nil {
			t.Errorf("%s without a password loads", name)
		}
	}
}

func TestAccountOptions(t *testing.T) {
	a := mustLoad(t, without(nil)).Accounts[0]
	if a.Prefix != "" || a.Charset != "utf-8" || a.MaxUploadRate != 0 || a.MaxDownloadRate != 0 || a.SessionToken.Reveal() != "" {
		t.Errorf("defaults: %+v", a)
	}
	for value, prefix := range map[string]string{"team": "team/", "/team/photos/": "team/photos/", "照片 #1": "照片 #1/", "": ""} {
		if a := mustLoad(t, without(nil, "cos_prefix = "+value)).Accounts[0]; a.Prefix != prefix {
			t.Errorf("cos_prefix = %s: %q, want %q", value, a.Prefix, prefix)
		}
	}
	a = mustLoad(t, without(nil, "filename_charset = GBK", "max_upload_rate = 5", "max_download_rate = 6", "cos_session_token = abc")).Accounts[0]
	if a.Charset != "gbk" || a.MaxUploadRate != 5 || a.MaxDownloadRate != 6 || a.SessionToken.Reveal() != "abc" {
		t.Errorf("given: %+v", a)
	}
}

func TestServerOptions(t *testing.T) {
	c := mustLoad(t, without(nil))
	if c.MaxUploadRate != 0 || c.TotalDownloadRate != 0 || c.Banner != "Welcome to COS FTP Service" || c.MaxLoginAttempts != 3 {
		t.Errorf("defaults: %+v", c)
	}
	c = mustLoad(t, without(nil)+"[OPTIONAL]\nmax_upload_rate = 1\nmax_download_rate = 2\ntotal_upload_rate = 3\n"+
		"total_download_rate = 4\nbanner = Hello # 你好\nmax_login_attempts = 5\n")
	if c.MaxUploadRate != 1 || c.MaxDownloadRate != 2 || c.TotalUploadRate != 3 || c.TotalDownloadRate != 4 ||
		c.Banner != "Hello # 你好" || c.MaxLoginAttempts != 5 || c.Accounts[0].MaxUploadRate != 0 {
		t.Errorf("given: %+v", c)
	}
}

// TestNewOptionsAreStrict: a bad value is an error that says what would do, and shows no secret.
func TestNewOptionsAreStrict(t *testing.T) {
	hashed, permitted := []string{"ftp_login_user_password"}, []string{"authority"}
	for _, c := range []struct {
		drop       []string
		line, want string
	}{
		{nil, "perm = r", "perm = r: authority is given too: want one of them"},
		{permitted, "perm =", "perm =: want letters of elradfmwMT"},
		{permitted, "perm = rx", "perm = rx: want letters of elradfmwMT"},
		{permitted, "perm = RW", "want letters of elradfmwMT"},
		{permitted, "", "authority: missing, but required"},
		{nil, "ftp_login_user_password_hash = " + bcryptHash, "ftp_login_user_password_hash: ftp_login_user_password is given too: want one of them"},
		{hashed, "ftp_login_user_password_hash = secret", "want a hash that begins with"},
		{hashed, "ftp_login_user_password_hash = $1$salt$qJH7.N4xYta3aEG/dfqo/0", "want a hash that begins with"},
		{hashed, "ftp_login_user_password_hash = " + bcryptHash[:40], "want a hash that begins with"},
		{hashed, "ftp_login_user_password_hash = " + strings.Replace(bcryptHash, "$05$", "$15$", 1), "want a bcrypt cost of 4 to 14"},
		{hashed, "ftp_login_user_password_hash = " + strings.Replace(cryptHash, "=10000", "=999", 1), "want rounds=1000 to rounds=2000000"},
		{hashed, "ftp_login_user_password_hash = " + strings.Replace(cryptHash, "=10000", "=99999999999999999999", 1), "want rounds="},
		{hashed, "", "ftp_login_user_password: missing, but required"},
		{nil, "cos_prefix = a/../b", "cos_prefix = a/../b: want a directory of the bucket"},
		{nil, "cos_prefix = //", "want a directory of the bucket"},
		{nil, "cos_prefix = a//b", "want a directory of the bucket"},
		{nil, "cos_prefix = ./a", "want a directory of the bucket"},
		{nil, "cos_prefix = \\a", "want a directory of the bucket"},
		{nil, "cos_prefix = a\xff", "want a directory of the bucket"},
		{nil, "cos_prefix = " + strings.Repeat("x", 401), "up to 400 bytes"},
		{nil, "cos_session_token = a b", "cos_session_token: want the token"},
		{nil, "filename_charset = big5", "filename_charset = big5: want utf-8 or gbk"},
		{nil, "max_upload_rate = -1", "max_upload_rate = -1: want bytes per second"},
		{nil, "max_download_rate = 1M", "max_download_rate = 1M: want bytes per second"},
		{nil, "[OPTIONAL]\nmax_upload_rate = fast", "[OPTIONAL] max_upload_rate = fast: want bytes per second"},
		{nil, "[OPTIONAL]\ntotal_upload_rate =", "total_upload_rate =: want bytes per second"},
		{nil, "[OPTIONAL]\nbanner =", "banner =: want one line"},
		{nil, "[OPTIONAL]\nbanner = a\n b", "want one line"},
		{nil, "[OPTIONAL]\nmax_login_attempts = 0", "max_login_attempts = 0: want a whole number, 1 to 100"},
	} {
		_, err := loadText(t, without(c.drop, c.line))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret\n") {
			t.Errorf("%q: %v, want %q", c.line, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), bcryptHash) || strings.Contains(err.Error(), "a b") && strings.Contains(c.line, "token") {
			t.Errorf("%q: the error tells the secret: %v", c.line, err)
		}
	}
}

func TestSameHomeDirWithAnotherPrefix(t *testing.T) {
	second := strings.NewReplacer("ACCOUNT_0", "ACCOUNT_1", "name = user0", "name = user1").Replace(account)
	c := mustLoad(t, account+"cos_prefix = a\n"+second+"cos_prefix = b\n[NETWORK]\n")
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "another cos_prefix") {
		t.Errorf("warnings %q", c.Warnings)
	}
	other := strings.Replace(second, "bucket0", "bucket1", 1)
	c = mustLoad(t, account+"cos_prefix = a\n"+other+"cos_prefix = b\n[NETWORK]\n")
	for _, a := range c.Accounts {
		if len(a.Unusable) != 1 || !strings.Contains(a.Unusable[0], "home_dir") {
			t.Errorf("the same home_dir with different buckets: [%s] has %q", a.Section, a.Unusable)
		}
	}
}
