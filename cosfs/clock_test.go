package cosfs

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const testMiB = 1 << 20

// clocks are how far COS's clock is from ours.
var clocks = map[string]time.Duration{"alike": 0, "COS 5 min ahead": 5 * time.Minute, "COS 5 min behind": -5 * time.Minute}

// clockedTree is a tree whose store's clock is off, and which copies more than 3 MiB by parts. The store does not look at
// signatures. Without checksums neither HEAD nor parts nor completions have one.
func clockedTree(t *testing.T, offset time.Duration, checksums bool, opts ...costest.Option) *tree {
	t.Helper()
	tr := newTree(t)
	tr.store = costest.New(append(opts, costest.WithBucket(treeBucket), costest.WithCopyLimit(3*testMiB),
		costest.WithClock(func() time.Time { return time.Now().Add(offset) }))...)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !checksums {
			w = withoutCRC{w}
		}
		tr.store.ServeHTTP(w, r)
	}))
	t.Cleanup(listener.Close)
	o := tr.opts
	o.Address = listener.Listener.Addr().String()
	f, err := New(o, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	tr.FS = f
	tr.copyLimit, tr.FS.copyPart = 3*testMiB, testMiB
	return tr
}

// withoutCRC takes the checksum out of answers, as of objects that are older than COS's checksums.
type withoutCRC struct{ http.ResponseWriter }

func (w withoutCRC) WriteHeader(status int) {
	w.Header().Del("x-cos-hash-crc64ecma")
	w.ResponseWriter.WriteHeader(status)
}

func (w withoutCRC) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestBigRenameByAnyClock: a copy by parts is what its source is, whether Last-Modified is the time of Initiate or of
// Complete, COS tells checksums or not, the clocks differ or not, and the answer to the completion is lost or not.
func TestBigRenameByAnyClock(t *testing.T) {
	for clock, offset := range clocks {
		for _, initiate := range []bool{false, true} {
			for _, checksums := range []bool{true, false} {
				for _, lost := range []bool{false, true} {
					name := clock
					var opts []costest.Option
					if initiate {
						name += ", time of Initiate"
						opts = append(opts, costest.WithModifiedAtInitiate())
					}
					if !checksums {
						name += ", no checksums"
					}
					if lost {
						name += ", answer lost"
					}
					t.Run(name, func(t *testing.T) {
						tr := clockedTree(t, offset, checksums, opts...)
						source := rich("a", 4*testMiB)
						tr.store.PutObject(treeBucket, source)
						tr.put("b")
						if lost {
							tr.store.Inject(costest.Fault{Op: "CompleteMultipartUpload", Times: 1, Drop: "after"})
						}
						if err := tr.Rename(t.Context(), "/a", "/b"); err != nil {
							t.Fatal(err)
						}
						got, _ := tr.store.Get(treeBucket, "b")
						wantSame(t, "copy", got, source)
						tr.wantKeys("b")
						if left := tr.parts(); len(left) > 0 {
							t.Errorf("open uploads stay: %v", left)
						}
					})
				}
			}
		}
	}
}

// TestOlderObjectIsNotTakenForTheCopy: one of the same size and number of parts has stood at the new name for two minutes,
// and COS does not complete the copy.
func TestOlderObjectIsNotTakenForTheCopy(t *testing.T) {
	for clock, offset := range clocks {
		t.Run(clock, func(t *testing.T) {
			tr := clockedTree(t, offset, false)
			tr.giveUpSoon()
			tr.store.PutObject(treeBucket, rich("a", 4*testMiB))
			older := costest.Object{Key: "b", Data: make([]byte, 4*testMiB), ETag: "0123456789abcdef0123456789abcdef-4"}
			older.Modified = time.Now().Add(offset - 2*time.Minute)
			tr.store.PutObject(treeBucket, older)
			tr.store.Inject(costest.Fault{Op: "CompleteMultipartUpload", Status: 503, Code: "ServiceUnavailable"})
			if err := tr.Rename(t.Context(), "/a", "/b"); err == nil {
				t.Error("the rename is told as done")
			}
			tr.wantKeys("a", "b")
			if o, _ := tr.store.Get(treeBucket, "b"); o.ETag != older.ETag {
				t.Errorf("the object of the new name has the ETag %s, want the older one's", o.ETag)
			}
		})
	}
}
