package ftpserver

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// loginAgain logs in as user0 over new connections until there is a place for the user.
func (ts *testServer) loginAgain(t *testing.T) {
	t.Helper()
	waitFor(t, "a place for the user", func() bool {
		c := ts.connectUntied(t)
		defer c.close()
		c.want("220 *")
		c.ask("USER user0", "331 *")
		c.send("PASS pass0")
		return strings.HasPrefix(c.line(), "230 ")
	})
}

// What asks the storage for a client ends when that leaves, however long the storage would take, and gives the place
// among the user's sessions up.
func TestReadingEndsWithItsClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ op, command string }{
		{"stat", "CWD d"}, {"stat", "SIZE f"}, {"stat", "MDTM f"}, {"stat", "MLST f"}, {"stat", "RNFR f"}, {"list", "STAT d"},
		{"list", "LIST"}, {"list", "NLST"}, {"list", "MLSD"}, {"open", "RETR f"}, {"create", "STOR f"}, {"append", "APPE f"},
		{"stat", "STOU"}, {"open", "HASH f"}, {"open", "MD5 f"}, {"open", "XCRC f"},
	} {
		t.Run(test.command, func(t *testing.T) {
			t.Parallel()
			ts := start(t, map[string]string{"/f": "old", "/d/": ""}, func(o *Options) { o.MaxPerUser, o.Extended = 1, true })
			c := ts.user(t)
			asked := hang(ts.fs, test.op)
			c.send(test.command)
			<-asked
			c.close()
			waitFor(t, "the session to end", func() bool { return ts.open() == 1 })
			ts.loginAgain(t)
			if got := ts.fs.files["/f"].data; string(got) != "old" {
				t.Errorf("the file is %q", got)
			}
		})
	}
}

// Nor does it help to send more before one leaves: a farewell, or more lines than the server reads ahead.
func TestLinesBehindKeepNoPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ op, command string }{{"stat", "MLST f"}, {"open", "HASH f"}, {"open", "RETR f"}} {
		for name, behind := range map[string]string{
			"QUIT": "QUIT\r\n", "NOOP": strings.Repeat("NOOP\r\n", 1000), "more": strings.Repeat(test.command+"\r\n", 1000),
		} {
			t.Run(test.command+" "+name, func(t *testing.T) {
				t.Parallel()
				ts := start(t, map[string]string{"/f": "old"}, func(o *Options) { o.MaxPerUser, o.Extended = 1, true })
				c := ts.user(t)
				asked := hang(ts.fs, test.op)
				c.sendRaw(test.command + "\r\n" + behind)
				<-asked
				c.close()
				waitFor(t, "the session to end", func() bool { return ts.open() == 1 })
				ts.loginAgain(t)
			})
		}
	}
}

// Before login it is the place in the queue of passwords.
func TestLinesBehindAPasswordKeepNoPlace(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]string{"QUIT": "QUIT\r\n", "NOOP": strings.Repeat("NOOP\r\n", 1000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, ended := make(chan struct{}), make(chan error, 1)
			ts := start(t, nil, func(o *Options) {
				o.Login = func(ctx context.Context, _ Attempt) *Account {
					close(asked)
					<-ctx.Done()
					ended <- ctx.Err()
					return nil
				}
			})
			c := ts.connect(t)
			c.want("220 *")
			c.sendRaw("USER user0\r\nPASS pass0\r\n" + behind)
			<-asked
			c.close()
			<-ended
			waitFor(t, "the session to end", func() bool { return ts.open() == 1 })
		})
	}
}

// A client that said QUIT and ended its side may still listen: a script that is piped into a connection does.
func TestPipedScriptGetsItsReplies(t *testing.T) {
	t.Parallel()
	ts := startWith(t, map[string]string{"/f": "old"}, func(s *Server) { s.lostGrace = lull / 2 })
	asked, goOn := make(chan struct{}, 1), make(chan struct{})
	ts.fs.setFault(func(_ context.Context, op, _ string) error {
		if op == "stat" {
			asked <- struct{}{}
			<-goOn
		}
		return nil
	})
	c := ts.connect(t)
	c.want("220 *")
	c.sendRaw("USER user0\r\nPASS pass0\r\nTYPE I\r\nSIZE f\r\nQUIT\r\n")
	c.conn.(*net.TCPConn).CloseWrite()
	<-asked
	<-time.After(time.Duration(awayForNow+1) * ts.lostGrace)
	close(goOn)
	c.want("331 *", "230 *", "200 *", "213 3", "221 *", "(closed)")
}

// Who logs out while a transfer runs keeps its place until that ends.
func TestTransferKeepsThePlaceOfItsUser(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"REIN", "USER user1"} {
		ts := start(t, nil, func(o *Options) { o.MaxPerUser = 1 })
		c := ts.user(t)
		c.begin("f", "data")
		c.ask(command, "*")
		other := ts.connect(t)
		other.want("220 *")
		other.ask("USER user0", "331 *")
		other.ask("PASS pass0", "530 Too many connections of this user.")
		c.data.Close()
		c.want("226 *")
		ts.loginAgain(t)
	}
}

// A change that is under way goes on, but not in its user's place.
func TestChangeOutlivesItsClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ op, before, command string }{
		{"remove", "", "DELE f"}, {"removedir", "", "RMD d"}, {"mkdir", "", "MKD e"}, {"rename", "RNFR f", "RNTO g"},
		{"setmodtime", "", "MFMT 20200101000000 f"}, {"setmode", "", "SITE CHMOD 644 f"}, {"setmodtime", "", "SITE UTIME 202001010000 f"},
	} {
		t.Run(test.command, func(t *testing.T) {
			t.Parallel()
			ts := start(t, map[string]string{"/f": "old", "/d/": ""}, func(o *Options) { o.MaxPerUser, o.Extended = 1, true })
			c := ts.user(t)
			if test.before != "" {
				c.ask(test.before, "350 *")
			}
			asked, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			ts.fs.setFault(func(ctx context.Context, op, _ string) error {
				if op == test.op {
					close(asked)
					<-goOn
					ended <- ctx.Err()
				}
				return nil
			})
			c.send(test.command)
			<-asked
			c.close()
			ts.loginAgain(t)
			close(goOn)
			if err := <-ended; err != nil {
				t.Errorf("the change was given up: %v", err)
			}
			waitFor(t, "the session to end", func() bool { return ts.open() == 1 })
		})
	}
}

func TestHungDownloadEndsWithItsClient(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/f": "data"}, func(o *Options) { o.MaxPerUser = 1 })
	asked := hang(ts.fs, "read")
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR f", "1*")
	<-asked
	c.conn.Close() // the data connection stays
	waitFor(t, "the session to end", func() bool { return ts.open() == 1 })
	ts.loginAgain(t)
}

// A commit goes on without its client, and without the user's place.
func TestCommitOutlivesItsClient(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.MaxPerUser = 1 })
	c := ts.user(t)
	c.open("PASV")
	c.ask("STOR f", "1*")
	asked, goOn := make(chan struct{}), make(chan struct{})
	ts.fs.setFault(func(_ context.Context, op, _ string) error {
		if op == "close" {
			close(asked)
			<-goOn
		}
		return nil
	})
	c.data.Write([]byte("whole"))
	c.data.Close()
	<-asked
	c.close()
	ts.loginAgain(t)
	close(goOn)
	waitFor(t, "the session to end", func() bool { return ts.open() == 1 })
	if !slices.Contains(ts.fs.calls, "committed /f") {
		t.Errorf("the commit was given up: %q", ts.fs.calls)
	}
}

// A password that waits to be checked is given up with its client: the place in the queue is the next one's.
func TestPasswordIsGivenUpWithItsClient(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	asked := make(chan struct{})
	ts := start(t, nil, func(o *Options) {
		o.Login = func(ctx context.Context, _ Attempt) *Account {
			close(asked)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil
		}
	})
	c := ts.connect(t)
	c.want("220 *")
	c.ask("USER user0", "331 *")
	c.send("PASS pass0")
	<-asked
	c.close()
	<-ended
	waitFor(t, "the session to end", func() bool { return ts.open() == 1 })
	if ts.log.has("* failed login*") {
		t.Errorf("a password that nobody looked at is wrong: %q", ts.log.all())
	}
}
