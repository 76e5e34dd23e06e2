package cosfs

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tencentyun/cos-go-sdk-v5"
)

// Findings are what Examine has found out about a bucket and a key pair.
type Findings struct {
	// Denied are actions that the key pair may not do, as CAM spells them behind "name/cos:".
	Denied []string
	// Doubtful are actions that COS has refused for a name that does not exist, which may also come from the missing
	// right to list (GetBucket).
	Doubtful []string

	Accelerated bool // metadata acceleration
	MultiZone   bool // several availability zones (MAZ)
	Versioned   bool // versions are kept, or were
	Locked      bool // object lock: files may have a retention period
	KMS         bool // encrypted with keys of KMS
}

// Examine finds out what kind of bucket it is, and which of some actions the key pair may not do, with one request for
// each, all at once. No request reads, stores or deletes anything: each is about a name or an upload that does not exist.
// So PutObject and InitiateMultipartUpload cannot be tried, and DeleteObject only where no version would be made of
// it. What cannot be found out counts as allowed, and as a bucket of the ordinary kind. The error is COS's where it refuses
// the key pair itself.
func (f *FS) Examine(ctx context.Context, actions []string) (Findings, error) {
	e := &examination{f: f, key: f.opts.Prefix + ".cos-ftp-server-check-" + rand.Text(), refused: make(map[string]bool)}
	if len(e.key) > maxKey {
		return Findings{}, nil
	}
	var tried []func(context.Context) error
	for action, try := range e.probes() {
		if action == "GetBucket" || slices.Contains(actions, action) {
			tried = append(tried, func(ctx context.Context) error { return e.ask(ctx, action, try) })
		}
	}
	tried = append(tried, e.versioning, e.encryption, e.lock, e.head)
	err := each(ctx, len(tried), len(tried), func(ctx context.Context, i int) error { return tried[i](ctx) })
	if err == nil && slices.Contains(actions, "DeleteObject") {
		err = e.ask(ctx, "DeleteObject", e.delete)
	}
	e.found.Accelerated, e.found.MultiZone, _ = f.recent.kind.read()
	e.sort(actions)
	return e.found, err
}

// examination is one run of Examine.
type examination struct {
	f   *FS
	key string // of no object

	mu          sync.Mutex
	found       Findings
	refused     map[string]bool // by action
	unversioned bool            // COS has said so
	missing     bool            // COS has said that the key is no object's
}

// probes are the requests that do nothing, by the action that they need.
func (e *examination) probes() map[string]func(context.Context) error {
	f, upload := e.f, strings.ToLower(rand.Text())
	source, _ := f.copySource(e.key)
	condition := `"` + strings.Repeat("0", 32) + `"` // which not even an object that has come there meets
	return map[string]func(context.Context) error{
		"HeadBucket": func(ctx context.Context) error {
			resp, err := f.client.Bucket.Head(ctx)
			if err == nil {
				f.recent.kind.note(resp.Header)
			}
			return err
		},
		"GetBucket": func(ctx context.Context) error {
			_, _, err := f.client.Bucket.Get(ctx, &cos.BucketGetOptions{Prefix: f.opts.Prefix, MaxKeys: 1, EncodingType: "url"})
			return err
		},
		"GetObject": func(ctx context.Context) error {
			resp, err := f.client.Object.Get(ctx, e.key, &cos.ObjectGetOptions{Range: "bytes=0-0"})
			if err == nil {
				resp.Body.Close()
			}
			return err
		},
		"PutObjectCopy": func(ctx context.Context) error {
			_, _, err := f.client.Object.Copy(ctx, e.key+"-copy", source, &cos.ObjectCopyOptions{
				ObjectCopyHeaderOptions: &cos.ObjectCopyHeaderOptions{XCosCopySourceIfMatch: condition},
			})
			return err
		},
		"UploadPart": func(ctx context.Context) error {
			_, err := f.client.Object.UploadPart(ctx, e.key, upload, 1, http.NoBody, nil)
			return err
		},
		"UploadPartCopy": func(ctx context.Context) error {
			_, _, err := f.client.Object.CopyPart(ctx, e.key, upload, 1, source, &cos.ObjectCopyPartOptions{XCosCopySourceIfMatch: condition})
			return err
		},
		"CompleteMultipartUpload": func(ctx context.Context) error {
			_, _, err := f.client.Object.CompleteMultipartUpload(ctx, e.key, upload, &cos.CompleteMultipartUploadOptions{
				Parts: []cos.Object{{PartNumber: 1, ETag: condition}},
			})
			return err
		},
		"AbortMultipartUpload": func(ctx context.Context) error {
			_, err := f.client.Object.AbortMultipartUpload(ctx, e.key, upload)
			return err
		},
	}
}

// ask makes a request that needs an action. Only a refusal tells anything, and an error is one of the key pair itself.
func (e *examination) ask(ctx context.Context, action string, try func(context.Context) error) error {
	err := classify(try(ctx))
	if statusOf(err) != http.StatusForbidden {
		return nil
	}
	if code := codeOf(err); code != "" && code != "AccessDenied" {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused[action] = true
	return nil
}

// head looks for the name. It is asked always: a deletion must know that there is no such object.
func (e *examination) head(ctx context.Context) error {
	return e.ask(ctx, "HeadObject", func(ctx context.Context) error {
		_, err := e.f.client.Object.Head(ctx, e.key, nil)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.missing = errors.Is(classify(err), fs.ErrNotExist)
		return err
	})
}

// delete deletes what a HEAD just before has not found. Where there may be versions it would leave a mark, so it is not
// tried.
func (e *examination) delete(ctx context.Context) error {
	if !e.missing || !e.unversioned {
		return nil
	}
	_, err := e.f.client.Object.Delete(ctx, e.key)
	return err
}

func (e *examination) versioning(ctx context.Context) error {
	res, _, err := e.f.client.Bucket.GetVersioning(ctx)
	if err != nil || res.XMLName.Local != "VersioningConfiguration" {
		return nil
	}
	e.found.Versioned = res.Status != ""
	e.unversioned = res.Status == ""
	return nil
}

func (e *examination) encryption(ctx context.Context) error {
	res, _, err := e.f.client.Bucket.GetEncryption(ctx)
	e.found.KMS = err == nil && res.Rule != nil && res.Rule.SSEAlgorithm == "KMS"
	return nil
}

func (e *examination) lock(ctx context.Context) error {
	res, _, err := e.f.client.Bucket.GetObjectLockConfiguration(ctx)
	e.found.Locked = err == nil && res.ObjectLockEnabled == "Enabled"
	return nil
}

// sort says of each refusal what it proves.
func (e *examination) sort(actions []string) {
	list, read := e.refused["GetBucket"], e.refused["GetObject"]
	for _, action := range actions {
		switch {
		case !e.refused[action]:
		case list && slices.Contains([]string{"HeadObject", "GetObject"}, action),
			(list || read) && slices.Contains([]string{"PutObjectCopy", "UploadPartCopy"}, action):
			e.found.Doubtful = append(e.found.Doubtful, action)
		default:
			e.found.Denied = append(e.found.Denied, action)
		}
	}
	slices.Sort(e.found.Denied)
	slices.Sort(e.found.Doubtful)
}
