package house

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tencentyun/cos-ftp-server"

// rooms says what each package may import besides the standard library; docs/decisions.md says why.
var rooms = map[string][]string{
	"":                      {"conf", "confcheck", "cosfs", "cosfs/probe", "ftpserver", "ftpserver/auth", "ftpserver/charset", "ftpserver/limit", "log", "ops/process", "golang.org/x/crypto/x509roots/fallback"},
	"ftpserver/auth":        {"github.com/go-crypt/crypt/algorithm/shacrypt", "golang.org/x/crypto/bcrypt", "golang.org/x/term"},
	"ftpserver/charset":     {"golang.org/x/text/encoding/simplifiedchinese"},
	"conf":                  {"gopkg.in/ini.v1"},
	"log":                   {"gopkg.in/natefinch/lumberjack.v2"},
	"confcheck":             {"conf", "golang.org/x/sys/unix"},
	"cosfs":                 {"github.com/hashicorp/golang-lru/v2", "github.com/hashicorp/golang-lru/v2/simplelru", "github.com/tencentyun/cos-go-sdk-v5", "golang.org/x/sys/unix"},
	"cosfs/costest":         {},
	"cosfs/probe":           {"github.com/tencentyun/cos-go-sdk-v5"},
	"cosfs/costest/cosd":    {"cosfs/costest"},
	"cosfs/costest/ftpload": {},
	"ftpserver":             {"ftpserver/limit"},
	"ftpserver/limit":       {},
	"ops/process":           {},
}

func TestImports(t *testing.T) {
	for line := range strings.SplitSeq(goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "../../..."), "\n") {
		path, imports, _ := strings.Cut(line, " ")
		room := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
		if strings.HasPrefix(room, "compat_test/") {
			continue
		}
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s is a room that the table in imports_test.go does not know", path)
			continue
		}
		for used := range strings.FieldsSeq(imports) {
			local := strings.TrimPrefix(used, module+"/")
			if !slices.Contains(allowed, local) && (local != used || isForeign(used)) {
				t.Errorf("%s imports %s", path, used)
			}
		}
	}
}

// isForeign says whether an import path is outside the standard library.
func isForeign(path string) bool {
	host, _, _ := strings.Cut(path, "/")
	return strings.Contains(host, ".")
}

// TestStandardLibraryOnly looks through everything that the two rooms depend on, directly or not.
func TestStandardLibraryOnly(t *testing.T) {
	for _, room := range []string{"ftpserver", "cosfs/costest"} {
		for dep := range strings.SplitSeq(goList(t, "-deps", "../../"+room), "\n") {
			if isForeign(dep) && !strings.HasPrefix(dep, module+"/"+room) && !strings.HasPrefix(dep, "vendor/") {
				t.Errorf("%s depends on %s", room, dep)
			}
		}
	}
}

// TestProductHoldsNoTestCode: a store for tests, or a test framework, has no place in a gateway.
func TestProductHoldsNoTestCode(t *testing.T) {
	deps := strings.Split(goList(t, "-deps", "../.."), "\n")
	if !slices.Contains(deps, module+"/ftpserver") {
		t.Fatalf("go list -deps tells nothing of the product: %q", deps)
	}
	for _, dep := range deps {
		switch {
		case strings.HasPrefix(dep, module+"/cosfs/costest"), strings.HasPrefix(dep, module+"/compat_test/"), dep == "testing", strings.HasPrefix(dep, "testing/"),
			dep == "net/http/httptest", dep == "expvar", dep == "net/http/pprof",
			strings.HasPrefix(dep, "github.com/fclairamb/"), strings.HasPrefix(dep, "github.com/spf13/"),
			strings.HasPrefix(dep, "github.com/jlaffaye/"), strings.HasPrefix(dep, "github.com/johannesboyne/"):
			t.Errorf("the product contains %s", dep)
		}
	}
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	output, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %q: %v", args, err)
	}
	return strings.TrimSpace(string(output))
}
