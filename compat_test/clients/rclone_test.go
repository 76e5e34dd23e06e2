package clients

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// rcloneTree is what rclone copies: directories in directories, one of them without files beside it.
var rcloneTree = map[string]string{
	"a.txt": "a\n", "empty.bin": "", "sub/b.txt": "bb\n", "sub/deep/c.bin": strings.Repeat("c", 70000), "目录/文件 x.txt": "汉\n",
}

// rclone is a remote of rclone.
type rclone struct {
	clientSession
	flags []string
	env   []string
}

// TestRclone: a copy into a new directory, two syncs of which the second transfers nothing, check, move and purge; by
// MLSD and by LIST, in plain and over FTPS. The conf is what docs/clients.md says.
func TestRclone(t *testing.T) {
	t.Parallel()
	store, s := startFTPS(t, map[string]string{"list_style": "unix", "list_metadata": "true", "rename_dir_limit": "10000"})
	for _, secure := range allTLS {
		for _, listing := range []string{"MLSD", "LIST"} {
			t.Run(secure+"/"+listing, func(t *testing.T) {
				r := &rclone{clientSession: s.clientSession, env: []string{"SSL_CERT_FILE=" + s.cert}}
				r.t, r.dir = t, t.TempDir()
				r.connect(s, secure, listing)
				r.roundTrip(store, "rclone-"+secure+"-"+listing)
			})
		}
	}
}

func (r *rclone) connect(s *tlsSession, secure, listing string) {
	hidden := strings.TrimSpace(r.command("", rig.FindCommand(r.t, "rclone"), "obscure", "pass0"))
	port := s.port
	if secure == implicitTLS {
		port = s.implicit
	}
	r.flags = []string{"--ftp-host", s.host, "--ftp-port", port, "--ftp-user", "user0", "--ftp-pass", hidden, "-v", "--retries", "1"}
	switch secure {
	case explicitTLS:
		r.flags = append(r.flags, "--ftp-explicit-tls")
	case implicitTLS:
		r.flags = append(r.flags, "--ftp-tls")
	}
	if listing == "LIST" {
		r.flags = append(r.flags, "--ftp-disable-mlsd")
	}
}

// run returns what rclone said.
func (r *rclone) run(args ...string) string {
	r.t.Helper()
	return r.command("", "env", slices.Concat(r.env, []string{"rclone"}, args, r.flags)...)
}

// write makes a file of long ago, so that a listing that shows the time of the upload would be another time.
func (r *rclone) write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.dir, "src", name)
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err == nil {
		err = os.Chtimes(path, at, at)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// stored expects exactly these files below a directory of the bucket.
func (r *rclone) stored(store *rig.Store, dir string, want map[string]string) {
	r.t.Helper()
	seen := 0
	for _, o := range store.Objects(rig.BucketName(0)) {
		name, below := strings.CutPrefix(o.Key, dir+"/")
		if !below || strings.HasSuffix(o.Key, "/") {
			continue
		}
		seen++
		if content, known := want[name]; !known || content != string(o.Data) {
			r.t.Errorf("the bucket holds %q with %s", o.Key, rig.Describe(o.Data))
		}
	}
	if seen != len(want) {
		r.t.Errorf("%s holds %d files, want %d", dir, seen, len(want))
	}
}

func (r *rclone) roundTrip(store *rig.Store, dir string) {
	r.t.Helper()
	for name, content := range rcloneTree {
		r.write(name, content)
	}
	remote := ":ftp:" + dir + "/new/er"
	r.run("copy", "src", remote)
	r.stored(store, dir+"/new/er", rcloneTree)
	for _, verb := range []string{"copy", "sync", "sync"} {
		if said := r.run(verb, "src", remote); strings.Contains(said, "Copied (") || strings.Contains(said, "Updated modification time") {
			r.t.Errorf("%s of what is there transfers again:\n%s", verb, said)
		}
	}
	r.write("a.txt", "b\n") // of the same size
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(r.dir, "src", "a.txt"), at, at); err != nil {
		r.t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(r.dir, "src", "sub")); err != nil {
		r.t.Fatal(err)
	}
	if said := r.run("sync", "src", remote); strings.Count(said, "Copied (") != 1 {
		r.t.Errorf("sync of one changed file:\n%s", said)
	}
	want := map[string]string{"a.txt": "b\n", "empty.bin": "", "目录/文件 x.txt": "汉\n"}
	r.stored(store, dir+"/new/er", want)
	r.run("check", "--download", "src", remote)
	r.run("move", remote, ":ftp:"+dir+"/moved", "--delete-empty-src-dirs")
	r.stored(store, dir+"/moved", want)
	r.stored(store, dir+"/new", nil)
	r.run("copy", ":ftp:"+dir+"/moved", "back")
	for name, content := range want {
		if got, err := os.ReadFile(filepath.Join(r.dir, "back", name)); err != nil || string(got) != content {
			r.t.Errorf("came back: %q, %v", got, err)
		}
	}
	r.run("purge", ":ftp:"+dir)
	r.stored(store, dir, nil)
	if said := r.run("lsf", ":ftp:"); strings.Contains(said, dir+"/") {
		r.t.Errorf("after purge:\n%s", said)
	}
}
