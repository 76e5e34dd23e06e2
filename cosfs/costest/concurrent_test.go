package costest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
)

// A reader sees one version of an object or another, never a mixture, whatever happens to the key meanwhile.
func TestVersionsDoNotMix(t *testing.T) {
	for name, opts := range map[string][]Option{"memory": nil, "disk": {WithDir(t.TempDir())}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, append(opts, WithMinPart(1))...)
			var work sync.WaitGroup
			for n := range 4 {
				work.Go(func() { rewrite(r, byte('a'+n)) })
				work.Go(func() { reread(t, r) })
			}
			work.Wait()
			if up := r.Uploads(testBucket); len(up) != 0 {
				t.Errorf("open uploads %v", up)
			}
		})
	}
}

// rewrite stores the key in every way, always as 4000 times the same letter.
func rewrite(r *rig, letter byte) {
	whole := string(bytes.Repeat([]byte{letter}, 4000))
	for range 20 {
		r.do("PUT", "/k", whole)
		id := r.start("k")
		one, two := r.upload("k", id, 1, whole[:1000]), r.upload("k", id, 2, whole[1000:])
		r.do("POST", "/k?uploadId="+id, partList(1, one, 2, two))
		other := fmt.Sprintf("other%c", letter)
		r.do("PUT", "/"+other, "", "x-cos-copy-source", source("k"))
		r.do("DELETE", "/k", "")
		r.do("PUT", "/k", "", "x-cos-copy-source", source(other))
		r.do("GET", "/?prefix=k", "")
	}
}

func reread(t *testing.T, r *rig) {
	for range 100 {
		a := r.do("GET", "/k", "")
		if a.status == 404 {
			continue
		}
		if a.err != nil || len(a.body) != 4000 || a.body != string(bytes.Repeat([]byte{a.body[0]}, 4000)) {
			t.Errorf("%d, %v: %d bytes or several letters", a.status, a.err, len(a.body))
		}
	}
}

// Programs that cannot be told where the server is can be given it as their proxy.
func TestAsProxy(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "a/../b//c", []byte("hello"))
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: r.addr})}
	defer transport.CloseIdleConnections()
	r.web = &http.Client{Transport: transport}
	if got := r.want(200, "", "GET", "/a%2F..%2Fb%2F%2Fc", "").body; got != "hello" {
		t.Errorf("got %q", got)
	}
}
