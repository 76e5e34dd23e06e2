package compat_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// READMEs and HELP name the same commands. The certificate makes the commands of FTPS appear.
func TestCommandsInREADMEs(t *testing.T) {
	cert, key := certificate(t, time.Now().Add(time.Hour))
	gate := startGateway(t, newStore(t), map[string]string{"tls_cert_file": cert, "tls_key_file": key})
	p := &peer{addr: gate.addr}
	if err := p.connect(); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.reply(replyTime)
	var help []string
	for line := range strings.SplitSeq(p.command("HELP"), "\n") {
		if strings.HasPrefix(line, " ") {
			help = append(help, strings.Fields(line)...)
		}
	}
	if len(help) < 40 {
		t.Fatalf("HELP names only %q", help)
	}
	for name, begin := range map[string]string{"README.md": "FTP commands: ", "README.zh-CN.md": "FTP 命令："} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		_, list, _ := strings.Cut(string(text), begin)
		list, _, _ = strings.Cut(list, "\n")
		listed := regexp.MustCompile(`[A-Z][A-Z0-9]+`).FindAllString(regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(list, ""), -1)
		slices.Sort(listed)
		slices.Sort(help)
		if !slices.Equal(listed, help) {
			t.Errorf("%s lists %q, HELP %q", name, listed, help)
		}
	}
}
