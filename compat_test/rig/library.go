package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// LibraryProcess is set in the process that runs the library: it has data races, which the race detector would
// count against us, and panics may end it.
const LibraryProcess = "COMPAT_LIBRARY_PROCESS"

// resultMark begins the lines in which that process tells what it found.
const resultMark = "RESULT\t"

// TellOfLibrary prints how the library did; why is "" where it passed.
func TellOfLibrary(name, why string) {
	fmt.Printf("\n%s%s\t%s\n", resultMark, name, strings.ReplaceAll(why, "\n", " "))
}

// CompareWithKnown runs this test against ftpserverlib, in a process of its own, and compares what fails with the list of
// its known failures: both a new failure and one that is gone must be looked at.
func CompareWithKnown(t *testing.T, names []string) {
	t.Helper()
	known, failed, listed := KnownFailures(t), runLibraryProcess(t), map[string]bool{}
	for _, name := range names {
		why, ran := failed[name]
		entry := KnownAs(known, name)
		listed[entry] = true
		switch {
		case !ran:
			t.Errorf("%s did not run against the library", name)
		case strings.HasPrefix(entry, Sometimes):
		case why != "" && entry == "":
			t.Errorf("%s: the library fails, and testdata/known_failures.txt does not say so: %s", name, why)
		case why == "" && entry != "":
			t.Errorf("%s: the library passes now: take it out of testdata/known_failures.txt", name)
		}
	}
	for entry := range known {
		if !listed[entry] {
			t.Errorf("testdata/known_failures.txt lists %s, which is no test", entry)
		}
	}
}

// Sometimes marks an entry of the list that fails or passes as the library's goroutines happen to run.
const Sometimes = "~"

// KnownAs is the entry of the list, a name or a pattern, that a test belongs to.
func KnownAs(known map[string]string, name string) string {
	for entry := range known {
		if matched, err := path.Match(strings.TrimPrefix(entry, Sometimes), name); err == nil && matched {
			return entry
		}
	}
	return ""
}

// runLibraryProcess returns what failed and why, "" for what passed.
func runLibraryProcess(t *testing.T) map[string]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.timeout", "3m")
	cmd.Env = append(os.Environ(), LibraryProcess+"=1")
	// Its exit code and its errors are of no interest: the race detector and leaks make it fail.
	output, _ := cmd.Output()
	failed := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(output))
	for lines.Scan() {
		if result, found := strings.CutPrefix(lines.Text(), resultMark); found {
			name, why, _ := strings.Cut(result, "\t")
			failed[name] = why
		}
	}
	return failed
}

// KnownFailures reads lines "NAME: reason".
func KnownFailures(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "known_failures.txt"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, why, found := strings.Cut(strings.TrimSpace(line), ": ")
		if found && !strings.HasPrefix(line, "#") {
			known[name] = why
		}
	}
	return known
}
