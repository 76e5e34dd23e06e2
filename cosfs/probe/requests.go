package probe

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const maxPage = 1000

const forbidOverwrite = "x-cos-forbid-overwrite"

// refusal is an answer without which a question cannot be asked.
type refusal struct {
	what   string
	answer *answer
}

func (r *refusal) Error() string {
	if r.answer.denied() {
		return fmt.Sprintf("the key may not do it: %s is answered %s", r.what, r.answer)
	}
	return fmt.Sprintf("%s is answered %s", r.what, r.answer)
}

// need sends a request that must succeed.
func (s *sheet) need(ctx context.Context, what string, r request) (*answer, error) {
	a, err := s.do(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if !a.ok() {
		return nil, &refusal{what, a}
	}
	return a, nil
}

// key is the key of a name below the prefix of the run.
func (c *client) key(name string) string { return c.base + name }

// headers are name, value, name, value.
func headers(pairs []string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h[http.CanonicalHeaderKey(pairs[i])] = []string{pairs[i+1]}
	}
	return h
}

func headRequest(key string) request { return request{method: http.MethodHead, key: key} }

func getRequest(key string, header ...string) request {
	return request{method: http.MethodGet, key: key, header: headers(header)}
}

func putRequest(key string, body []byte, header ...string) request {
	return request{method: http.MethodPut, key: key, body: body, header: headers(header)}
}

func deleteRequest(key string) request { return request{method: http.MethodDelete, key: key} }

// copyRequest copies source, named by that host, to key.
func copyRequest(key, host, source string, header ...string) request {
	return putRequest(key, nil, append(header, "x-cos-copy-source", copySource(host, source))...)
}

func copySource(host, key string) string {
	name := url.URL{Host: host}
	return name.Hostname() + "/" + escape(key, "/")
}

func initiateRequest(key string) request {
	return request{method: http.MethodPost, key: key, query: url.Values{"uploads": {""}}}
}

func partRequest(key, id string, number int, body []byte) request {
	r := putRequest(key, body)
	r.query = url.Values{"uploadId": {id}, "partNumber": {strconv.Itoa(number)}}
	return r
}

// partCopyRequest copies all of source as a part, or the range that a header names.
func partCopyRequest(key, id string, number int, host, source string, header ...string) request {
	r := copyRequest(key, host, source, header...)
	r.query = partRequest(key, id, number, nil).query
	return r
}

// completeRequest lists the ETags of parts 1, 2 and so on. It is never repeated by itself.
func completeRequest(key, id string, etags ...string) request {
	type part struct {
		PartNumber int
		ETag       string
	}
	var list struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Parts   []part   `xml:"Part"`
	}
	for i, etag := range etags {
		list.Parts = append(list.Parts, part{i + 1, `"` + etag + `"`})
	}
	body, _ := xml.Marshal(list) // numbers and ETags
	return request{
		method: http.MethodPost, key: key, query: url.Values{"uploadId": {id}}, body: body, once: true,
		header: headers([]string{"Content-Type", "application/xml"}),
	}
}

func abortRequest(key, id string) request {
	r := deleteRequest(key)
	r.query = url.Values{"uploadId": {id}}
	return r
}

func listRequest(prefix, delimiter, marker string, limit int) request {
	query := url.Values{"prefix": {prefix}, "max-keys": {strconv.Itoa(limit)}, "encoding-type": {"url"}}
	if delimiter != "" {
		query.Set("delimiter", delimiter)
	}
	if marker != "" {
		query.Set("marker", marker)
	}
	return request{method: http.MethodGet, query: query}
}

// begin begins an upload.
func (s *sheet) begin(ctx context.Context, key string) (id string, a *answer, err error) {
	a, err = s.need(ctx, "Initiate", initiateRequest(key))
	if err != nil {
		return "", nil, err
	}
	if id = uploadID(a); id == "" {
		return "", nil, fmt.Errorf("the answer to Initiate names no upload: %w", &refusal{"Initiate", a})
	}
	return id, a, nil
}

// uploaded begins an upload and sends it some parts. It returns the upload and the ETags of the parts.
func (s *sheet) uploaded(ctx context.Context, key string, parts ...[]byte) (id string, etags []string, err error) {
	if id, _, err = s.begin(ctx, key); err != nil {
		return "", nil, err
	}
	for i, body := range parts {
		a, err := s.need(ctx, "UploadPart", partRequest(key, id, i+1, body))
		if err != nil {
			return "", nil, err
		}
		etags = append(etags, a.etag())
	}
	return id, etags, nil
}

// copiedETag is the ETag in the answer to a copy.
func copiedETag(a *answer) string {
	var result struct{ ETag string }
	_ = a.read(&result) // what is no XML has none
	return strings.Trim(result.ETag, `"`)
}

// page is one answer to a list request.
type page struct {
	XMLName      xml.Name
	IsTruncated  bool
	NextMarker   string
	EncodingType string
	Contents     []entry
	Prefixes     []struct{ Prefix string } `xml:"CommonPrefixes"`
	answer       *answer
}

type entry struct {
	Key          string
	Size         int64
	ETag         string
	LastModified time.Time
}

// names are the keys and prefixes of a page, decoded.
func (p *page) names() (names []string) {
	for _, e := range p.Contents {
		names = append(names, e.Key)
	}
	for _, q := range p.Prefixes {
		names = append(names, q.Prefix)
	}
	return names
}

// find returns the entry of a key.
func (p *page) find(key string) (entry, bool) {
	for _, e := range p.Contents {
		if e.Key == key {
			return e, true
		}
	}
	return entry{}, false
}

// list asks for a page.
func (s *sheet) list(ctx context.Context, r request) (*page, error) {
	a, err := s.need(ctx, "LIST", r)
	if err != nil {
		return nil, err
	}
	p := &page{answer: a}
	if err := a.read(p); err != nil || p.XMLName.Local != "ListBucketResult" {
		return nil, fmt.Errorf("LIST is answered with something else: %w", &refusal{"LIST", a})
	}
	p.NextMarker = decode(p.NextMarker, p.EncodingType)
	for i := range p.Contents {
		p.Contents[i].Key = decode(p.Contents[i].Key, p.EncodingType)
	}
	for i := range p.Prefixes {
		p.Prefixes[i].Prefix = decode(p.Prefixes[i].Prefix, p.EncodingType)
	}
	return p, nil
}

// decode undoes encoding-type=url where a listing says that it has it; what cannot be decoded stays.
func decode(text, encoding string) string {
	if plain, err := url.QueryUnescape(text); err == nil && encoding == "url" {
		return plain
	}
	return text
}

// await lists until the page shows what is wanted, or until ListFor after began. It returns the last page and whether it
// does.
func (s *sheet) await(ctx context.Context, r request, began time.Time, shows func(*page) bool) (*page, bool, error) {
	for {
		p, err := s.list(ctx, r)
		if err != nil {
			return nil, false, err
		}
		if shows(p) {
			return p, true, nil
		}
		if time.Since(began) >= s.ListFor {
			return p, false, nil
		}
		if err := sleep(ctx, s.ListEvery); err != nil {
			return nil, false, err
		}
	}
}

// data returns n bytes that differ by their seed.
func data(seed byte, n int) []byte {
	block := make([]byte, 251) // a prime: no range of 2^k bytes repeats
	for i := range block {
		block[i] = byte(i)*7 + seed
	}
	return bytes.Repeat(block, n/len(block)+1)[:n]
}

var crcTable = crc64.MakeTable(crc64.ECMA)

func crcOf(body []byte) string { return strconv.FormatUint(crc64.Checksum(body, crcTable), 10) }
