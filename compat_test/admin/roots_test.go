package admin

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestRootsWithoutThoseOfTheMachine: where the machine has no certificates of authorities, the program has its own.
// Without them the check of a certificate ends with "failed to load system roots" before any authority is looked for;
// with them it says of this store that nobody knows its authority. Where the machine has a list, that one counts.
func TestRootsWithoutThoseOfTheMachine(t *testing.T) {
	t.Parallel()
	store := rig.NewStore(t)
	server := httptest.NewUnstartedServer(store.Server)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS() // its certificate is for *.example.com
	t.Cleanup(server.Close)
	nothing, home := t.TempDir(), rig.Homes(t)
	text := rig.ConfText(store, home, filepath.Join(home, "log"), rig.FreePort(t), map[string]string{"listen_address": "127.0.0.1"})
	text = strings.NewReplacer("cos_protocol = http\n", "cos_protocol = https\n", "cos_region = ap-test\n", "cos_endpoint = example.com\n",
		"cos_address = "+store.Addr, "cos_address = "+server.Listener.Addr().String()).Replace(text)
	conf, own := filepath.Join(home, "vsftpd.conf"), filepath.Join(home, "authority.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for file, data := range map[string][]byte{conf: []byte(text), own: authority} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A directory in the place of a file: one that is not there reads as an empty list, which would prove nothing.
	for file, want := range map[string]string{nothing: "certificate signed by unknown authority", own: ": ok, "} {
		cmd := exec.Command(rig.Binary, "-conf", conf, "-check")
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+nothing)
		output, err := cmd.CombinedOutput()
		if (err == nil) != (file == own) {
			t.Errorf("-check: %v\n%s", err, output)
		}
		got := string(output)
		known := !strings.Contains(got, "unknown authority")
		if strings.Contains(got, "system roots") || !strings.Contains(got, want) || known != (file == own) {
			t.Errorf("with SSL_CERT_FILE=%s, want %q:\n%s", file, want, got)
		}
	}
}
