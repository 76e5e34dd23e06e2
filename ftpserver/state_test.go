package ftpserver

import (
	"context"
	"strings"
	"testing"
	"time"
)

const (
	oldObject = "0123456789012345678901234567890123456789"
	newObject = "a new object of another length"
)

// startState is a server with all commands and the files /f and /d/g.
func startState(t *testing.T, change ...func(*Options)) *testServer {
	extended := func(o *Options) { o.Extended = true }
	return start(t, map[string]string{"/f": oldObject, "/d/g": "g"}, append(change, extended)...)
}

// TestRestartEndsWithTheNextCommand: an offset that outlived a refused STOR, or a look around, made the next upload
// out of the beginning of the old object and the new one, with 226.
func TestRestartEndsWithTheNextCommand(t *testing.T) {
	t.Parallel()
	for _, between := range []string{
		"STOR a\x01b", "STOR", "STOR /", "STOR d", "STOU a\x01b", "STOU x", "APPE a\x01b", "APPE f", "APPE", "RETR none", "RETR",
		"LIST d", "NLST none", "MLSD none", "CWD none", "CWD /", "CDUP", "PWD", "SIZE f", "MDTM f", "MLST f", "STAT f", "DELE none",
		"RNFR f", "RNTO x", "MKD x", "HASH f", "HASH none", "MD5 f", "REST x", "RANG 1 x", "ABOR", "HELP", "SYST", "FOO",
		strings.Repeat("x", 3000),
	} {
		for _, arm := range []string{"REST 20", "RANG 20 30"} {
			t.Run(arm+" "+short(between), func(t *testing.T) {
				t.Parallel()
				ts := startState(t)
				c := ts.user(t)
				c.open("EPSV")
				c.ask(arm, "350 *")
				c.send(between)
				if reply := c.line(); strings.HasPrefix(reply, "1") {
					c.data.Close()
					c.want("2*")
				} else if code := reply[:3] + "-"; strings.HasPrefix(reply, code) {
					for line := code; !strings.HasPrefix(line, reply[:3]+" "); {
						line = c.line()
					}
				}
				if got := c.stor("STOR f", newObject); got != "226 Transfer complete." {
					t.Errorf("STOR: %s", got)
				}
				c.wantObject("/f", newObject)
				if got := c.stor("APPE f", "+"); got != "226 Transfer complete." {
					t.Errorf("APPE: %s", got)
				}
				c.wantObject("/f", newObject+"+")
			})
		}
	}
}

// TestRestartEndsWithARefusalForTLS is the same for a STOR that is 521.
func TestRestartEndsWithARefusalForTLS(t *testing.T) {
	t.Parallel()
	ts, config := startTLS(t, map[string]string{"/f": oldObject}, func(o *Options) { o.TLSRequired = TLSForAll })
	c := ts.connect(t)
	c.want("220 *")
	c.secure(config)
	c.login("user0")
	c.ask("TYPE I", "200 *")
	c.ask("REST 20", "350 *")
	c.ask("STOR f", "521 *")
	c.ask("PBSZ 0", "200 *")
	c.ask("PROT P", "200 *")
	if got := c.store("STOR f", newObject, config); got != "226 Transfer complete." {
		t.Errorf("STOR: %s", got)
	}
	c.wantObject("/f", newObject)
}

// TestRestartStaysOverPreparations holds what clients send between REST and its transfer.
func TestRestartStaysOverPreparations(t *testing.T) {
	t.Parallel()
	for _, between := range []string{
		"EPSV", "PASV", "TYPE I", "MODE S", "STRU F", "ALLO 20", "NOOP", "STAT", "OPTS UTF8 ON", "FEAT", "NOOP x",
	} {
		t.Run(between, func(t *testing.T) {
			t.Parallel()
			ts := startState(t)
			c := ts.user(t)
			c.ask("REST 20", "350 *")
			c.send(between)
			for reply := c.line(); reply[3] != ' ' || reply[0] == ' '; {
				reply = c.line()
			}
			if got := c.retr("RETR f"); got != oldObject[20:] {
				t.Errorf("RETR gave %q", got)
			}
			c.ask("REST 20", "350 *")
			c.openActive("PORT")
			c.ask("STOR f", "1*")
			c.sendData("tail")
			c.data.Close()
			c.want("226 *")
			c.wantObject("/f", oldObject[:20]+"tail")
		})
	}
}

// TestRenameSourceEndsWithTheNextCommand: a RNFR that failed left the one before it, and RNTO renamed that file.
func TestRenameSourceEndsWithTheNextCommand(t *testing.T) {
	t.Parallel()
	for _, between := range []string{
		"RNFR none", "RNFR", "RNFR /", "SIZE f", "CWD d", "PWD", "DELE none", "MKD x", "TYPE I", "REST 4", "PASV", "ABOR", "FOO",
		"RNTO", "RNTO a\x01b", "RNTO /", strings.Repeat("x", 3000),
	} {
		t.Run(short(between), func(t *testing.T) {
			t.Parallel()
			ts := startState(t)
			c := ts.user(t)
			c.ask("RNFR f", "350 *")
			c.ask(between, "*")
			c.ask("RNTO moved", "503 Bad sequence of commands: use RNFR first.")
			c.wantObject("/f", oldObject)
		})
	}
	c := startState(t).user(t)
	c.ask("RNFR f", "350 *")
	c.ask("NOOP", "200 *")
	c.ask("STAT", "211-*", " *", " *", " *", " *", "211 *")
	c.ask("RNTO moved", "250 *")
}

// TestReinEndsEpsvAll: it held for whoever logged in next.
func TestReinEndsEpsvAll(t *testing.T) {
	t.Parallel()
	c := startState(t).user(t)
	c.ask("EPSV ALL", "220 *")
	c.ask("PASV", "501 PASV not allowed after EPSV ALL.")
	c.ask("USER user1", "331 *")
	c.ask("PASS pass1", "230 *")
	c.ask("PORT 127,0,0,1,200,10", "501 PORT not allowed after EPSV ALL.")
	c.ask("REIN", "230 *")
	c.login("user0")
	c.ask("PASV", "227 *")
}

// TestArmedForTheCommandThatWaits: an ABOR that goes before the commands that wait does not take what is armed for
// them.
func TestArmedForTheCommandThatWaits(t *testing.T) {
	t.Parallel()
	ts := startState(t)
	c := ts.user(t)
	c.begin("up", "one")
	c.sendRaw("REST 20\r\nRETR f\r\n")
	c.want("350 *")
	c.ask("ABOR", "426 *", "226 *", "150 *")
	c.ask("ABOR", "426 *", "226 *")
	c.sendRaw("REST 20\r\nABOR\r\n")
	c.want("350 *", "225 *")
	if got := c.retr("RETR f"); got != oldObject {
		t.Errorf("RETR gave %q", got)
	}
	c.begin("up", "two")
	c.sendRaw("REST 20\r\nEPSV\r\nRETR f\r\n")
	c.want("350 *")
	c.ask("ABOR", "426 *", "226 *")
	c.dialData(c.passiveAddress(c.line()))
	c.want("1*")
	if got := c.receive(); got != oldObject[20:] {
		t.Errorf("RETR behind ABOR gave %q", got)
	}
	c.want("226 *")
}

// TestAbortOfAnyCommandThatAsksTheStorage: only transfers were given up; after any other command ABOR waited as long as the storage did.
func TestAbortOfAnyCommandThatAsksTheStorage(t *testing.T) {
	t.Parallel()
	for command, op := range map[string]string{
		"CWD d": "stat", "XCWD d": "stat", "CDUP": "stat", "SIZE f": "stat", "MDTM f": "stat", "MLST f": "stat", "RNFR f": "stat",
		"STAT f": "list", "AVBL d": "stat", "DELE f": "remove", "MKD x": "mkdir", "RMD d": "removedir", "RNTO x": "rename",
		"MFMT 20200101000000 f": "setmodtime", "SITE UTIME 202001010000 f": "setmodtime", "SITE CHMOD 644 f": "setmode",
		"HASH f": "open", "XMD5 f": "open",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			ts := start(t, map[string]string{"/f": oldObject, "/d/e/": "", "/d/f": "F"}, func(o *Options) { o.Extended = true })
			c := ts.user(t)
			if command == "CDUP" {
				c.ask("CWD d/e", "250 *")
			}
			if command == "RNTO x" {
				c.ask("RNFR f", "350 *")
			}
			asked := hang(ts.fs, op)
			c.send(command)
			select {
			case <-asked:
			case <-time.After(patience):
				t.Fatalf("%s does not ask the storage to %s", command, op)
			}
			begun := time.Now()
			c.sendRaw("NOOP\r\nABOR\r\n")
			c.want("426 Transfer aborted via ABOR.", "226 ABOR command successful.", "200 *")
			if took := time.Since(begun); took > patience {
				t.Errorf("ABOR took %v", took)
			}
			ts.fs.setFault(nil)
			c.ask("ABOR", "225 No transfer to abort.")
			c.wantObject("/f", oldObject)
		})
	}
}

// TestAbortReachesTheTransferBesideAStalledCommand: it ends both.
func TestAbortReachesTheTransferBesideAStalledCommand(t *testing.T) {
	t.Parallel()
	ts := startState(t)
	c := ts.user(t)
	c.begin("up", "one")
	asked := hang(ts.fs, "stat")
	c.send("SIZE f")
	<-asked
	c.ask("ABOR", "426 *", "426 Transfer aborted via ABOR.", "226 ABOR command successful.")
	c.ask("NOOP", "200 *")
	c.wantObject("/up", "one")
}

// TestNoopWhileTheStorageIsSlow: NOOP is answered at once after the first reply of a transfer, and never before it.
func TestNoopWhileTheStorageIsSlow(t *testing.T) {
	t.Parallel()
	ts := startState(t)
	c := ts.user(t)
	asked, goOn := make(chan string, 4), make(chan struct{})
	ts.fs.setFault(func(_ context.Context, op, _ string) error {
		if op == "close" || op == "open" {
			asked <- op
			<-goOn
		}
		return nil
	})
	c.begin("up", "all of it")
	c.data.Close()
	<-asked
	c.ask("NOOP", "200 *")
	c.ask("PWD", "257 *")
	goOn <- struct{}{}
	c.want("226 *")
	c.open("PASV")
	c.send("RETR f")
	<-asked
	c.send("NOOP")
	goOn <- struct{}{}
	c.want("1*")
	if got := c.receive(); got != oldObject {
		t.Errorf("RETR gave %q", got)
	}
	if replies := c.line()[:3] + c.line()[:3]; replies != "200226" && replies != "226200" {
		t.Errorf("replies %s", replies)
	}
}

// TestNobodysTransferEndsInTime: after REIN the idle timeout counts again once the transfer is over.
func TestNobodysTransferEndsInTime(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.IdleTimeout = lull })
	c := ts.user(t)
	c.begin("up", "one")
	c.ask("REIN", "230 *")
	time.Sleep(lull * 5 / 4)
	c.data.Close()
	c.want("226 *", "421 Control connection timed out.", "(closed)")
}
