package faults

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

var large = flag.Bool("large", false, "TestResumedTransfers goes beyond 6 GiB; it needs 25 GB of disk and some minutes")

const (
	gib        = 1 << 30
	resumePart = 2 << 20 // min_part_size
	// copiedFrom is the size in bytes from which on COS copies what an upload keeps (cosfs.minCopied).
	copiedFrom = 5 << 20
)

// interruption is where and how a transfer ends early.
type interruption struct {
	at  int64 // bytes of the file that leave the sender
	how string
}

const (
	byCut     = "cut"     // the client is gone
	byReset   = "reset"   // the connections are reset
	byKill    = "SIGKILL" // and the program is started again
	byRestart = "SIGTERM" // likewise
)

// interruptions of the upload of one file, one after the other, each continuing where the one before left off.
func interruptions() (list []interruption, size int64) {
	deep := int64(120 << 20)
	if rig.RaceEnabled { // which makes checksums slow
		deep = 24 << 20
	}
	list = []interruption{
		{3 * resumePart, byKill}, {0, byCut}, {1, byCut}, {1000, byRestart}, {resumePart - 1, byCut}, {resumePart, byCut},
		{resumePart + 1, byCut}, {2*resumePart + 7, byReset}, {copiedFrom - 1, byCut}, {copiedFrom, byCut},
		{copiedFrom + 1, byCut}, {20 << 20, byKill}, {20 << 20, byRestart}, {20<<20 + 1, byReset},
		{deep - 1, byCut}, {deep + 1<<20, byKill}, {deep + 1<<20, byCut},
	}
	size = deep + 5<<20 + 12345
	if *large {
		list = append(list, []interruption{
			{gib + 1, byReset}, {4*gib - 1, byCut}, {4*gib + 1, byRestart}, {5 * gib, byCut}, {5*gib + 1, byCut},
			{6 * gib, byKill}, {6 * gib, byCut}, {6*gib + 12345, byCut}, {6*gib + 23456, byKill},
		}...)
		size = 6*gib + 300<<20 + 12345
	}
	return list, size
}

// resumer is a client that continues transfers: dir/f.bin to the server's f.bin, and that to dir/back/f.bin.
type resumer struct {
	name     string
	put, get func(s *resumeSite, host, port string) *exec.Cmd
}

var resumers = []resumer{
	{"curl", // SIZE and APPE
		func(s *resumeSite, host, port string) *exec.Cmd {
			return exec.Command("curl", "-sS", "-C", "-", "-T", "f.bin", "ftp://user0:pass0@"+host+":"+port+"/f.bin")
		},
		func(s *resumeSite, host, port string) *exec.Cmd {
			return exec.Command("curl", "-sS", "-C", "-", "-o", "back/f.bin", "ftp://user0:pass0@"+host+":"+port+"/f.bin")
		}},
	{"lftp", // SIZE, REST and STOR
		func(s *resumeSite, host, port string) *exec.Cmd { return lftpCommand(host, port, "put -c f.bin") },
		func(s *resumeSite, host, port string) *exec.Cmd {
			return lftpCommand(host, port, "get -c f.bin -o back/f.bin")
		}},
	{"ncftp", // MLST, REST and STOR; without -s version 3.2.6 sends the whole file behind REST, to any server
		func(s *resumeSite, host, port string) *exec.Cmd {
			return exec.Command("ncftpput", "-u", "user0", "-p", "pass0", "-P", port, "-r", "0", "-z", "-s", "-V", host, "/", "f.bin")
		},
		func(s *resumeSite, host, port string) *exec.Cmd {
			return exec.Command("ncftpget", "-u", "user0", "-p", "pass0", "-P", port, "-r", "0", "-z", "-V", host, "back", "/f.bin")
		}},
}

func lftpCommand(host, port, what string) *exec.Cmd {
	cmd := exec.Command("lftp")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("set net:max-retries 1\nset cmd:fail-exit yes\nopen -u user0,pass0 -p %s ftp://%s\n%s\n", port, host, what))
	return cmd
}

// TestResumedTransfers interrupts the upload of a file again and again, lets a real client continue it, and then does
// the same with the download. What is in the bucket already is copied there: it travels neither from the client nor
// through the server a second time.
func TestResumedTransfers(t *testing.T) {
	list, size := interruptions()
	for _, client := range resumers {
		t.Run(client.name, func(t *testing.T) {
			if !*large { // or the disk would have to be three times as big
				t.Parallel()
			}
			rig.FindCommand(t, client.name)
			s := newResumeSite(t, size)
			began := time.Now()
			for _, i := range list {
				s.upload(client, i)
			}
			s.finishUpload(client)
			t.Logf("upload: %d bytes, %d interruptions, %d bytes sent to the store, %d read from it, %d part copies, %.1f s",
				size, len(list), s.in, s.out, s.copies, time.Since(began).Seconds())
			began, s.out = time.Now(), 0
			for _, i := range list {
				if i.at >= s.have {
					s.download(client, i)
				}
			}
			s.finishDownload(client)
			t.Logf("download: %d bytes read from the store for the last %d, %.1f s", s.out, size-s.have, time.Since(began).Seconds())
		})
	}
}

// resumeSite is a program that is killed and started again, and a client's directory.
type resumeSite struct {
	t     *testing.T
	store *rig.Store
	conf  string
	log   string
	addr  string
	proc  *rig.Program
	dir   string
	size  int64
	hash  [sha256.Size]byte
	have  int64 // bytes that the interrupted transfers left, -1 for no file

	in, out int64 // bytes of objects that went to and from the store
	copies  int
}

func newResumeSite(t *testing.T, size int64) *resumeSite {
	t.Helper()
	opts := []costest.Option{costest.WithoutMD5()}
	if *large {
		opts = append(opts, costest.WithDir(t.TempDir()))
	}
	s := &resumeSite{t: t, store: rig.NewStore(t, opts...), dir: t.TempDir(), size: size, have: -1}
	if err := os.Mkdir(filepath.Join(s.dir, "back"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.hash = writeNoise(t, filepath.Join(s.dir, "f.bin"), size)
	home, port := rig.Homes(t), rig.FreePort(t)
	s.addr = fmt.Sprintf("127.0.0.1:%d", port)
	s.conf = filepath.Join(s.dir, "vsftpd.conf")
	s.log = filepath.Join(home, "log", "cos_v5.log")
	text := rig.ConfText(s.store, home, filepath.Dir(s.log), port, map[string]string{
		"single_file_max_size": fmt.Sprint(10 * gib), "min_part_size": fmt.Sprint(resumePart), "shutdown_grace": "1",
		"config_check_enable": "false",
	})
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	return s
}

// writeNoise makes a file of which no two stretches are equal, and returns its SHA-256.
func writeNoise(t *testing.T, name string, size int64) (hash [sha256.Size]byte) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(file, sum), rand.NewChaCha8([32]byte{1}), size); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

func (s *resumeSite) start() {
	s.t.Helper()
	s.proc = rig.StartProgram(s.t, exec.Command(rig.Binary, "-conf", s.conf))
	if !s.proc.Ready() {
		s.t.Fatalf("the program does not start: %s", s.proc.Output())
	}
}

// strike returns what happens at the place of an interruption.
func (s *resumeSite) strike(how string) func(*rig.Cutter) {
	switch how {
	case byReset:
		return rig.CutHard
	case byKill:
		return func(*rig.Cutter) { s.end(syscall.SIGKILL) }
	case byRestart:
		return func(*rig.Cutter) { s.end(syscall.SIGTERM) }
	}
	return rig.Cut
}

func (s *resumeSite) end(signal syscall.Signal) {
	s.proc.Cmd.Process.Signal(signal)
	<-s.proc.Done
}

// interrupted runs a client until it is interrupted, and returns what the client makes of it.
func (s *resumeSite) interrupted(command func(s *resumeSite, host, port string) *exec.Cmd, i interruption) error {
	s.t.Helper()
	s.store.ResetRequests()
	c := rig.NewCutter(s.t, s.addr, i.at-max(s.have, 0), s.strike(i.how))
	output, err := s.run(command, c.Addr, c.Done)
	select {
	case <-c.Done:
	case <-time.After(rig.ReplyTime):
		s.t.Fatalf("%v: the client ended before, with %d bytes and now %d: %v\n%s", i, s.have, s.fileSize(), err, output)
	}
	if i.how == byKill || i.how == byRestart {
		s.start()
	}
	return err
}

// run starts a client and waits for its end. One that goes on trying when all is cut is killed.
func (s *resumeSite) run(command func(s *resumeSite, host, port string) *exec.Cmd, addr string, gone <-chan struct{}) (string, error) {
	host, port, _ := net.SplitHostPort(addr)
	cmd := command(s, host, port)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "LC_ALL=C.UTF-8", "ftp_proxy=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-gone:
			select {
			case <-ended:
			case <-time.After(rig.QuietTime):
				cmd.Process.Kill()
			}
		case <-time.After(10 * time.Minute):
			cmd.Process.Kill()
		case <-ended:
		}
	}()
	err := cmd.Wait()
	close(ended)
	return output.String(), err
}

// upload is interrupted, and leaves in the bucket what incomplete_upload = keep promises.
func (s *resumeSite) upload(client resumer, i interruption) {
	s.t.Helper()
	before, ended := s.have, s.ended()
	if s.interrupted(client.put, i) == nil {
		s.t.Fatalf("%v: the client believes that all is well", i)
	}
	if i.how == byCut || i.how == byReset {
		s.awaitEnd(i, ended)
	}
	switch i.how {
	case byCut:
		s.awaitSize(i, func(n int64) bool { return n == i.at })
		s.count(i, before, i.at)
	case byReset:
		s.awaitSize(i, func(n int64) bool { return n >= before && n <= i.at && s.noUploads() })
		s.count(i, before, s.have)
	default: // nothing of this one stays
		s.awaitSize(i, func(n int64) bool { return n == before && s.noUploads() })
	}
}

// ended is how many transfers are in the log, in which they are when all is done.
func (s *resumeSite) ended() int {
	text, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	return bytes.Count(text, []byte("f.bin completed="))
}

// awaitEnd waits until the program has done with a transfer, after those before.
func (s *resumeSite) awaitEnd(i interruption, before int) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * rig.ReplyTime); s.ended() == before; {
		if time.Now().After(deadline) {
			s.t.Fatalf("%v: the program does not notice", i)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (s *resumeSite) noUploads() bool {
	return len(s.store.Parts(0)) == 0 && s.store.Running() == 0
}

// awaitSize polls until the file has a size that will do, and notes it.
func (s *resumeSite) awaitSize(i interruption, good func(int64) bool) {
	s.t.Helper()
	p := (&rig.Abused{T: s.t, Addr: s.addr}).LoginAs("user0", "pass0")
	defer p.Close()
	deadline := time.Now().Add(rig.ReplyTime)
	for {
		reply := p.Command("SIZE f.bin")
		s.have = -1
		if _, err := fmt.Sscanf(reply, "213 %d", &s.have); err != nil && !strings.HasPrefix(reply, "550 ") {
			s.t.Fatalf("%v: SIZE: %s", i, reply)
		}
		if good(s.have) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%v: the file has %d bytes, %d uploads are open", i, s.have, len(s.store.Parts(0)))
		}
		<-time.After(5 * time.Millisecond)
	}
}

// count compares what went to and from the store with what had to: what is less than 5 MiB is read and sent again,
// more is copied by the store.
func (s *resumeSite) count(i interruption, before, after int64) {
	s.t.Helper()
	var in, out int64
	copies := 0
	for _, r := range s.store.Requests() {
		switch r.Op {
		case "PutObject", "UploadPart":
			in += r.In
		case "GetObject":
			out += r.Out
		case "UploadPartCopy":
			copies++
		}
	}
	again, fromStore, kept := int64(0), max(before, 0), max(before, 0) >= copiedFrom
	if kept {
		again, fromStore = before, 0
	}
	if i.how == byReset {
		// What was lost had been on its way already.
		if in < after-again || in > i.at-again {
			s.t.Errorf("%v: %d bytes went to the store, want %d to %d", i, in, after-again, i.at-again)
		}
	} else if in != after-again {
		s.t.Errorf("%v: %d bytes went to the store, want %d", i, in, after-again)
	}
	if out != fromStore || kept != (copies > 0) {
		s.t.Errorf("%v: %d bytes came from the store, want %d; %d parts were copied", i, out, fromStore, copies)
	}
	s.in, s.out, s.copies = s.in+in, s.out+out, s.copies+copies
}

func (s *resumeSite) finishUpload(client resumer) {
	s.t.Helper()
	before := s.have
	s.store.ResetRequests()
	if output, err := s.run(client.put, s.addr, nil); err != nil {
		s.t.Fatalf("the last part: %v\n%s", err, output)
	}
	end := interruption{s.size, "end"}
	s.awaitSize(end, func(n int64) bool { return n == s.size })
	s.count(end, before, s.size)
	if !s.noUploads() {
		s.t.Error("multipart uploads stay open")
	}
	s.have = 0
}

// download is interrupted; the client keeps what it got.
func (s *resumeSite) download(client resumer, i interruption) {
	s.t.Helper()
	s.interrupted(client.get, i) // ncftpget is content with what it has
	had := s.have
	s.have = s.fileSize()
	if s.have < had || s.have > i.at {
		s.t.Fatalf("%v: the client has %d bytes, and had %d", i, s.have, had)
	}
}

func (s *resumeSite) fileSize() int64 {
	info, err := os.Stat(filepath.Join(s.dir, "back", "f.bin"))
	if err != nil {
		return 0
	}
	return info.Size()
}

func (s *resumeSite) finishDownload(client resumer) {
	s.t.Helper()
	s.end(syscall.SIGTERM) // or the session before might still read ahead
	s.start()
	s.store.ResetRequests()
	if output, err := s.run(client.get, s.addr, nil); err != nil {
		s.t.Fatalf("the rest: %v\n%s", err, output)
	}
	for _, r := range s.store.Requests() {
		if r.Op != "GetObject" {
			continue
		}
		s.out += r.Out // more than is missing where the client was slow: what was read ahead of it is given up
		var first int64
		if _, err := fmt.Sscanf(r.Range, "bytes=%d-", &first); err != nil || first < s.have {
			s.t.Errorf("range %q is asked of the store, and the client has %d bytes already", r.Range, s.have)
		}
	}
	file, err := os.Open(filepath.Join(s.dir, "back", "f.bin"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, file); err != nil || n != s.size || [sha256.Size]byte(sum.Sum(nil)) != s.hash {
		s.t.Errorf("what was uploaded and downloaded in pieces has %d bytes (%v) and another checksum", n, err)
	}
}
