package abuse

import (
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestRefusedPasswordsCostTheSame: whether a name has a hash, a password in clear or does not exist, a refused login
// takes the server the same work and is answered after the same 3 seconds, so that neither tells which names there are.
func TestRefusedPasswordsCostTheSame(t *testing.T) {
	t.Parallel()
	const at = 4 // connections for each name
	hash := rig.HashOf(t, "hashed")
	g := rig.StartEdited(t, rig.NewStore(t), map[string]string{"config_check_enable": "false"}, func(conf string) string {
		return strings.Replace(conf, "ftp_login_user_password = pass1", "ftp_login_user_password_hash = "+hash, 1)
	})
	var used map[string]time.Duration
	alike := func(other time.Duration) bool { return other >= used["user1"]/2 && other <= used["user1"]*2 }
	for range 3 { // on a busy machine the same work takes now more and now less
		used = map[string]time.Duration{}
		for _, name := range []string{"user0", "user1", "nobody"} {
			used[name] = g.CPUOfRefusals(t, name, at)
		}
		t.Logf("CPU of %d refused logins: password in clear %v, hash %v, no such user %v", at, used["user0"], used["user1"], used["nobody"])
		if alike(used["user0"]) && alike(used["nobody"]) {
			break
		}
	}
	for name, other := range used {
		if !alike(other) {
			t.Errorf("%s costs %v, an account with a hash %v", name, other, used["user1"])
		}
	}
	p := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0")
	if err := p.Want("257", "PWD"); err != nil {
		t.Error(err)
	}
	(&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user1", "hashed")
}
