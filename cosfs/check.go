package cosfs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	checkTimeout = 10 * time.Second
	clockSkew    = 5 * time.Minute // beyond it a refusal may well come from the clock
)

// Check asks COS once whether the bucket can be reached and used, and keeps what kind of bucket it is. Its error says what
// is wrong and what would do.
func (f *FS) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	resp, err := f.headBucket(ctx)
	if isTemporary(err) && statusOf(err) == http.StatusForbidden {
		resp, err = f.headBucket(ctx) // signed by COS's clock now
	}
	if err == nil && resp.Header.Get("x-cos-request-id") == "" {
		err = badAnswer("without a request ID, so it is most likely not COS that answered")
	}
	if err == nil {
		f.recent.kind.note(resp.Header)
		return nil
	}
	return fmt.Errorf("bucket %s at %s: %w; %s", f.opts.Bucket, f.opts.Host, err, f.hint(resp, err))
}

func (f *FS) headBucket(ctx context.Context) (*cos.Response, error) {
	sent := time.Now()
	resp, err := f.client.Bucket.Head(ctx)
	err = classify(err)
	f.endpoint.heard(sent, err)
	return resp, err
}

// CheckClock says so if COS has refused signatures by this machine's clock.
func (f *FS) CheckClock() error {
	offset := f.endpoint.clock()
	if offset == 0 {
		return nil
	}
	return fmt.Errorf("this machine's clock is %v off from COS's, which refuses what it signs: set the clock; until then requests "+
		"are signed by COS's clock, and the times in the log are wrong", offset.Abs().Round(time.Minute))
}

// hint says what to look at when a bucket does not answer as it should.
func (f *FS) hint(resp *cos.Response, err error) string {
	if resp == nil {
		return f.noRouteHint(err)
	}
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound:
		return "there is no such bucket in this region: check cos_bucket (name-APPID), cos_region and cos_endpoint"
	case status == http.StatusForbidden:
		if skew := time.Since(answeredAt(resp)); skew.Abs() > clockSkew {
			return fmt.Sprintf("this machine's clock is %v off from COS's, and COS refuses such requests: set the clock", skew.Round(time.Minute))
		}
		return "check cos_secretid and cos_secretkey, that the key pair is active, and its rights on the bucket, cos:HeadBucket at least"
	case status >= 300 && status < 400:
		return "the bucket is somewhere else: check cos_region and cos_endpoint"
	case status >= 500:
		return "COS is out of order or overloaded: try again later"
	}
	if f.opts.Scheme == "http" {
		return "check that cos_endpoint or cos_region belongs to COS; a port of https wants cos_protocol = https"
	}
	return "check that cos_endpoint or cos_region belongs to COS, and cos_protocol"
}

func (f *FS) noRouteHint(err error) string {
	var unknown *net.DNSError
	if errors.As(err, &unknown) {
		return "the host name is unknown: check cos_region and cos_endpoint for typing errors, and this machine's DNS"
	}
	if text := err.Error(); f.opts.Scheme == "https" && strings.Contains(text, plainAnswer) {
		return "the other side speaks http without TLS: set cos_protocol = http, or check cos_address and the port of cos_endpoint"
	} else if f.opts.Scheme == "http" && strings.Contains(text, noHTTPAnswer) {
		return "the other side does not speak plain http: set cos_protocol = https, or check cos_address and the port of cos_endpoint"
	}
	if isHopeless(err) {
		return "the other side does not prove to be COS: check cos_protocol, cos_endpoint and cos_address, and for a proxy in between"
	}
	if f.opts.Address != "" {
		return "there is no way to it from here: check cos_address, the firewall and the proxy"
	}
	if regional, known := strings.CutSuffix(f.opts.Host, ".myqcloud.com"); known && strings.Contains(regional, ".cos.") {
		return "there is no way to it from here: check the firewall and the proxy, and whether this machine may reach other networks at all"
	}
	return "there is no way to it from here: outside Tencent Cloud set cos_endpoint = cos.<region>.myqcloud.com, " +
		"check cos_region, the firewall and the proxy"
}

// What net/http says, without a type, of an answer in the other protocol.
const (
	plainAnswer  = "server gave HTTP response to HTTPS client"
	noHTTPAnswer = "malformed HTTP"
)
