package costest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The key pair of the examples in document 436/7778.
const (
	publishedID   = "AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q"
	publishedKey  = "BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz"
	publishedSpan = "1557989151;1557996351"
	publishedHost = "examplebucket-1250000000.cos.ap-beijing.myqcloud.com"
	ourHost       = "examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com"
	ourSpan       = "1700000000;1700003600"
)

// signed is a request with an Authorization made of lists and a signature that somebody else computed.
type signed struct {
	method, target, host, span       string
	headerList, paramList, signature string
	headers                          map[string]string
	body                             string
}

func (s signed) request() *http.Request {
	r := httptest.NewRequest(s.method, "http://"+s.host+s.target, strings.NewReader(s.body))
	for name, value := range s.headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", "q-sign-algorithm=sha1&q-ak="+publishedID+"&q-sign-time="+s.span+"&q-key-time="+s.span+
		"&q-header-list="+s.headerList+"&q-url-param-list="+s.paramList+"&q-signature="+s.signature)
	return r
}

// vectors are signatures made by others: the first two by COS's documentation, the others by the vendor's SDK.
var vectors = map[string]signed{
	"published PUT": {
		method: "PUT", target: "/exampleobject(%E8%85%BE%E8%AE%AF%E4%BA%91)", host: publishedHost, span: publishedSpan,
		headerList: "content-length;content-md5;content-type;date;host;x-cos-acl;x-cos-grant-read",
		headers: map[string]string{
			"Date": "Thu, 16 May 2019 06:45:51 GMT", "Content-Type": "text/plain", "Content-Length": "13",
			"Content-MD5": "mQ/fVh815F3k6TAUm8m0eg==", "x-cos-acl": "private",
			"x-cos-grant-read": `uin="100000000011"`,
		},
		body:      "ObjectContent",
		signature: "3b8851a11a569213c17ba8fa7dcf2abec6935172",
	},
	"published GET": {
		method: "GET", host: publishedHost, span: "1557989753;1557996953",
		target:     "/exampleobject(%E8%85%BE%E8%AE%AF%E4%BA%91)?response-content-type=application%2Foctet-stream&response-cache-control=max-age%3D600",
		headerList: "date;host", paramList: "response-cache-control;response-content-type",
		headers:   map[string]string{"Date": "Thu, 16 May 2019 06:55:53 GMT"},
		signature: "01681b8c9d798a678e43b685a9f1bba0f6c0e012",
	},
	"SDK UploadPart": {
		method: "PUT", host: ourHost, span: ourSpan,
		target:     "/dir%2F%E4%B8%AD%20a%2Bb.txt?partNumber=1&uploadId=1585130821cbb7df",
		headerList: "content-length;host", paramList: "partnumber;uploadid",
		headers:   map[string]string{"Content-Length": "1048576"},
		signature: "314eb47a2c2c0838cb56ac255306aef0cdd4684f",
	},
	"SDK list with token": {
		method: "GET", host: ourHost, span: ourSpan,
		target:     "/?delimiter=%2F&encoding-type=url&max-keys=1000&prefix=dir%2F",
		headerList: "host;x-cos-security-token", paramList: "delimiter;encoding-type;max-keys;prefix",
		headers:   map[string]string{"x-cos-security-token": "TOKENTOKEN"},
		signature: "e6328cf3afb6d9ee0bbc51a3fbedf83838d7f16a",
	},
}

// refusal is what the server says of the signature of a request at a time, "" if it takes it.
func refusal(r *http.Request, at int64, opts ...Option) string {
	s := New(append(opts, WithCredentials(publishedID, publishedKey), WithClock(func() time.Time { return time.Unix(at, 0) }))...)
	err := s.newExchange(httptest.NewRecorder(), r).authorize()
	if err == nil {
		return ""
	}
	return err.(*apiError).code
}

func (s signed) start() int64 {
	at, _, _ := strings.Cut(s.span, ";")
	t, _ := time.ParseDuration(at + "s")
	return int64(t.Seconds())
}

func TestSignatureVectors(t *testing.T) {
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			if code := refusal(v.request(), v.start()+10); code != "" {
				t.Error("refused:", code)
			}
		})
	}
}

func TestSignatureCoversTheRequest(t *testing.T) {
	change := map[string]func(*signed){
		"method":    func(s *signed) { s.method = "HEAD" },
		"path":      func(s *signed) { s.target = "/other?" + strings.SplitN(s.target, "?", 2)[1] },
		"parameter": func(s *signed) { s.target = strings.Replace(s.target, "1000", "1001", 1) },
		"host":      func(s *signed) { s.host = "other-1.cos.x" },
		"header":    func(s *signed) { s.headers = map[string]string{"x-cos-security-token": "OTHER"} },
		"lost":      func(s *signed) { s.headers = nil },
		"signature": func(s *signed) { s.signature = strings.Repeat("0", 40) },
	}
	for name, f := range change {
		t.Run(name, func(t *testing.T) {
			s := vectors["SDK list with token"]
			f(&s)
			if code := refusal(s.request(), s.start()); code != "SignatureDoesNotMatch" {
				t.Errorf("got %q", code)
			}
		})
	}
}

func TestSignatureTime(t *testing.T) {
	v := vectors["SDK UploadPart"]
	for at, want := range map[int64]string{
		1699999999: "RequestTimeTooSkewed", 1700000000: "", 1700003600: "", 1700003601: "Request has expired",
	} {
		if got := refusal(v.request(), at); got != want {
			t.Errorf("at %d: %q, want %q", at, got, want)
		}
	}
	v.span = "soon;later"
	if got := refusal(v.request(), 1700000000); got != "AccessDenied" {
		t.Errorf("span %q: %q", v.span, got)
	}
}

func TestSignatureAge(t *testing.T) {
	v := vectors["SDK UploadPart"]
	for at, want := range map[int64]string{
		1699999999: "RequestTimeTooSkewed", 1700000000: "", 1700000300: "",
		1700000301: "RequestTimeTooSkewed", 1700003601: "RequestTimeTooSkewed",
	} {
		if got := refusal(v.request(), at, WithSignatureAge(5*time.Minute)); got != want {
			t.Errorf("at %d: %q, want %q", at, got, want)
		}
	}
}

// TestDateIsThatOfTheClock, also of an answer that refuses the request: a client learns from it how far its own is off.
func TestDateIsThatOfTheClock(t *testing.T) {
	at := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	r := newRig(t, WithClock(func() time.Time { return at }))
	r.want(200, "", "PUT", "/k", "x")
	for target, status := range map[string]int{"/k": 200, "/none": 404} {
		if got := r.want(status, "", "HEAD", target, "").header.Get("Date"); got != at.Format(http.TimeFormat) {
			t.Errorf("HEAD %s: the date is %q, want %q", target, got, at.Format(http.TimeFormat))
		}
	}
}

// own signs with the server's own functions: for the rules that are about what is in the lists.
func own(r *http.Request, headers, params []string) string {
	s := &signature{headers: headers, params: params}
	format, err := (&exchange{r: r, query: r.URL.Query()}).formatString(s)
	if err != nil {
		panic(err)
	}
	return "q-sign-algorithm=sha1&q-ak=" + publishedID + "&q-sign-time=" + ourSpan + "&q-key-time=" + ourSpan +
		"&q-header-list=" + strings.Join(headers, ";") + "&q-url-param-list=" + strings.Join(params, ";") +
		"&q-signature=" + sign(publishedKey, ourSpan, stringToSign(ourSpan, format))
}

func TestSignatureIsStrict(t *testing.T) {
	for _, c := range []struct {
		name, want string
		headers    []string
	}{
		{"all signed", "", []string{"host", "x-cos-acl"}},
		{"no host", "AccessDenied", []string{"x-cos-acl"}},
		{"no x-cos header", "AccessDenied", []string{"host"}},
		{"unsorted", "AccessDenied", []string{"x-cos-acl", "host"}},
	} {
		r := httptest.NewRequest("PUT", "http://"+ourHost+"/k", nil)
		r.Header.Set("x-cos-acl", "private")
		r.Header.Set("Authorization", own(r, c.headers, nil))
		if got := refusal(r, 1700000000); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	r := httptest.NewRequest("GET", "http://"+ourHost+"/k", nil)
	if got := refusal(r, 1700000000); got != "AccessDenied" {
		t.Errorf("unsigned: %q", got)
	}
}

func TestPresigned(t *testing.T) {
	for name, query := range map[string]func(string) string{
		"q-* parameters": func(auth string) string { return strings.ReplaceAll(auth, ";", "%3B") },
		"sign parameter": func(auth string) string { return "sign=" + url.QueryEscape(auth) },
	} {
		r := httptest.NewRequest("GET", "http://"+ourHost+"/k?a=b", nil)
		r.URL.RawQuery += "&" + query(own(r, []string{"host"}, []string{"a"}))
		if got := refusal(r, 1700000000); got != "" {
			t.Errorf("%s: refused: %q", name, got)
		}
	}
}
