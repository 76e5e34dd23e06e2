package clients

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// clientTree is what the clients fetch in whole or by patterns.
var clientTree = map[string]string{
	"tree/a1.txt": "1", "tree/a2.txt": "22", "tree/b.log": "333", "tree/[1].txt": "brackets", "tree/sp ace.txt": "s",
	"tree/sub/c.txt": "c", "tree/sub/deep/er/d.txt": "d", "tree/目录/文件.txt": "汉", "tree/empty/": "",
}

// TestClientsFetchTrees: what real clients make of listings with patterns and options, in either style.
func TestClientsFetchTrees(t *testing.T) {
	t.Parallel()
	for _, style := range []string{"original", "unix"} {
		t.Run(style, func(t *testing.T) { fetchTrees(t, style) })
	}
}

func fetchTrees(t *testing.T, style string) {
	store := rig.NewStore(t)
	for key, content := range clientTree {
		store.Put(rig.BucketName(0), key, []byte(content))
	}
	gate := rig.StartGateway(t, store, map[string]string{"list_style": style})
	host, port, _ := strings.Cut(gate.Addr, ":")
	lftp := func(script string) []string {
		return []string{"lftp", "-c", "set net:max-retries 1; open -u user0,pass0 ftp://" + gate.Addr + "; " + script}
	}
	ncftpget := []string{"ncftpget", "-u", "user0", "-p", "pass0", "-P", port}
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(clientTree)), func(key string) bool { return strings.HasSuffix(key, "/") })
	for _, test := range []struct {
		name    string
		command []string
		stdin   string
		want    []string // below the directory of the test
	}{
		{"ncftpget -R", slices.Concat(ncftpget, []string{"-R", host, ".", "/tree"}), "", all},
		{"ncftpget pattern", slices.Concat(ncftpget, []string{host, ".", "/tree/a*.txt"}), "", []string{"a1.txt", "a2.txt"}},
		{"lftp mirror", lftp("mirror tree"), "", all},
		{"lftp mirror by LIST", lftp("set ftp:use-mlsd off; mirror tree"), "", all},
		{"lftp mget", lftp("cd tree; mget a?.txt; mget sub/*"), "", []string{"a1.txt", "a2.txt", "c.txt"}},
		{"tnftp mget", []string{"tnftp", "-n", host, port},
			"user user0 pass0\nprompt off\nbinary\ncd tree\nmget a*.txt\nmget b.[l]og\nbye\n", []string{"a1.txt", "a2.txt", "b.log"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rig.FindCommand(t, test.command[0])
			dir := t.TempDir()
			cmd := exec.Command(test.command[0], test.command[1:]...)
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(test.stdin)
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
			output, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			got := fetched(t, dir)
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q\n%s", got, test.want, output)
			}
		})
	}
}

// fetched are the files below a directory, each of which must be what the store has.
func fetched(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for key, want := range clientTree {
			if (key == name || strings.HasSuffix(key, "/"+name)) && want != string(content) {
				t.Errorf("%s holds %s", name, rig.Describe(content))
			}
		}
		names = append(names, filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestUnixStyleIsParsed: a client reads kind, name, size and time out of the lines of list_style = unix.
func TestUnixStyleIsParsed(t *testing.T) {
	store := rig.NewStore(t)
	recent := time.Now().UTC().Add(-48 * time.Hour).Truncate(time.Minute)
	old := time.Date(2019, 3, 4, 0, 0, 0, 0, time.UTC)
	store.Put(rig.BucketName(0), "d/sp ace.txt", make([]byte, 1234), costest.Modified(recent))
	store.Put(rig.BucketName(0), "d/old.bin", make([]byte, 123456789), costest.Modified(old))
	store.Put(rig.BucketName(0), "d/sub/x", nil)
	gate := rig.StartGateway(t, store, map[string]string{"list_style": "unix"})
	client, err := ftp.Dial(gate.Addr, ftp.DialWithDisabledMLSD(true))
	if err == nil {
		err = client.Login("user0", "pass0")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer client.Quit()
	entries, err := client.List("d")
	if err != nil {
		t.Fatal(err)
	}
	want := []ftp.Entry{
		{Name: "sub", Type: ftp.EntryTypeFolder, Time: recent}, // that of the newest file beside it
		{Name: "sp ace.txt", Type: ftp.EntryTypeFile, Size: 1234, Time: recent},
		{Name: "old.bin", Type: ftp.EntryTypeFile, Size: 123456789, Time: old},
	}
	if len(entries) != len(want) {
		t.Fatalf("%d entries, want %d", len(entries), len(want))
	}
	for i, e := range entries {
		if e.Name != want[i].Name || e.Type != want[i].Type || e.Size != want[i].Size || !e.Time.Equal(want[i].Time) {
			t.Errorf("got %+v, want %+v", *e, want[i])
		}
	}
}
