package clients

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// Every client makes a directory, changes into it, puts one file and several, lists, asks a size, gets one file
// and several, renames, deletes and leaves.
const (
	clientDir = "目录 x"
	bigSize   = 3 << 19 // two parts
)

var clientTexts = map[string]string{"a b.txt": "spaces\n", "中文 文件.txt": "汉字\n"}

// clientSession is one client against a running program.
type clientSession struct {
	t          *testing.T
	host, port string
	mode       string // "passive" or "active"
	dir        string // where its files are: big.bin, texts/* and the empty out
}

// client is a real FTP client. run returns what it printed.
type client struct {
	name  string
	modes []string
	run   func(s *clientSession) string
}

var (
	bothModes   = []string{"passive", "active"}
	passiveOnly = []string{"passive"}
)

var realClients = []client{
	{"curl", bothModes, runCurl},
	{"lftp", bothModes, func(s *clientSession) string { return s.script("lftp", "lftp.txt", "lftp") }},
	{"ncftp", bothModes, func(s *clientSession) string {
		return s.script("ncftp", "ncftp.txt", "ncftp", "-u", "user0", "-p", "pass0", "-P", s.port, s.host)
	}},
	{"tnftp", bothModes, func(s *clientSession) string { return s.script("tnftp", "tnftp.txt", "tnftp", "-n", "-v") }},
	{"ftplib-2.7", bothModes, (*clientSession).ftplib27},
	{"ftplib-3", bothModes, func(s *clientSession) string { return s.ftplib(rig.FindCommand(s.t, "python3")) }},
	{"basic-ftp", passiveOnly, runBasicFTP},
	{"jlaffaye", passiveOnly, runJlaffaye},
}

func TestRealClients(t *testing.T) {
	for _, c := range realClients {
		for _, mode := range c.modes {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				store := rig.NewStore(t)
				g := rig.StartGateway(t, store, nil)
				host, port, err := net.SplitHostPort(g.Addr)
				if err != nil {
					t.Fatal(err)
				}
				s := &clientSession{t: t, host: host, port: port, mode: mode, dir: clientFiles(t)}
				s.check(store, c.run(s))
			})
		}
	}
}

// clientFiles makes the directory a client starts in.
func clientFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"texts", "out"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	big := make([]byte, bigSize)
	rig.FillPattern(big)
	files := map[string][]byte{"big.bin": big}
	for name, text := range clientTexts {
		files[filepath.Join("texts", name)] = []byte(text)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// check compares what the client left in the bucket and on its own disk.
func (s *clientSession) check(store *rig.Store, output string) {
	s.t.Helper()
	big := make([]byte, bigSize)
	rig.FillPattern(big)
	want := map[string]string{
		clientDir + "/":        "",
		clientDir + "/big.bin": string(big),
		clientDir + "/新 名.txt": clientTexts["a b.txt"],
	}
	for _, o := range store.Objects(rig.BucketName(0)) {
		content, there := want[o.Key]
		if !there || content != string(o.Data) {
			s.t.Errorf("the bucket holds %q with %s", o.Key, rig.Describe(o.Data))
		}
		delete(want, o.Key)
	}
	for key := range want {
		s.t.Errorf("the bucket lacks %q", key)
	}
	for name, text := range map[string]string{
		"big.bin": string(big), "a b.txt": clientTexts["a b.txt"], "中文 文件.txt": clientTexts["中文 文件.txt"],
	} {
		got, err := os.ReadFile(filepath.Join(s.dir, "out", name))
		if err != nil || string(got) != text {
			s.t.Errorf("downloaded %q: %v, %s", name, err, rig.Describe(got))
		}
	}
	for _, word := range []string{"a b.txt", "中文 文件.txt", "big.bin", fmt.Sprint(bigSize), clientDir} {
		if !strings.Contains(output, word) {
			s.t.Errorf("the client never showed %q", word)
		}
	}
	if s.t.Failed() {
		s.t.Logf("the client printed:\n%s", output)
	}
}

// command runs a client in the session's directory and returns what it printed.
func (s *clientSession) command(stdin string, name string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "LC_ALL=C.UTF-8", "PYTHONIOENCODING=utf-8", "http_proxy=", "ftp_proxy=")
	cmd.Stdin = strings.NewReader(stdin)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 30 * time.Second // what it started may outlive it a little, and write
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		s.t.Errorf("%s %q: %v\n%s", name, args, err, output.String())
	}
	return output.String()
}

// script feeds a client the commands of a file.
func (s *clientSession) script(need, file string, name string, args ...string) string {
	rig.FindCommand(s.t, need)
	text, err := os.ReadFile(filepath.Join("testdata", "clients", file))
	if err != nil {
		s.t.Fatal(err)
	}
	onOff := map[string]string{"passive": "on", "active": "off"}[s.mode]
	commands := strings.NewReplacer("{HOST}", s.host, "{PORT}", s.port, "{PASSIVE}", onOff).Replace(string(text))
	return s.command(commands, name, args...)
}

func (s *clientSession) ftplib(python string, record ...string) string {
	script, err := filepath.Abs(filepath.Join("testdata", "clients", "ftplib_session.py"))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.command("", python, append([]string{script, s.host, s.port, s.mode}, record...)...)
}

func runBasicFTP(s *clientSession) string {
	rig.FindCommand(s.t, "node")
	if _, err := os.Stat(filepath.Join("testdata", "node", "node_modules", "basic-ftp")); err != nil {
		s.t.Fatal("basic-ftp is not installed: run ./setup.sh test-deps")
	}
	script, err := filepath.Abs(filepath.Join("testdata", "node", "client.mjs"))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.command("", "node", script, s.host, s.port)
}

func runCurl(s *clientSession) string {
	curl := rig.FindCommand(s.t, "curl")
	base := fmt.Sprintf("ftp://user0:pass0@%s:%s/", s.host, s.port)
	dir := base + url.PathEscape(clientDir) + "/"
	mode := []string{"-sS"}
	if s.mode == "active" {
		mode = append(mode, "--ftp-port", "-")
	}
	output := ""
	for _, args := range [][]string{
		{"-Q", "MKD " + clientDir, base},
		{"-T", "big.bin", dir},
		{"-T", "texts/{a b.txt,中文 文件.txt}", dir},
		{dir},
		{"--list-only", dir},
		{"-I", dir + "big.bin"},
		{dir + "big.bin", "-o", "out/big.bin"},
		{dir + "{a%20b.txt,%E4%B8%AD%E6%96%87%20%E6%96%87%E4%BB%B6.txt}", "-o", "out/#1"},
		{"-Q", "CWD /" + clientDir, "-Q", "RNFR a b.txt", "-Q", "RNTO 新 名.txt", base},
		{"-Q", "DELE /" + clientDir + "/中文 文件.txt", base},
		{"-v", "-Q", "CWD /" + clientDir, "-Q", "PWD", base},
	} {
		output += s.command("", curl, append(mode, args...)...)
	}
	s.unescapeDownloads()
	return output
}

// unescapeDownloads renames what curl stored under the words of its URL.
func (s *clientSession) unescapeDownloads() {
	files, err := os.ReadDir(filepath.Join(s.dir, "out"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		name, err := url.PathUnescape(file.Name())
		if err == nil {
			err = os.Rename(filepath.Join(s.dir, "out", file.Name()), filepath.Join(s.dir, "out", name))
		}
		if err != nil {
			s.t.Error(err)
		}
	}
}

func runJlaffaye(s *clientSession) string {
	conn, err := ftp.Dial(net.JoinHostPort(s.host, s.port), ftp.DialWithTimeout(20*time.Second))
	if err != nil {
		s.t.Fatal(err)
	}
	output := ""
	must := func(err error) {
		if err != nil {
			s.t.Error(err)
		}
	}
	must(conn.Login("user0", "pass0"))
	must(conn.MakeDir(clientDir))
	must(conn.ChangeDir(clientDir))
	names := map[string]string{"big.bin": "big.bin"}
	for name := range clientTexts {
		names[name] = filepath.Join("texts", name)
	}
	for name, local := range names {
		file, err := os.Open(filepath.Join(s.dir, local))
		must(err)
		must(conn.Stor(name, file))
		must(file.Close())
	}
	entries, err := conn.List("")
	must(err)
	for _, entry := range entries {
		output += fmt.Sprintln(entry.Name, entry.Size)
		download(s, conn, entry.Name)
	}
	size, err := conn.FileSize("big.bin")
	must(err)
	must(conn.Rename("a b.txt", "新 名.txt"))
	must(conn.Delete("中文 文件.txt"))
	here, err := conn.CurrentDir()
	must(err)
	must(conn.Quit())
	return output + fmt.Sprintln(size, here)
}

func download(s *clientSession, conn *ftp.ServerConn, name string) {
	response, err := conn.Retr(name)
	if err != nil {
		s.t.Errorf("get %q: %v", name, err)
		return
	}
	defer response.Close()
	file, err := os.Create(filepath.Join(s.dir, "out", name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.ReadFrom(response); err != nil {
		s.t.Errorf("get %q: %v", name, err)
	}
}
