package clients

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// clientCommand runs a client and returns what it said, which must be no complaint.
func clientCommand(t *testing.T, dir string, command ...string) {
	t.Helper()
	cmd := exec.Command(rig.FindCommand(t, command[0]), command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	said, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(said), "550") || strings.Contains(string(said), "ccess failed") {
		t.Errorf("%q: %v\n%s", command, err, said)
	}
}

// TestClientsDeleteTrees: trees of which no directory has an object of its own, as every tool for object stores makes them.
func TestClientsDeleteTrees(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	gate := rig.StartGateway(t, store, map[string]string{"list_style": "unix"})
	host, port, err := net.SplitHostPort(gate.Addr)
	if err != nil {
		t.Fatal(err)
	}
	const perl = `use Net::FTP; my $f = Net::FTP->new($ARGV[0], Port => $ARGV[1]) or die; $f->login("user0", "pass0") or die;` +
		`$f->rmdir("tree-perl", 1) or die $f->code, " ", $f->message; $f->quit`
	for name, command := range map[string][]string{
		"lftp": {"lftp", "-c", "set net:max-retries 1; open -u user0,pass0 ftp://" + gate.Addr + "; rm -r tree-lftp"},
		"perl": {"perl", "-e", perl, host, port},
	} {
		t.Run(name, func(t *testing.T) {
			store.Put(rig.BucketName(0), "other", nil)
			for _, key := range []string{"/1", "/a/2", "/a/b/3", "/c/d/e/4"} {
				store.Put(rig.BucketName(0), "tree-"+name+key, []byte("x"))
			}
			clientCommand(t, t.TempDir(), command...)
			if left := store.Objects(rig.BucketName(0)); len(left) != 1 || left[0].Key != "other" {
				t.Errorf("%d objects are left", len(left))
			}
			if got := rig.LoggedIn(t, gate).Retrieved(t, "NLST"); got != "other\r\n" {
				t.Errorf("the root lists %q", got)
			}
		})
	}
}

// TestMirrorComplainsOfNothing: lftp mirror -R sets the mode of each directory.
func TestMirrorComplainsOfNothing(t *testing.T) {
	t.Parallel()
	gate := rig.StartGateway(t, rig.NewStore(t), map[string]string{"list_metadata": "true"})
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "src", "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "src", "a", "b", "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	clientCommand(t, dir, "lftp", "-c", "set net:max-retries 1; open -u user0,pass0 ftp://"+gate.Addr+"; mirror -R -v src dst")
}
