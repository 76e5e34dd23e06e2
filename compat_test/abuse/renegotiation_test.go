package abuse

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// renegotiate connects to the port given, and when it is greeted asks for a renegotiation of TLS 1.2.
const renegotiate = `
const tls = require('node:tls')
const socket = tls.connect({host: '127.0.0.1', port: process.argv[1], rejectUnauthorized: false, maxVersion: 'TLSv1.2'})
socket.on('error', (err) => console.log('error', err.code))
socket.on('close', () => console.log('closed'))
let greeted = false
socket.on('data', (text) => {
  console.log(text.toString().trim())
  if (greeted) return
  greeted = true
  socket.renegotiate({rejectUnauthorized: false}, (err) => console.log(err ? 'refused' : 'renegotiated'))
})
setTimeout(() => { console.log('still there'); socket.destroy() }, 10000).unref()
`

// TestRenegotiationIsRefused: a client cannot make the server begin the TLS of a session anew, which costs the server
// ten times the client's work (RFC 5746 has the other dangers).
func TestRenegotiationIsRefused(t *testing.T) {
	t.Parallel()
	cert, key := rig.Certificate(t, time.Now().Add(time.Hour))
	port := rig.FreePort(t)
	g := rig.StartGateway(t, rig.NewStore(t), map[string]string{
		"tls_cert_file": cert, "tls_key_file": key, "implicit_tls_port": fmt.Sprint(port), "config_check_enable": "false",
	})
	output, err := exec.Command(rig.FindCommand(t, "node"), "-e", renegotiate, fmt.Sprint(port)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	said := string(output)
	t.Logf("%q", said)
	if !strings.HasPrefix(said, "220 ") || strings.Contains(said, "renegotiated") || strings.Contains(said, "still there") || !strings.Contains(said, "closed") {
		t.Errorf("the client says:\n%s", said)
	}
	if err := (&rig.Abused{T: t, Addr: g.Addr}).LoginAs("user0", "pass0").Want("200", "NOOP"); err != nil {
		t.Error(err)
	}
}
