package admin

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestFailedStartIsLogged: what keeps the server from starting is one ERROR line in the log, since the documented start in
// the background sends stderr to /dev/null, and told on stderr once.
func TestFailedStartIsLogged(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	for _, c := range []struct {
		name   string
		change map[string]string
		want   string
	}{
		{"port in use", map[string]string{"config_check_enable": "false"}, "[NETWORK] listen_port = "},
		{"port in use with run_as", map[string]string{"run_as": nobody}, "[NETWORK] listen_port = "},
		{"port in use with a check", nil, "is in use: stop what listens there"},
		{"second instance", map[string]string{"run_as": nobody, "config_check_enable": "false"}, "[NETWORK] listen_port = "},
		{"syntax error", map[string]string{"max_list_file": "5\nnonsense"}, "[OPTIONAL]: neither option nor comment: want"},
		{"bad value", map[string]string{"shutdown_grace": "long", "run_as": nobody}, "[OPTIONAL] shutdown_grace = long: want seconds"},
		{"unknown user", map[string]string{"run_as": "cos-ftp-not-there"}, "[OPTIONAL] run_as = cos-ftp-not-there: there is no such user"},
		{"key of another certificate", map[string]string{"listen_port": "0"}, "private key does not match public key"},
		{"certificate", map[string]string{"config_check_enable": "false", "listen_port": "0"}, "[NETWORK] tls_cert_file: "},
		{"check", map[string]string{"transfer_memory": "1", "listen_port": "0"}, "[OPTIONAL] transfer_memory = 1: too little"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSiteOfUser(t, store, c.change)
			taken, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port))
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			if c.name == "second instance" {
				taken.Close()
				s.start(0)
			}
			if c.name == "key of another certificate" {
				_, key := rig.Certificate(t, time.Now().Add(time.Hour))
				if err := os.WriteFile(s.key, []byte(rig.ReadText(t, key)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.name == "certificate" {
				if err := os.Remove(s.key); err != nil {
					t.Fatal(err)
				}
			}
			var stderr bytes.Buffer
			cmd := s.command(0)
			cmd.Stderr = &stderr
			if err := cmd.Run(); err == nil {
				t.Fatal("the program starts")
			}
			if told := stderr.String(); strings.Count(told, c.want) != 1 {
				t.Errorf("stderr tells %q not once:\n%s", c.want, told)
			}
			text, _ := os.ReadFile(filepath.Join(s.logDir, "cos_v5.log")) // none is an empty one
			lines := 0
			for line := range strings.SplitSeq(string(text), "\n") {
				if strings.Contains(line, " ERROR ") && strings.Contains(line, c.want) {
					lines++
				}
			}
			if lines != 1 {
				t.Errorf("%d ERROR lines tell %q, want 1:\n%s", lines, c.want, text)
			}
			if last := lastLine(strings.TrimSuffix(string(text), "\n")); !strings.Contains(last, c.want) && c.name != "second instance" {
				t.Errorf("the last line is %q, want …%s…", last, c.want)
			}
			if c.change["run_as"] != "" { // root's files would stop the next start
				for _, owner := range s.owners("*") {
					if owner != s.id {
						t.Errorf("a file in log_dir belongs to %d, want %d", owner, s.id)
					}
				}
			}
		})
	}
}

// TestFailedStartWithoutConf: where log_dir cannot be known the log is where it is by default.
func TestFailedStartWithoutConf(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"no file": "", "UTF-16": "\xff\xfe[\x00"} {
		dir := t.TempDir()
		file := filepath.Join(dir, "vsftpd.conf")
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(rig.Binary, "-conf", file)
		cmd.Dir = dir
		output, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%s: the program starts", name)
		}
		said := strings.TrimPrefix(strings.TrimSpace(string(output)), "cos-ftp-server: ")
		log, _ := os.ReadFile(filepath.Join(dir, "log", "cos_v5.log")) // none is an empty one
		if said == "" || !strings.HasSuffix(strings.TrimSpace(string(log)), "ERROR "+said) {
			t.Errorf("%s: stderr %q, the log %q", name, said, log)
		}
	}
}
