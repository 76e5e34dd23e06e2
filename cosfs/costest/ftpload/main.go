// Command ftpload measures cos-ftp-server against cosd on this machine and prints a table: rates, CPU per GiB and
// memory read from /proc, each beside a raw relay of the same run. Build both programs into one directory first:
//
//	./setup.sh && go build -o cosd ./cosfs/costest/cosd && go run ./cosfs/costest/ftpload
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	binaries := flag.String("binaries", ".", "directory of cos-ftp-server and cosd")
	only := flag.String("only", "", "comma-separated cases to run instead of all")
	runs := flag.Int("runs", 1, "how often to run each case")
	relayTo := flag.String("relay", "", "used by the program itself")
	flag.Parse()
	if err := run(*binaries, *only, *runs, *relayTo); err != nil {
		fmt.Fprintln(os.Stderr, "ftpload:", err)
		os.Exit(1)
	}
}

func run(binaries, only string, runs int, relayTo string) error {
	if relayTo != "" {
		return relayMain(relayTo)
	}
	binaries, err := filepath.Abs(binaries)
	if err != nil {
		return err
	}
	raiseFileLimit()
	var all []result
	for _, c := range cases() {
		if only != "" && !slices.Contains(strings.Split(only, ","), c.name) {
			continue
		}
		for range runs {
			results, err := runCase(binaries, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			all = append(all, results...)
		}
	}
	fmt.Print(table(all))
	return nil
}

func runCase(binaries string, c loadCase) ([]result, error) {
	r, err := start(binaries, c.setup)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	return c.run(r)
}

// raiseFileLimit makes room for thousands of sessions, in this process and those it starts.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}
