package abuse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// The whole program at log_level DEBUG, with work that goes well and work that fails, writes no key, password or
// signature: not into the log, not on its output.
func TestDebugLogHoldsNoSecret(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	gate := rig.StartGateway(t, store, map[string]string{"log_level": "DEBUG"})
	client := rig.Login(t, gate)
	if err := client.Stor("file", strings.NewReader("data")); err != nil {
		t.Fatal(err)
	}
	store.Inject(
		costest.Fault{Op: "HeadObject", Status: 403, Code: "SignatureDoesNotMatch"},
		costest.Fault{Op: "GetObject", Status: 403, Code: "InvalidAccessKeyId"},
	)
	if _, err := client.FileSize("file"); err == nil {
		t.Error("SIZE succeeds where COS refuses")
	}
	if err := rig.Retrieve(client, "file"); err == nil {
		t.Error("RETR succeeds where COS refuses")
	}
	wrong := &rig.Peer{Addr: gate.Addr}
	if err := wrong.Connect(); err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	wrong.Reply(rig.ReplyTime)
	wrong.Command("USER user0")
	wrong.Command("PASS guessed-password")
	gate.Proc.Stop(t)

	text, err := os.ReadFile(filepath.Join(gate.Home, "log", "cos_v5.log"))
	if err != nil {
		t.Fatal(err)
	}
	log := string(text) + gate.Proc.Output()
	if !strings.Contains(log, "DEBUG") || !strings.Contains(log, "InvalidAccessKeyId") {
		t.Errorf("the log does not tell what this test is about:\n%s", log)
	}
	for _, secret := range []string{"test-key", "test-id", "pass0", "guessed-password", "q-signature", "Authorization"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log or the output holds %q", secret)
		}
	}
}
