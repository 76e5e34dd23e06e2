package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// account is a section that loads, as text; {HOME} is to be replaced.
const account = `[COS_ACCOUNT_0]
cos_secretid = AKIDtest
cos_secretkey = verysecret
cos_bucket = bucket0-1250000000
cos_region = ap-guangzhou
home_dir = {HOME}/user0
ftp_login_user_name = user0
ftp_login_user_password = topsecret
authority = RW
`

func loadText(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return load("vsftpd.conf", []byte(strings.ReplaceAll(text, "{HOME}", homes(t))), 2)
}

func mustLoad(t *testing.T, text string) *Config {
	t.Helper()
	c, err := loadText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestErrorsComeAllAtOnceWithTheirPlace(t *testing.T) {
	_, err := loadText(t, "stray\n"+account+"authority\nnonsense line\n"+`
delete_enable = maybe
cos_protocol = ftp

[COS_ACCOUNT_1]
cos_secretid =
ftp_login_user_name = user0
home_dir = /no/such/place

[NETWORK]
listen_port = 70000
passive_port = 61000-61010

[FILE_OPTION]
single_file_max_size = 20G

[OPTIONAL]
config_check_enable =
shutdown_grace = -1
incomplete_upload = maybe
download_thread_num = 0
transfer_memory = lots
rename_dir_limit = -1
`)
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"vsftpd.conf:1: text before the first [SECTION]: want",
		"vsftpd.conf:11: [COS_ACCOUNT_0] authority: no = or : after the key: want authority = value",
		"vsftpd.conf:12: [COS_ACCOUNT_0]: neither option nor comment: want",
		"vsftpd.conf:14: [COS_ACCOUNT_0] delete_enable = maybe: want true or false",
		"vsftpd.conf:15: [COS_ACCOUNT_0] cos_protocol = ftp: want https or http",
		"vsftpd.conf:17: [COS_ACCOUNT_1] cos_secretkey: missing, but required: ",
		"vsftpd.conf:17: [COS_ACCOUNT_1] cos_bucket: missing, but required: ",
		"vsftpd.conf:17: [COS_ACCOUNT_1] ftp_login_user_password: missing, but required: ",
		"vsftpd.conf:17: [COS_ACCOUNT_1] authority: missing, but required: ",
		"vsftpd.conf:17: [COS_ACCOUNT_1]: cos_region and cos_endpoint missing: want",
		"vsftpd.conf:18: [COS_ACCOUNT_1] cos_secretid: empty: want",
		"vsftpd.conf:19: [COS_ACCOUNT_1] ftp_login_user_name = user0: [COS_ACCOUNT_0] has this user already: want another name",
		"vsftpd.conf:20: [COS_ACCOUNT_1] home_dir = /no/such/place: no such directory: want",
		"vsftpd.conf:23: [NETWORK] listen_port = 70000: want a port, 1 to 65535",
		"vsftpd.conf:24: [NETWORK] passive_port = 61000-61010: want first,last with a comma",
		"vsftpd.conf:27: [FILE_OPTION] single_file_max_size = 20G: want a size in bytes",
		"vsftpd.conf:30: [OPTIONAL] config_check_enable =: want true or false",
		"vsftpd.conf:31: [OPTIONAL] shutdown_grace = -1: want seconds",
		"vsftpd.conf:32: [OPTIONAL] incomplete_upload = maybe: want keep or discard",
		"vsftpd.conf:33: [OPTIONAL] download_thread_num = 0: want 1 to 1024",
		"vsftpd.conf:34: [OPTIONAL] transfer_memory = lots: want a number of bytes",
		"vsftpd.conf:35: [OPTIONAL] rename_dir_limit = -1: want a number of objects, 0 (no renaming of directories) to 1000000",
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s…", got[i], want[i])
		}
	}
	for _, secret := range []string{"verysecret", "topsecret", "AKIDtest"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s is in the error", secret)
		}
	}
}

func TestCommentsBehindValues(t *testing.T) {
	network := "[NETWORK]\n"
	c := mustLoad(t, strings.ReplaceAll(account, "topsecret", "top # secret")+
		"delete_enable = no\t# yes\ncos_protocol = http # https\ncos_address = 127.0.0.1:80 # here\n"+network+
		"listen_port = 2122 # c\npassive_port = 61000, 61010 # c\nmasquerade_address = ftp.example.com\t# c\n"+
		"[OPTIONAL]\nmax_list_file = 5 #c\nlog_level = DEBUG # c\nlog_rotate_enabled = yes # c\nshutdown_grace = 3 # c\n"+
		"log_rotate_when = D # c\nmin_part_size = default # c\nconfig_check_enable = off # c\nincomplete_upload = discard # c\n")
	a := c.Accounts[0]
	if a.DeleteEnable || a.Protocol != "http" || a.Address != "127.0.0.1:80" {
		t.Errorf("account %+v", a)
	}
	if got := a.Password.Reveal(); got != "top # secret" {
		t.Errorf("password %q: its # is no comment", got)
	}
	if c.ListenPort != 2122 || c.PassiveLast != 61010 || c.MasqueradeAddress != "ftp.example.com" || c.MaxListFile != 5 ||
		c.LogLevel != -4 || !c.LogRotateEnabled || c.ShutdownGrace != 3*time.Second || c.LogRotateWhen != "D" ||
		c.MinPartSize != 2*mib || c.ConfigCheckEnable || c.IncompleteUpload != "discard" {
		t.Errorf("%+v", c)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "ftp_login_user_password: the blank and the # behind it are part of the value") {
		t.Errorf("warnings %q, want one of the password", c.Warnings)
	}
}

func TestHashWithoutBlankIsNoComment(t *testing.T) {
	home := homes(t)
	if err := os.Mkdir(filepath.Join(home, "a #b"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("{HOME}/user0", filepath.Join(home, "a #b"), "name = user0", "name = u #1", "AKIDtest", "id #1").Replace(account)
	c, err := load("x", []byte(text+"[NETWORK]\n[OPTIONAL]\nlog_dir = a#b\n"), 2)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Accounts[0]; a.HomeDir != filepath.Join(home, "a #b") || a.UserName != "u #1" || a.SecretID.Reveal() != "id #1" || c.LogDir != "a#b" {
		t.Errorf("%+v, log_dir %q", a, c.LogDir)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"authority cut", strings.Replace(account, "RW", "R # no Write", 1) + "[NETWORK]\n", "9: [COS_ACCOUNT_0] authority = R # no Write: # starts a comment"},
		{"no rights", strings.Replace(account, "RW", "rw", 1) + "[NETWORK]\n", "authority = rw: no rights at all"},
		{"older README", account + "[NETWORK]\npassive_ports = 1,2\n", "11: [NETWORK] passive_ports: ignored: did you mean passive_port?"},
		{"wrong section", account + "[NETWORK]\nlog_level = DEBUG\n", "log_level: ignored: it belongs in [OPTIONAL]"},
		{"slip of a secret", account + "ftp_login_user_pasword = hush\n[NETWORK]\n", "10: [COS_ACCOUNT_0] ftp_login_user_pasword: ignored: did you mean ftp_login_user_password?"},
		{"unknown option", account + "[NETWORK]\n[OPTIONAL]\nfrobnicate = 1\n", "12: [OPTIONAL] frobnicate: ignored: there is no such option; conf/cos-ftp-server.conf.example has all of them"},
		{"unknown here", account + "[NETWORK]\nrequire_tls = all\n", "11: [NETWORK] require_tls: ignored: there is no such option"},
		{"unknown secret", account + "passwrod = hush\n[NETWORK]\n", "10: [COS_ACCOUNT_0] passwrod: ignored: there is no such option"},
		{"broken secret", account + "7hush+hushhushhush==\n[NETWORK]\n", "10: [COS_ACCOUNT_0]: line ignored: there is no such option"},
		{"option of another server", account + "maximum_clients = 5\n[NETWORK]\n", "10: [COS_ACCOUNT_0] maximum_clients: ignored: there is no such option"},
		{"indented", account + " delete_enable = no\n[NETWORK]\n", "10: [COS_ACCOUNT_0] delete_enable: indented, so it is read as more of the value of authority in line 9"},
		{"log_dir in capitals", account + "[NETWORK]\n[OPTIONAL]\nlog_dir = /Var/Log\n", "12: [OPTIONAL] log_dir = /Var/Log: taken in lower case, as ever: the log is /var/log/cos_v5.log"},
		{"lenient number", account + "[NETWORK]\n[OPTIONAL]\nupload_thread_num = 17\n", "upload_thread_num = 17: want 1 to 16 on this machine, or default, which is 8; using default"},
		{"small parts", account + "[NETWORK]\n[OPTIONAL]\nmin_part_size = 5\n", "min_part_size = 5: raised to 1048576"},
		{"no size", account + "[NETWORK]\n[FILE_OPTION]\nsingle_file_max_size = 0\n", "single_file_max_size = 0: want a size in bytes, at least 1; using 20971520000"},
		{"rotation that means no", account + "[NETWORK]\n[OPTIONAL]\nlog_rotate_enabled = 1\n", "log_rotate_enabled = 1: want true or false; using false"},
		{"third port", account + "[NETWORK]\npassive_port = 1,2,3\n", "passive_port = 1,2,3: only the first two numbers count"},
		{"IPv6", account + "[NETWORK]\nmasquerade_address = ::1\n", "masquerade_address = ::1: ignored"},
		{"no address", account + "[NETWORK]\nmasquerade_address = 300.1.1.1\n", "masquerade_address = 300.1.1.1: ignored"},
		{"endpoint with scheme", account + "cos_endpoint = https://cos.x.cn/\n[NETWORK]\n", "cos_endpoint = https://cos.x.cn/: taken as cos.x.cn"},
		{"password", strings.Replace(account, "topsecret", `""`, 1) + "[NETWORK]\n", "ftp_login_user_password: empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := mustLoad(t, c.text)
			if len(cfg.Warnings) == 0 || !strings.Contains(strings.Join(cfg.Warnings, "\n"), c.want) {
				t.Errorf("warnings %q, want …%s…", cfg.Warnings, c.want)
			}
			if len(cfg.Errors) > 0 {
				t.Errorf("errors %q", cfg.Errors)
			}
			for _, secret := range []string{"hush", "topsecret", "verysecret"} {
				if strings.Contains(strings.Join(cfg.Warnings, "\n"), secret) {
					t.Errorf("%s is in %q", secret, cfg.Warnings)
				}
			}
		})
	}
}

func TestEqualHomeDirs(t *testing.T) {
	second := strings.NewReplacer("ACCOUNT_0", "ACCOUNT_1", "name = user0", "name = user1", "/user0", "/../home/user0/").Replace(account)
	c := mustLoad(t, account+second+"[NETWORK]\n")
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "15: [COS_ACCOUNT_1] home_dir") {
		t.Errorf("same bucket: warnings %q", c.Warnings)
	}
	for _, change := range []string{"cos_bucket = other-1250000000", "cos_region = ap-beijing", "cos_secretkey = other", "cos_protocol = http", "cos_endpoint = cos.x.cn", "cos_address = 127.0.0.1:9"} {
		c := mustLoad(t, account+second+change+"\n[NETWORK]\n")
		for _, a := range c.Accounts { // what the original did with their data depended on their order
			if len(a.Unusable) != 1 || !strings.Contains(a.Unusable[0], "home_dir") {
				t.Errorf("%s in the second account: [%s] has %q, want one error about home_dir", change, a.Section, a.Unusable)
			}
		}
	}
}

// TestHomeDirOfAnUnusableAccount: what was left over of an account takes nothing from one that works.
func TestHomeDirOfAnUnusableAccount(t *testing.T) {
	second := strings.NewReplacer("ACCOUNT_0", "ACCOUNT_1", "name = user0", "name = user1", "bucket0-1250000000", "{bucket}").Replace(account)
	for _, text := range []string{account + second, second + account} {
		for _, a := range mustLoad(t, text+"[NETWORK]\n").Accounts {
			if works := a.Unusable == nil; works != (a.Section == "COS_ACCOUNT_0") {
				t.Errorf("[%s] has %q", a.Section, a.Unusable)
			}
		}
	}
}

func TestHostNamesAndAddresses(t *testing.T) {
	for value, good := range map[string]bool{
		"1.2.3.4": true, "gw.example.com": true, "gw": true, "my-gw.example.com.": true, "4you.cn": true, "": true,
		"XXX.XXX.XXX.XXX": false, "xxx.xxx.xxx.xxx": false, "1.2.3": false, "1.2.3.4.5": false, "1.2.3.4:21": false,
		"fe80::1": false, "a b": false, "http://gw": false, "gw..example.com": false, strings.Repeat("a.", 130) + "cn": false,
	} {
		c := mustLoad(t, account+"[NETWORK]\nmasquerade_address = "+value+"\n")
		if (c.MasqueradeAddress == value) != good || good == (len(c.Warnings) > 0) {
			t.Errorf("%q: address %q, warnings %q", value, c.MasqueradeAddress, c.Warnings)
		}
	}
	for value, good := range map[string]bool{
		"10.0.0.8:80": true, "cos.local:443": true, "[::1]:80": true, "": true,
		"10.0.0.8": false, ":80": false, "h:0": false, "h:70000": false, "h:http": false, "a b:80": false,
	} {
		if _, err := loadText(t, account+"cos_address = "+value+"\n[NETWORK]\n"); (err == nil) != good {
			t.Errorf("cos_address = %q: %v", value, err)
		}
	}
	for value, good := range map[string]bool{
		"cos.ap-x.tencentcos.cn": true, "localhost:9101": true, "http://cos.x.cn": true, "cos.x.cn/": false, "a b": false, "cos.x.cn:x": false, "-": false,
	} {
		if a := mustLoad(t, account+"cos_endpoint = "+value+"\n[NETWORK]\n").Accounts[0]; (a.Unusable == nil) != good {
			t.Errorf("cos_endpoint = %q: %q", value, a.Unusable)
		}
	}
}

func TestDefaultSectionHoldsOnlyWhereTheSectionIs(t *testing.T) {
	given := "[DEFAULT]\nmax_list_file = 7\n"
	if c := mustLoad(t, given+account+"[NETWORK]\n"); c.MaxListFile != 1000 {
		t.Errorf("without [OPTIONAL]: max_list_file %d, want 1000", c.MaxListFile)
	}
	if c := mustLoad(t, given+account+"[NETWORK]\n[OPTIONAL]\n"); c.MaxListFile != 7 {
		t.Errorf("with [OPTIONAL]: max_list_file %d, want 7", c.MaxListFile)
	}
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vsftpd.conf")
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("[NETWORK]\nlisten_port = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path+":2: [NETWORK] listen_port = x: want") {
		t.Errorf("bad port: %v", err)
	}
	if _, err := load("x", []byte("\xff\xfe[\x00"), 2); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("UTF-16: %v", err)
	}
}

func TestProblemStaysOnOneLine(t *testing.T) {
	p := Problem{File: "f", Line: 3, Section: "A\nB", Key: "k", Value: "x\n" + strings.Repeat("密", 100), Want: "want y"}
	got := p.Error()
	if strings.Contains(got, "\n") || !strings.HasPrefix(got, `f:3: ["A\nB"] k = "x\n密`) || !strings.HasSuffix(got, `密"…: want y`) || strings.Contains(got, `\x`) {
		t.Error(got)
	}
}

func TestRunAsNames(t *testing.T) {
	for value, want := range map[string]string{"cos-ftp": "cos-ftp", "svc.ftp@example # comment": "svc.ftp@example", "": ""} {
		if c := mustLoad(t, account+"[NETWORK]\n[OPTIONAL]\nrun_as = "+value+"\n"); c.RunAs != want {
			t.Errorf("%q: %q", value, c.RunAs)
		}
	}
	for _, value := range []string{"two words", "a:b", "-x", "../root", "用户"} {
		if _, err := load("vsftpd.conf", []byte(account+"[NETWORK]\n[OPTIONAL]\nrun_as = "+value+"\n"), 2); err == nil || !strings.Contains(err.Error(), "want the name of a user of this machine, e.g. cos-ftp") {
			t.Errorf("%q: %v", value, err)
		}
	}
}
