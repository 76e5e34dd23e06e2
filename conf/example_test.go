package conf

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var exampleOption = regexp.MustCompile(`^(#?)([a-z_]+) = (.*)$`)

// exampleOptions returns the options of vsftpd.conf.example in its order, each with what comes in the file
// before it; the second account is left out.
func exampleOptions(t *testing.T) (keys []Key, commented map[string]bool) {
	t.Helper()
	file, err := os.Open("vsftpd.conf.example")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	commented = map[string]bool{}
	section, doc := "", ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if option := exampleOption.FindStringSubmatch(line); option != nil {
			if section != "COS_ACCOUNT_1" {
				keys = append(keys, Key{section, option[2], option[3], doc})
				commented[option[2]] = option[1] != ""
			}
			doc = ""
			continue
		}
		if name, ok := sectionHeader(line + "\n"); ok && line != "" {
			section, doc = name, ""
			continue
		}
		doc += strings.TrimPrefix(line, "# ") + " "
	}
	return keys, commented
}

func TestExampleAndTableAreInStep(t *testing.T) {
	options, commented := exampleOptions(t)
	for i, option := range options {
		if option.Section == "COS_ACCOUNT_0" {
			options[i].Section = accountSection
		}
	}
	var inExample, inTable []string
	for _, k := range options {
		inExample = append(inExample, k.Section+" "+k.Name)
	}
	for _, k := range Keys() {
		inTable = append(inTable, k.Section+" "+k.Name)
	}
	slices.Sort(inExample)
	slices.Sort(inTable)
	if !slices.Equal(inExample, inTable) {
		t.Fatalf("example: %q\ntable:   %q", inExample, inTable)
	}
	for _, k := range Keys() {
		option := options[slices.IndexFunc(options, func(o Key) bool { return o.Name == k.Name && o.Section == k.Section })]
		if !strings.HasPrefix(option.Doc, k.Doc) {
			t.Errorf("%s: the comment %q does not start with the table's %q", k.Name, option.Doc, k.Doc)
		}
		if k.Default != "" && (option.Default != k.Default || commented[k.Name]) {
			t.Errorf("%s: the example has %q (commented: %v), the default is %q", k.Name, option.Default, commented[k.Name], k.Default)
		}
	}
}

func TestExampleGivesTheDefaults(t *testing.T) {
	text, err := os.ReadFile("vsftpd.conf.example")
	if err != nil {
		t.Fatal(err)
	}
	home := homes(t)
	example, err := load("x", []byte(strings.ReplaceAll(string(text), "/home/", home+"/")), 2)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := load("x", []byte("[NETWORK]\n"), 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(example.Warnings) != 0 || len(example.Accounts) != 2 {
		t.Errorf("%d accounts, warnings %q", len(example.Accounts), example.Warnings)
	}
	for i, a := range example.Accounts { // its keys are no keys, and nothing else is wrong
		if len(a.Unusable) != 2 || !strings.Contains(a.Unusable[0], "cos_secretid: this is the example's word") {
			t.Errorf("account %d: %q", i, a.Unusable)
		}
		example.Accounts[i].Unusable = nil
	}
	if a := example.Accounts[0]; a.Host() != "examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com" || !a.DeleteEnable || a.Protocol != "https" || a.Authority() != "RW" {
		t.Errorf("first account %+v", a)
	}
	bare.Accounts, bare.Warnings, example.Accounts, example.Warnings = nil, nil, nil, nil
	if got, want := dumpText(t, example), dumpText(t, bare); got != want {
		t.Errorf("example:\n%s\ndefaults:\n%s", got, want)
	}
}

func dumpText(t *testing.T, c *Config) string {
	t.Helper()
	text, err := c.Dump()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadmeSampleLoads(t *testing.T) {
	text, err := os.ReadFile("testdata/readme-sample.conf")
	if err != nil {
		t.Fatal(err)
	}
	c, err := load("vsftpd.conf", []byte(strings.ReplaceAll(string(text), "{HOME}", homes(t))), 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Accounts) != 2 || !c.Accounts[0].DeleteEnable || c.Accounts[1].DeleteEnable {
		t.Errorf("accounts %+v", c.Accounts)
	}
	if c.ListenPort != 2121 || c.PassiveFirst != 60000 || c.PassiveLast != 65535 || c.MasqueradeAddress != "" {
		t.Errorf("network %+v", c)
	}
	if c.MaxListFile != 10000 || c.MaxConnectionNum != 512 || c.LogDir != "log" || c.PartSize() != 2147484 || c.UploadThreadNum != 8 {
		t.Errorf("options %+v", c)
	}
	if len(c.Warnings) != 2 || !strings.Contains(c.Warnings[0], "masquerade_address = XXX.XXX.XXX.XXX: ignored") || !strings.Contains(c.Warnings[1], "so the log is in log") {
		t.Errorf("warnings %q, want those about the placeholder and the log directory", c.Warnings)
	}
}

func TestDumpHasEveryKey(t *testing.T) {
	c := &Config{MaxConnectionNum: 3, PassiveFirst: 1, PassiveLast: 2, LogDir: "log", Accounts: []Account{{Bucket: "b-1", Region: "r1"}}}
	var dumped map[string]any
	if err := json.Unmarshal([]byte(dumpText(t, c)), &dumped); err != nil {
		t.Fatal(err)
	}
	account := dumped["accounts"].([]any)[0].(map[string]any)
	for _, k := range Keys() {
		in := dumped
		if k.Section == accountSection {
			in = account
		}
		if _, ok := in[k.Name]; !ok {
			t.Errorf("no %s in the dump", k.Name)
		}
	}
	for name, want := range map[string]any{"max_clients": 2.0, "upload_threads": 0.0, "part_size": 0.0, "log_file": "log/cos_v5.log"} {
		if dumped[name] != want {
			t.Errorf("%s is %v, want %v", name, dumped[name], want)
		}
	}
	if ports := dumped["passive_ports"].([]any); ports[0] != 1.0 || ports[1] != 2.0 {
		t.Errorf("passive_ports is %v", ports)
	}
	if account["cos_host"] != "b-1.cos.r1.myqcloud.com" || account["cos_secretid"] != hidden {
		t.Errorf("account %v", account)
	}
}
