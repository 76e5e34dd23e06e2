package costest

import (
	"os/exec"
	"strings"
	"testing"
)

// The server must not share code with the client that it tests.
func TestStandardLibraryOnly(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !strings.HasSuffix(path, "/cosfs/costest") {
			t.Errorf("costest depends on %s", path)
		}
	}
	if len(out) == 0 {
		t.Error("go list printed nothing")
	}
}
