package ftpserver

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// logged are the lines of the log that tell of failed commands, and of the end of an outage.
func (ts *testServer) logged() (lines []string) {
	for _, line := range ts.log.all() {
		level, rest, _ := strings.Cut(line, " ")
		if level == "ERROR" || level == "WARN" {
			_, message, _ := strings.Cut(rest, " ")
			lines = append(lines, level+" "+message)
		}
	}
	return lines
}

func (ts *testServer) wantLogged(t *testing.T, want ...string) {
	t.Helper()
	if got := strings.Join(ts.logged(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the log has\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestOutageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64 // of the clock
	ts := startWith(t, map[string]string{"/f": "F"}, func(s *Server) {
		s.now = func() time.Time { return time.Unix(1e9, passed.Load()) }
	})
	wait := func(d time.Duration) { passed.Add(int64(d)) }
	away := func(context.Context, string, string) error { return errOutage }
	c, d := ts.user(t), ts.user(t)

	ts.fs.setFault(away)
	for range 100 {
		c.ask("SIZE f", "451 *")
		d.ask("CWD x", "451 *")
		wait(time.Second)
	}
	first := "ERROR SIZE /f failed: storage is away"
	ts.wantLogged(t, first)

	wait(outageReminds)
	c.ask("DELE f", "451 *")
	reminder := "ERROR DELE /f failed: storage is away; the storage has failed 201 commands of this user in 11m40s"
	ts.wantLogged(t, first, reminder)

	ts.fs.setFault(nil)
	c.ask("CWD /", "250 *") // asks nobody
	wait(time.Minute)
	c.ask("CWD /", "250 *")
	ts.wantLogged(t, first, reminder)
	d.ask("SIZE none", "550 *") // that a file is missing is an answer, too
	back := "WARN the storage is back after 12m40s; commands of this user that failed: 201"
	ts.wantLogged(t, first, reminder, back)

	// Where only some commands fail it is one outage still.
	ts.fs.setFault(func(_ context.Context, op, _ string) error {
		if op == "remove" {
			return errOutage
		}
		return nil
	})
	for range 10 {
		c.ask("DELE f", "451 *")
		wait(time.Second)
		d.ask("SIZE f", "213 *")
	}
	second := "ERROR DELE /f failed: storage is away"
	ts.wantLogged(t, first, reminder, back, second)
	ts.fs.setFault(nil)
	wait(outageSettles)
	if got := c.retr("LIST /"); !strings.Contains(got, "f") {
		t.Errorf("LIST after the outage: %q", got)
	}
	ts.wantLogged(t, first, reminder, back, second, "WARN the storage is back after 10s; commands of this user that failed: 10")

	// What is no outage is told for each command.
	ts.fs.setFault(func(context.Context, string, string) error { return errStorage })
	c.ask("SIZE f", "550 *")
	c.ask("SIZE f", "550 *")
	failed := "ERROR SIZE /f failed: " + errStorage.Error()
	ts.wantLogged(t, first, reminder, back, second, "WARN the storage is back after 10s; commands of this user that failed: 10", failed, failed)
}
