package rig

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// With -original the dialogues are played to a running Python tool instead, and every difference is a failure. Its
// conf is that of ConfText without cos_address; http_proxy and HTTP_PROXY lead it to the store that the test runs at
// -original-store. Dialogues that need another conf, or a signal, are left out.
var (
	Original      = flag.String("original", "", "`HOST:PORT` of a running Python original to replay the dialogues against")
	originalStore = flag.String("original-store", "", "`HOST:PORT` where the test's store listens for that original: its HTTP_PROXY")
	OriginalHome  = flag.String("original-home", "", "`DIR` above the home_dirs of that original")
)

// Binary is the program under test, built once.
var Binary string

// Main is what TestMain of each folder does: it builds the program, runs the tests, and then what comes after them.
// It returns the exit code.
func Main(m *testing.M, after ...func()) int {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		return m.Run() // fuzz targets need no program, and each of their processes would build one
	}
	// Nearly all of the time is waiting: for delays that are part of what is compared, and for other processes.
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv(LibraryProcess) != "" {
		return m.Run()
	}
	if err := takePorts(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	net.DefaultResolver = Names.resolver()
	dir, err := os.MkdirTemp("", "compat")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Binary = filepath.Join(dir, "cos-ftp-server")
	if err := buildProgram(Binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	for _, f := range after {
		f()
	}
	return code
}

// buildProgram builds the product, with the race detector where the tests have it. Where there is an emulator, output is
// a script that runs the product in it.
func buildProgram(output string) error {
	program, env := output, os.Environ()
	emulator := os.Getenv(arm64Emulator)
	if emulator != "" {
		program, env = output+"-arm64", append(env, "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		script := fmt.Appendf(nil, "#!/bin/sh\nexec %s %s \"$@\"\n", emulator, program)
		if err := os.WriteFile(output, script, 0o755); err != nil {
			return err
		}
	}
	args := []string{"build", "-o", program}
	if RaceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "../..")...)
	build.Env = env
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}

// arm64Emulator names a program, qemu-aarch64, that runs the program under test, built for linux/arm64. Tests that look
// at its process from outside see the emulator's instead.
const arm64Emulator = "COMPAT_ARM64_EMULATOR"
