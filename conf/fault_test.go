package conf

import (
	"strings"
	"testing"
)

// second is another account that loads.
var second = strings.NewReplacer("ACCOUNT_0", "ACCOUNT_1", "user0", "user1", "bucket0", "bucket1").Replace(account)

// TestUnusableAccountStopsNoOther: what is wrong with one account is an error of -check and keeps nobody from logging in to
// another.
func TestUnusableAccountStopsNoOther(t *testing.T) {
	for _, c := range []struct {
		name, old, new, want string
		alone                bool // it starts without another account, as the original does
	}{
		{"empty secret", "cos_secretkey = verysecret", "cos_secretkey =", ":3: [COS_ACCOUNT_0] cos_secretkey: empty: want the API key", true},
		{"secret of the example", "cos_secretid = AKIDtest", "cos_secretid = COS_SECRETID", ":2: [COS_ACCOUNT_0] cos_secretid: this is the example's word", true},
		{"capital region", "ap-guangzhou", "Ap-guangzhou", ":5: [COS_ACCOUNT_0] cos_region = Ap-guangzhou: want a region of lower-case letters", true},
		{"region of the example", "ap-guangzhou", "COS_REGION", ":5: [COS_ACCOUNT_0] cos_region = COS_REGION: want a region of lower-case letters", true},
		{"endpoint in quotes", "cos_region = ap-guangzhou", `cos_endpoint = "cos.ap-guangzhou.myqcloud.com"`,
			":5: [COS_ACCOUNT_0] cos_endpoint = \"\\\"cos.ap-guangzhou.myqcloud.com\\\"\": the quotes belong to the value: want it without them", true},
		{"bucket of the example", "bucket0-1250000000", "{bucket name}-{appid}", ":4: [COS_ACCOUNT_0] cos_bucket = {bucket name}-{appid}: COS has no buckets of such a name", true},
		{"no host", "cos_region = ap-guangzhou\n", "", ":1: [COS_ACCOUNT_0]: cos_region and cos_endpoint missing", true},
		{"protocol", "authority = RW", "authority = RW\ncos_protocol = ftp", ":10: [COS_ACCOUNT_0] cos_protocol = ftp: want https or http", true},
		{"home_dir of the example", "{HOME}/user0", "/home/no/such", ":6: [COS_ACCOUNT_0] home_dir = /home/no/such: no such directory", false},
		{"switch", "authority = RW", "authority = RW\ndelete_enable = maybe", ":10: [COS_ACCOUNT_0] delete_enable = maybe: want true or false", false},
		{"missing", "authority = RW\n", "", ":1: [COS_ACCOUNT_0] authority: missing, but required", false},
		{"user of another", "cos_secretid = AKIDtest", "cos_secretid =", "[COS_ACCOUNT_0] cos_secretid: empty", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(account, c.old, c.new, 1)
			other := second
			if c.name == "user of another" {
				other = strings.Replace(second, "user_name = user1", "user_name = user0", 1)
			}
			cfg := mustLoad(t, bad+other+"[NETWORK]\n")
			if cfg.Accounts[0].Unusable == nil || cfg.Accounts[1].Unusable != nil {
				t.Errorf("unusable are %q, %q", cfg.Accounts[0].Unusable, cfg.Accounts[1].Unusable)
			}
			told := strings.Join(cfg.Errors, "\n")
			if !strings.Contains(told, c.want) || !strings.HasSuffix(told, "; until then nobody can log in to this account") || strings.Contains(told, "no account works") {
				t.Errorf("got  %s\nwant %s…", told, c.want)
			}

			cfg, err := loadText(t, bad+"[NETWORK]\n")
			if (err == nil) != c.alone {
				t.Errorf("alone: %v", err)
			}
			if c.alone && !strings.Contains(strings.Join(cfg.Errors, "\n"), "vsftpd.conf: no account works, so nobody can log in") {
				t.Errorf("alone: errors %q", cfg.Errors)
			}
			if !c.alone && !strings.Contains(err.Error(), c.want) {
				t.Errorf("alone: %v, want %s", err, c.want)
			}
		})
	}
}

// TestRegionBesideAnEndpoint: a region that is none does no harm where the endpoint holds, as in the original.
func TestRegionBesideAnEndpoint(t *testing.T) {
	c := mustLoad(t, strings.Replace(account, "ap-guangzhou", "COS_REGION\ncos_endpoint = cos.ap-x.myqcloud.com", 1)+"[NETWORK]\n")
	if c.Accounts[0].Unusable != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "cos_region = COS_REGION: no region of COS, and not needed") {
		t.Errorf("%q, warnings %q", c.Accounts[0].Unusable, c.Warnings)
	}
}

// TestErrorsOfAFileThatStarts: what the original starts with, so that the server does, and what must be wrong all the same.
func TestErrorsOfAFileThatStarts(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no account", "[NETWORK]\n[cos_account_0]\n", "no [COS_ACCOUNT_0] section, so nobody can log in; [cos_account_0] in line 2 is another section"},
		{"misspelt section", account + "[NETWORK]\n[OPTIONALS]\n", "vsftpd.conf:11: [OPTIONALS]: section ignored: did you mean [OPTIONAL]?"},
		{"section known by its options", account + "[NETWORK]\n[LOGGING]\nlog_level = DEBUG\n", "vsftpd.conf:11: [LOGGING]: section ignored: did you mean [OPTIONAL]?"},
		{"account known by its options", account + "[NETWORK]\n" + strings.Replace(second, "COS_ACCOUNT_1", "USER1", 1), "vsftpd.conf:11: [USER1]: section ignored: did you mean [COS_ACCOUNT_n]?"},
		{"section twice", account + "[NETWORK]\n" + account, "vsftpd.conf:11: [COS_ACCOUNT_0]: line 1 begins a section of this name too, and both are read as one"},
		{"key twice", account + "[NETWORK]\nlisten_port = 1\nlisten_port = 2\n", "vsftpd.conf:12: [NETWORK] listen_port: line 11 has it too, and this line holds"},
		{"secret twice", strings.Replace(account, "cos_bucket", "cos_secretkey = hush\ncos_bucket", 1) + "[NETWORK]\n", "vsftpd.conf:4: [COS_ACCOUNT_0] cos_secretkey: line 3 has it too, and this line holds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := mustLoad(t, c.text)
			told := strings.Join(cfg.Errors, "\n")
			if len(cfg.Errors) != 1 || !strings.Contains(told, c.want) {
				t.Errorf("errors %q, want one: …%s…", cfg.Errors, c.want)
			}
			if strings.Contains(told, "hush") || strings.Contains(told, "verysecret") {
				t.Errorf("a secret is in %s", told)
			}
		})
	}
	if cfg := mustLoad(t, account+"[OTHER]\nx = 1\nx = 2\n[NETWORK]\n[OTHER]\n"); len(cfg.Errors) != 0 {
		t.Errorf("a section of others: %q", cfg.Errors)
	}
}

// TestIndentedRequiredKeySaysSo: it is read as more of the value before it, so it is missing, and the error says where it is.
func TestIndentedRequiredKeySaysSo(t *testing.T) {
	for key, want := range map[string]string{
		"cos_bucket": "[COS_ACCOUNT_0] cos_bucket: missing, but required: ",
		"authority":  "[COS_ACCOUNT_0] authority: missing, but required: ",
		"cos_region": "[COS_ACCOUNT_0]: cos_region and cos_endpoint missing: ",
	} {
		text := strings.Replace(account, "\n"+key, "\n  "+key, 1) + "[NETWORK]\n"
		cfg, err := loadText(t, text)
		told := strings.Join(cfg.Errors, "\n")
		if err != nil {
			told += err.Error()
		}
		i := strings.Index(told, want)
		if i < 0 || !strings.Contains(told[i:], "has it, but indented, so it is read as more of the value before it: remove the blanks before it") {
			t.Errorf("%s: %s", key, told)
		}
	}
}

// TestPasswordWithCommentWarns: a blank and # are part of it, as in the original, which is not what its writer may think.
func TestPasswordWithCommentWarns(t *testing.T) {
	for line, warned := range map[string]bool{"topsecret # for the scanner": true, "topsecret\t#x": true, "topsecret#x": false, "#topsecret": false} {
		c := mustLoad(t, strings.Replace(account, "topsecret", line, 1)+"[NETWORK]\n")
		told := strings.Join(c.Warnings, "\n")
		if got := strings.Contains(told, "vsftpd.conf:8: [COS_ACCOUNT_0] ftp_login_user_password: the blank and the # behind it are part of the value"); got != warned {
			t.Errorf("%q: warnings %s", line, told)
		}
		if strings.Contains(told, "topsecret") || strings.Contains(told, "scanner") || c.Accounts[0].Password.Reveal() != line {
			t.Errorf("%q: password %q, warnings %s", line, c.Accounts[0].Password.Reveal(), told)
		}
	}
}

// TestConfThatIsNotUTF8Warns: it starts as it is, and the first such line is named.
func TestConfThatIsNotUTF8Warns(t *testing.T) {
	c := mustLoad(t, strings.Replace(account, "topsecret", "\xd6\xd0\xce\xc4", 1)+"# \xd6\xd0\n[NETWORK]\n")
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "vsftpd.conf:8: not UTF-8") || c.Accounts[0].Password.Reveal() != "\xd6\xd0\xce\xc4" {
		t.Errorf("warnings %q", c.Warnings)
	}
	if c := mustLoad(t, strings.Replace(account, "topsecret", "密码", 1)+"[NETWORK]\n"); len(c.Warnings) != 0 {
		t.Errorf("UTF-8: warnings %q", c.Warnings)
	}
}

// TestConfigBesideAnError: who logs a failed start knows where, and the warnings.
func TestConfigBesideAnError(t *testing.T) {
	for text, dir := range map[string]string{
		"[NETWORK]\nlisten_port = x\n[OPTIONAL]\nlog_dir = here\nfrobnicate = 1\n": "here",
		"[NETWORK]\nnonsense\n[OPTIONAL]\nlog_dir =\nfrobnicate = 1\n":             "log",
		"\xff\xfe": "log",
	} {
		cfg, err := loadText(t, text)
		if err == nil || cfg == nil || cfg.LogDir != dir || strings.Contains(text, "frobnicate") != (len(cfg.Warnings) == 1) {
			t.Errorf("%q: %+v, %v", text, cfg, err)
		}
	}
	cfg, err := Load("no/such/vsftpd.conf")
	if err == nil || cfg.LogFile() != "log/cos_v5.log" {
		t.Errorf("%+v, %v", cfg, err)
	}
}
