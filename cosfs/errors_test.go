package cosfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestAnswersOfCOSBecomeSentinels(t *testing.T) {
	sentinels := []error{fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrInvalid, syscall.EFBIG, syscall.ESTALE,
		errors.ErrUnsupported, context.Canceled}
	for _, test := range []struct {
		status    int
		code      string
		want      error // nil: none of the sentinels
		temporary bool
	}{
		{404, "NoSuchKey", fs.ErrNotExist, false},
		{404, "NoSuchCopySource", fs.ErrNotExist, false},
		{404, "NoSuchBucket", nil, false},
		{404, "NoSuchUpload", nil, false},
		{404, "", nil, true}, // not from COS, whose answers to this have a body
		{403, "AccessDenied", fs.ErrPermission, false},
		{403, "InvalidAccessKeyId", fs.ErrPermission, false},
		{403, "SignatureDoesNotMatch", fs.ErrPermission, false},
		{403, "RequestTimeTooSkewed", fs.ErrPermission, false},
		{403, "InvalidObjectState", fs.ErrPermission, false},
		{403, "", fs.ErrPermission, false},
		{451, "UnavailableForLegalReasons", fs.ErrPermission, false},
		{400, "KeyTooLong", fs.ErrInvalid, false},
		{400, "InvalidURI", fs.ErrInvalid, false},
		{400, "EntityTooLarge", syscall.EFBIG, false},
		{400, "InvalidArgument", nil, false},
		{402, "PaymentRequired", nil, false},
		{405, "MethodNotAllowed", nil, false},
		{409, "PathConflict", syscall.EISDIR, false},
		{409, "FileAlreadyExists", fs.ErrExist, false},
		{409, "", nil, true},
		{412, "PreconditionFailed", syscall.ESTALE, false},
		{501, "NotImplemented", nil, false},
		{400, "RequestTimeout", nil, true},
		{400, "UserNetworkTooSlow", nil, true},
		{400, "IncompleteBody", nil, true},
		{429, "TooManyRequests", nil, true},
		{500, "InternalError", nil, true},
		{502, "", nil, true},
		{503, "SlowDown", nil, true},
		{503, "ServiceUnavailable", nil, true},
	} {
		t.Run(fmt.Sprint(test.status, test.code), func(t *testing.T) {
			tr := newTree(t)
			tr.giveUpSoon()
			tr.store.Inject(costest.Fault{Op: "ListObjects", Status: test.status, Code: test.code})
			err := second(tr.StatDir(t.Context(), "/d"))
			if err == nil {
				t.Fatal("no error")
			}
			for _, sentinel := range sentinels {
				if errors.Is(err, sentinel) != (sentinel == test.want) {
					t.Errorf("is %q: %t; error %v", sentinel, errors.Is(err, sentinel), err)
				}
			}
			if isTemporary(err) != test.temporary {
				t.Errorf("temporary %t, want %t", isTemporary(err), test.temporary)
			}
			if got := tr.store.Count("ListObjects"); test.temporary != (got > 3) || got == 0 {
				t.Errorf("%d attempts, temporary %t", got, test.temporary)
			}
			text := err.Error()
			for _, want := range []string{`list "d/"`, fmt.Sprint(test.status), test.code, "request id"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
		})
	}
}

func TestErrorsTellNoSecret(t *testing.T) {
	tr := newTree(t)
	tr.giveUpSoon()
	for _, fault := range []costest.Fault{
		{Status: 403, Code: "SignatureDoesNotMatch"}, {Status: 500}, {Drop: "before"}, {Drop: "during"},
		{EmptyBody: true}, {BodyAs200: true},
	} {
		tr.store.ClearFaults()
		tr.store.Inject(fault)
		ctx := t.Context()
		err := errors.Join(second(tr.Stat(ctx, "/f")), second(tr.StatDir(ctx, "/f")), tr.Mkdir(ctx, "/f"),
			tr.Rename(ctx, "/f", "/g"), tr.Check(ctx))
		if err == nil {
			t.Fatalf("%+v: no error", fault)
		}
		for _, secret := range []string{treeSecret, "q-sign", "q-ak", "Authorization", "encoding-type"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%+v: the error shows %q: %v", fault, secret, err)
			}
		}
	}
}

func TestEveryCallSurvivesAShortOutage(t *testing.T) {
	for _, fault := range []costest.Fault{
		{Times: 2, Status: 503, Code: "SlowDown"},
		{Times: 2, Status: 500},
		{Times: 2, Drop: "before"},
		{Times: 1, Drop: "during"},
		{Times: 1, Drop: "after"},
	} {
		t.Run(fmt.Sprintf("%+v", fault), func(t *testing.T) {
			for _, op := range []string{"HeadObject", "ListObjects", "PutObject", "CopyObject", "DeleteObject"} {
				tr := newTree(t)
				fault.Op = op
				tr.put("d/f", "empty/")
				tr.store.Inject(fault)
				ctx := t.Context()
				err := errors.Join(second(tr.Stat(ctx, "/d/f")), second(tr.StatDir(ctx, "/d")),
					second(tr.listErr(ctx, "/d")), tr.Mkdir(ctx, "/new"), tr.RemoveDir(ctx, "/empty"),
					tr.SetMode(ctx, "/d/f", 0o600), tr.Rename(ctx, "/d/f", "/d/g"), tr.Remove(ctx, "/d/g"))
				if err != nil {
					t.Errorf("%s: %v", op, err)
				}
				tr.wantKeys("new/")
			}
		})
	}
}

func TestOutageIsTemporaryAndNoMissingFile(t *testing.T) {
	for _, fault := range []costest.Fault{{Status: 503}, {Drop: "before"}, {Drop: "during"}, {Drop: "after"}} {
		tr := newTree(t)
		tr.giveUpSoon()
		tr.put("d/f")
		tr.store.Inject(fault)
		ctx := t.Context()
		for what, err := range map[string]error{
			"Stat": second(tr.Stat(ctx, "/d/f")), "StatDir": second(tr.StatDir(ctx, "/d")),
			"List": second(tr.listErr(ctx, "/d")), "Mkdir": tr.Mkdir(ctx, "/new"), "Remove": tr.Remove(ctx, "/d/f"),
			"RemoveDir": tr.RemoveDir(ctx, "/d"), "Rename": tr.Rename(ctx, "/d/f", "/g"),
			"SetModTime": tr.SetModTime(ctx, "/d/f", time.Now()),
		} {
			if !isTemporary(err) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%+v, %s: %v (temporary %t)", fault, what, err, isTemporary(err))
			}
		}
	}
}

// TestUnknownHostIsAnOutage: the name server may be out of order, which passes; but it is not asked five times.
func TestUnknownHostIsAnOutage(t *testing.T) {
	err := classify(&url.Error{Op: "Head", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}})
	attempts := 0
	err = retrier().try(t.Context(), "op", func(context.Context) error { attempts++; return err })
	if !isTemporary(err) || attempts != 1 {
		t.Errorf("temporary %t after %d attempts, want true after one: %v", isTemporary(err), attempts, err)
	}
}

// TestNoUploadIsLookedForWhereNothingWasSent: or an outage would end with a search for each upload that it hit.
func TestNoUploadIsLookedForWhereNothingWasSent(t *testing.T) {
	tr := newTree(t)
	tr.giveUpSoon()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := tr.opts
	o.Address, o.PartSize = closed.Addr().String(), minPart
	closed.Close()
	f, err := New(o, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	w, err := f.Create(t.Context(), "/f")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(make([]byte, 2*minPart+1))
	if err = errors.Join(err, w.Close()); !isTemporary(err) {
		t.Errorf("%v, want a temporary error", err)
	}
	if text := tr.log.String(); strings.Contains(text, "may stay in the bucket") {
		t.Errorf("the log has %s", text)
	}
}

func TestEveryCallEndsWithItsContext(t *testing.T) {
	tr := newTree(t)
	tr.put("d/f")
	tr.store.Inject(costest.Fault{Hang: true})
	for what, call := range map[string]func(context.Context) error{
		"Stat":      func(ctx context.Context) error { return second(tr.Stat(ctx, "/d/f")) },
		"StatDir":   func(ctx context.Context) error { return second(tr.StatDir(ctx, "/d")) },
		"List":      func(ctx context.Context) error { return second(tr.listErr(ctx, "/d")) },
		"Mkdir":     func(ctx context.Context) error { return tr.Mkdir(ctx, "/new") },
		"Remove":    func(ctx context.Context) error { return tr.Remove(ctx, "/d/f") },
		"RemoveDir": func(ctx context.Context) error { return tr.RemoveDir(ctx, "/d") },
		"Rename":    func(ctx context.Context) error { return tr.Rename(ctx, "/d/f", "/g") },
		"SetMode":   func(ctx context.Context) error { return tr.SetMode(ctx, "/d/f", 0o600) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		tr.store.ResetRequests()
		go func() {
			eventually(t, what+" is asked", func() bool { return tr.store.Count("") > 0 })
			cancel()
		}()
		start := time.Now()
		if err := call(ctx); !errors.Is(err, context.Canceled) || time.Since(start) > 30*time.Second {
			t.Errorf("%s: %v after %v, want context.Canceled at once", what, err, time.Since(start))
		}
	}
}

// TestEndlessAnswers: what does not end is read to a bound, and is an error.
func TestEndlessAnswers(t *testing.T) {
	for _, test := range []struct {
		status int
		text   string
	}{
		{503, "<html>"}, {200, " "},
	} {
		var longest atomic.Int64
		endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("x-cos-hash-crc64ecma", "1")
			w.WriteHeader(test.status)
			if r.Method == http.MethodHead {
				return
			}
			_, _ = io.WriteString(w, test.text)
			piece, sent := bytes.Repeat([]byte(test.text), 1000), int64(0)
			for {
				n, err := w.Write(piece)
				if sent += int64(n); err != nil {
					break
				}
			}
			longest.Store(max(longest.Load(), sent))
		}))
		tr := newTree(t)
		tr.giveUpSoon()
		o := tr.opts
		o.Address = endless.Listener.Addr().String()
		f, err := New(o, tr.engine)
		if err != nil {
			t.Fatal(err)
		}
		_, statErr := f.StatDir(t.Context(), "/a/b")
		upload := func() error {
			w, err := f.Create(t.Context(), "/a")
			return fuzzWrite(w, err, []byte(fuzzNew))
		}
		_, openErr := f.Open(t.Context(), "/a", 0)
		for what, err := range map[string]error{
			"stat": statErr, "upload": upload(), "open": openErr, "rename": f.Rename(t.Context(), "/a", "/b"),
		} {
			if err == nil {
				t.Errorf("%s succeeds by an answer %d %q without an end", what, test.status, test.text)
			}
		}
		endless.Close()
		const buffered = 32 << 20 // in sockets
		if longest.Load() > maxAnswer+buffered {
			t.Errorf("%d bytes of an answer %d %q were read", longest.Load(), test.status, test.text)
		}
	}
}
