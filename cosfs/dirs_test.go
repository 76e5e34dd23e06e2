package cosfs

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestMkdir(t *testing.T) {
	tr := newTree(t)
	tr.put("file", "there/", "implied/x", "look-alike")
	for _, test := range []struct {
		name string
		want error
		ops  []string
	}{
		{"/", fs.ErrExist, nil},
		{"/there", fs.ErrExist, []string{"ListObjects"}},
		{"/implied", fs.ErrExist, []string{"ListObjects"}},
		{"/bad\nname", fs.ErrInvalid, nil},
		{"/file", nil, []string{"ListObjects", "PutObject"}},
		{"/look", nil, []string{"ListObjects", "PutObject"}},
		{"/no/such/parent 中文", nil, []string{"ListObjects", "PutObject"}},
	} {
		var err error
		ops := tr.ops(func() { err = tr.Mkdir(t.Context(), test.name) })
		if !errors.Is(err, test.want) || !slices.Equal(ops, test.ops) {
			t.Errorf("Mkdir(%q): %v by %v, want %v by %v", test.name, err, ops, test.want, test.ops)
		}
	}
	tr.wantKeys("file", "file/", "implied/x", "look-alike", "look/", "no/such/parent 中文/", "there/")
	if o, _ := tr.store.Get(treeBucket, "look/"); o.Size != 0 || o.ContentType != "application/x-directory" {
		t.Errorf("marker of %d bytes, type %q", o.Size, o.ContentType)
	}
}

func TestRemove(t *testing.T) {
	tr := newTree(t)
	tr.put("abc", "dir/", "implied/x", "both", "both/x")
	for _, test := range []struct {
		name string
		want error
		ops  []string
	}{
		{"/ab", fs.ErrNotExist, []string{"HeadObject", "ListObjects"}},
		{"/dir", syscall.EISDIR, []string{"HeadObject", "ListObjects"}},
		{"/implied", syscall.EISDIR, []string{"HeadObject", "ListObjects"}},
		{"/", syscall.EISDIR, nil},
		{"/abc", nil, []string{"HeadObject", "DeleteObject"}},
		{"/abc", fs.ErrNotExist, []string{"HeadObject", "ListObjects"}},
		{"/both", nil, []string{"HeadObject", "DeleteObject"}},
	} {
		var err error
		ops := tr.ops(func() { err = tr.Remove(t.Context(), test.name) })
		if !errors.Is(err, test.want) || !slices.Equal(ops, test.ops) {
			t.Errorf("Remove(%q): %v by %v, want %v by %v", test.name, err, ops, test.want, test.ops)
		}
	}
	tr.wantKeys("both/x", "dir/", "implied/x")
	if err := tr.Remove(t.Context(), "/implied/x"); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.StatDir(t.Context(), "/implied"); err != nil {
		t.Errorf("an implied directory without its last file: %v, want it to stay", err)
	}
}

func TestRemoveDir(t *testing.T) {
	tr := newTree(t)
	tr.put("file", "empty/", "full/", "full/x", "implied/x", "odd//x", "sub/", "sub/sub/")
	for _, test := range []struct {
		name string
		want error
		ops  []string
	}{
		{"/", fs.ErrPermission, nil},
		{"/none", fs.ErrNotExist, []string{"ListObjects", "HeadObject"}},
		{"/emp", fs.ErrNotExist, []string{"ListObjects", "HeadObject"}},
		{"/file", syscall.ENOTDIR, []string{"ListObjects", "HeadObject"}},
		{"/full", syscall.ENOTEMPTY, []string{"ListObjects"}},
		{"/implied", syscall.ENOTEMPTY, []string{"ListObjects"}},
		{"/odd", syscall.ENOTEMPTY, []string{"ListObjects"}},
		{"/sub", syscall.ENOTEMPTY, []string{"ListObjects"}},
		{"/sub/sub", nil, []string{"ListObjects", "DeleteObject"}},
		{"/empty", nil, []string{"ListObjects", "DeleteObject"}},
		{"/empty", fs.ErrNotExist, []string{"ListObjects", "HeadObject"}},
	} {
		var err error
		ops := tr.ops(func() { err = tr.RemoveDir(t.Context(), test.name) })
		if !errors.Is(err, test.want) || !slices.Equal(ops, test.ops) {
			t.Errorf("RemoveDir(%q): %v by %v, want %v by %v", test.name, err, ops, test.want, test.ops)
		}
	}
	tr.wantKeys("file", "full/", "full/x", "implied/x", "odd//x", "sub/")
}

func TestEmptyAnswerIsNoEmptyDirectory(t *testing.T) {
	tr := newTree(t)
	tr.giveUpSoon()
	tr.put("full/", "full/x")
	tr.store.Inject(costest.Fault{Op: "ListObjects", EmptyBody: true})
	ctx := t.Context()
	for what, err := range map[string]error{
		"RemoveDir": tr.RemoveDir(ctx, "/full"),
		"Mkdir":     tr.Mkdir(ctx, "/full"),
		"List":      second(tr.listErr(ctx, "/full")),
		"Stat":      second(tr.Stat(ctx, "/full")),
	} {
		if !isTemporary(err) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want a temporary error", what, err)
		}
	}
	tr.wantKeys("full/", "full/x")
}

func second[T any](_ T, err error) error { return err }
