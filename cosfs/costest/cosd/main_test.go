package main

import (
	"bufio"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const bucket = "demo-1250000000"

// The program is built, serves a bucket from a directory, ends cleanly on a signal, and finds its objects again.
func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "cosd")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	dir := t.TempDir()
	for _, step := range []struct {
		signal syscall.Signal
		method string
	}{{syscall.SIGTERM, "PUT"}, {syscall.SIGINT, "GET"}} {
		cmd := exec.Command(program, "-listen", "127.0.0.1:0", "-dir", dir, "-bucket", bucket)
		addr := start(t, cmd)
		req, err := http.NewRequest(step.method, "http://"+addr+"/key", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = bucket + ".localhost:9000"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: %s", step.method, res.Status)
		}
		if err := cmd.Process.Signal(step.signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("ended by %v: %v", step.signal, err)
		}
	}
}

// start runs the program and returns the address that it prints.
func start(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the program printed no address:", err)
	}
	return strings.TrimSpace(line[strings.LastIndex(line, " "):])
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-bucket", "a-1", "-id", "x"}, {"-bucket", "a-1", "-key", "x"}, {"-dir", "main.go"}, {"-unknown"},
	} {
		if _, _, err := configure(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	address, store, err := configure([]string{"-bucket", "a-1", "-bucket", "b-1", "-id", "i", "-key", "k", "-discard", "-no-md5"})
	if err != nil || store == nil || address != "127.0.0.1:9000" {
		t.Errorf("%q, %v", address, err)
	}
}
