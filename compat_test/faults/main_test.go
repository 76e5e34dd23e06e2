// Package faults takes COS, the network and the program away while clients work, and looks for what is lost.
package faults

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}
