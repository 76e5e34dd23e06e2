package conf

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// originalCase is a conf file and what the Python original did with it: whether it started, and what it took the
// values for. {HOME} stands for a directory that holds user0 and user1, {RUN} for a working directory,
// {LONG} for 70,000 letters, {GBK} for Chinese in GBK.
type originalCase struct {
	Case   string
	Text   string
	Starts bool
	ReadAs map[string]any `json:"read_as"`
}

// startsDifferently lists where we refuse what the original starts with, or the reverse, and why.
var startsDifferently = map[string]string{
	"two accounts, home_dir one inside the other": "accepted: the second does not exist, so that account cannot log in, and the first can",
	"home_dir = /":                                          "accepted: it is an existing directory",
	"listen_port = None":                                    "accepted: the documented default is 2121",
	"listen_port = '70000'":                                 "refused: the original listened on 4464",
	"listen_port = '2131 # c'":                              "accepted: the original's own sample has such comments",
	"passive_port = None":                                   "accepted: the documented default is 60000,65535",
	"passive_port = '61010,61000'":                          "refused: the original used ports outside any range",
	"passive_port = '0,70000'":                              "refused: PASV ended with a lost connection",
	"passive_port = '61000,61010 # c'":                      "accepted: the original's own sample has such comments",
	"delete_enable = true # comment":                        "accepted: the original's own sample has such comments",
	"single_file_max_size = '100 # c'":                      "accepted: the original's own sample has such comments",
	"config_check_enable = 'true # c'":                      "accepted: the original's own sample has such comments",
	"log_dir = 'a/B/c'":                                     "accepted: directories above the last are made too",
	"UTF-8 BOM":                                             "accepted: a byte order mark at the start is ignored, with a warning",
	"UTF-8 BOM before a comment line":                       "accepted: a byte order mark at the start is ignored, with a warning",
	"single_file_max_size = 41 TB with config_check_enable": "confcheck refuses it",
	"single_file_max_size = 40000 GiB exactly with config_check_enable": "accepted: memory does not grow with part size times connections; see confcheck",
}

// readsDifferently lists where we take a value for something else than the original, and why.
var readsDifferently = map[string]string{
	"home_dir = {HOME}/user0//":       "cleaned; the original's logins to it ended with a lost connection",
	"home_dir = {HOME}/../home/user0": "cleaned; the original's logins to it ended with a lost connection",
	"indented comment lines":          "RW: # starts a comment; the rights are the same",
	"single_file_max_size = '0'":      "as much as parts of min_part_size make: 0 exactly would refuse every upload",
	"single_file_max_size = '-1'":     "as much as parts of min_part_size make: -1 exactly would refuse every upload",
	"min_part_size = '1'":             "raised to 1 MiB: COS takes no smaller parts, and every larger upload was lost",
	"min_part_size = '100000'":        "raised to 1 MiB: COS takes no smaller parts, and every larger upload was lost",
	"min_part_size = '1048576 # c'":   "1048576: # starts a comment",
	"max_connection_num = '0'":        "no limit, as documented",
	"log_level = 'DEBUG # c'":         "DEBUG: # starts a comment",
	"log_dir = 'log # c'":             "log: # starts a comment",
	"log_backup_count = '5'":          "5: the original reads it and keeps 100",
	"passive_port = '61000,61000'":    "one port, as documented; the original's range was empty",
}

func originalCases(t *testing.T) []originalCase {
	t.Helper()
	data, err := os.ReadFile("testdata/original.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []originalCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 200 {
		t.Fatalf("%d recorded cases, want at least 200", len(cases))
	}
	return cases
}

// homes makes the directories that the recorded files name.
func homes(t *testing.T) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	for _, dir := range []string{"user0", "user1"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(home, "user0"), home+"link"); err != nil {
		t.Fatal(err)
	}
	return home
}

func TestLoadDoesWhatTheOriginalDid(t *testing.T) {
	home := homes(t)
	for i := 1; i <= 100; i++ {
		if err := os.MkdirAll(filepath.Join(home, "many", fmt.Sprint("user", i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	fill := strings.NewReplacer("{HOME}", home, "{LONG}", strings.Repeat("x", 70_000), "{GBK}", "\xd6\xd0\xce\xc4", "{RUN}", "/srv")
	for _, c := range originalCases(t) {
		t.Run(c.Case, func(t *testing.T) {
			seen[c.Case] = true
			cfg, err := load("vsftpd.conf", []byte(fill.Replace(c.Text)), 2)
			_, differs := startsDifferently[c.Case]
			if started := err == nil; started != (c.Starts != differs) {
				t.Fatalf("original starts: %v, listed as different: %v, we: %v", c.Starts, differs, err)
			}
			if err != nil || c.ReadAs == nil {
				return
			}
			got := readAs(cfg, home, c.ReadAs)
			if _, differs := readsDifferently[c.Case]; reflect.DeepEqual(got, c.ReadAs) == differs {
				t.Errorf("listed as different: %v\ngot  %v\nwant %v", differs, got, c.ReadAs)
			}
		})
	}
	for _, list := range []map[string]string{startsDifferently, readsDifferently} {
		for name := range list {
			if !seen[name] {
				t.Errorf("%q is no recorded case", name)
			}
		}
	}
}

// readAs shows cfg in the recording's words, limited to what was recorded.
func readAs(cfg *Config, home string, recorded map[string]any) map[string]any {
	users, buckets := []any{}, map[string]any{}
	for _, a := range cfg.Accounts {
		dir := strings.Replace(a.HomeDir, home, "{HOME}", 1)
		users = append(users, []any{a.UserName, a.Password.Reveal(), dir, a.Authority()})
		buckets[dir] = map[string]any{
			"bucket": a.Bucket, "cos_endpoint": a.Endpoint, "cos_protocol": a.Protocol, "cos_region": a.Region,
			"cos_secretid": a.SecretID.Reveal(), "cos_secretkey": a.SecretKey.Reveal(), "delete_enable": a.DeleteEnable,
		}
	}
	when := cfg.LogRotateWhen
	if when == "D" {
		when = "d" // what Python's handler calls it
	}
	all := map[string]any{
		"login_users":          users,
		"buckets":              buckets,
		"passive_ports":        fmt.Sprintf("%d..%d (%d ports)", cfg.PassiveFirst, cfg.PassiveLast-1, cfg.PassiveLast-cfg.PassiveFirst), // Legacy: the original left the last one out.
		"single_file_max_size": float64(cfg.SingleFileMaxSize),
		"min_part_size":        float64(cfg.MinPartSize),
		"upload_thread_num":    float64(cfg.UploadThreadNum),
		"max_connection_num":   float64(cfg.MaxConnectionNum),
		"max_list_file":        float64(cfg.MaxListFile),
		"log_level":            map[string]float64{"DEBUG": 10, "INFO": 20, "ERROR": 40}[cfg.LogLevel.String()],
		"log_dir":              strings.Replace(cfg.LogDir, "/srv", "{RUN}", 1),
		"log_filename":         strings.Replace(cfg.LogFile(), "/srv", "{RUN}", 1),
		"log_rotate_enabled":   cfg.LogRotateEnabled,
		"log_rotate_when":      when,
		"log_backup_count":     float64(cfg.LogBackupCount),
	}
	got := map[string]any{}
	for key := range recorded {
		got[key] = all[key]
	}
	return got
}
