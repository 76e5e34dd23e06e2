package clients

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var updateClients = flag.Bool("update-clients", false, "TestClientTable writes the tables of docs/clients.md, with the versions of the clients of this machine")

// tableClient is a row of the table of clients. What it says comes from the lists by which the tests run.
type tableClient struct {
	id      string // in tripClients and moreTripClients, matrixClients or realClients
	name    string
	version []string // a command that prints it
	unix    string   // when it needs list_style = unix; "" for never
}

var tableClients = []tableClient{
	{id: "curl", name: "curl", version: []string{"curl", "--version"}},
	{id: "lftp", name: "lftp", version: []string{"lftp", "--version"}},
	{id: "ftplib", name: "Python ftplib", version: []string{systemPython, "--version"}},
	{id: "tnftp", name: "tnftp (BSD `ftp`)", version: []string{"dpkg-query", "-W", "tnftp"}},
	{id: "ncftp", name: "ncftp", version: []string{"dpkg-query", "-W", "ncftp"}},
	{id: "ruby", name: "Ruby Net::FTP", version: []string{"ruby", "--version"}},
	{id: "perl", name: "Perl Net::FTP", version: []string{"perl", "-MNet::FTP", "-e", "print Net::FTP->VERSION"}},
	{id: "lwp", name: "Perl LWP", version: []string{"perl", "-MLWP", "-e", "print LWP->VERSION"}},
	{id: "php", name: "PHP", version: []string{"php", "--version"}},
	{id: "netkit", name: "netkit `ftp-ssl`", version: []string{"dpkg-query", "-W", "ftp-ssl"}},
	{id: "inetutils", name: "GNU inetutils `ftp`", version: []string{"inetutils-ftp", "--version"}},
	{id: "gio", name: "gio (gvfs)", version: []string{"dpkg-query", "-W", "gvfs-backends"}},
	{id: "rclone", name: "rclone", version: []string{"rclone", "version"}, unix: "`--ftp-disable-mlsd`"},
	{id: "wput", name: "wput", version: []string{"wput", "--version"}},
	{id: "wget", name: "wget", version: []string{"wget", "--version"}},
	{id: "aria2", name: "aria2 `-x4`", version: []string{"aria2c", "--version"}},
	{id: "axel", name: "axel `-n 4`", version: []string{"axel", "--version"}},
	{id: "pycurl", name: "PycURL", version: []string{systemPython, "-c", "import pycurl; print(pycurl.version)"}},
	{id: "ftputil", name: "Python ftputil", version: []string{systemPython, "-c", "import ftputil; print(ftputil.__version__)"}, unix: "LIST"},
	{id: "aioftp", name: "Python aioftp", version: []string{systemPython, "-c", "import aioftp; print(aioftp.__version__)"}},
	{id: "basic-ftp", name: "Node basic-ftp", version: []string{"grep", "-A1", "node_modules/basic-ftp", "testdata/node/package-lock.json"}},
	{id: "jlaffaye", name: "Go jlaffaye/ftp", version: []string{"go", "list", "-m", "github.com/jlaffaye/ftp"}},
}

// tried is what tests do with a client.
type tried struct {
	ways     []tripWay
	up, down bool
}

// triedOf collects what all lists of clients say of one.
func triedOf(id string) (t tried) {
	for _, c := range slices.Concat(tripClients, moreTripClients) {
		if c.name == id {
			t.ways, t.up, t.down = append(t.ways, waysOf(c)...), t.up || !c.fetches, t.down || c.lacks[downloads] == ""
		}
	}
	for _, c := range matrixClients {
		for _, secure := range c.secure {
			for _, host := range c.hosts {
				for _, mode := range bothModes {
					if c.name == id && !(id == "curl" && secure != noTLS && mode == activeMode) {
						family := map[string]string{"127.0.0.1": "IPv4", "::1": ipv6Host}[host]
						t.ways, t.up, t.down = append(t.ways, tripWay{secure, family, host, mode}), true, true
					}
				}
			}
		}
	}
	for _, c := range realClients {
		for _, mode := range c.modes {
			if c.name == id {
				t.ways, t.up, t.down = append(t.ways, tripWay{noTLS, "IPv4", "127.0.0.1", mode}), true, true
			}
		}
	}
	return t
}

func (t tried) has(is func(tripWay) bool) bool { return slices.ContainsFunc(t.ways, is) }

// tableWords are the words of a table, by language.
var tableWords = map[string]map[string]string{
	"clients.md": {
		"head": "| client | plain | explicit FTPS | implicit FTPS | active | passive | IPv6 | upload | download | needs `list_style = unix` |",
		"yes":  "yes", "no": "–", "plain": "plain only", "LIST": "to list", "`--ftp-disable-mlsd`": "with `--ftp-disable-mlsd`",
	},
	"clients.zh-CN.md": {
		"head": "| 客户端 | 明文 | 显式 FTPS | 隐式 FTPS | 主动模式 | 被动模式 | IPv6 | 上传 | 下载 | 需要 `list_style = unix` |",
		"yes":  "支持", "no": "–", "plain": "仅明文", "LIST": "列目录时", "`--ftp-disable-mlsd`": "使用 `--ftp-disable-mlsd` 时",
	},
}

// row is the line of a client.
func (c tableClient) row(words map[string]string, version string) string {
	t := triedOf(c.id)
	word := func(yes bool) string {
		if yes {
			return words["yes"]
		}
		return words["no"]
	}
	secure := func(how string) string { return word(t.has(func(w tripWay) bool { return w.secure == how })) }
	mode := func(how string) string {
		with := t.has(func(w tripWay) bool { return w.mode == how })
		if with && t.has(func(w tripWay) bool { return w.secure != noTLS }) && !t.has(func(w tripWay) bool { return w.mode == how && w.secure != noTLS }) {
			return words["plain"]
		}
		return word(with)
	}
	unix := words["no"]
	if c.unix != "" {
		unix = words[c.unix]
	}
	return "| " + strings.Join([]string{
		strings.TrimSpace(c.name + " " + version), secure(noTLS), secure(explicitTLS), secure(implicitTLS), mode(activeMode), mode("passive"),
		word(t.has(func(w tripWay) bool { return w.family == ipv6Host })), word(t.up), word(t.down), unix,
	}, " | ") + " |"
}

var (
	versionNumber = regexp.MustCompile(`\d+(\.\d+)+|\b\d{8}\b`)
	shownVersion  = regexp.MustCompile(`(?m)^(\| [^|]*?) [\d.]+ \|`)
	clientTable   = regexp.MustCompile(`(?s)(<!-- clients: by TestClientTable -->\n).*?(<!-- end -->)`)
)

// installed is the version of a client on this machine.
func (c tableClient) installed(t *testing.T) string {
	t.Helper()
	output, err := exec.Command(c.version[0], c.version[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s", c.name, err, output)
	}
	return versionNumber.FindString(string(output))
}

// TestClientTable: the table of clients in the documentation says what the tests try, in both languages. With
// -update-clients it writes the table, with the versions of this machine; the cells have run when TestRoundTrips,
// TestClientMatrix and TestRealClients have passed.
func TestClientTable(t *testing.T) {
	if len(tableClients) < 20 {
		t.Errorf("%d clients, want 20", len(tableClients))
	}
	for file, words := range tableWords {
		path := filepath.Join("../..", "docs", file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{words["head"], "|---|---|---|---|---|---|---|---|---|---|"}
		for _, c := range tableClients {
			if triedOf(c.id).ways == nil {
				t.Errorf("no test tries %s", c.id)
			}
			version := ""
			if *updateClients {
				version = c.installed(t)
			}
			lines = append(lines, c.row(words, version))
		}
		want := strings.Join(lines, "\n") + "\n"
		if *updateClients {
			text = clientTable.ReplaceAll(text, []byte("${1}"+strings.ReplaceAll(want, "$", "$$")+"${2}"))
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		found := clientTable.FindString(string(text))
		if !strings.Contains(shownVersion.ReplaceAllString(found, "$1 |"), shownVersion.ReplaceAllString(want, "$1 |")) {
			t.Errorf("%s is not what the tests try; go test ./compat_test/clients -run TestClientTable -update-clients writes it:\n%s", file, want)
		}
	}
}
