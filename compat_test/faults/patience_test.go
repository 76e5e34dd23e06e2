package faults

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// A short form is for all tests; ./setup.sh soak has the lengths and sizes of the real thing.
const shortOutages = "5"

var outageLengths = flag.String("outages", shortOutages, "`SECONDS` that the outages of TestTransfersOutlastOutages take, with commas between them")

const (
	outlastingStors = 50
	outlastingWait  = time.Minute // after an outage, for a busy machine
)

// outlastingSize is the size of the big files.
func outlastingSize() int {
	if *outageLengths == shortOutages {
		return 24 << 20
	}
	return 100 << 20
}

// longOutage is a way in which COS is out of order for a while.
type longOutage struct {
	name  string
	fault costest.Fault // while it lasts, unless gate is set
	gate  string        // what the way to COS does: "refuse" or "swallow"
}

func longOutages() []longOutage {
	all := []longOutage{
		{name: "503 on everything", fault: costest.Fault{Status: 503, Code: "SlowDown"}},
		{name: "503 after the body", fault: costest.Fault{Status: 503, Code: "SlowDown", ReadBody: true}},
		{name: "connections refused", gate: "refuse"},
		{name: "black hole", gate: "swallow"},
	}
	for _, op := range []string{
		"PutObject", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObject", "ListObjects", "HeadObject",
	} {
		all = append(all, longOutage{name: "503 on " + op, fault: costest.Fault{Op: op, Status: 503, Code: "SlowDown"}})
	}
	return all
}

// TestTransfersOutlastOutages: COS is out of order in the middle of a big upload and a big download and while 50 small
// files are stored. Everything is complete in the end, and the log has one line about it at most.
func TestTransfersOutlastOutages(t *testing.T) {
	for field := range strings.SplitSeq(*outageLengths, ",") {
		seconds, err := strconv.Atoi(field)
		if err != nil || seconds < 1 {
			t.Fatalf("-outages=%s: want seconds with commas between them", *outageLengths)
		}
		for _, o := range longOutages() {
			t.Run(fmt.Sprintf("%s for %d s", o.name, seconds), func(t *testing.T) {
				t.Parallel()
				o.try(t, time.Duration(seconds)*time.Second)
			})
		}
	}
}

func (o *longOutage) try(t *testing.T, length time.Duration) {
	store := rig.NewStore(t)
	way := newGate(t, store.Addr)
	store.Addr = way.listener.Addr().String()
	gate := rig.StartGateway(t, store, map[string]string{
		"single_file_max_size": fmt.Sprint(2 * outlastingSize()), "storage_patience": "600",
	})
	a := &rig.Abused{T: t, Addr: gate.Addr}
	size := outlastingSize()
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(content)
	store.Put(rig.BucketName(0), "down", content)
	up, down := a.LoginAs("user0", "pass0"), a.LoginAs("user0", "pass0")
	for _, err := range []error{
		up.PASV(), up.Want("1", "STOR up"), up.Write(content[:size/3]), down.PASV(), down.Want("1", "RETR down"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, size)
	if _, err := io.ReadFull(down.Data, got[:size/3]); err != nil {
		t.Fatal(err)
	}
	o.begin(store, way)
	var work sync.WaitGroup
	wait := length + outlastingWait
	work.Go(func() { report(t, "upload", up.FinishUpload(content[size/3:], wait)) })
	work.Go(func() {
		report(t, "download", down.FinishDownload(got[size/3:], wait))
	})
	for i := range outlastingStors {
		p := a.LoginAs("user0", "pass0")
		work.Go(func() { report(t, "small STOR", p.StoreSmall(fmt.Sprintf("small%02d", i), wait)) })
	}
	time.Sleep(length)
	o.end(store, way)
	work.Wait()
	if !bytes.Equal(got, content) {
		t.Error("the download has other bytes")
	}
	wantStored(t, store, "up", content)
	for i := range outlastingStors {
		name := fmt.Sprintf("small%02d", i)
		wantStored(t, store, name, []byte(name))
	}
	gate.WantOneWarning(t)
}

func (o *longOutage) begin(store *rig.Store, way *gateToCOS) {
	if o.gate != "" {
		way.shut(o.gate)
		return
	}
	store.Inject(o.fault)
}

func (o *longOutage) end(store *rig.Store, way *gateToCOS) {
	store.ClearFaults()
	way.open()
}

func report(t *testing.T, what string, err error) {
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func wantStored(t *testing.T, store *rig.Store, key string, content []byte) {
	t.Helper()
	if o, there := store.Get(rig.BucketName(0), key); !there || !bytes.Equal(o.Data, content) {
		t.Errorf("%s: %d bytes are stored (there: %t), want its %d", key, len(o.Data), there, len(content))
	}
}

// gateToCOS is the way to COS, which can be shut.
type gateToCOS struct {
	listener net.Listener
	to       string
	address  string

	mu     sync.Mutex
	opened *sync.Cond
	state  string // "": open; see shut
	conns  map[net.Conn]struct{}
	closed bool
}

func newGate(t *testing.T, to string) *gateToCOS {
	t.Helper()
	g := &gateToCOS{to: to, conns: make(map[net.Conn]struct{})}
	g.opened = sync.NewCond(&g.mu)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.listener, g.address = listener, listener.Addr().String()
	go g.accept(listener)
	t.Cleanup(g.close)
	return g
}

// shut keeps all from COS: "refuse" resets what there is and refuses what comes, "swallow" has nothing arrive any more,
// neither here nor there.
func (g *gateToCOS) shut(how string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = how
	if how != "refuse" {
		return
	}
	g.listener.Close()
	for conn := range g.conns {
		rig.Reset(conn)
	}
}

func (g *gateToCOS) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == "refuse" {
		listener, err := net.Listen("tcp", g.address)
		for tries := 0; err != nil && tries < 100; tries++ { // another process may have had the port for a moment
			time.Sleep(50 * time.Millisecond)
			listener, err = net.Listen("tcp", g.address)
		}
		if err == nil {
			g.listener = listener
			go g.accept(listener)
		}
	}
	g.state = ""
	g.opened.Broadcast()
}

func (g *gateToCOS) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.listener.Close()
	for conn := range g.conns {
		conn.Close()
	}
	g.opened.Broadcast()
}

func (g *gateToCOS) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go g.join(client)
	}
}

func (g *gateToCOS) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer server.Close()
	if !g.keep(client, server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { g.pass(server, client) })
	both.Go(func() { g.pass(client, server) })
	both.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, client)
	delete(g.conns, server)
}

func (g *gateToCOS) keep(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range conns {
		g.conns[conn] = struct{}{}
	}
	return !g.closed
}

// pass moves bytes while the gate is open. The end of one side is that of both.
func (g *gateToCOS) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		g.mu.Lock()
		for g.state == "swallow" && !g.closed {
			g.opened.Wait()
		}
		g.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
