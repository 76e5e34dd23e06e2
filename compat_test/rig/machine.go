package rig

import (
	"os/exec"
	"testing"
)

// FindCommand returns a program's path. A missing client is a failure: a test that did not run proves nothing.
func FindCommand(t *testing.T, name string) string {
	t.Helper()
	found, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run ./setup.sh test-deps", name)
	}
	return found
}
