package cosfs

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"syscall"
	"testing"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestFailedCopyOfADirectoryLeavesTheSource(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault costest.Fault
		want  error // nil for success
	}{
		{"busy now and then", costest.Fault{Op: "CopyObject", From: 10, Times: 5, Status: 503, Code: "SlowDown"}, nil},
		{"lost now and then", costest.Fault{Op: "CopyObject", From: 10, Times: 5, Drop: "after"}, nil},
		{"answered with nothing once", costest.Fault{Op: "CopyObject", From: 10, Times: 1, EmptyBody: true}, nil},
		{"one refused", costest.Fault{Op: "CopyObject", Key: "e/2/file 0030", Status: 403, Code: "AccessDenied"}, fs.ErrPermission},
		{"one archived", costest.Fault{Op: "CopyObject", From: 38, Status: 403, Code: "InvalidObjectState"}, fs.ErrPermission},
		{"refused in a 200", costest.Fault{Op: "CopyObject", From: 20, BodyAs200: true, Code: "AccessDenied"}, fs.ErrPermission},
		{"one changed", costest.Fault{Op: "CopyObject", From: 20, Times: 1, Status: 412, Code: "PreconditionFailed"}, nil},
		{"one vanished", costest.Fault{Op: "CopyObject", From: 20, Times: 1, Status: 404, Code: "NoSuchKey"}, syscall.ESTALE},
		{"all busy", costest.Fault{Op: "CopyObject", From: 20, Status: 503, Code: "SlowDown"}, errOutage},
		{"all lost", costest.Fault{Op: "CopyObject", From: 20, Drop: "after"}, errOutage},
		{"source not looked at again", costest.Fault{Op: "HeadObject", From: 3, Status: 403, Code: "AccessDenied"}, fs.ErrPermission},
		{"source not listed", costest.Fault{Op: "ListObjects", From: 2, Status: 500}, errOutage},
		{"source listed as nothing", costest.Fault{Op: "ListObjects", From: 2, EmptyBody: true}, errOutage},
		{"target not asked for", costest.Fault{Op: "HeadObject", Key: "e", Status: 403}, fs.ErrPermission},
		{"target listed as nothing", costest.Fault{Op: "ListObjects", From: 3, EmptyBody: true}, errOutage},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newMovable(t)
			tr.giveUpSoon()
			tr.fill("d/", append(many(40), "")...)
			source := tr.contents("d/")
			tr.store.Inject(test.fault)
			err := tr.Rename(t.Context(), "/d", "/e")
			switch {
			case test.want == nil && err != nil, test.want == errOutage && !isTemporary(err),
				test.want != errOutage && !errors.Is(err, test.want):
				t.Errorf("%v, want %v", err, test.want)
			}
			if test.want == nil {
				tr.wantMoved(source, "d/", "e/")
				return
			}
			if !maps.Equal(tr.contents("d/"), source) {
				t.Errorf("the source holds %q", tr.contents("d/"))
			}
			tr.store.ClearFaults()
			if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
				t.Errorf("once more: %v", err)
			}
			tr.wantMoved(source, "d/", "e/")
		})
	}
}

var errOutage = errors.New("an outage")

func TestLeftoversOfAKilledRenameAreTakenOver(t *testing.T) {
	for _, test := range []struct {
		name         string
		source, copy []string
		change       func(*tree)
		want         error
	}{
		{"some copied", []string{"", "a", "b", "s/c"}, []string{"", "s/c"}, nil, nil},
		{"all copied", []string{"", "a", "b", "s/c"}, []string{"", "a", "b", "s/c"}, nil, nil},
		{"some deleted", []string{"", "b"}, []string{"", "a", "b", "s/c"}, nil, nil},
		{"some deleted, no markers", []string{"b"}, []string{"a", "b", "s/c"}, nil, nil},
		{"a copy of other size", []string{"", "a", "b"}, []string{"", "a"}, func(tr *tree) {
			tr.store.Put(treeBucket, "e/a", []byte("short"))
		}, syscall.ENOTEMPTY},
		{"a copy of other data", []string{"", "a", "b"}, []string{"", "a"}, func(tr *tree) {
			tr.store.Put(treeBucket, "e/a", []byte("DATA OF a"))
		}, syscall.ENOTEMPTY},
		{"a copy of another ETag", []string{"", "a", "b"}, []string{"", "a"}, func(tr *tree) {
			tr.store.PutObject(treeBucket, costest.Object{Key: "e/a", Data: []byte("data of a"), ETag: "of-1"})
		}, nil},
		{"copied, new and foreign", []string{"", "a", "new"}, []string{"", "a", "foreign"}, nil, syscall.ENOTEMPTY},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newMovable(t)
			tr.fill("d/", test.source...)
			tr.fill("e/", test.copy...)
			if test.change != nil {
				test.change(tr)
			}
			all := tr.contents("d/")
			maps.Copy(all, tr.contents("e/"))
			keys := tr.keys()
			err := tr.Rename(t.Context(), "/d", "/e")
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("%v, want %v", err, test.want)
			}
			if test.want == nil {
				tr.wantMoved(all, "d/", "e/")
			} else {
				tr.wantKeys(keys...)
			}
		})
	}
}

func TestFailureOverLeftoversKeepsThem(t *testing.T) {
	tr := newMovable(t)
	tr.fill("d/", "a", "b", "c")
	tr.fill("e/", "a")
	tr.store.Inject(costest.Fault{Op: "CopyObject", Key: "e/c", Status: 403, Code: "AccessDenied"})
	if err := tr.Rename(t.Context(), "/d", "/e"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want fs.ErrPermission", err)
	}
	tr.store.ClearFaults()
	if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Errorf("once more: %v", err)
	}
	tr.wantKeys("e/a", "e/b", "e/c")
}

func TestFailedDeletionLeavesBothAndIsFinishedByTheNextRename(t *testing.T) {
	refused := func(op, key string) costest.Fault {
		return costest.Fault{Op: op, Key: key, Status: 403, Code: "AccessDenied"}
	}
	for _, test := range []struct {
		name   string
		faults []costest.Fault
		left   int // objects of the source
	}{
		{"all refused", []costest.Fault{refused("DeleteObject", "")}, 41},
		{"one refused", []costest.Fault{refused("DeleteObject", "d/3/file 0003")}, -1},
		{"the marker refused", []costest.Fault{refused("DeleteObject", "d/")}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newMovable(t)
			tr.fill("d/", append(many(40), "")...)
			source := tr.contents("d/")
			tr.store.Inject(test.faults...)
			err := tr.Rename(t.Context(), "/d", "/e")
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "both names exist") {
				t.Errorf("%v, want fs.ErrPermission and that both exist", err)
			}
			left := tr.contents("d/")
			if _, marker := left[""]; !marker || test.left >= 0 && len(left) != test.left || !maps.Equal(tr.contents("e/"), source) {
				t.Errorf("%d objects left, marker %t; the copy has %d", len(left), marker, len(tr.contents("e/")))
			}
			if !strings.Contains(tr.log.String(), "rename left both directories") {
				t.Errorf("log %q", tr.log)
			}
			tr.store.ClearFaults()
			tr.fill("e/", "come later")
			source["come later"] = "data of come later"
			if err := tr.Rename(t.Context(), "/d", "/e"); err != nil {
				t.Errorf("once more: %v", err)
			}
			tr.wantMoved(source, "d/", "e/")
			if left := tr.FS.engine.moves.unfinished; len(left) != 0 {
				t.Errorf("still remembered: %v", left)
			}
		})
	}
}
