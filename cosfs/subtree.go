package cosfs

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"iter"
	"net/url"
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
			leaves, next, err := f.leafPage(ctx, dir, marker)
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
			if marker = next; marker == "" {
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

// leafPage is page for callers that need ETags and storage classes.
func (f *FS) leafPage(ctx context.Context, dir, marker string) (leaves []leaf, next string, err error) {
	query := url.Values{"prefix": {dir}, "max-keys": {strconv.Itoa(pageSize)}, "encoding-type": {"url"}}
	if marker != "" {
		query.Set("marker", marker)
	}
	err = f.call(ctx, "list all below "+strconv.Quote(dir), func(ctx context.Context) error {
		body, err := f.getBucket(ctx, query)
		if err != nil {
			return err
		}
		leaves, next, err = decodeLeaves(body, dir, marker)
		return err
	})
	return leaves, next, err
}

// decodeLeaves reads an answer twice: decodePage knows what to distrust, and here is what it leaves out.
func decodeLeaves(body []byte, dir, marker string) ([]leaf, string, error) {
	p, err := decodePage(body, marker)
	if err != nil {
		return nil, "", err
	}
	var more struct {
		Contents []struct{ ETag, StorageClass string }
	}
	if err := xml.Unmarshal(body, &more); err != nil || len(more.Contents) != len(p.objects) {
		return nil, "", badAnswer("a list request with something else")
	}
	classes := map[string]string{} // so that equal names share their memory
	leaves := make([]leaf, len(p.objects))
	for i, o := range p.objects {
		rest, below := strings.CutPrefix(o.key, dir)
		if !below {
			return nil, "", badAnswer("a list request with a key that was not asked for: " + strconv.Quote(o.key))
		}
		class := more.Contents[i].StorageClass
		classes[class] = cmp.Or(classes[class], class)
		leaves[i] = leaf{rest, o.size, o.stored, bareETag(more.Contents[i].ETag), classes[class]}
	}
	return leaves, p.next, nil
}

// bareETag is an ETag without its quotes, which not every answer has.
func bareETag(etag string) string { return strings.Trim(etag, `"`) }
