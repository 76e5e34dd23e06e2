package rig

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// HashOf lets the program make a hash.
func HashOf(t *testing.T, password string) string {
	t.Helper()
	cmd := exec.Command(Binary, "-hash-password")
	cmd.Stdin = strings.NewReader(password + "\n")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	hash, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(hash), "$2a$") || complaints.Len() > 0 {
		t.Fatalf("-hash-password: %q, %v, %s", hash, err, complaints.String())
	}
	return strings.TrimSpace(string(hash))
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// PeakRSS is the most memory that a process has had, in bytes.
func PeakRSS(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := highWater.FindSubmatch(status)
	if m == nil {
		t.Fatalf("no VmHWM in:\n%s", status)
	}
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// CPUOfRefusals is the CPU time of the program while so many logins under a name are refused at once.
func (g *Gateway) CPUOfRefusals(t *testing.T, name string, at int) time.Duration {
	t.Helper()
	var crowd []*Peer
	for range at {
		p := &Peer{Addr: g.Addr}
		if err := p.Connect(); err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for _, err := range []error{p.WantReply("220"), p.Want("331", "USER %s", name)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		crowd = append(crowd, p)
	}
	before, began := cpuOf(t, g.Proc.Cmd.Process.Pid), time.Now()
	for _, p := range crowd {
		if err := p.Send([]byte("PASS wrong\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range crowd {
		if err := p.WantReply("530"); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("%s is refused after %v", name, took)
	}
	return cpuOf(t, g.Proc.Cmd.Process.Pid) - before
}

// cpuOf is the CPU time that a process has used, in ticks of 10 ms.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	const user, system = 11, 12 // behind the name in brackets (proc(5))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields, ticks := strings.Fields(rest), 0
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
