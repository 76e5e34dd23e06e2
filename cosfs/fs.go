package cosfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/tencentyun/cos-go-sdk-v5"
)

const (
	// maxSimpleCopy is the greatest object that one copy request takes (COS document 436/10881: 5 GB).
	maxSimpleCopy = 5 << 30
	// copyPart is the size of the parts of a greater copy, unless COS's 10,000 parts need more.
	copyPart = 128 << 20
)

// Options says which bucket an FS shows and how. Sizes are bytes.
type Options struct {
	SecretID, SecretKey string
	SessionToken        string // of a temporary key, "" for none (cos_session_token)
	Bucket              string // name-APPID
	Host                string // bucket host as sent to COS, e.g. b-125.cos.ap-guangzhou.myqcloud.com, may carry a port
	Scheme              string // "https" or "http"
	Address             string // host:port to connect to instead of Host's own, "" for none (cos_address)
	UserAgent           string

	// Prefix is the directory of the bucket that is the root: "" for the bucket, else clean and with a slash at its
	// end, as in "team/photos/". Every key begins with it.
	Prefix string

	PartSize    int64 // of a multipart upload
	MaxFileSize int64 // greatest size of an uploaded file
	MaxList     int   // entries after which a listing asks for no further page; 0 means never

	// ListMetadata has listings show modification times and modes as Stat does (x-cos-meta-mtime and x-cos-meta-mode),
	// for one HEAD per file that is not known from an earlier one.
	ListMetadata bool

	// RenameDirLimit is the greatest number of objects in a directory that Rename moves; 0 refuses directories.
	RenameDirLimit int

	// ResumeAny lets CreateAt go on with any file, as on a disk, and not only with the remains of an interrupted upload.
	ResumeAny bool

	// ClientOf returns who an upload is for, by the context of Create, Append or CreateAt: only the same client may go on
	// with what it has left. nil: all are the same.
	ClientOf func(ctx context.Context) string

	// CopyLimit is the greatest object that is copied with one request; greater ones are copied in parts. 0 means the
	// greatest that COS takes, 5 GiB.
	CopyLimit int64

	Logger *slog.Logger
}

// FS is one account's bucket as a tree of files. It is safe for concurrent use.
type FS struct {
	opts     Options
	engine   *Engine
	endpoint *endpoint
	http     *http.Client // what client sends with
	client   *cos.Client
	log      *slog.Logger
	recent   *overlay

	bestCheck atomic.Int64 // nanoseconds, see noteCheck

	bareConditions atomic.Bool // see ifUnchanged
	kindRefused    atomic.Bool // the key pair may not ask for the bucket's kind

	copyLimit, copyPart int64 // constants, but for tests
}

// New makes the tree of one bucket without asking COS; see Check. It fails for a host or scheme with which no
// request could ever be made.
func New(o Options, e *Engine) (*FS, error) {
	if o.Scheme != "http" && o.Scheme != "https" {
		return nil, fmt.Errorf("bucket %s: scheme %q is neither http nor https", o.Bucket, o.Scheme)
	}
	base, err := url.Parse(o.Scheme + "://" + o.Host)
	if err != nil || base.Host != o.Host || base.Hostname() == "" {
		return nil, fmt.Errorf("bucket %s: %q is not a host name; check endpoint and region", o.Bucket, o.Host)
	}
	if err := checkPrefix(o.Prefix); err != nil {
		return nil, fmt.Errorf("bucket %s: %w", o.Bucket, err)
	}
	if o.ClientOf == nil {
		o.ClientOf = func(context.Context) string { return "" }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	to := e.endpointOf(o)
	f := &FS{
		http: &http.Client{Transport: &signer{
			id: o.SecretID, key: o.SecretKey, token: o.SessionToken, to: to, next: e.route(o.Address),
		}},
		opts:      o,
		endpoint:  to,
		engine:    e,
		log:       o.Logger,
		recent:    e.recentOf(o.Bucket + "@" + o.Address),
		copyLimit: maxSimpleCopy,
		copyPart:  copyPart,
	}
	if o.CopyLimit > 0 {
		f.copyLimit = min(o.CopyLimit, maxSimpleCopy)
		f.copyPart = min(copyPart, f.copyLimit)
	}
	f.client = newClient(base, o.UserAgent, f.http)
	if !acceptedBySDK(base) {
		return nil, fmt.Errorf("bucket %s: COS has no host like %s: want lower-case letters, digits and hyphens, "+
			"and a bucket name that ends in -APPID, as in example-1250000000", o.Bucket, o.Host)
	}
	e.register(f)
	return f, nil
}

// newClient makes the SDK's client of one bucket. It changes hc: redirects are not followed.
func newClient(base *url.URL, userAgent string, hc *http.Client) *cos.Client {
	client := cos.NewClient(&cos.BaseURL{BucketURL: base}, hc)
	client.Conf.RetryOpt = cos.RetryOptions{Count: 1} // we repeat ourselves, with back-off
	client.Conf.EnableCRC = false                     // we compare ourselves, having computed it once
	if userAgent != "" {
		client.UserAgent = userAgent
	}
	return client
}

// acceptedBySDK reports whether the SDK sends requests to a host at all. It refuses some before they leave, with the
// same short error each time, so it is asked once at the start.
func acceptedBySDK(base *url.URL) bool {
	_, err := newClient(base, "", &http.Client{Transport: offline{}}).Bucket.Head(context.Background())
	return errors.Is(err, errOffline)
}

var errOffline = errors.New("offline")

// offline sends nothing.
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) { return nil, errOffline }
