// Package admin is the whole program as its administrator has it: options, accounts, checks, rights, starting and stopping.
package admin

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}
