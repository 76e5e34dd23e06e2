package faults

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const (
	clientTime = 20 * time.Second // how long a client may run, with its own retries
	// leaveTime is how long a client may run after its 226. When lftp 4.9.2 begins again with a file that it has read to
	// the end before, it sends only the first buffers, as if they were the whole file, and then hangs.
	leaveTime = 3 * time.Second
)

// mixtureSite is a program that is killed and started again, behind a relay, and a client's directory.
type mixtureSite struct {
	t     *testing.T
	mode  string // incomplete_upload
	store *rig.Store
	conf  string
	log   string
	mark  int // where in the log the running program begins
	proc  *rig.Program
	relay *rig.Relay
	dir   string
}

func newMixtureSite(t *testing.T, mode string) *mixtureSite {
	t.Helper()
	s := &mixtureSite{t: t, mode: mode, store: rig.NewStore(t, costest.WithoutMD5()), dir: t.TempDir()}
	home, port := rig.Homes(t), rig.FreePort(t)
	s.conf = filepath.Join(s.dir, "vsftpd.conf")
	s.log = filepath.Join(home, "log", "cos_v5.log")
	text := rig.ConfText(s.store, home, filepath.Dir(s.log), port, map[string]string{
		"min_part_size": fmt.Sprint(mixturePart), "incomplete_upload": mode, "shutdown_grace": "1",
		"config_check_enable": "false",
	})
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.relay = rig.NewRelay(t, fmt.Sprintf("127.0.0.1:%d", port))
	return s
}

func (s *mixtureSite) start() {
	s.t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	s.mark = len(text)
	s.proc = rig.StartProgram(s.t, exec.Command(rig.Binary, "-conf", s.conf))
	if !s.proc.Ready() {
		s.t.Fatalf("the program does not start: %s", s.proc.Output())
	}
}

// seedOld puts the old object into the bucket and the new file beside it. The object is the newer one: where the file
// is newer, ncftpput never goes on.
func (s *mixtureSite) seedOld(name string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, newContent(), 0o644); err != nil {
		s.t.Fatal(err)
	}
	before := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(file, before, before); err != nil {
		s.t.Fatal(err)
	}
	s.store.Put(rig.BucketName(0), name, oldContent())
	s.relay.Forget()
}

// remove deletes the object and the file of a try; the objects of all tries would fill memory.
func (s *mixtureSite) remove(name string) {
	s.store.Remove(rig.BucketName(0), name)
	os.Remove(filepath.Join(s.dir, name))
}

// interrupt prepares what will happen after at bytes of the next upload.
func (s *mixtureSite) interrupt(name, how string, at int64) {
	forbidden := costest.Fault{Key: name, Times: 1, Status: 403, Code: "AccessDenied"} // which is not tried again
	switch how {
	case byPart:
		forbidden.Op, forbidden.Part = "UploadPart", int(at/mixturePart)+1
		s.store.Inject(forbidden)
	case byComplete:
		forbidden.Op = "CompleteMultipartUpload"
		s.store.Inject(forbidden)
	default:
		s.relay.Arm(at)
	}
}

// run runs a client to its end, and strikes when the relay says so. An interruption that did not happen is dropped at
// the end: the next client must not meet it.
func (s *mixtureSite) run(step uploadStep, name, how string) error {
	s.t.Helper()
	defer s.store.ClearFaults()
	defer s.relay.Disarm()
	s.relay.Drain()
	host, port, _ := net.SplitHostPort(s.relay.Addr)
	cmd := step.command(host, port, name)
	cmd.Path = rig.FindCommand(s.t, cmd.Args[0])
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "LC_ALL=C.UTF-8", "ftp_proxy=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.AfterFunc(clientTime, func() { cmd.Process.Kill() })
	defer timer.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%w: %.200q", err, bytes.TrimSpace(output.Bytes()))
			}
			return err
		case <-s.relay.Complete:
			timer.Reset(leaveTime)
		case <-s.relay.Hit:
			s.strike(how)
			s.relay.GoOn <- struct{}{}
		}
	}
}

func (s *mixtureSite) strike(how string) {
	switch how {
	case byRestart:
		s.restart(syscall.SIGTERM)
	case byKill:
		s.restart(syscall.SIGKILL)
	case byFIN:
		s.relay.Sever(false)
	case byReset:
		s.relay.Sever(true)
	case byHalfOpen:
		s.relay.Hold()
	}
}

func (s *mixtureSite) restart(signal syscall.Signal) {
	s.proc.Cmd.Process.Signal(signal)
	<-s.proc.Done
	s.start()
}

// settle waits until no more than so many sessions are open, according to the program's log.
func (s *mixtureSite) settle(open int) {
	s.t.Helper()
	for deadline := time.Now().Add(rig.ReplyTime); ; {
		text, err := os.ReadFile(s.log)
		if err != nil {
			s.t.Fatal(err)
		}
		text = text[s.mark:]
		n := bytes.Count(text, []byte("FTP session opened")) - bytes.Count(text, []byte("FTP session closed"))
		if n <= open {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d sessions are open, want no more than %d", n, open)
		}
		<-time.After(5 * time.Millisecond)
	}
}
