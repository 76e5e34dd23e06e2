// Package endurance tries how long and with how little memory the whole program goes on.
package endurance

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}
