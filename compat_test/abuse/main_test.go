// Package abuse is the whole program with clients that are up to no good: strangers, guessed passwords, forged names,
// and secrets that must not be seen.
package abuse

import (
	"os"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m))
}
