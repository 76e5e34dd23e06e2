package costest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// lists says what a listing shows, with the size of each object: "a=1 d/".
func (r *rig) lists(query ...string) string {
	l := r.list(query...)
	var all []string
	for _, c := range l.Contents {
		all = append(all, fmt.Sprintf("%s=%d", c.Key, c.Size))
	}
	for _, p := range l.CommonPrefixes {
		all = append(all, p.Prefix)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// A listing lags behind creation, overwriting and deletion; HEAD and GET do not.
func TestListingsLag(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	clock := WithClock(func() time.Time { return now })
	for _, c := range []struct {
		name  string
		opts  []Option
		begin func(*rig)
		end   func(*rig)
	}{
		{"delay", []Option{clock, WithListDelay(time.Minute)}, func(*rig) {}, func(*rig) { now = now.Add(time.Minute) }},
		{"frozen", []Option{clock}, (*rig).FreezeListings, (*rig).ThawListings},
		{"neither", []Option{clock}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.opts...)
			for _, key := range []string{"old", "gone", "was/x", "is/x"} {
				r.Put(testBucket, key, []byte("1"))
			}
			lags := c.begin != nil
			if lags {
				c.begin(r)
			}
			r.want(200, "", "PUT", "/old", "22")
			r.want(200, "", "PUT", "/new", "1")
			r.want(200, "", "PUT", "/will/x", "1")
			r.want(204, "", "DELETE", "/gone", "")
			r.want(204, "", "DELETE", "/was/x", "")
			r.checkFresh()
			if lags {
				r.checkLists("before", "gone=1 is/x=1 old=1 was/x=1", "gone=1 is/ old=1 was/")
				c.end(r)
			}
			r.checkLists("after", "is/x=1 new=1 old=2 will/x=1", "is/ new=1 old=2 will/")
		})
	}
}

func (r *rig) checkLists(when, flat, grouped string) {
	r.t.Helper()
	if got := r.lists(); got != flat {
		r.t.Errorf("%s: %q, want %q", when, got, flat)
	}
	if got := r.lists("delimiter", "/"); got != grouped {
		r.t.Errorf("%s, with delimiter: %q, want %q", when, got, grouped)
	}
}

// checkFresh checks that HEAD and GET see the changes of TestListingsLag.
func (r *rig) checkFresh() {
	r.t.Helper()
	if got := r.want(200, "", "HEAD", "/old", "").header.Get("Content-Length"); got != "2" {
		r.t.Errorf("HEAD after overwriting: %s bytes", got)
	}
	if got := r.want(200, "", "GET", "/old", "").body; got != "22" {
		r.t.Errorf("GET after overwriting: %q", got)
	}
	r.want(200, "", "HEAD", "/new", "")
	r.want(404, "", "HEAD", "/gone", "")
	r.want(404, "NoSuchKey", "GET", "/was/x", "")
}

// Thawing shows what is due; what WithListDelay holds back stays back.
func TestThawKeepsTheDelay(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := newRig(t, WithListDelay(time.Minute), WithClock(func() time.Time { return now }))
	r.want(200, "", "PUT", "/before", "1")
	r.FreezeListings()
	now = now.Add(time.Minute)
	r.want(200, "", "PUT", "/frozen", "1")
	r.Put(testBucket, "seed", []byte("1"))
	if got := r.lists(); got != "seed=1" {
		t.Errorf("frozen: %q", got)
	}
	r.ThawListings()
	if got := r.lists(); got != "before=1 seed=1" {
		t.Errorf("thawed: %q", got)
	}
	now = now.Add(time.Minute)
	if got := r.lists(); got != "before=1 frozen=1 seed=1" {
		t.Errorf("later: %q", got)
	}
}
