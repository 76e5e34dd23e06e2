package endurance

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// stopping is a program with an idle session and an upload of which half has come.
type stopping struct {
	store        *rig.Store
	gateway      *rig.Gateway
	idle, upload *rig.Peer
}

const halfUpload = 1 << 20

func newStopping(t *testing.T, grace int) *stopping {
	t.Helper()
	s := &stopping{store: rig.NewStore(t)}
	s.gateway = rig.StartGateway(t, s.store, map[string]string{"shutdown_grace": fmt.Sprint(grace)})
	a := &rig.Abused{T: t, Addr: s.gateway.Addr}
	s.idle, s.upload = a.LoginAs("user0", "pass0"), a.LoginAs("user0", "pass0")
	half := make([]byte, halfUpload)
	for _, err := range []error{s.upload.PASV(), s.upload.Want("1", "STOR up.bin"), s.upload.Write(half), s.upload.Settle()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *stopping) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.gateway.Proc.Cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// TestStopLetsTransfersFinish: the port is free at once, idle sessions hear 421, a running upload may finish, and the
// exit code is 0.
func TestStopLetsTransfersFinish(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStopping(t, 60)
			s.signal(t, signal)
			if reply := s.idle.Reply(rig.ReplyTime); !strings.HasPrefix(reply, "421 ") {
				t.Errorf("the idle session hears %q, want 421", reply)
			}
			if reply := s.idle.Reply(rig.ReplyTime); reply != "(closed)" {
				t.Errorf("the idle session then hears %q", reply)
			}
			_, port, _ := net.SplitHostPort(s.gateway.Addr)
			listener, err := net.Listen("tcp4", "0.0.0.0:"+port)
			if err != nil {
				t.Fatalf("the port is not free while an upload finishes: %v", err)
			}
			listener.Close()
			if err := s.upload.Upload(make([]byte, halfUpload)); err != nil {
				t.Fatal(err)
			}
			if err := s.upload.WantReply("226"); err != nil {
				t.Error(err)
			}
			if code := s.gateway.Proc.Wait(rig.ReplyTime); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if o, _ := s.store.Get(rig.BucketName(0), "up.bin"); o.Size != 2*halfUpload {
				t.Errorf("the object has %d bytes, want %d", o.Size, 2*halfUpload)
			}
		})
	}
}

// TestStopEndsWhatIsLeft: after shutdown_grace an upload is abandoned, and no part stays behind.
func TestStopEndsWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newStopping(t, 1)
	began := time.Now()
	s.signal(t, syscall.SIGTERM)
	if code := s.gateway.Proc.Wait(rig.ReplyTime); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took < 900*time.Millisecond || took > rig.ReplyTime {
		t.Errorf("the program ended after %v, with a shutdown_grace of 1 s", took)
	}
	if _, there := s.store.Get(rig.BucketName(0), "up.bin"); there {
		t.Error("half an upload became an object")
	}
	if left := s.store.Parts(0); len(left) > 0 {
		t.Errorf("left behind: %+v", left)
	}
}

// TestSecondSignalExitsAtOnce, however long the grace.
func TestSecondSignalExitsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStopping(t, 600)
	s.signal(t, syscall.SIGTERM)
	if reply := s.idle.Reply(rig.ReplyTime); !strings.HasPrefix(reply, "421 ") {
		t.Fatalf("the idle session hears %q, want 421", reply)
	}
	// The program needs a moment to hear the first as such: the second is sent until it counts.
	deadline := time.After(rig.ReplyTime)
	for {
		s.gateway.Proc.Cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.gateway.Proc.Done:
			return
		case <-deadline:
			t.Fatal("the program lives on after a second SIGTERM")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
