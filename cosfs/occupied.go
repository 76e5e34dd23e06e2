package cosfs

import (
	"context"
	"strings"
	"time"
)

// occupied is what stands at the name of an upload.
type occupied struct {
	dir  bool
	file bool   // may be the upload itself, where that was stored meanwhile
	etag string // that a listing shows of the file, without quotes
}

// occupied looks for a file and a directory of the name with one list request: those that begin with the key. A
// second one is needed only where more than a page of other names do.
func (f *FS) occupied(ctx context.Context, key string) (occupied, error) {
	p, err := f.page(ctx, key, "/", "", pageSize)
	if err != nil {
		return occupied{}, err
	}
	var found occupied
	for _, o := range p.objects {
		if o.key == key {
			found.file, found.etag = true, o.etag
		}
	}
	if c, ours := f.recent.last(key); ours {
		found.file = !c.removed
	}
	for _, prefix := range p.prefixes {
		found.dir = found.dir || prefix == key+"/"
	}
	beyond := p.next != "" && strings.Compare(p.next, key+"/") < 0
	if beyond || found.dir || f.recent.under(key+"/") != nil {
		found.dir, err = f.isDir(ctx, key)
	}
	found.dir = found.dir || f.recent.kept.has(key+"/")
	return found, err
}

// nearStore is how long the check of a name may take, at best, for small uploads to wait for it: where the store is
// near, certainty costs little; where it is not, waiting would double the time of an upload.
const nearStore = 15 * time.Millisecond

// checkLimit is how long the check of a name may hold up the end of an upload.
const checkLimit = 2 * time.Second

// noteCheck keeps how long checks take at best: a quick one counts at once, slow ones only if they are many.
func (f *FS) noteCheck(took time.Duration) {
	best := f.bestCheck.Load()
	if grown := best + best/16; best > 0 && int64(took) > grown {
		took = time.Duration(grown)
	}
	f.bestCheck.Store(int64(took))
}

// checkGrace is how long a small upload waits for the check of its name.
func (f *FS) checkGrace() time.Duration {
	if time.Duration(f.bestCheck.Load()) <= nearStore {
		return time.Second
	}
	return 2 * time.Millisecond
}
