package endurance

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

var kills = flag.Int("kills", 20, "how often `N` TestKilledAtAnyMoment kills the program")

const (
	crashUploaders = 5
	crashRenamers  = 2
	crashFiles     = 8       // in a directory that is renamed
	longestLife    = 400     // of a program until it is killed, milliseconds
	appendedFrom   = 5 << 20 // bytes of a file from which on APPE has COS copy it
)

// TestKilledAtAnyMoment kills the program with SIGKILL at random moments while clients upload in parts, append and
// rename, and starts it again: no part stays in the bucket, what was told to be stored is there and whole, everything
// else is as it was before, and uploads of other processes live on.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	s := newCrashSite(t)
	foreign := s.holdUpload(t)
	neighbour := s.startNeighbour(t)
	for n := range *kills {
		var load sync.WaitGroup
		for _, w := range s.workers {
			load.Go(func() { w.work(s.addr) })
		}
		<-time.After(time.Duration(rand.IntN(longestLife)) * time.Millisecond)
		if n%2 == 1 { // on a busy machine no upload may have come so far
			rig.Within(func() bool { return len(s.strays()) > 0 })
		}
		s.proc.Cmd.Process.Kill()
		<-s.proc.Done
		load.Wait()
		s.interrupted += len(s.strays())
		s.start(t)
		s.awaitRecovery(t, n)
		for _, w := range s.workers {
			if err := w.check(s.store); err != nil {
				t.Fatalf("after kill %d: %v", n+1, err)
			}
		}
	}
	foreign(t)
	neighbour(t)
	slices.Sort(s.starts)
	t.Logf("%d kills left %d multipart uploads open, all of them aborted; start-up: median %v, longest %v; until the last part was gone: longest %v",
		*kills, s.interrupted, s.starts[len(s.starts)/2], s.starts[len(s.starts)-1], s.longestRecovery)
	if s.interrupted == 0 {
		t.Error("no kill met an upload: nothing was tested")
	}
}

// crashSite is a program that is killed and started again, and those who use it.
type crashSite struct {
	store   *rig.Store
	file    string // conf
	home    string
	addr    string
	proc    *rig.Program
	workers []crashWorker

	protected       []string // keys of uploads that must live on
	interrupted     int
	starts          []time.Duration
	longestRecovery time.Duration
}

// crashWorker is one client: it works until the program is gone, and then says whether the store is as it must be.
type crashWorker interface {
	work(addr string)
	check(store *rig.Store) error
}

func newCrashSite(t *testing.T) *crashSite {
	t.Helper()
	s := &crashSite{store: rig.NewStore(t, costest.WithLatency(2*time.Millisecond)), home: rig.Homes(t)}
	port := rig.FreePort(t)
	s.addr = fmt.Sprintf("127.0.0.1:%d", port)
	s.file = s.writeConf(t, port)
	for n := range crashUploaders {
		s.workers = append(s.workers, &uploader{dir: fmt.Sprintf("up%d", n), may: map[string][][]byte{}})
	}
	for n := range crashRenamers {
		s.workers = append(s.workers, &renamer{dir: fmt.Sprintf("ren%d", n), store: s.store})
	}
	s.start(t)
	return s
}

func (s *crashSite) writeConf(t *testing.T, port int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vsftpd.conf")
	text := rig.ConfText(s.store, s.home, filepath.Join(s.home, "log"), port, map[string]string{
		"rename_dir_limit": "100", "config_check_enable": "false",
	})
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *crashSite) start(t *testing.T) {
	t.Helper()
	began := time.Now()
	s.proc = rig.StartProgram(t, exec.Command(rig.Binary, "-conf", s.file))
	if !s.proc.Ready() {
		t.Fatalf("the program does not start: %s", s.proc.Output())
	}
	s.starts = append(s.starts, time.Since(began).Round(time.Millisecond))
}

// strays are the open uploads that nobody works on.
func (s *crashSite) strays() []costest.Upload {
	return slices.DeleteFunc(s.store.Parts(0), func(u costest.Upload) bool {
		return slices.Contains(s.protected, u.Key)
	})
}

func (s *crashSite) awaitRecovery(t *testing.T, n int) {
	t.Helper()
	began := time.Now()
	for len(s.strays()) > 0 || s.store.Running() > 0 {
		if time.Since(began) > rig.RecoveryTime {
			t.Fatalf("after kill %d uploads stay open: %+v\n%s", n+1, s.strays(), s.journals())
		}
		<-time.After(2 * time.Millisecond)
	}
	s.longestRecovery = max(s.longestRecovery, time.Since(began).Round(time.Millisecond))
}

// journals is what the journals say, for the report of a failure.
func (s *crashSite) journals() string {
	var all []byte
	names, _ := filepath.Glob(filepath.Join(s.home, "log", "uploads.*"))
	for _, name := range names {
		text, _ := os.ReadFile(name)
		all = append(append(append(all, name...), '\n'), text...)
	}
	return string(all)
}

// holdUpload opens a multipart upload of another program in the same bucket. The function that it returns ends it, and
// fails the test if a part of it was lost.
func (s *crashSite) holdUpload(t *testing.T) (finish func(t *testing.T)) {
	t.Helper()
	engine := cosfs.NewEngine(cosfs.EngineOptions{UploadThreads: 2, DownloadThreads: 2, Memory: 16 << 20})
	t.Cleanup(engine.Close)
	files, err := cosfs.New(cosfs.Options{
		SecretID: "test-id", SecretKey: "test-key", Bucket: rig.BucketName(0), Host: costest.Host(rig.BucketName(0)),
		Scheme: "http", Address: s.store.Addr, PartSize: 1 << 20, MaxFileSize: 64 << 20,
	}, engine)
	if err != nil {
		t.Fatal(err)
	}
	content := rig.ContentOf(1, 3<<20)
	w, err := files.Create(context.Background(), "/foreign.bin")
	if err == nil {
		_, err = w.Write(content[:2<<20+1])
	}
	if err != nil {
		t.Fatal(err)
	}
	s.protect(t, "foreign.bin")
	return func(t *testing.T) {
		t.Helper()
		_, err := w.Write(content[2<<20+1:])
		if closeErr := w.Close(); err != nil || closeErr != nil {
			t.Errorf("the upload of another program was harmed: %v, %v", err, closeErr)
		}
		if err := s.store.Await(0, "foreign.bin", content); err != nil {
			t.Error(err)
		}
	}
}

// startNeighbour runs a second gateway with the same log_dir, which has an upload open all the time.
func (s *crashSite) startNeighbour(t *testing.T) (finish func(t *testing.T)) {
	t.Helper()
	port := rig.FreePort(t)
	proc := rig.StartProgram(t, exec.Command(rig.Binary, "-conf", s.writeConf(t, port)))
	if !proc.Ready() {
		t.Fatalf("the neighbour does not start: %s", proc.Output())
	}
	content := rig.ContentOf(2, 3<<20)
	p := (&rig.Abused{T: t, Addr: fmt.Sprintf("127.0.0.1:%d", port)}).LoginAs("user0", "pass0")
	for _, err := range []error{p.PASV(), p.Want("1", "STOR neighbour.bin"), p.Write(content[:2<<20+1])} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.protect(t, "neighbour.bin")
	stop := keepAwake(p, content[2<<20+1:])
	return func(t *testing.T) {
		t.Helper()
		for _, err := range []error{stop(), p.WantReply("226"), s.store.Await(0, "neighbour.bin", content)} {
			if err != nil {
				t.Errorf("the upload through another gateway was harmed: %v", err)
			}
		}
	}
}

// keepAwake sends a byte now and then, and the rest when it is stopped.
func keepAwake(p *rig.Peer, rest []byte) (stop func() error) {
	end, result := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-end:
				result <- p.Upload(rest)
				return
			case <-time.After(5 * time.Second):
				if err := p.Write(rest[:1]); err != nil {
					result <- err
					return
				}
				rest = rest[1:]
			}
		}
	}()
	return func() error {
		close(end)
		return <-result
	}
}

func (s *crashSite) protect(t *testing.T, key string) {
	t.Helper()
	s.protected = append(s.protected, key)
	for deadline := time.Now().Add(rig.ReplyTime); ; {
		for _, u := range s.store.Parts(0) {
			if u.Key == key && u.Parts > 0 {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no part of %s arrives", key)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// crashLogin opens a session, without a test that could fail: the program may be killed at any moment.
func crashLogin(addr string) (*rig.Peer, error) {
	p := &rig.Peer{Addr: addr}
	err := p.Connect()
	for _, step := range []func() error{
		func() error { return p.WantReply("220") },
		func() error { return p.Want("331", "USER user0") },
		func() error { return p.Want("230", "PASS pass0") },
		func() error { return p.Want("200", "TYPE I") },
	} {
		if err == nil {
			err = step()
		}
	}
	return p, err
}

// uploader stores and appends to files in its directory.
type uploader struct {
	dir    string
	number uint64
	may    map[string][][]byte // what each file may hold, the first being what it held before; nil: not there
}

func (u *uploader) work(addr string) {
	p, err := crashLogin(addr)
	if err == nil {
		defer p.Close()
	}
	for err == nil {
		err = u.transfer(p)
	}
}

// transfer stores one file. While it runs the file may be the old or the new one; after the 226 it must be the new one.
func (u *uploader) transfer(p *rig.Peer) error {
	u.number++
	key := fmt.Sprintf("%s/%d", u.dir, rand.IntN(4))
	content := rig.ContentOf(u.number, rand.IntN(4<<20))
	if rand.IntN(5) == 0 {
		content = rig.ContentOf(u.number, appendedFrom+rand.IntN(1<<20))
	}
	verb, whole := "STOR", content
	if old := u.may[key]; old != nil && old[0] != nil && len(old[0]) < 4*appendedFrom && rand.IntN(3) == 0 {
		verb, whole = "APPE", append(slices.Clip(old[0]), content...)
	}
	if u.may[key] == nil {
		u.may[key] = [][]byte{nil}
	}
	if err := p.PASV(); err != nil {
		return err
	}
	u.may[key] = append(u.may[key], whole)
	if err := p.Want("1", "%s %s", verb, key); err != nil {
		return err
	}
	if err := p.Upload(content); err != nil {
		return err
	}
	if err := p.WantReply("226"); err != nil {
		return err
	}
	u.may[key] = [][]byte{whole}
	return nil
}

// check accepts what it finds, if it may be, as the only thing that may be there next time.
func (u *uploader) check(store *rig.Store) error {
	for key, may := range u.may {
		o, there := store.Get(rig.BucketName(0), key)
		found := o.Data
		if there && found == nil {
			found = []byte{}
		}
		if !slices.ContainsFunc(may, func(want []byte) bool { return there == (want != nil) && bytes.Equal(found, want) }) {
			return fmt.Errorf("%s: there %v with %d bytes; may be %s", key, there, len(found), describeAll(may))
		}
		u.may[key] = [][]byte{nil}
		if there {
			u.may[key][0] = found
		}
	}
	return nil
}

func describeAll(contents [][]byte) (text string) {
	for _, c := range contents {
		text += fmt.Sprintf("[%d bytes, CRC %x, nil %v] ", len(c), crc64.Checksum(c, crc64.MakeTable(crc64.ECMA)), c == nil)
	}
	return text
}

// renamer renames a directory to and fro.
type renamer struct {
	dir   string
	store *rig.Store
	seed  sync.Once
	done  string // the directory's name after the last 250, "" while a rename may be under way
}

func (r *renamer) work(addr string) {
	r.seed.Do(func() {
		for n := range crashFiles {
			r.store.Put(rig.BucketName(0), fmt.Sprintf("%s-0/%d", r.dir, n), rig.ContentOf(uint64(n), 10000+n))
		}
		r.done = r.dir + "-0"
	})
	p, err := crashLogin(addr)
	if err == nil {
		defer p.Close()
	}
	for err == nil {
		from, to := r.dir+"-0", r.dir+"-1"
		if r.done == to {
			from, to = to, from
		}
		if err = p.Want("350", "RNFR %s", from); err != nil {
			return
		}
		r.done = ""
		if err = p.Want("250", "RNTO %s", to); err == nil {
			r.done = to
		}
	}
}

// check wants each file, whole, under one of the names at least, and removes what it finds: work starts anew.
func (r *renamer) check(store *rig.Store) error {
	for n := range crashFiles {
		content, found := rig.ContentOf(uint64(n), 10000+n), false
		for _, dir := range []string{r.dir + "-0", r.dir + "-1"} {
			key := fmt.Sprintf("%s/%d", dir, n)
			o, there := store.Get(rig.BucketName(0), key)
			if there && !bytes.Equal(o.Data, content) {
				return fmt.Errorf("%s is damaged", key)
			}
			found = found || there && (r.done == "" || r.done == dir)
			store.Remove(rig.BucketName(0), key)
		}
		if !found {
			return fmt.Errorf("file %d is gone from the directory %s, last renamed to %q", n, r.dir, r.done)
		}
	}
	r.seed = sync.Once{}
	return nil
}
