package cosfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"
	"time"
)

// leaf is an object somewhere below a directory, as a listing tells about it.
type leaf struct {
	rest   string // of its key, behind that of the directory; "" for the directory's marker
	size   int64
	stored time.Time // Last-Modified
	etag   string    // without quotes
	class  string    // storage class
}

// subtree yields all objects below a directory, in the order of their keys but for those of which a listing does not
// tell yet what this process did to them: these are asked for one by one and come last. An error is the last pair.
func (f *FS) subtree(ctx context.Context, dir string) iter.Seq2[leaf, error] {
	return func(yield func(leaf, error) bool) {
		changes := f.recent.under(dir)
		var unsure []string // keys
		for marker := ""; ; {
			p, err := f.page(ctx, dir, "", marker, pageSize)
			var leaves []leaf
			if err == nil {
				leaves, err = p.leaves(dir)
			}
			if err != nil {
				yield(leaf{}, err)
				return
			}
			for _, l := range leaves {
				key := dir + l.rest
				c, ours := changes[key]
				delete(changes, key)
				switch {
				case ours && c.hides(l.stored):
				case ours && !c.removed && (c.size != l.size || laterSecond(c.stored, l.stored)):
					unsure = append(unsure, key)
				case !yield(l, nil):
					return
				}
			}
			if marker = p.next; marker == "" {
				break
			}
		}
		for key, c := range changes {
			if !c.removed {
				unsure = append(unsure, key)
			}
		}
		f.askEach(ctx, dir, unsure, yield)
	}
}

// askEach yields the objects of these keys that are there.
func (f *FS) askEach(ctx context.Context, dir string, keys []string, yield func(leaf, error) bool) {
	leaves := make([]*leaf, len(keys))
	err := each(ctx, copyWorkers, len(keys), func(ctx context.Context, i int) error {
		o, err := f.head(ctx, keys[i])
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		leaves[i] = &leaf{strings.TrimPrefix(o.key, dir), o.size, o.stored, bareETag(o.etag), o.storageClass}
		return err
	})
	if err != nil {
		yield(leaf{}, err)
		return
	}
	for _, l := range leaves {
		if l != nil && !yield(*l, nil) {
			return
		}
	}
}

// leaves are the objects of a page below a directory. They outlive the answer, so they share no memory with it. A bucket
// with metadata acceleration lists one level only, whatever it is asked: errors.ErrUnsupported.
func (p page) leaves(dir string) ([]leaf, error) {
	if len(p.prefixes) > 0 {
		return nil, fmt.Errorf("the bucket does not list what is below %q: %w", p.prefixes[0], errors.ErrUnsupported)
	}
	classes := map[string]string{} // so that equal names share their memory
	leaves := make([]leaf, len(p.objects))
	for i, o := range p.objects {
		rest, below := strings.CutPrefix(o.key, dir)
		if !below {
			return nil, badAnswer("a list request with a key that was not asked for: " + strconv.Quote(o.key))
		}
		if _, known := classes[o.class]; !known {
			classes[o.class] = strings.Clone(o.class)
		}
		leaves[i] = leaf{strings.Clone(rest), o.size, o.stored, strings.Clone(o.etag), classes[o.class]}
	}
	return leaves, nil
}

// bareETag is an ETag without its quotes, which not every answer has.
func bareETag(etag string) string { return strings.Trim(etag, `"`) }
