package costest

import (
	"io"
	"net/http"
	"testing"
)

// The server stands beside what it helps to measure: these say what it costs itself, client included.
func BenchmarkTransfer(b *testing.B) {
	const size = 16 << 20
	data := string(noise(size))
	for name, opts := range map[string][]Option{
		"memory":      nil,
		"without MD5": {WithoutMD5()},
		"discard":     {WithoutMD5(), WithDiscard()},
		"disk":        {WithoutMD5(), WithDir(b.TempDir())},
	} {
		for _, method := range []string{"PUT", "GET"} {
			b.Run(name+" "+method, func(b *testing.B) {
				r := newRig(b, append(opts, WithRequestLog(0))...)
				r.Put(testBucket, "k", []byte(data))
				body := data
				if method == "GET" {
					body = ""
				}
				b.SetBytes(size)
				for b.Loop() {
					r.transfer(method, body)
				}
			})
		}
	}
}

// transfer sends a request and throws the answer away.
func (r *rig) transfer(method, body string) {
	req, err := http.NewRequest(method, "http://"+Host(testBucket)+"/k", stringBody(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	res, err := r.web.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
		r.t.Fatal(res.Status, err)
	}
}
