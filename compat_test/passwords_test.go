package compat_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRefusedPasswordsCostTheSame: whether a name has a hash, a password in clear or does not exist, a refused login
// takes the server the same work and is answered after the same 3 seconds, so that neither tells which names there are.
func TestRefusedPasswordsCostTheSame(t *testing.T) {
	t.Parallel()
	const at = 4 // connections for each name
	hash := hashOf(t, "hashed")
	g := startEdited(t, newStore(t), map[string]string{"config_check_enable": "false"}, func(conf string) string {
		return strings.Replace(conf, "ftp_login_user_password = pass1", "ftp_login_user_password_hash = "+hash, 1)
	})
	var used map[string]time.Duration
	alike := func(other time.Duration) bool { return other >= used["user1"]/2 && other <= used["user1"]*2 }
	for range 3 { // on a busy machine the same work takes now more and now less
		used = map[string]time.Duration{}
		for _, name := range []string{"user0", "user1", "nobody"} {
			used[name] = g.cpuOfRefusals(t, name, at)
		}
		t.Logf("CPU of %d refused logins: password in clear %v, hash %v, no such user %v", at, used["user0"], used["user1"], used["nobody"])
		if alike(used["user0"]) && alike(used["nobody"]) {
			break
		}
	}
	for name, other := range used {
		if !alike(other) {
			t.Errorf("%s costs %v, an account with a hash %v", name, other, used["user1"])
		}
	}
	p := (&abused{t: t, addr: g.addr}).loginAs("user0", "pass0")
	if err := p.want("257", "PWD"); err != nil {
		t.Error(err)
	}
	(&abused{t: t, addr: g.addr}).loginAs("user1", "hashed")
}

// cpuOfRefusals is the CPU time of the program while so many logins under a name are refused at once.
func (g *gateway) cpuOfRefusals(t *testing.T, name string, at int) time.Duration {
	t.Helper()
	var crowd []*peer
	for range at {
		p := &peer{addr: g.addr}
		if err := p.connect(); err != nil {
			t.Fatal(err)
		}
		defer p.close()
		for _, err := range []error{p.wantReply("220"), p.want("331", "USER %s", name)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		crowd = append(crowd, p)
	}
	before, began := cpuOf(t, g.proc.cmd.Process.Pid), time.Now()
	for _, p := range crowd {
		if err := p.send([]byte("PASS wrong\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range crowd {
		if err := p.wantReply("530"); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("%s is refused after %v", name, took)
	}
	return cpuOf(t, g.proc.cmd.Process.Pid) - before
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
