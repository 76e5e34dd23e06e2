package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const (
	hungUploads = 40
	hungTime    = 40 * time.Second // for what the others do; a request that hangs is given up after 60 s
	hungSize    = 30 << 20
)

// TestHungBucketCostsItsOwnUsersOnly: uploads to one bucket hang, more than there are slots. Those to another one do not
// wait for them: all that they do is done before the first of the hung requests ends.
func TestHungBucketCostsItsOwnUsersOnly(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	gate := startGateway(t, store, map[string]string{"transfer_memory": fmt.Sprint(512 << 20), "storage_patience": "600"})
	a := &abused{t: t, addr: gate.addr}
	store.Inject(costest.Fault{Bucket: bucketName(1), Op: "UploadPart", Hang: true},
		costest.Fault{Bucket: bucketName(1), Op: "PutObject", Hang: true})
	for i := range hungUploads {
		p := a.loginAs("user1", "pass1")
		for _, err := range []error{p.pasv(), p.want("1", "STOR hung%02d", i)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			_, _ = p.data.Write(make([]byte, 3<<20))
			p.dropData()
		}()
	}
	if !within(func() bool { return store.Count("UploadPart") >= 8 }) {
		t.Fatalf("only %d parts hang", store.Count("UploadPart"))
	}
	healthy := a.loginAs("user0", "pass0")
	began := time.Now()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"STOR of a byte", func() error { return healthy.storeWhole("byte", []byte("1"), hungTime) }},
		{"STOR of 30 MiB", func() error { return healthy.storeWhole("big", make([]byte, hungSize), hungTime) }},
		{"RETR of 30 MiB", func() error { return healthy.fetchWhole("big", make([]byte, hungSize), hungTime) }},
	} {
		start := time.Now()
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		t.Logf("%s: %v", step.name, time.Since(start).Round(time.Millisecond))
	}
	if took := time.Since(began); took > hungTime {
		t.Errorf("all took %v: they waited for requests that hang", took)
	}
	store.ClearFaults()
}

// storeWhole stores a file.
func (p *peer) storeWhole(name string, content []byte, wait time.Duration) error {
	if err := errors.Join(p.pasv(), p.want("1", "STOR %s", name)); err != nil {
		return err
	}
	return p.finishUpload(content, wait)
}

// fetchWhole fetches a file and compares it.
func (p *peer) fetchWhole(name string, want []byte, wait time.Duration) error {
	if err := errors.Join(p.pasv(), p.want("1", "RETR %s", name)); err != nil {
		return err
	}
	_ = p.data.SetDeadline(time.Now().Add(wait))
	got, err := io.ReadAll(p.data)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes, want %d", len(got), len(want))
	}
	p.dropData()
	return errors.Join(err, p.wantReplyWithin("226", wait))
}
