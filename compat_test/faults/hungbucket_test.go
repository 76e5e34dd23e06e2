package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
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
	store := rig.NewStore(t)
	gate := rig.StartGateway(t, store, map[string]string{"transfer_memory": fmt.Sprint(512 << 20), "storage_patience": "600"})
	a := &rig.Abused{T: t, Addr: gate.Addr}
	store.Inject(costest.Fault{Bucket: rig.BucketName(1), Op: "UploadPart", Hang: true},
		costest.Fault{Bucket: rig.BucketName(1), Op: "PutObject", Hang: true})
	for i := range hungUploads {
		p := a.LoginAs("user1", "pass1")
		for _, err := range []error{p.PASV(), p.Want("1", "STOR hung%02d", i)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			_, _ = p.Data.Write(make([]byte, 3<<20))
			p.DropData()
		}()
	}
	if !rig.Within(func() bool { return store.Count("UploadPart") >= 8 }) {
		t.Fatalf("only %d parts hang", store.Count("UploadPart"))
	}
	healthy := a.LoginAs("user0", "pass0")
	began := time.Now()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"STOR of a byte", func() error { return healthy.StoreWhole("byte", []byte("1"), hungTime) }},
		{"STOR of 30 MiB", func() error { return healthy.StoreWhole("big", make([]byte, hungSize), hungTime) }},
		{"RETR of 30 MiB", func() error { return healthy.FetchWhole("big", make([]byte, hungSize), hungTime) }},
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
