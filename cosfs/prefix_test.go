package cosfs

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// withPrefix shows the same bucket below a prefix.
func (tr *tree) withPrefix(prefix string) *tree {
	tr.t.Helper()
	opts := tr.opts
	opts.Prefix, opts.PartSize, opts.MaxFileSize, opts.RenameDirLimit = prefix, 1<<20, 1<<30, 100
	f, err := New(opts, tr.engine)
	if err != nil {
		tr.t.Fatal(err)
	}
	return &tree{FS: f, t: tr.t, store: tr.store, log: tr.log}
}

func (tr *tree) storeAll(name, content string, w io.WriteCloser, err error) {
	tr.t.Helper()
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tr.t.Fatalf("store %q: %v", name, err)
	}
}

func TestPrefixIsTheRoot(t *testing.T) {
	tr := newTree(t)
	tr.put("a", "team/a", "team/sub/b", "teamwork/c", "other/d")
	team := tr.withPrefix("team/")
	ctx := t.Context()
	if got := team.names("/"); strings.Join(got, " ") != "a sub/" {
		t.Errorf("the root lists %q", got)
	}
	if got := team.names("/sub"); strings.Join(got, " ") != "b" {
		t.Errorf("/sub lists %q", got)
	}
	w, err := team.Create(ctx, "/new/file")
	team.storeAll("/new/file", "abc", w, err)
	w, err = team.Append(ctx, "/new/file")
	team.storeAll("/new/file", "def", w, err)
	if got := team.names("/new"); strings.Join(got, " ") != "file" {
		t.Errorf("/new lists %q", got)
	}
	r, err := team.Open(ctx, "/new/file", 2)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	r.Close()
	if string(content) != "cdef" || err != nil {
		t.Errorf("read %q, %v", content, err)
	}
	for what, err := range map[string]error{
		"Mkdir":      team.Mkdir(ctx, "/made"),
		"Rename":     team.Rename(ctx, "/a", "/moved"),
		"Rename dir": team.Rename(ctx, "/sub", "/dir"),
		"SetModTime": team.SetModTime(ctx, "/moved", time.Unix(1e9, 0)),
		"SetMode":    team.SetMode(ctx, "/moved", 0o600),
		"RemoveDir":  team.RemoveDir(ctx, "/made"),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if i, err := team.Stat(ctx, "/moved"); err != nil || i.Name() != "moved" || i.ModTime().Unix() != 1e9 {
		t.Errorf("Stat: %+v, %v", i, err)
	}
	if err := team.Remove(ctx, "/dir/b"); err != nil {
		t.Error(err)
	}
	tr.wantKeys("a", "other/d", "team/moved", "team/new/file", "teamwork/c")
}

func TestPrefixOfNothingIsAnEmptyRoot(t *testing.T) {
	tr := newTree(t)
	team := tr.withPrefix("no/such/")
	if got := team.names("/"); len(got) != 0 {
		t.Errorf("the root lists %q", got)
	}
	for what, look := range map[string]func() (fs.FileInfo, error){
		"Stat":    func() (fs.FileInfo, error) { return team.Stat(t.Context(), "/") },
		"StatDir": func() (fs.FileInfo, error) { return team.StatDir(t.Context(), "/") },
	} {
		if i, err := look(); err != nil || !i.IsDir() {
			t.Errorf("%s of the root: %v, %v", what, i, err)
		}
	}
	if _, err := team.listErr(t.Context(), "/sub"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory below: %v", err)
	}
	if err := team.Mkdir(t.Context(), "/"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Mkdir of the root: %v", err)
	}
	if err := team.RemoveDir(t.Context(), "/"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("RemoveDir of the root: %v", err)
	}
	if err := team.Remove(t.Context(), "/"); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("Remove of the root: %v", err)
	}
}

// TestNoNameLeavesThePrefix tries names on every operation; the objects around it must stay as they are, and no
// request may be made for any of them.
func TestNoNameLeavesThePrefix(t *testing.T) {
	tr := newTree(t)
	tr.put("secret", "team", "team/a", "teamwork/c")
	team := tr.withPrefix("team/")
	ctx := t.Context()
	for _, name := range []string{"/..", "/../secret", "/a/../../secret", "/../teamwork/c", "//secret", "secret", "", "/./a", "/a/.."} {
		tr.store.ResetRequests()
		_, statErr := team.Stat(ctx, name)
		_, openErr := team.Open(ctx, name, 0)
		_, createErr := team.Create(ctx, name)
		_, appendErr := team.Append(ctx, name)
		_, listErr := team.listErr(ctx, name)
		_, dirErr := team.StatDir(ctx, name)
		for i, err := range []error{
			statErr, openErr, createErr, appendErr, listErr, dirErr, team.Mkdir(ctx, name), team.Remove(ctx, name),
			team.RemoveDir(ctx, name), team.SetMode(ctx, name, 0), team.SetModTime(ctx, name, time.Now()),
			team.Rename(ctx, name, "/b"), team.Rename(ctx, "/a", name),
		} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("operation %d on %q: %v, want fs.ErrInvalid", i, name, err)
			}
		}
		if n := len(tr.store.Requests()); n != 0 {
			t.Errorf("%d requests for %q", n, name)
		}
	}
	tr.wantKeys("secret", "team", "team/a", "teamwork/c")
}

func TestPrefixCountsForTheLengthOfNames(t *testing.T) {
	team := newTree(t).withPrefix("team/")
	fits := "/" + strings.Repeat("x", maxKey-len("team/"))
	if _, err := team.keyOf(fits); err != nil {
		t.Error(err)
	}
	if _, err := team.keyOf(fits + "x"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a key that is too long: %v", err)
	}
	if _, err := team.dirKeyOf(fits); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a directory that is too long: %v", err)
	}
}

func TestPrefixMustBeClean(t *testing.T) {
	tr := newTree(t)
	for _, prefix := range []string{"team", "/", "/team/", "a//b/", "../", "a/../b/", "\xff/", "a\n/", `\a/`} {
		opts := tr.opts
		opts.Prefix = prefix
		if _, err := New(opts, tr.engine); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

// TestSessionTokenIsSentAndSigned looks at what leaves: the token, and that the signature covers it.
func TestSessionTokenIsSentAndSigned(t *testing.T) {
	var sent *http.Request
	s := &signer{id: "id", key: treeSecret, token: "the-token", to: newEndpoint(EngineOptions{}), next: roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r
		return nil, errOffline
	})}
	req, _ := http.NewRequest(http.MethodGet, "http://"+costest.Host(treeBucket)+"/", nil)
	if _, err := s.RoundTrip(req); !errors.Is(err, errOffline) {
		t.Fatal(err)
	}
	if got := sent.Header.Get("x-cos-security-token"); got != "the-token" {
		t.Errorf("sent token %q", got)
	}
	if signed := sent.Header.Get("Authorization"); !strings.Contains(signed, "x-cos-security-token") {
		t.Errorf("the token is not among the signed headers: %s", signed)
	}
	if req.Header.Get("x-cos-security-token") != "" {
		t.Error("the caller's request was changed")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
