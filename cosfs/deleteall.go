package cosfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	maxDelete     = 1000 // keys of one request (COS document 436/8289)
	manyDeletes   = 4    // requests for many keys at once
	singleDeletes = 16   // requests for one key at once
)

// deleteAll deletes many objects with few requests. done is told of each that is gone and when, by COS's clock, by
// several goroutines at once. After a failure it is not known of all others whether they are there.
//
// What cannot be deleted together is deleted one by one: either that works, as for a key pair that may do no more, or
// the error tells the cause.
func (f *FS) deleteAll(ctx context.Context, keys []string, done func(key string, when time.Time)) error {
	var together, single []string
	for _, key := range keys {
		if fitsXML(key) {
			together = append(together, key)
		} else {
			single = append(single, key)
		}
	}
	batches := slices.Collect(slices.Chunk(together, maxDelete))
	var mu sync.Mutex
	err := each(ctx, manyDeletes, len(batches), func(ctx context.Context, i int) error {
		left, err := f.deleteMany(ctx, batches[i], done)
		if down := new(fault); errors.As(err, &down) && down.temporary {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		single = append(single, left...)
		return nil
	})
	if err != nil {
		return err
	}
	return each(ctx, singleDeletes, len(single), func(ctx context.Context, i int) error {
		when, err := f.delete(ctx, single[i])
		if err == nil {
			done(single[i], when)
		}
		return err
	})
}

// deleteMany asks COS to delete up to 1000 objects and answers the keys of those that it did not. Its answer is 200
// even then, so each of them must be accounted for in it. A single key is left to others.
func (f *FS) deleteMany(ctx context.Context, keys []string, done func(key string, when time.Time)) ([]string, error) {
	if len(keys) == 1 {
		return keys, nil
	}
	opt := &cos.ObjectDeleteMultiOptions{Objects: make([]cos.Object, len(keys))}
	for i, key := range keys {
		opt.Objects[i].Key = key
	}
	var refused map[string]bool
	var when time.Time
	err := f.call(ctx, fmt.Sprintf("delete %d objects from %q on", len(keys), keys[0]), func(ctx context.Context) error {
		res, resp, err := f.client.Object.DeleteMulti(ctx, opt)
		if err != nil {
			return err
		}
		if told := len(res.DeletedObjects) + len(res.Errors); told != len(keys) {
			return badAnswer(fmt.Sprintf("a request to delete %d objects with %d", len(keys), told))
		}
		refused, when = make(map[string]bool), answeredAt(resp)
		for _, o := range res.Errors {
			refused[o.Key] = true
		}
		return nil
	})
	if err != nil {
		return keys, err
	}
	var left []string
	for _, key := range keys {
		if refused[key] {
			left = append(left, key)
		} else {
			done(key, when)
		}
	}
	return left, nil
}

// fitsXML reports whether a key comes through a document of XML 1.0 unchanged. encoding/xml replaces what does not,
// which would be another object's key; and readers may trim blanks.
func fitsXML(key string) bool {
	if !utf8.ValidString(key) || strings.TrimSpace(key) != key {
		return false
	}
	return !strings.ContainsFunc(key, func(r rune) bool {
		return unicode.IsControl(r) || r == 0xfffe || r == 0xffff
	})
}
