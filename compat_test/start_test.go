package compat_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFailedStartIsLogged: what keeps the server from starting is one ERROR line in the log, since the documented start in
// the background sends stderr to /dev/null, and told on stderr once.
func TestFailedStartIsLogged(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	for _, c := range []struct {
		name   string
		change map[string]string
		want   string
	}{
		{"port in use", map[string]string{"config_check_enable": "false"}, "[NETWORK] listen_port = "},
		{"port in use with run_as", map[string]string{"run_as": nobody}, "[NETWORK] listen_port = "},
		{"port in use with a check", nil, "is in use: stop what listens there"},
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
		})
	}
}
