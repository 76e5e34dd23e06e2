// Package house holds the project itself: imports, tables of options and commands, the words of its papers, setup.sh.
package house

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}
