package endurance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// TestPeakMemory uploads and downloads much more at once than the program may use, and compares the peak with what
// the program's own check says it needs at most.
func TestPeakMemory(t *testing.T) {
	t.Parallel()
	const clients, size = 20, 20 << 20
	lean := buildLean(t)
	store := rig.NewStore(t, costest.WithDiscard())
	home, port := rig.Homes(t), rig.FreePort(t)
	file := filepath.Join(home, "vsftpd.conf")
	text := rig.ConfText(store, home, filepath.Join(home, "log"), port, map[string]string{
		"single_file_max_size": "214748364800", "max_connection_num": "64", "transfer_memory": "67108864",
	})
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bound := printedBound(t, lean, file)
	proc := rig.StartProgram(t, exec.Command(lean, "-conf", file))
	if !proc.Ready() {
		t.Fatalf("the program did not start: %s", proc.Output())
	}
	a := &rig.Abused{T: t, Addr: fmt.Sprintf("127.0.0.1:%d", port)}
	var all sync.WaitGroup
	for i := range clients {
		p := a.LoginAs("user0", "pass0")
		all.Go(func() {
			if err := moveBothWays(p, fmt.Sprintf("file%d", i), size); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	peak := rig.PeakRSS(t, proc.Cmd.Process.Pid)
	t.Logf("peak %d MiB, bound %d MiB", peak>>20, bound>>20)
	if peak > bound {
		t.Errorf("peak RSS %d is above the %d that -check prints", peak, bound)
	}
}

// buildLean builds the program without the race detector, which multiplies memory.
func buildLean(t *testing.T) string {
	t.Helper()
	lean := filepath.Join(t.TempDir(), "cos-ftp-server")
	build := exec.Command("go", "build", "-o", lean, "../..")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return lean
}

// moveBothWays uploads a file of zeros and downloads it again; what comes is the store's filling.
func moveBothWays(p *rig.Peer, name string, size int) error {
	for _, err := range []error{p.PASV(), p.Want("1", "STOR %s", name), p.Upload(make([]byte, size)), p.WantReply("226")} {
		if err != nil {
			return err
		}
	}
	for _, err := range []error{p.PASV(), p.Want("1", "RETR %s", name)} {
		if err != nil {
			return err
		}
	}
	got, err := p.Download(rig.ReplyTime)
	if err != nil || len(got) != size {
		return fmt.Errorf("downloaded %d of %d bytes: %v", len(got), size, err)
	}
	return p.WantReply("226")
}

var maximumMemory = regexp.MustCompile(`maximum of memory:(\d+)`)

// printedBound is the number of bytes in what -check prints.
func printedBound(t *testing.T, program, file string) int64 {
	t.Helper()
	output, err := exec.Command(program, "-check", "-conf", file).CombinedOutput()
	if err != nil {
		t.Fatalf("-check: %v\n%s", err, output)
	}
	m := maximumMemory.FindSubmatch(output)
	if m == nil {
		t.Fatalf("-check prints no estimate of memory:\n%s", output)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
