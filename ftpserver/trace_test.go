package ftpserver

import (
	"strings"
	"testing"
)

// TestTraceHidesPasswords: a password is not in the log at DEBUG, however PASS is mistyped; the client's own reply, and
// what commands do, stay as they are.
func TestTraceHidesPasswords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"PASS hunter2": "<- PASS ******", "pass hunter2": "<- pass ******", "PaSs  hunter2 x": "<- PaSs ******", "PASS": "<- PASS",
		"PASSS hunter2": "<- PASSS ******", "PAS hunter2": "<- PAS ******", "PASShunter2": "<- ******", "PASSw hunter2": "<- PASSw ******",
		" PASS hunter2": "<-  ******", "PASS\thunter2": "<- ******", "PASS=hunter2": "<- ******", "hunter2": "<- ******", "PASSWD user0 hunter2": "<- ******",
		"ACCT hunter2": "<- ACCT ******", "SITE PSWD hunter2 hunter2": "<- SITE ******", "SITE PASShunter2": "<- SITE ******", "PASS\x00 hunter2": "<- ******",
		"\xff\xf4PASS hunter2": "<- ******", "PASSWORD: hunter2": "<- ******", "passhun ter2": "<- ******",
		"CWD hunter3": "<- CWD hunter3", "XFOO": "<- XFOO", "": "<- ",
	} {
		ts := start(t, nil)
		c := ts.connect(t)
		c.want("220 *")
		c.ask(line, "5*")
		if !hasLine(ts.log, "-[] "+want) {
			t.Errorf("%q is not in the log as %q: %q", line, want, ts.log.all())
		}
		for _, logged := range ts.log.all() {
			if strings.Contains(strings.ToLower(logged), "ter2") {
				t.Errorf("%q gives the log line %q", line, logged)
			}
		}
	}
	ts := start(t, nil)
	c := ts.connect(t)
	c.want("220 *")
	c.ask("PASShunter2", `500 Command "PASSHUNTER2" not understood.`)
	c.ask("SITE PSWDhunter2", `500 Command "SITE PSWDHUNTER2" not understood.`)
}

func hasLine(log logRecorder, end string) bool {
	for _, line := range log.all() {
		if strings.HasSuffix(line, end) {
			return true
		}
	}
	return false
}
