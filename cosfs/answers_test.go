package cosfs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// fuzzedKinds are the requests of which FuzzAnswers spoils one.
var fuzzedKinds = []string{
	"PutObject", "GetObject", "HeadObject", "DeleteObject", "CopyObject", "InitiateMultipartUpload", "UploadPart",
	"UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload", "ListObjects", "ListMultipartUploads",
	"DeleteMultipleObjects",
}

// fuzzedWire is the way to a store on which the answers to one kind of request are replaced by others.
type fuzzedWire struct {
	store  *costest.Server
	kind   string
	skip   int  // requests of that kind that are answered truly
	acts   bool // the store does what it was asked to all the same
	answer []byte

	conns  sync.WaitGroup
	mu     sync.Mutex
	seen   int
	struck bool
	record map[string][]byte // true answers by kind, nil: they are not kept
}

// dial is the client's end of a connection to the store.
func (w *fuzzedWire) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	w.conns.Go(func() { w.serve(theirs) })
	return ours, nil
}

// serve answers requests as net/http would, until one is answered otherwise.
func (w *fuzzedWire) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		kind := kindOf(req)
		strikes := w.strikes(kind)
		if !strikes || w.acts {
			answer := w.honest(req)
			if !strikes {
				w.keep(kind, answer)
				if _, err := conn.Write(answer); err != nil {
					return
				}
				continue
			}
		}
		conn.Write(w.answer)
		return
	}
}

func (w *fuzzedWire) strikes(kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if kind != w.kind {
		return false
	}
	w.seen++
	w.struck = w.struck || w.seen > w.skip
	return w.seen > w.skip
}

func (w *fuzzedWire) keep(kind string, answer []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.record != nil {
		w.record[kind] = answer
	}
}

func (w *fuzzedWire) honest(req *http.Request) []byte {
	recorder := httptest.NewRecorder()
	w.store.ServeHTTP(recorder, req)
	resp := recorder.Result()
	resp.Request = req
	if req.Method != http.MethodHead {
		resp.ContentLength = int64(recorder.Body.Len())
	} else if n, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength = n
	}
	answer, err := httputil.DumpResponse(resp, true)
	if err != nil {
		panic(err)
	}
	return answer
}

// kindOf is the operation of a request, as costest names it.
func kindOf(req *http.Request) string {
	q := req.URL.Query()
	copies := req.Header.Get("x-cos-copy-source") != ""
	switch key := strings.TrimPrefix(req.URL.Path, "/"); {
	case req.Method == http.MethodPost && q.Has("delete"):
		return "DeleteMultipleObjects"
	case req.Method == http.MethodPost && q.Has("uploads"):
		return "InitiateMultipartUpload"
	case req.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case req.Method == http.MethodPut && q.Has("partNumber") && copies:
		return "UploadPartCopy"
	case req.Method == http.MethodPut && q.Has("partNumber"):
		return "UploadPart"
	case req.Method == http.MethodPut && copies:
		return "CopyObject"
	case req.Method == http.MethodPut:
		return "PutObject"
	case req.Method == http.MethodDelete && q.Has("uploadId"):
		return "AbortMultipartUpload"
	case req.Method == http.MethodDelete:
		return "DeleteObject"
	case req.Method == http.MethodHead:
		return "HeadObject"
	case key == "" && q.Has("uploads"):
		return "ListMultipartUploads"
	case key == "":
		return "ListObjects"
	}
	return "GetObject"
}

// The store of FuzzAnswers, which all its operations begin with.
const (
	fuzzOld     = "what was there before"
	fuzzNew     = "what is uploaded now, and a little longer"
	fuzzBigSize = minCopied + 10
)

var fuzzBig = bytes.Repeat([]byte("0123456789abcdef"), (minPart+32)/16)

func fuzzStore() *costest.Server {
	s := costest.New(costest.WithBucket(treeBucket), costest.WithoutMD5(), costest.WithCopyLimit(1<<20), costest.WithMinPart(16))
	for _, key := range []string{"old.txt", "dir/one", "dir/two", "dir/sub/three"} {
		s.Put(treeBucket, key, []byte(fuzzOld))
	}
	s.Put(treeBucket, "empty/", nil)
	s.PutSized(treeBucket, "big.bin", fuzzBigSize)
	return s
}

// fuzzedOperation is something a session asks for. Its error is the session's reply; check says what is wrong with a
// success that it reports, nil for nothing.
type fuzzedOperation struct {
	name string
	run  func(ctx context.Context, f *FS) error
	// changes says that a success must show in the store.
	changes func(s *costest.Server) error
}

func fuzzUpload(name string, content []byte) func(ctx context.Context, f *FS) error {
	return func(ctx context.Context, f *FS) error {
		w, err := f.Create(ctx, name)
		return fuzzWrite(w, err, content)
	}
}

func fuzzWrite(w io.WriteCloser, err error, content []byte) error {
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return errors.Join(err, w.Close())
}

// holds wants an object to be there with that content.
func holds(key string, content []byte) func(s *costest.Server) error {
	return func(s *costest.Server) error {
		o, there := s.Get(treeBucket, key)
		if !there || !bytes.Equal(o.Data, content) {
			return fmt.Errorf("%s: there %v, %d bytes, want %d", key, there, len(o.Data), len(content))
		}
		return nil
	}
}

func unchanged(*costest.Server) error { return nil }

var fuzzedOperations = []fuzzedOperation{
	{"upload", fuzzUpload("/old.txt", []byte(fuzzNew)), holds("old.txt", []byte(fuzzNew))},
	{"upload of nothing", fuzzUpload("/old.txt", nil), holds("old.txt", nil)},
	{"upload in parts", fuzzUpload("/old.txt", fuzzBig), holds("old.txt", fuzzBig)},
	{"append", func(ctx context.Context, f *FS) error {
		w, err := f.Append(ctx, "/old.txt")
		return fuzzWrite(w, err, []byte(fuzzNew))
	}, holds("old.txt", []byte(fuzzOld+fuzzNew))},
	{"append to much", func(ctx context.Context, f *FS) error {
		w, err := f.Append(ctx, "/big.bin")
		return fuzzWrite(w, err, []byte(fuzzNew))
	}, func(s *costest.Server) error {
		if o, _ := s.Get(treeBucket, "big.bin"); o.Size != fuzzBigSize+int64(len(fuzzNew)) {
			return fmt.Errorf("big.bin has %d bytes", o.Size)
		}
		return nil
	}},
	{"download", fuzzDownload, unchanged},
	{"list", fuzzList, unchanged},
	{"stat", func(ctx context.Context, f *FS) error {
		info, err := f.Stat(ctx, "/dir/one")
		if err == nil && info.Name() != "one" {
			return &wrongSuccess{fmt.Sprintf("the information is about %q", info.Name())}
		}
		return err
	}, unchanged},
	{"rename", func(ctx context.Context, f *FS) error { return f.Rename(ctx, "/old.txt", "/new.txt") }, func(s *costest.Server) error {
		_, left := s.Get(treeBucket, "old.txt")
		if left {
			return errors.New("the old name is still there")
		}
		return holds("new.txt", []byte(fuzzOld))(s)
	}},
	{"rename of much", func(ctx context.Context, f *FS) error { return f.Rename(ctx, "/big.bin", "/new.bin") }, func(s *costest.Server) error {
		o, _ := s.Get(treeBucket, "new.bin")
		if _, left := s.Get(treeBucket, "big.bin"); left || o.Size != fuzzBigSize {
			return fmt.Errorf("the old name is there: %v; the new one has %d bytes", left, o.Size)
		}
		return nil
	}},
	{"rename of a directory", func(ctx context.Context, f *FS) error { return f.Rename(ctx, "/dir", "/other") }, func(s *costest.Server) error {
		return errors.Join(holds("other/one", []byte(fuzzOld))(s), holds("other/two", []byte(fuzzOld))(s), holds("other/sub/three", []byte(fuzzOld))(s))
	}},
	{"remove", func(ctx context.Context, f *FS) error { return f.Remove(ctx, "/old.txt") }, func(s *costest.Server) error {
		if _, left := s.Get(treeBucket, "old.txt"); left {
			return errors.New("it is still there")
		}
		return nil
	}},
	{"remove a directory", func(ctx context.Context, f *FS) error { return f.RemoveDir(ctx, "/empty") }, func(s *costest.Server) error {
		if _, left := s.Get(treeBucket, "empty/"); left {
			return errors.New("it is still there")
		}
		return nil
	}},
	{"make a directory", func(ctx context.Context, f *FS) error { return f.Mkdir(ctx, "/made") }, holds("made/", nil)},
	{"set a time", func(ctx context.Context, f *FS) error { return f.SetModTime(ctx, "/old.txt", time.Unix(1e9, 0)) }, func(s *costest.Server) error {
		o, _ := s.Get(treeBucket, "old.txt")
		if o.Meta["mtime"] != "1000000000" {
			return fmt.Errorf("metadata %q", o.Meta)
		}
		return holds("old.txt", []byte(fuzzOld))(s)
	}},
}

// wrongSuccess is a result that no answer may bring about.
type wrongSuccess struct{ what string }

func (e *wrongSuccess) Error() string { return e.what }

func fuzzDownload(ctx context.Context, f *FS) error {
	file, err := f.Open(ctx, "/old.txt", 3)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, file)
	if err == nil && n != max(info.Size()-3, 0) {
		return &wrongSuccess{fmt.Sprintf("%d bytes from 3 on of a file of %d, and no error", n, info.Size())}
	}
	return err
}

func fuzzList(ctx context.Context, f *FS) error {
	for info, err := range f.List(ctx, "/dir") {
		if err != nil {
			return err
		}
		if name := info.Name(); name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\r\n") {
			return &wrongSuccess{fmt.Sprintf("the listing has an entry %q", name)}
		}
	}
	return nil
}

// fuzzEngine serves all inputs, as it would many sessions. There is nothing it waits for between attempts.
var fuzzEngine = sync.OnceValue(func() *Engine {
	e := NewEngine(EngineOptions{
		UploadThreads: 4, DownloadThreads: 4, Memory: 16 << 20, RetryBase: time.Microsecond, CommandPatience: 100 * time.Microsecond, Patience: 200 * time.Microsecond, StallTimeout: 5 * time.Second,
	})
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		wireNow.Lock()
		defer wireNow.Unlock()
		if wireNow.wire == nil {
			return nil, net.ErrClosed // a connection for a request that is over
		}
		return wireNow.wire.dial(ctx, network, address)
	}
	route := e.route("store")
	route.quick.DialContext, route.patient.DialContext = dial, dial
	return e
})

// wireNow is the wire of the input that is being tried.
var wireNow struct {
	sync.Mutex
	wire *fuzzedWire
}

func connectTo(w *fuzzedWire) {
	wireNow.Lock()
	defer wireNow.Unlock()
	wireNow.wire = w
}

// runFuzzed performs an operation on a new store behind a wire.
func runFuzzed(t testing.TB, o fuzzedOperation, w *fuzzedWire) error {
	t.Helper()
	log.SetOutput(io.Discard) // net/http tells it of bytes behind an answer
	w.store = fuzzStore()
	e := fuzzEngine()
	e.leftovers = newLeftovers(time.Hour) // those of one input shall not meet the store of the next
	route := e.route("store")
	connectTo(w)
	f, err := New(Options{
		SecretID: "id", SecretKey: treeSecret, Bucket: treeBucket, Host: costest.Host(treeBucket), Scheme: "http",
		Address: "store", PartSize: minPart, RenameDirLimit: 10, CopyLimit: 1 << 20,
	}, e)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 4*fuzzPatience)
	defer cancel()
	err = o.run(ctx, f)
	if took := time.Since(began); took > 2*fuzzPatience {
		t.Errorf("%s takes %v: %v", o.name, took, err)
	}
	if n := e.MemoryInUse(); n != 0 {
		t.Errorf("%s leaves %d bytes of transfer memory: %v", o.name, n, err)
	}
	e.leftovers.close()
	connectTo(nil)
	route.quick.CloseIdleConnections()
	route.patient.CloseIdleConnections()
	gone := make(chan struct{})
	go func() {
		w.conns.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(fuzzPatience):
		t.Errorf("%s leaves connections to COS open: %v", o.name, err)
	}
	return err
}

// fuzzPatience is how long a test waits for what must come.
const fuzzPatience = 20 * time.Second

// FuzzAnswers has COS answer one kind of request with any bytes, and performs an operation. It never panics, never
// hangs, and leaves no memory and no connection. It reports success only where the bytes are an answer that says so,
// or where it is so; and no file is lost unless the bytes said that a copy of it is made.
func FuzzAnswers(f *testing.F) {
	for i, o := range fuzzedOperations {
		w := &fuzzedWire{record: map[string][]byte{}}
		if err := runFuzzed(f, o, w); err != nil {
			f.Fatalf("%s fails without faults: %v", o.name, err)
		}
		if err := o.changes(w.store); err != nil {
			f.Fatalf("%s does nothing without faults: %v", o.name, err)
		}
		for kind, answer := range w.record {
			f.Add(uint8(i), uint8(slices.Index(fuzzedKinds, kind)), uint8(0), answer)
			f.Add(uint8(i), uint8(slices.Index(fuzzedKinds, kind)), uint8(0x80), answer)
			for n, other := range fuzzedAnswers {
				if (n+i)%4 > 0 && kind != "CompleteMultipartUpload" && kind != "HeadObject" {
					continue // all of them take long under the race detector
				}
				f.Add(uint8(i), uint8(slices.Index(fuzzedKinds, kind)), uint8(0), []byte(other))
			}
		}
	}
	f.Fuzz(func(t *testing.T, operation, kind, mode uint8, answer []byte) {
		o := fuzzedOperations[int(operation)%len(fuzzedOperations)]
		w := &fuzzedWire{
			kind: fuzzedKinds[int(kind)%len(fuzzedKinds)], skip: int(mode & 3), acts: mode&0x80 != 0, answer: answer,
		}
		err := runFuzzed(t, o, w)
		if wrong := new(wrongSuccess); errors.As(err, &wrong) {
			t.Fatalf("%s: %v", o.name, err)
		}
		claim := w.struck && claimsSuccess(w.kind, answer)
		if missing := o.changes(w.store); err == nil && missing != nil && !claim {
			t.Errorf("%s succeeds by the answer %q to %s: %v", o.name, answer, w.kind, missing)
		}
		if lost := w.lost(); lost != "" && o.name != "remove" && !claim {
			t.Errorf("%s loses %s by the answer %q to %s (%v)", o.name, lost, answer, w.kind, err)
		}
	})
}

// fuzzedAnswers are answers of machines other than COS, or of an odd COS.
var fuzzedAnswers = []string{
	"", "220 FTP\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"1\"\r\nx-cos-hash-crc64ecma: 1\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>login first</html>",
	"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 x\r\n\r\n",
	"HTTP/1.1 403 Forbidden\r\n\r\n<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
	"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{\"code\":-46628}",
	"HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<Err\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\n  \n <Error><Code>InternalError</Code></Error>",
	"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>a</NextMarker></ListBucketResult>",
	"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>dir/a&#13;&#10;b</Key><Size>-1</Size></Contents></ListBucketResult>",
	"HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Range: bytes 3-9223372036854775806/9223372036854775807\r\nContent-Length: 9223372036854775804\r\n\r\nabc",
	"HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3\r\n\r\nabc",
	"HTTP/1.1 416 Range\r\n\r\n", "HTTP/1.1 412 Precondition Failed\r\n\r\n",
	"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 5\r\nLast-Modified: Thu, 99 Jan 1970\r\nx-cos-meta-mtime: 9e9\r\nx-cos-meta-mode: -1\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\n<InitiateMultipartUploadResult><UploadId>a&amp;b#c?</UploadId></InitiateMultipartUploadResult>",
	"HTTP/1.1 200 OK\r\n\r\n<CompleteMultipartUploadResult><ETag>",
	"HTTP/1.1 200 OK\r\n\r\n<DeleteResult><Deleted><Key>x</Key></Deleted><Deleted><Key>y</Key></Deleted><Deleted><Key>z</Key></Deleted></DeleteResult>",
}

// claimsSuccess says whether bytes are an answer with which COS reports that a request is done. It is meant to be simple,
// and so more generous than what it is compared with.
func claimsSuccess(kind string, answer []byte) bool {
	in := bufio.NewReader(bytes.NewReader(answer))
	method := map[string]string{"HeadObject": http.MethodHead, "DeleteObject": http.MethodDelete}[kind]
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	for err == nil && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
		resp, err = http.ReadResponse(in, &http.Request{Method: method})
	}
	if err != nil {
		return false
	}
	body, _ := io.ReadAll(resp.Body)
	tagged := resp.Header.Get("ETag") != ""
	crc, crcErr := strconv.ParseUint(resp.Header.Get("x-cos-hash-crc64ecma"), 10, 64)
	switch kind {
	case "PutObject":
		right := slices.ContainsFunc([][]byte{nil, []byte(fuzzNew), []byte(fuzzOld + fuzzNew)}, func(content []byte) bool {
			return crc64.Checksum(content, crc64.MakeTable(crc64.ECMA)) == crc
		})
		return resp.StatusCode/100 == 2 && tagged && (crcErr != nil || right)
	case "CompleteMultipartUpload", "CopyObject", "UploadPartCopy":
		return resp.StatusCode == 200 && bytes.Contains(body, []byte("ETag>"))
	case "DeleteObject":
		return resp.StatusCode == 204
	case "DeleteMultipleObjects":
		return resp.StatusCode == 200 && bytes.Contains(body, []byte("Deleted>"))
	case "HeadObject":
		return resp.StatusCode == 200 && tagged || resp.StatusCode == 404
	case "ListObjects":
		return resp.StatusCode == 200 && bytes.Contains(body, []byte("ListBucketResult"))
	}
	return resp.StatusCode/100 == 2
}

// lost names a file that is neither where it was nor anywhere an operation may have put it.
func (w *fuzzedWire) lost() string {
	for old, places := range map[string][]string{
		"old.txt": {"new.txt"}, "dir/one": {"other/one"}, "dir/two": {"other/two"}, "dir/sub/three": {"other/sub/three"},
		"big.bin": {"new.bin"},
	} {
		if !slices.ContainsFunc(append(places, old), func(key string) bool {
			o, there := w.store.Get(treeBucket, key)
			return there && (o.Size > 0 || key == "old.txt")
		}) {
			return old
		}
	}
	return ""
}
