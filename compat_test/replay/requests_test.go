package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jlaffaye/ftp"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// COS bills and limits requests, and each is a round trip: how many an FTP command costs is a promise
// (docs/performance.md), held exactly.
func TestRequestsPerCommand(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t, costest.WithCopyLimit(4*rig.MiB))
	for i := range 2500 {
		store.Put(rig.BucketName(0), fmt.Sprintf("many/%04d", i), nil)
	}
	store.Put(rig.BucketName(0), "dir/file", nil)
	store.Put(rig.BucketName(0), "small", []byte("0123456789"))
	store.Put(rig.BucketName(0), "big", make([]byte, 40*rig.MiB))
	gate := rig.StartGateway(t, store, map[string]string{"rename_dir_limit": "10000"})
	client := rig.Login(t, gate)

	const p, n = 5, 7
	for i := range n {
		store.Put(rig.BucketName(0), fmt.Sprintf("dirs/%d", i), nil)
	}
	for _, c := range []struct {
		name string
		run  func() error
		want int
	}{
		{"login, PWD, TYPE, PASV, NOOP, FEAT", func() error { return idleCommands(t, gate) }, 0},
		{"STOR of a new name", func() error { return client.Stor("new", strings.NewReader("data")) }, 2},
		{"STOR of an existing name", func() error { return client.Stor("new", strings.NewReader("data")) }, 2},
		{"STOR of exactly a part", func() error { return client.Stor("part", bytes.NewReader(make([]byte, rig.MiB))) }, 2},
		{"STOR of p parts", func() error { return client.Stor("parts", bytes.NewReader(make([]byte, p*rig.MiB))) }, p + 3},
		{"STOR of p parts and a byte", func() error { return client.Stor("parts", bytes.NewReader(make([]byte, p*rig.MiB+1))) }, p + 1 + 3},
		{"RETR of a small file", func() error { return rig.Retrieve(client, "small") }, 1},
		{"SIZE", func() error { _, err := client.FileSize("small"); return err }, 1},
		{"MDTM", func() error { _, err := client.GetTime("small"); return err }, 1},
		{"CWD", func() error { return client.ChangeDir("/dir") }, 1},
		{"LIST of 3 pages", func() error { return listed(client, "/many", 2500) }, 3},
		{"NLST of 3 pages", func() error { _, err := client.NameList("/many"); return err }, 3},
		{"MKD", func() error { return client.MakeDir("/made") }, 2},
		{"RMD", func() error { return client.RemoveDir("/made") }, 2},
		{"RNFR and RNTO", func() error { return client.Rename("/small", "/renamed") }, 6},
		{"RNFR and RNTO of a directory of n", func() error { return client.Rename("/dirs", "/moved") }, 2 + 5 + 3*n},
		{"APPE", func() error { return client.Append("/renamed", strings.NewReader("data")) }, 4},
		{"DELE", func() error { return client.Delete("/renamed") }, 2},
	} {
		store.ResetRequests()
		if err := c.run(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		rig.Within(func() bool { return len(store.Requests()) >= c.want && store.Running() == 0 }) // the check of a name may be late
		if n := len(store.Requests()); n != c.want {
			t.Errorf("%s: %d requests, want %d: %s", c.name, n, c.want, rig.Operations(store))
		}
	}
}

// A big download is one GET per range and nothing else; no range is asked for twice. Only to a client that has turned out
// to be slow it is otherwise, by design, and a busy machine makes any client slow: then it tries again.
func TestRequestsOfBigDownload(t *testing.T) {
	t.Parallel()
	const size = 40 * rig.MiB
	store := rig.NewStore(t)
	store.Put(rig.BucketName(0), "big", make([]byte, size))
	client := rig.Login(t, rig.StartGateway(t, store, nil))
	var sent int64
	once := rig.Within(func() bool {
		store.ResetRequests()
		if err := rig.Retrieve(client, "big"); err != nil {
			t.Fatal(err)
		}
		rig.Within(func() bool { return store.Running() == 0 }) // the last bytes may not be counted yet
		sent = 0
		for _, r := range store.Requests() {
			if r.Op != "GetObject" {
				t.Errorf("a request other than GetObject: %s", r.Op)
			}
			sent += r.Out
		}
		return sent == size
	})
	if !once {
		t.Errorf("the store sent %d bytes of a file of %d", sent, size)
	}
}

// What STOR asks of the store must not be waited for: neither before the 150 nor, when the last byte is there, before
// the PUT.
func TestSmallUploadWaitsForOneRoundTrip(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	store.Inject(costest.Fault{Op: "ListObjects", Hang: true})
	gate := rig.StartGateway(t, store, nil)
	client := rig.Login(t, gate)
	stored := make(chan error, 1)
	go func() { stored <- client.Stor("file", strings.NewReader("data")) }()
	if err := store.Await(0, "file", []byte("data")); err != nil {
		t.Errorf("with the check of the name unanswered: %v", err)
	}
	store.ClearFaults()
	gate.Proc.Stop(t)
	<-stored
}

func idleCommands(t *testing.T, gate *rig.Gateway) error {
	p := &rig.Peer{Addr: gate.Addr}
	if err := p.Connect(); err != nil {
		return err
	}
	defer p.Close()
	p.Reply(rig.ReplyTime)
	for _, command := range []string{"USER user0", "PASS pass0", "PWD", "TYPE I", "PASV", "NOOP", "FEAT", "SYST", "QUIT"} {
		if got := p.Command("%s", command); got[0] != '2' && got[0] != '3' {
			t.Errorf("%s: %s", command, got)
		}
	}
	return nil
}

func listed(client *ftp.ServerConn, dir string, want int) error {
	entries, err := client.List(dir)
	if err == nil && len(entries) != want {
		err = fmt.Errorf("%d entries, want %d", len(entries), want)
	}
	return err
}
