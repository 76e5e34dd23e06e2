package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
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

// probing is a run of the program with -probe.
type probing struct {
	t              *testing.T
	store          *rig.Store
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func newProbing(t *testing.T, args []string, opts ...costest.Option) *probing {
	t.Helper()
	p := &probing{t: t, store: rig.NewStore(t, opts...)}
	home := rig.Homes(t)
	file := filepath.Join(t.TempDir(), "vsftpd.conf")
	if err := os.WriteFile(file, []byte(rig.ConfText(p.store, home, filepath.Join(home, "log"), rig.FreePort(t), nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(rig.Binary, append([]string{"-conf", file}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	return p
}

func (p *probing) start() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // mostly ended before
}

// end waits for the program, which must exit so and leave nothing in the store.
func (p *probing) end(code int) {
	p.t.Helper()
	_ = p.cmd.Wait() // its error is the exit code
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d; stderr: %s", got, code, p.stderr.String())
	}
	for n := range rig.AccountCount {
		if objects, uploads := p.store.Objects(rig.BucketName(n)), p.store.Uploads(rig.BucketName(n)); len(objects)+len(uploads) > 0 {
			p.t.Errorf("left in bucket %d: %d objects, %d uploads", n, len(objects), len(uploads))
		}
	}
	if text := p.stdout.String() + p.stderr.String(); strings.Contains(text, "test-key") || strings.Contains(text, "q-signature") {
		p.t.Errorf("secrets are printed: %s", text)
	}
}

// await waits until the store has seen so many uploads.
func (p *probing) await(puts int) {
	p.t.Helper()
	for deadline := time.Now().Add(rig.ReplyTime); p.store.Count("PutObject") < puts; {
		if time.Now().After(deadline) {
			p.t.Fatalf("no uploads: %s", p.stderr.String())
		}
		<-time.After(5 * time.Millisecond)
	}
}

// TestProbe: -probe prints one line per question and exits 0 where all is as the gateway takes it to be, 1 where not.
func TestProbe(t *testing.T) {
	t.Parallel()
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		p := newProbing(t, []string{"-probe", "-json"})
		p.start()
		p.end(0)
		lines := 0
		for line := range strings.Lines(p.stdout.String()) {
			var result struct{ ID, Question, Expected, Seen, Verdict string }
			if err := json.Unmarshal([]byte(line), &result); err != nil || result.ID == "" || result.Seen == "" || result.Verdict == "wrong" {
				t.Errorf("%s: %v", line, err)
			}
			lines++
		}
		if lines < 50 {
			t.Errorf("%d lines", lines)
		}
	})
	t.Run("text", func(t *testing.T) {
		t.Parallel()
		p := newProbing(t, []string{"-probe", "user1"}, costest.WithoutConditions())
		p.start()
		p.end(1)
		if !strings.Contains(p.stdout.String(), "\nwrong   copy-if-match-wrong: ") || !strings.Contains(p.stderr.String(), "wrong") {
			t.Errorf("stdout: %s\nstderr: %s", p.stdout.String(), p.stderr.String())
		}
		for _, q := range p.store.Requests() {
			if q.Bucket != rig.BucketName(1) {
				t.Errorf("a request about %s", q.Bucket)
			}
		}
	})
}

// TestProbeInterrupted: a signal, or a reader of the output that goes, ends the run, and nothing stays.
func TestProbeInterrupted(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			p := newProbing(t, []string{"-probe", "COS_ACCOUNT_2"})
			p.start()
			p.await(9)
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			p.end(1)
			if !strings.Contains(p.stdout.String(), "skipped") {
				t.Errorf("stdout: %s", p.stdout.String())
			}
		})
	}
	t.Run("reader gone", func(t *testing.T) {
		t.Parallel()
		p := newProbing(t, []string{"-probe"})
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p.cmd.Stdout = writer
		p.start()
		writer.Close()
		if _, err := bufio.NewReaderSize(reader, 16).ReadByte(); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		reader.Close()
		p.end(1)
	})
}

// TestProbeUsage: what the command line asks for in vain is exit code 2.
func TestProbeUsage(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"COS_ACCOUNT_3 (user3)":         {"-probe", "nobody"},
		`unexpected argument "user1"`:   {"-probe", "user0", "user1"},
		"-json goes with -probe":        {"-json"},
		`unexpected argument "user0"`:   {"user0"},
		"flag provided but not defined": {"-probe", "user0", "-jsn"},
	} {
		p := newProbing(t, args)
		p.start()
		p.end(2)
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%q: stderr is %q, want %q", args, p.stderr.String(), want)
		}
	}
}
