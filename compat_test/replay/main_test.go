// Package replay plays what was recorded from the Python tool to the whole program, and to the library that could be
// its engine: dialogues, what differs on purpose, and what broke the library.
package replay

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m, printTable))
}
