package faults

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// leavings are the ways in which a client leaves that has sent all of a file and waits for the reply.
var leavings = []struct {
	name  string
	leave func(p *rig.Peer) error
	dies  bool // it cannot be told from a client that died in the middle
}{
	{"FIN", func(p *rig.Peer) error { return p.Control.Close() }, true},
	{"RST", func(p *rig.Peer) error { return rig.Reset(p.Control) }, true},
	{"QUIT", func(p *rig.Peer) error { return errors.Join(p.Send([]byte("QUIT\r\n")), p.Control.Close()) }, false},
}

// TestWhoLeavesDuringAnOutage: a client leaves after its last byte, because COS lets it wait for too long for the reply.
// Its file is finished when COS is back, unless a newer upload stored the name meanwhile; where interrupted uploads are
// discarded, that of a client that may have died is dropped.
func TestWhoLeavesDuringAnOutage(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"keep", "discard"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			store := rig.NewStore(t)
			gate := rig.StartGateway(t, store, map[string]string{"incomplete_upload": mode, "storage_patience": "600"})
			a := &rig.Abused{T: t, Addr: gate.Addr}
			files := map[string][]byte{"small": []byte("small"), "big": bytes.Repeat([]byte("big "), 700_000)}
			for _, name := range []string{"small", "big"} {
				for _, l := range leavings {
					key := name + l.name
					store.Inject(costest.Fault{Key: key, Op: "PutObject", Status: 503, Code: "SlowDown"},
						costest.Fault{Key: key, Op: "CompleteMultipartUpload", Status: 503, Code: "SlowDown"})
					if err := a.SendAndLeave(key, files[name], l.leave); err != nil {
						t.Fatalf("%s: %v", key, err)
					}
				}
			}
			if !rig.Within(func() bool { return store.Count("CompleteMultipartUpload") >= len(leavings) }) {
				t.Fatal("not all are about to be stored")
			}
			time.Sleep(4 * time.Second) // the server looks every second whether its clients are there, and believes it the second time
			newer := []byte("newer")
			for _, l := range leavings {
				// Another client stores one of the names anew: COS takes it as soon as it is back.
				p := a.LoginAs("user0", "pass0")
				if err := errors.Join(p.PASV(), p.Want("1", "STOR small%s", l.name), p.Write(newer)); err != nil {
					t.Fatal(err)
				}
				p.DropData()
				defer p.WantReplyWithin("226", rig.ReplyTime)
			}
			time.Sleep(time.Second)
			store.ClearFaults()
			for _, l := range leavings {
				if err := store.Await(0, "small"+l.name, newer); err != nil {
					t.Errorf("small, %s: the newer upload: %v", l.name, err)
				}
				if mode == "keep" {
					report(t, "big, "+l.name, store.Await(0, "big"+l.name, files["big"]))
				}
			}
			if !rig.Within(func() bool { return len(store.Parts(0)) == 0 }) {
				t.Errorf("uploads stay: %v", store.Parts(0))
			}
			for _, l := range leavings {
				if o, there := store.Get(rig.BucketName(0), "small"+l.name); !there || !bytes.Equal(o.Data, newer) {
					t.Errorf("small, %s: the older upload has replaced the newer one", l.name)
				}
				if _, there := store.Get(rig.BucketName(0), "big"+l.name); mode == "discard" && l.dies && there {
					t.Errorf("big, %s: the file of a client that may have died is stored", l.name)
				}
			}
		})
	}
}

// TestStatTellsOfAnOutage: while an upload waits for COS, NOOP is answered and STAT says what it waits for.
func TestStatTellsOfAnOutage(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	gate := rig.StartGateway(t, store, map[string]string{"storage_patience": "600"})
	p := (&rig.Abused{T: t, Addr: gate.Addr}).LoginAs("user0", "pass0")
	store.Inject(costest.Fault{Op: "PutObject", Status: 503, Code: "SlowDown"})
	if err := errors.Join(p.PASV(), p.Want("1", "STOR f"), p.Write([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	p.DropData()
	var status string
	if !rig.Within(func() bool {
		status = p.Command("STAT")
		return strings.Contains(status, "Waiting for the storage, which has been out of order or overloaded for ")
	}) {
		t.Errorf("STAT says %q", status)
	}
	if err := p.Want("200", "NOOP"); err != nil {
		t.Error(err)
	}
	store.ClearFaults()
	if err := p.WantReplyWithin("226", rig.ReplyTime); err != nil {
		t.Error(err)
	}
}

// TestAborDuringAnOutage: who says ABOR has its replies before long, whether the upload was under way or all there, and
// nothing is stored of the latter.
func TestAborDuringAnOutage(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	gate := rig.StartGateway(t, store, map[string]string{"storage_patience": "600"})
	store.Inject(costest.Fault{Op: "PutObject", Status: 503, Code: "SlowDown"})
	var work sync.WaitGroup
	for _, whole := range []bool{false, true} {
		p := (&rig.Abused{T: t, Addr: gate.Addr}).LoginAs("user0", "pass0")
		if err := errors.Join(p.PASV(), p.Want("1", "STOR whole%t", whole), p.Write([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if whole {
			report(t, "the end of the data", p.EndData())
		}
		work.Go(func() {
			time.Sleep(time.Second)
			report(t, "ABOR", errors.Join(p.Send([]byte("ABOR\r\n")),
				p.WantReplyWithin("426", outlastingWait), p.WantReplyWithin("226", rig.ReplyTime)))
		})
	}
	work.Wait()
	store.ClearFaults()
	if o, there := store.Get(rig.BucketName(0), "wholetrue"); there {
		t.Errorf("%d bytes are stored", len(o.Data))
	}
}

// TestNameInAnOutage: a command on a name whose upload waits for COS does not wait as long, and says why.
func TestNameInAnOutage(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	gate := rig.StartGateway(t, store, map[string]string{"storage_patience": "600"})
	store.Put(rig.BucketName(0), "f", []byte("old"))
	store.Inject(costest.Fault{Op: "PutObject", Status: 503, Code: "SlowDown"})
	a := &rig.Abused{T: t, Addr: gate.Addr}
	p, other := a.LoginAs("user0", "pass0"), a.LoginAs("user0", "pass0")
	if err := errors.Join(p.PASV(), p.Want("1", "STOR f"), p.Write([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	p.DropData()
	if !rig.Within(func() bool { return store.Count("PutObject") > 0 }) {
		t.Fatal("it is not about to be stored")
	}
	if err := errors.Join(other.Send([]byte("DELE f\r\n")), other.WantReplyWithin("451", outlastingWait)); err != nil {
		t.Error(err)
	}
	store.ClearFaults()
	if err := errors.Join(p.WantReplyWithin("226", rig.ReplyTime), other.Want("250", "DELE f")); err != nil {
		t.Error(err)
	}
}

// TestWhoLeftTakesNoPlace: cameras give up in an outage of their bucket and come again, more often than there are places.
// Others can log in all the same, and in the end each file is the newest picture that its camera sent.
func TestWhoLeftTakesNoPlace(t *testing.T) {
	t.Parallel()
	const places, cameras, rounds = 16, 8, 3
	store := rig.NewStore(t)
	gate := rig.StartGateway(t, store, map[string]string{
		"storage_patience": "600", "max_connection_num": fmt.Sprint(places), "max_conns_per_ip": "12",
	})
	a := &rig.Abused{T: t, Addr: gate.Addr}
	store.Inject(costest.Fault{Bucket: rig.BucketName(0), Status: 503, Code: "SlowDown"})
	for round := range rounds {
		if round > 0 {
			time.Sleep(13 * time.Second) // the server waits for ten seconds whether somebody listens still
		}
		var work sync.WaitGroup
		for i := range cameras {
			work.Go(func() {
				content := fmt.Appendf(nil, "picture %d of %d", round, i)
				report(t, fmt.Sprint("round ", round), a.SendAndLeave(fmt.Sprint("camera", i), content, leavings[1].leave))
			})
		}
		work.Wait()
	}
	time.Sleep(13 * time.Second)
	other := a.LoginAs("user1", "pass1")
	if err := other.StoreSmall("file", rig.ReplyTime); err != nil {
		t.Errorf("a user of another bucket: %v", err)
	}
	store.ClearFaults()
	for i := range cameras {
		newest := fmt.Appendf(nil, "picture %d of %d", rounds-1, i)
		report(t, fmt.Sprint("camera ", i), store.Await(0, fmt.Sprint("camera", i), newest))
	}
}
