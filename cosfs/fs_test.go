package cosfs

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func TestNewRefusesHostsThatNoRequestCanReach(t *testing.T) {
	e := NewEngine(EngineOptions{})
	defer e.Close()
	for _, test := range []struct{ scheme, host, want string }{
		{"https", "b-125.cos.ap-guangzhou.myqcloud.com", ""},
		{"http", "b-125.cos.ap-guangzhou.myqcloud.com:8080", ""},
		{"https", "b-125.cos-internal.ap-guangzhou.tencentcos.cn", ""},
		{"https", "b-125.cos.accelerate.myqcloud.com", ""},
		{"https", "b-125.cos.private.example", ""},
		{"http", "127.0.0.1:9000", ""},
		{"ftp", "b-125.cos.ap-guangzhou.myqcloud.com", "neither http nor https"},
		{"", "b-125.cos.ap-guangzhou.myqcloud.com", "neither http nor https"},
		{"https", "", "not a host name"},
		{"https", "b-125.cos.ap-guangzhou.myqcloud.com/path", "not a host name"},
		{"https", "b 125.cos", "not a host name"},
		{"https", "no-app-id.cos.ap-guangzhou.myqcloud.com", "-APPID"},
		{"https", "B-125.cos.ap-guangzhou.myqcloud.com", "-APPID"},
		{"https", "b_b-125.cos.ap-guangzhou.myqcloud.com", "-APPID"},
	} {
		_, err := New(Options{Bucket: "b", Scheme: test.scheme, Host: test.host}, e)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s://%s: %v, want %q", test.scheme, test.host, err, test.want)
		}
	}
}

func TestAccountsShareConnectionsOfAnAddress(t *testing.T) {
	e := NewEngine(EngineOptions{UploadThreads: 8, DownloadThreads: 4})
	defer e.Close()
	r, other := e.route(""), e.route("a:1")
	if e.route("") != r || e.route("a:1") != other || r == other {
		t.Error("accounts of one address, and only those, must share a route")
	}
	if n := r.quick.MaxIdleConnsPerHost; n < 8+4+16 {
		t.Errorf("%d idle connections are kept: transfers would open new ones again and again", n)
	}
	if r.quick.Proxy == nil || other.quick.Proxy != nil {
		t.Error("want the proxy of the environment, except where an address is given")
	}
}

func TestRequestsSayWhoAsks(t *testing.T) {
	tr := newTree(t)
	if err := tr.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests := tr.store.Requests()
	if len(requests) != 1 || requests[0].Op != "HeadBucket" {
		t.Fatalf("Check made %+v", requests)
	}
	if r := requests[0]; r.Header.Get("User-Agent") != "cos-ftp-server-test" || r.Host != costest.Host(treeBucket) {
		t.Errorf("user agent %q, host %q", r.Header.Get("User-Agent"), r.Host)
	}
}

func TestSignatureSurvivesAClockAhead(t *testing.T) {
	tr := newTree(t, costest.WithClock(func() time.Time { return time.Now().Add(-50 * time.Second) }))
	if err := tr.Check(t.Context()); err != nil {
		t.Errorf("COS's clock is 50 s behind: %v", err)
	}
}

func TestCheckSaysWhatWouldDo(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	notCOS := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMovedPermanently)
	}))
	defer notCOS.Close()
	noHTTP, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer noHTTP.Close()
	go func() {
		for {
			conn, err := noHTTP.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 this is another service\r\n")
			conn.Close()
		}
	}()

	for _, test := range []struct {
		name   string
		change func(*Options)
		fault  costest.Fault
		want   string
	}{
		{"bucket missing", func(o *Options) { o.Host = costest.Host("gone-1250000000") }, costest.Fault{}, "no such bucket"},
		{"wrong secret key", func(o *Options) { o.SecretKey = "wrong" }, costest.Fault{}, "cos_secretkey"},
		{"wrong secret id", func(o *Options) { o.SecretID = "wrong" }, costest.Fault{}, "cos_secretid"},
		{"no right", nil, costest.Fault{Op: "HeadBucket", Status: 403}, "rights"},
		{"outage", nil, costest.Fault{Op: "HeadBucket", Status: 503}, "later"},
		{"elsewhere", func(o *Options) { o.Address = notCOS.Listener.Addr().String() }, costest.Fault{}, "cos_region"},
		{"nobody listens", func(o *Options) { o.Address = dead.Addr().String() }, costest.Fault{},
			"check cos_address"},
		{"no TLS there", func(o *Options) { o.Scheme = "https"; o.Address = noHTTP.Addr().String() }, costest.Fault{},
			"cos_protocol"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTree(t)
			if test.fault.Op != "" {
				tr.store.Inject(test.fault)
			}
			o := tr.opts
			if test.change != nil {
				test.change(&o)
			}
			f, err := New(o, tr.engine)
			if err != nil {
				t.Fatal(err)
			}
			if err = f.Check(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want a hint with %q", err, test.want)
			}
		})
	}
}

// TestHintNamesNoHostInUse: who has the host of a region and gets no answer is not told to set it.
func TestHintNamesNoHostInUse(t *testing.T) {
	const advice, other = "set cos_endpoint = cos.<region>.myqcloud.com", "whether this machine may reach other networks at all"
	for host, want := range map[string]string{
		"b-1250000000.cos.ap-guangzhou.myqcloud.com":           other,
		"b-1250000000.cos-internal.ap-guangzhou.tencentcos.cn": advice,
		"b-1250000000.cos-internal.ap-guangzhou.myqcloud.com":  advice,
		"b-1250000000.storage.example.com":                     advice,
	} {
		f := &FS{opts: Options{Host: host, Scheme: "https"}}
		got := f.noRouteHint(syscall.ETIMEDOUT)
		if !strings.Contains(got, want) || (want == other) == strings.Contains(got, "cos_endpoint") {
			t.Errorf("%s: %s", host, got)
		}
	}
}

func TestCheckSuspectsTheClock(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	}))
	defer slow.Close()
	tr := newTree(t)
	o := tr.opts
	o.Address = slow.Listener.Addr().String()
	f, err := New(o, tr.engine)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "clock is 1h0m0s off") {
		t.Errorf("%v, want a word about the clock", err)
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	tr := newTree(t)
	tr.store.Inject(costest.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tr.Check(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want context.DeadlineExceeded", err)
	}
}
