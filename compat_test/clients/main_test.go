// Package clients tries real clients against the whole program. What they need, `./setup.sh test-deps` installs.
package clients

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}
