package cosfs

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// lunatic panics instead of sending some requests.
type lunatic struct {
	next  http.RoundTripper
	about func(*http.Request) bool
	raved atomic.Int64
}

func (l *lunatic) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.about(r) {
		l.raved.Add(1)
		panic("the client of COS lost its mind")
	}
	return l.next.RoundTrip(r)
}

// TestPanicInTheBackgroundIsTheCallers: goroutines that work for one file must not end the process, and leave nothing.
func TestPanicInTheBackgroundIsTheCallers(t *testing.T) {
	isPart := func(r *http.Request) bool { return r.URL.Query().Get("partNumber") != "" }
	for name, test := range map[string]struct {
		about func(*http.Request) bool
		do    func(tr *transfers) error
	}{
		"part":     {isPart, (*transfers).storeThreeParts},
		"initiate": {func(r *http.Request) bool { return r.URL.Query().Has("uploads") }, (*transfers).storeThreeParts},
		"check":    {func(r *http.Request) bool { return r.URL.Query().Has("prefix") }, (*transfers).storeThreeParts},
		"copy in parts": {isPart, func(tr *transfers) error {
			tr.copyLimit, tr.FS.copyPart = testPart, testPart
			return tr.Rename(tr.t.Context(), "/big", "/up")
		}},
		"append": {isPart, func(tr *transfers) error {
			w, err := tr.Append(tr.t.Context(), "/big")
			if err != nil {
				return err
			}
			return w.Close()
		}},
		"read ahead": {laterRange, func(tr *transfers) error {
			r, err := tr.Open(tr.t.Context(), "/big", 0)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, struct{ io.Reader }{r})
			return err
		}},
		"second page": {func(r *http.Request) bool { return r.URL.Query().Get("marker") != "" }, func(tr *transfers) error {
			for n := range 1500 {
				tr.store.Put(treeBucket, fmt.Sprintf("dir/%04d", n), nil)
			}
			for _, err := range tr.List(tr.t.Context(), "/dir") {
				if err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTransfers(t, EngineOptions{})
			tr.store.Put(treeBucket, "big", noise(20*testPart))
			mad := &lunatic{next: tr.http.Transport, about: test.about}
			tr.http.Transport = mad
			panicked, err := panicOf(func() error { return test.do(tr) })
			if !strings.Contains(panicked, "lost its mind") || !strings.Contains(panicked, "RoundTrip") {
				t.Errorf("after %d panics: error %v, panic %q", mad.raved.Load(), err, panicked)
			}
			if _, there := tr.store.Get(treeBucket, "up"); there {
				t.Error("something was stored")
			}
			tr.http.Transport = mad.next
		})
	}
}

// laterRange is a GET of another range than the first.
func laterRange(r *http.Request) bool {
	of := r.Header.Get("Range")
	return r.Method == http.MethodGet && of != "" && !strings.HasPrefix(of, "bytes=0-")
}

func (tr *transfers) storeThreeParts() error {
	return tr.upload(tr.t.Context(), "/up", strings.NewReader(string(noise(3*testPart))))
}

// panicOf calls do and tells its panic.
func panicOf(do func() error) (panicked string, err error) {
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Sprint(p)
		}
	}()
	return "", do()
}
