package costest

import (
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// listing is a ListBucketResult, decoded from encoding-type=url.
type listing struct {
	XMLName     xml.Name `xml:"ListBucketResult"`
	IsTruncated bool
	NextMarker  string
	MaxKeys     int
	Contents    []struct {
		Key, LastModified, ETag, StorageClass string
		Size                                  int64
	}
	CommonPrefixes []struct{ Prefix string }
}

func (l *listing) entries() []string {
	var all []string
	for _, c := range l.Contents {
		all = append(all, c.Key)
	}
	for _, p := range l.CommonPrefixes {
		all = append(all, p.Prefix)
	}
	return all
}

// list asks for one page; query is name, value, name, value.
func (r *rig) list(query ...string) *listing {
	r.t.Helper()
	q := url.Values{"encoding-type": {"url"}}
	for i := 0; i+1 < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	a := r.want(200, "", "GET", "/?"+q.Encode(), "")
	l := &listing{}
	if err := xml.Unmarshal([]byte(a.body), l); err != nil {
		r.t.Fatal(err)
	}
	decode := func(s *string) {
		plain, err := url.PathUnescape(*s)
		if err != nil {
			r.t.Fatal(err)
		}
		*s = plain
	}
	decode(&l.NextMarker)
	for i := range l.Contents {
		decode(&l.Contents[i].Key)
	}
	for i := range l.CommonPrefixes {
		decode(&l.CommonPrefixes[i].Prefix)
	}
	return l
}

// listAll follows the markers.
func (r *rig) listAll(query ...string) (all []string, pages int) {
	r.t.Helper()
	marker := ""
	for {
		l := r.list(append(query, "marker", marker)...)
		all = append(all, l.entries()...)
		pages++
		if !l.IsTruncated {
			return all, pages
		}
		if l.NextMarker <= marker {
			r.t.Fatalf("marker %q after %q", l.NextMarker, marker)
		}
		marker = l.NextMarker
	}
}

func TestListEntry(t *testing.T) {
	r := newRig(t)
	when := time.Date(2020, 12, 10, 3, 37, 30, 999, time.UTC)
	r.Put(testBucket, "a", []byte("hello"), Modified(when))
	r.Put(testBucket, "b", nil, StorageClass("COLD"))
	l := r.list()
	c := l.Contents[0]
	if c.Key != "a" || c.Size != 5 || c.LastModified != "2020-12-10T03:37:30.000Z" || c.StorageClass != "STANDARD" ||
		c.ETag != `"5d41402abc4b2a76b9719d911017c592"` {
		t.Errorf("entry %+v", c)
	}
	if l.Contents[1].StorageClass != "COLD" || l.IsTruncated || l.NextMarker != "" || l.MaxKeys != 1000 {
		t.Errorf("listing %+v", l)
	}
}

func TestListPages(t *testing.T) {
	r := newRig(t)
	for _, key := range []string{"a", "d/", "d/1", "d/2", "d/e/3", "d/e/4", "d0", "e/5", "中/文", "中国", "\xff"} {
		r.Put(testBucket, key, nil)
	}
	for _, c := range []struct {
		prefix, delimiter, marker string
		want                      string
	}{
		{"", "", "", "a d/ d/1 d/2 d/e/3 d/e/4 d0 e/5 中/文 中国 \xff"},
		{"", "/", "", "a d/ d0 e/ 中/ 中国 \xff"},
		{"d", "/", "", "d/ d0"},
		{"d/", "/", "", "d/ d/1 d/2 d/e/"},
		{"d/", "", "", "d/ d/1 d/2 d/e/3 d/e/4"},
		{"d/", "/", "d/1", "d/2 d/e/"},
		{"d/", "/", "d/e/", ""},
		{"", "/", "d/", "d0 e/ 中/ 中国 \xff"},
		{"", "", "d0", "e/5 中/文 中国 \xff"},
		{"中", "/", "", "中/ 中国"},
		{"x", "/", "", ""},
		{"", "/", "\xff", ""},
	} {
		want := strings.Fields(c.want)
		query := []string{"prefix", c.prefix, "delimiter", c.delimiter}
		got := r.list(append(query, "marker", c.marker)...).entries()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("prefix %q delimiter %q marker %q: %q, want %q", c.prefix, c.delimiter, c.marker, got, want)
		}
		if c.marker != "" {
			continue
		}
		for size := 1; size <= len(want); size++ {
			got, pages := r.listAll(append(query, "max-keys", strconv.Itoa(size))...)
			slices.Sort(got)
			if full := (len(want) + size - 1) / size; !slices.Equal(got, want) || pages != full {
				t.Errorf("%q %q by %d: %q in %d pages, want %q in %d", c.prefix, c.delimiter, size, got, pages, want, full)
			}
		}
	}
}

func TestListParameters(t *testing.T) {
	r := newRig(t)
	for n := range 1100 {
		r.Put(testBucket, fmt.Sprintf("k%04d", n), nil)
	}
	if l := r.list("max-keys", "5000"); len(l.Contents) != 1000 || !l.IsTruncated || l.NextMarker != "k0999" {
		t.Errorf("%d entries, truncated %v, next %q", len(l.Contents), l.IsTruncated, l.NextMarker)
	}
	if l := r.list("max-keys", "0"); len(l.Contents) != 0 || l.IsTruncated {
		t.Errorf("max-keys 0: %+v", l)
	}
	r.want(400, "InvalidArgument", "GET", "/?max-keys=-1", "")
	r.want(400, "InvalidArgument", "GET", "/?max-keys=x", "")
	r.want(400, "InvalidArgument", "GET", "/?encoding-type=xml", "")
}

// Without encoding-type=url a control character makes the answer no XML, as it does with COS.
func TestListControlCharacter(t *testing.T) {
	r := newRig(t)
	r.Put(testBucket, "a\x01b<&>", nil)
	body := r.want(200, "", "GET", "/", "").body
	if err := xml.Unmarshal([]byte(body), &listing{}); err == nil {
		t.Error("the listing decodes")
	}
	if got := r.list().Contents[0].Key; got != "a\x01b<&>" {
		t.Errorf("encoded: %q", got)
	}
}

func TestListDelay(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := newRig(t, WithListDelay(time.Minute), WithClock(func() time.Time { return now }))
	r.Put(testBucket, "seed", nil)
	check := func(when string, want ...string) {
		t.Helper()
		if got := r.list().entries(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("seeded", "seed")
	r.want(200, "", "PUT", "/new", "x")
	r.want(204, "", "DELETE", "/seed", "")
	r.want(200, "", "HEAD", "/new", "")
	r.want(404, "", "HEAD", "/seed", "")
	check("at once", "seed")
	now = now.Add(59 * time.Second)
	r.want(204, "", "DELETE", "/new", "")
	check("just before", "seed")
	now = now.Add(time.Second)
	check("new is due", "new")
	now = now.Add(59 * time.Second)
	check("its deletion is due")
}

// The index must hold any order of insertions and deletions.
func TestIndexAgainstMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	x, want := newIndex(), map[string]bool{}
	for range 50_000 {
		key := strconv.Itoa(random.IntN(8000))
		if random.IntN(3) == 0 {
			x.drop(key)
			delete(want, key)
		} else {
			x.at(key)
			want[key] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(want))
	for _, start := range []string{"", "5", "55", "7999", "9"} {
		var got []string
		for e := range x.from(start) {
			got = append(got, e.key)
		}
		at, _ := slices.BinarySearch(sorted, start)
		if !slices.Equal(got, sorted[at:]) {
			t.Errorf("from %q: %d keys, want %d", start, len(got), len(sorted)-at)
		}
	}
}

func BenchmarkListMillion(b *testing.B) {
	s := New(WithBucket(testBucket), WithoutMD5())
	for n := range 1_000_000 {
		s.Put(testBucket, fmt.Sprintf("d%03d/k%06d", n%1000, n), nil)
	}
	for name, query := range map[string]string{
		"flat":       "/?marker=d500/",
		"directory":  "/?prefix=d500/&delimiter=/",
		"thousand":   "/?delimiter=/",
		"one prefix": "/?prefix=d5&delimiter=/&max-keys=1",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest("GET", "http://"+Host(testBucket)+query, nil)
				s.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
