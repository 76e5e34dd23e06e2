package cosfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// deleted runs deleteAll and answers what it told to be gone.
func deleted(t *testing.T, f *FS, keys []string) (map[string]int, error) {
	var mu sync.Mutex
	gone := map[string]int{}
	err := f.deleteAll(t.Context(), keys, func(key string, when time.Time) {
		mu.Lock()
		defer mu.Unlock()
		gone[key]++
		if time.Since(when).Abs() > time.Minute {
			t.Errorf("%q is gone at %v", key, when)
		}
	})
	return gone, err
}

func TestDeleteAllWhenACallFails(t *testing.T) {
	keys := make([]string, 30)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
	}
	for _, test := range []struct {
		name   string
		faults []costest.Fault
		single int // requests for one key, -1 for some
		want   error
	}{
		{"no fault", nil, 0, nil},
		{"busy once", []costest.Fault{{Op: "DeleteMultipleObjects", Times: 1, Status: 503}}, 0, nil},
		{"lost once", []costest.Fault{{Op: "DeleteMultipleObjects", Times: 1, Drop: "after"}}, 0, nil},
		{"answered with nothing once", []costest.Fault{{Op: "DeleteMultipleObjects", Times: 1, EmptyBody: true}}, 0, nil},
		{"always answered with nothing", []costest.Fault{{Op: "DeleteMultipleObjects", EmptyBody: true}}, 30, nil},
		{"many at once refused", []costest.Fault{{Op: "DeleteMultipleObjects", Status: 403, Code: "AccessDenied"}}, 30, nil},
		{"all refused", []costest.Fault{{Status: 403, Code: "AccessDenied"}}, -1, fs.ErrPermission},
		{"outage", []costest.Fault{{Op: "DeleteMultipleObjects", Status: 503, Code: "SlowDown"}}, 0, errOutage},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTree(t)
			tr.put(keys...)
			tr.put("stays")
			tr.store.Inject(test.faults...)
			gone, err := deleted(t, tr.FS, keys)
			if test.want == errOutage && isTemporary(err) {
				err = errOutage
			}
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("%v, want %v", err, test.want)
			}
			if got := tr.store.Count("DeleteObject"); got != test.single && test.single >= 0 {
				t.Errorf("%d requests for one key, want %d", got, test.single)
			}
			if test.want == nil {
				tr.wantKeys("stays")
			}
			if len(gone) != len(keys)+1-len(tr.keys()) {
				t.Errorf("told to be gone: %d, left %d", len(gone), len(tr.keys()))
			}
		})
	}
}

// TestRefusalsInADeleteAnswerAreHeard puts a server before the store that refuses one key of many.
func TestRefusalsInADeleteAnswerAreHeard(t *testing.T) {
	tr := newTree(t)
	tr.put("a", "b", "c")
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("delete") {
			tr.store.ServeHTTP(w, r)
			return
		}
		tr.store.Remove(treeBucket, "a")
		tr.store.Remove(treeBucket, "c")
		_, _ = io.WriteString(w, "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>InternalError</Code>"+
			"<Message>busy</Message></Error><Deleted><Key>c</Key></Deleted></DeleteResult>")
	}))
	defer front.Close()
	o := tr.opts
	o.Address = front.Listener.Addr().String()
	f, err := New(o, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := deleted(t, f, []string{"a", "b", "c"})
	if err != nil || len(gone) != 3 || tr.store.Count("DeleteObject") != 1 {
		t.Errorf("%v, gone %v, then %d requests for one key", err, gone, tr.store.Count("DeleteObject"))
	}
	tr.wantKeys()
}

func TestFitsXML(t *testing.T) {
	for key, want := range map[string]bool{
		"a": true, "中 文/🎉<&>\"'": true, "a\ufffdb": true,
		" a": false, "a ": false, "a\u3000": false, "a\tb": false, "\x01": false, "\x7f": false, "a\u0085b": false,
		"\xff": false, "\ufffe": false, "\uffff": false, strings.Repeat("a", 800): true,
	} {
		if fitsXML(key) != want {
			t.Errorf("fitsXML(%q) is %t", key, !want)
		}
	}
}
