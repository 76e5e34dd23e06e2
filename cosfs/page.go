package cosfs

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	// pageSize is the greatest number of entries of one list answer (COS document 436/7734).
	pageSize = 1000
	// maxAnswer is more bytes than any answer has: a list answer has 1000 keys of 850 bytes, each byte as %XX, and
	// their attributes.
	maxAnswer = 8 << 20
)

// page is one answer to a list request.
type page struct {
	objects  []listed
	prefixes []string
	next     string // marker of the page after it, "" when it is the last
}

// listed is what a listing tells about a key.
type listed struct {
	key    string
	size   int64
	stored time.Time // Last-Modified
	etag   string    // without quotes
	class  string    // storage class
}

// badAnswer is an answer that does not hold what COS always sends. It may be better the next time.
type badAnswer string

func (e badAnswer) Error() string { return "COS answered " + string(e) }
func (badAnswer) Temporary() bool { return true }

// page asks for up to limit keys that begin with prefix and come after marker. With the delimiter "/", what lies
// below a further slash comes as a prefix.
func (f *FS) page(ctx context.Context, prefix, delimiter, marker string, limit int) (page, error) {
	query := url.Values{
		"prefix":   {prefix},
		"max-keys": {strconv.Itoa(limit)},
		// Without it a single control character in a key would spoil the whole page.
		"encoding-type": {"url"},
	}
	if delimiter != "" {
		query.Set("delimiter", delimiter)
	}
	if marker != "" {
		query.Set("marker", marker)
	}
	var p page
	err := f.call(ctx, "list "+strconv.Quote(prefix), func(ctx context.Context) error {
		body, err := f.getBucket(ctx, query)
		if err != nil {
			return err
		}
		p, err = decodePage(body, marker)
		return err
	})
	return p, err
}

// getBucket sends a list request and answers the body. It does what the SDK's Bucket.Get does but for the decoding,
// which there takes most of the time of a long listing.
func (f *FS) getBucket(ctx context.Context, query url.Values) ([]byte, error) {
	base := f.client.BaseURL.BucketURL
	u := url.URL{Scheme: base.Scheme, Host: base.Host, Path: "/", RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", f.client.UserAgent)
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body := bytes.NewBuffer(make([]byte, 0, max(min(resp.ContentLength, maxAnswer), 0)+bytes.MinRead))
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		answer := &cos.ErrorResponse{Response: resp}
		_ = xml.Unmarshal(body.Bytes(), answer) // what is no XML has no code
		return nil, answer
	}
	return body.Bytes(), nil
}

// decodePage reads an answer. It distrusts: an empty body must not read as an empty directory, nor a page without
// progress as a listing without end.
func decodePage(body []byte, marker string) (page, error) {
	p, ok := scanPage(string(body))
	if !ok {
		var err error
		if p, err = parsePage(body); err != nil {
			return page{}, err
		}
	}
	if p.next != "" && p.next <= marker {
		return page{}, badAnswer(fmt.Sprintf("a list request with a further page at %q, which is not after %q", p.next, marker))
	}
	return p, nil
}

// parsePage reads any XML that a list answer may be.
func parsePage(body []byte) (page, error) {
	var res cos.BucketGetResult
	if err := xml.Unmarshal(body, &res); err != nil {
		return page{}, badAnswer("a list request with something else: " + err.Error())
	}
	d := decoder{encoded: res.EncodingType == "url"}
	var p page
	for i := range res.Contents {
		o := &res.Contents[i]
		p.objects = append(p.objects, listed{
			key: d.key(o.Key), size: o.Size, stored: d.time(o.LastModified), etag: bareETag(o.ETag), class: o.StorageClass,
		})
	}
	for _, prefix := range res.CommonPrefixes {
		p.prefixes = append(p.prefixes, d.key(prefix))
	}
	if res.IsTruncated {
		if p.next = d.key(res.NextMarker); p.next == "" {
			return page{}, badAnswer("a list request with a part, and not where to go on")
		}
	}
	return p, d.err
}

// decoder undoes the encoding of what a listing tells.
type decoder struct {
	encoded bool // encoding-type=url
	err     error
}

func (d *decoder) key(s string) string {
	if !d.encoded {
		return s
	}
	plain, err := url.QueryUnescape(s)
	if err != nil {
		d.err = badAnswer("a list request with a key that cannot be decoded: " + err.Error())
	}
	return plain
}

// time answers the zero time for what is none: an entry with an odd time is better than no listing.
func (d *decoder) time(s string) time.Time {
	t, _ := time.Parse(time.RFC3339, s)
	return t
}
