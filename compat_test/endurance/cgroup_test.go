package endurance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const memoryLimit = 512 << 20

// TestMemoryLimit: in a cgroup of 512 MiB the check of the configuration admits so many connections. With all of them
// in use at once, uploading, downloading and listing, every session is served and the program is not killed. It is not
// killed either with as many as are admitted with a warning only, for the original's sake; that takes long, so it is a
// part of the long soak. Where the test may make no cgroup, what the program takes must stay below the limit.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t, costest.WithDiscard(), costest.WithRequestLog(0))
	for n := range 3000 {
		store.PutSized(rig.BucketName(0), fmt.Sprintf("many/%04d%s", n, strings.Repeat("x", 400)), 1)
	}
	s := &limitedSite{store: store, lean: buildLean(t), group: newMemoryGroup(t), home: rig.Homes(t), port: rig.FreePort(t)}
	t.Run("without a warning", func(t *testing.T) {
		if failures := s.load(t, s.mostConnections(t, "60% of the currently available memory")); len(failures) > 0 {
			t.Errorf("%d sessions fail, the first with %v", len(failures), failures[0])
		}
	})
	if *soakTime >= time.Minute && s.group.dir != "" {
		t.Run("with a warning", func(t *testing.T) {
			failures := s.load(t, s.mostConnections(t, "error: 60% of the currently available memory"))
			t.Logf("%d sessions had to wait too long", len(failures))
		})
	}
}

// load uses all connections at once. It answers how sessions failed.
func (s *limitedSite) load(t *testing.T, connections int) (failed []error) {
	t.Helper()
	s.writeConf(t, connections)
	proc := rig.StartProgram(t, s.command("-conf", s.conf()))
	if !proc.Ready() {
		t.Fatalf("the program does not start: %s", proc.Output())
	}
	a := &rig.Abused{T: t, Addr: fmt.Sprintf("127.0.0.1:%d", s.port)}
	var peers []*rig.Peer
	for range (connections - 1) / 2 { // each will have a data connection
		p := a.LoginAs("user0", "pass0")
		if *soakTime < time.Minute { // the long form counts who waits too long; here each must be served, however slow the machine
			p.Least = 10 * time.Minute
		}
		peers = append(peers, p)
	}
	var all sync.WaitGroup
	failures := make(chan error, len(peers))
	for n, p := range peers {
		all.Go(func() {
			var err error
			if n%3 == 0 {
				err = listMany(p)
			} else {
				err = moveBothWays(p, fmt.Sprintf("file%d", n), 2<<20)
			}
			if err != nil {
				failures <- err
			}
		})
	}
	all.Wait()
	close(failures)
	for err := range failures {
		failed = append(failed, err)
	}
	select {
	case <-proc.Done:
		t.Fatalf("the program was killed: %v", proc.Cmd.ProcessState)
	default:
	}
	peak := rig.PeakRSS(t, proc.Cmd.Process.Pid)
	t.Logf("max_connection_num %d, %d sessions at once: peak %d MiB; the cgroup counts %s", connections, len(peers), peak>>20, s.group.counted())
	if peak > memoryLimit {
		t.Errorf("%d bytes are above the limit", peak)
	}
	return failed
}

// listMany lists a directory of many long names.
func listMany(p *rig.Peer) error {
	for _, err := range []error{p.PASV(), p.Want("1", "MLSD many")} {
		if err != nil {
			return err
		}
	}
	if got, err := p.Download(time.Minute); err != nil || strings.Count(string(got), "\r\n") != 3000 {
		return fmt.Errorf("a listing of %d bytes: %v", len(got), err)
	}
	return p.WantReply("226")
}

// limitedSite is a program in a cgroup.
type limitedSite struct {
	store *rig.Store
	lean  string // the program
	group memoryGroup
	home  string
	port  int
}

func (s *limitedSite) conf() string { return filepath.Join(s.home, "vsftpd.conf") }

func (s *limitedSite) writeConf(t *testing.T, connections int) {
	t.Helper()
	text := rig.ConfText(s.store, s.home, filepath.Join(s.home, "log"), s.port, map[string]string{
		"max_connection_num": strconv.Itoa(connections), "passive_port": "62000,64000",
	})
	if err := os.WriteFile(s.conf(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command is the program, in the cgroup if there is one.
func (s *limitedSite) command(args ...string) *exec.Cmd {
	if s.group.dir == "" {
		return exec.Command(s.lean, args...)
	}
	enter := `echo $$ > "$0/cgroup.procs" && exec "$@"`
	return exec.Command("sh", append([]string{"-c", enter, s.group.dir, s.lean}, args...)...)
}

// mostConnections is about the greatest max_connection_num for which the check does not say something. It looks at the
// memory of the whole machine too, which others use.
func (s *limitedSite) mostConnections(t *testing.T, refusal string) int {
	t.Helper()
	if s.group.dir == "" {
		return 150 // what it is where the program sees the limit, less a little
	}
	admitted, refused := 2, 4000
	for refused-admitted > 1 {
		middle := (admitted + refused) / 2
		s.writeConf(t, middle)
		output, _ := s.command("-check", "-conf", s.conf()).CombinedOutput()
		if !strings.Contains(string(output), "Please consider to decrease the max connection num") || !strings.Contains(string(output), refusal) {
			admitted = middle
		} else {
			refused = middle
		}
	}
	if admitted == 2 || refused == 4000 {
		t.Fatalf("the check admits %d connections in %d bytes", admitted, memoryLimit)
	}
	return admitted / 10 * 9
}

// memoryGroup is a cgroup, version 1 or 2, with a limit of memory.
type memoryGroup struct{ dir, peak, failures string }

// newMemoryGroup makes one below that of this process; its dir is "" where that is not allowed.
func newMemoryGroup(t *testing.T) memoryGroup {
	t.Helper()
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		name := fmt.Sprintf("cos-ftp-server-test-%d", os.Getpid())
		switch {
		case parts[1] == "memory":
			g := memoryGroup{filepath.Join("/sys/fs/cgroup/memory", parts[2], name), "memory.max_usage_in_bytes", "memory.failcnt"}
			if g.make(t, "memory.limit_in_bytes") {
				return g
			}
		case parts[0] == "0" && parts[1] == "":
			g := memoryGroup{filepath.Join("/sys/fs/cgroup", parts[2], name), "memory.peak", "memory.events"}
			if g.make(t, "memory.max") {
				return g
			}
		}
	}
	return memoryGroup{}
}

// make makes the directory, which the end of the test removes, and sets the limit.
func (g memoryGroup) make(t *testing.T, limit string) bool {
	if os.Mkdir(g.dir, 0o755) != nil {
		return false
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(rig.ReplyTime); os.Remove(g.dir) != nil && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond) // a process may still be ending in it
		}
	})
	return os.WriteFile(filepath.Join(g.dir, limit), []byte(strconv.Itoa(memoryLimit)), 0o600) == nil
}

func (g memoryGroup) counted() string {
	if g.dir == "" {
		return "nothing: there is none"
	}
	peak, _ := os.ReadFile(filepath.Join(g.dir, g.peak))
	failures, _ := os.ReadFile(filepath.Join(g.dir, g.failures))
	bytes, _ := strconv.ParseInt(strings.TrimSpace(string(peak)), 10, 64)
	return fmt.Sprintf("a peak of %d MiB, %s: %s", bytes>>20, g.failures, strings.Join(strings.Fields(string(failures)), " "))
}
