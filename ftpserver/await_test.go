package ftpserver

import (
	"context"
	"io/fs"
	"testing"
)

// TestAbortWhileTheStorageIsAsked sends ABOR to commands whose storage does not answer.
func TestAbortWhileTheStorageIsAsked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		op, command string
		passive     bool
	}{
		{"open", "RETR f", true}, {"open", "RETR f", false}, {"list", "LIST", true}, {"list", "NLST *", false},
		{"list", "MLSD", true}, {"create", "STOR f", true}, {"append", "APPE f", false}, {"stat", "STOU", true},
	} {
		t.Run(test.command, func(t *testing.T) {
			t.Parallel()
			ts := start(t, map[string]string{"/f": "old"})
			c := ts.user(t)
			if test.passive {
				c.open("PASV")
			}
			asked := hang(ts.fs, test.op)
			c.send(test.command)
			<-asked
			c.send("NOOP")
			c.send("ABOR")
			c.want("426 Transfer aborted via ABOR.", "226 ABOR command successful.", "200 *")
			ts.fs.setFault(nil)
			c.ask("ABOR", "225 No transfer to abort.")
			c.wantObject("/f", "old")
			if got := c.retr("RETR f"); got != "old" {
				t.Errorf("RETR gave %q", got)
			}
		})
	}
}

// hang makes an operation of the storage wait for its context, and tells when it does.
func hang(files *memFS, op string) <-chan struct{} {
	asked := make(chan struct{}, 8)
	files.setFault(func(ctx context.Context, what, _ string) error {
		if what != op {
			return nil
		}
		asked <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	return asked
}

// stubborn opens files in spite of an ended context, once that has ended.
type stubborn struct{ FileSystem }

func (f stubborn) Open(ctx context.Context, name string, offset int64) (fs.File, error) {
	<-ctx.Done()
	return f.FileSystem.Open(context.WithoutCancel(ctx), name, offset)
}

func TestAbortOfWhatTheStorageAnsweredAllTheSame(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file string
		want []string
	}{
		{"f", []string{"150 *", "426 Transfer aborted via ABOR.", "226 ABOR command successful."}},
		{"missing", []string{"550 *", "225 No transfer to abort."}},
	} {
		ts := start(t, map[string]string{"/f": "old"})
		ts.setWrap(func(files FileSystem) FileSystem { return stubborn{files} })
		c := ts.user(t)
		c.sendRaw("RETR " + test.file + "\r\nABOR\r\n")
		c.want(test.want...)
		c.ask("ABOR", "225 No transfer to abort.")
	}
}

func TestLinesHeardWhileTheStorageIsAskedKeepTheirOrder(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/f": "data", "/d/": ""})
	c := ts.user(t)
	c.open("PASV")
	asked, goOn := make(chan struct{}), make(chan struct{})
	ts.fs.setFault(func(_ context.Context, op, _ string) error {
		if op == "open" {
			close(asked)
			<-goOn
		}
		return nil
	})
	c.send("RETR f")
	<-asked
	c.sendRaw("PWD\r\nCWD d\r\nPWD\r\nNOOP\r\nFOO\r\n")
	close(goOn)
	c.want("1*") // 150 where the server has not seen the data connection yet
	if got := c.receive(); got != "data" {
		t.Errorf("got %q", got)
	}
	seen := ""
	for range 6 {
		seen += c.line()[:3] + " "
	}
	// The end of the transfer may come anywhere between them.
	for _, want := range []string{"226", "250"} {
		if !matches("*"+want+"*", seen) {
			t.Errorf("replies %s, want one %s", seen, want)
		}
	}
	c.ask("PWD", `257 "/d"*`)
}

func TestNothingIsDoneBehindQuitWhileTheStorageIsAsked(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/f": "data"})
	c := ts.user(t)
	c.open("PASV")
	asked, goOn := make(chan struct{}), make(chan struct{})
	ts.fs.setFault(func(_ context.Context, op, _ string) error {
		if op == "open" {
			close(asked)
			<-goOn
		}
		return nil
	})
	c.send("RETR f")
	<-asked
	c.sendRaw("QUIT\r\nDELE f\r\nNOOP\r\n")
	c.ts.fs.setFault(nil)
	close(goOn)
	c.want("1*")
	if got := c.receive(); got != "data" {
		t.Errorf("got %q", got)
	}
	// The transfer may end on either side of the farewell.
	if replies := c.line()[:3] + c.line()[:3]; replies != "221226" && replies != "226221" {
		t.Errorf("replies %s", replies)
	}
	c.want("(closed)")
	c.wantObject("/f", "data")
}
