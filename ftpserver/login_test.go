package ftpserver

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// TestOthersAnswerDuringLoginDelay: the delay of a refused PASS holds up neither the connection's other
// commands nor other clients.
func TestOthersAnswerDuringLoginDelay(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.AuthDelay = lull })
	c := ts.connect(t)
	c.want("220 *")
	c.ask("USER user0", "331 *")
	began := time.Now()
	c.sendRaw("PASS wrong\r\nNOOP\r\nSYST\r\n")
	c.want("200 *", "215 *", "530 Authentication failed.")
	if took := time.Since(began); took < lull {
		t.Errorf("refused after %v", took)
	}
}

// TestManyPasswordsInOnePacket: ftpserverlib tries all that lie in the buffer, and runs what follows.
func TestManyPasswordsInOnePacket(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.connect(t)
	c.sendRaw(strings.Repeat("USER user0\r\nPASS wrong\r\n", 5) + "USER user0\r\nPASS pass0\r\nDELE a\r\n")
	c.want("220 *")
	for range 2 {
		c.want("331 *", "530 Authentication failed.")
	}
	c.want("331 *", "530 Authentication failed. Disconnecting.", "(closed)")
	c.wantObject("/a", "A")
}

func TestLoginAfterRefusals(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.connect(t)
	c.want("220 *")
	for range 2 {
		c.ask("USER user0", "331 *")
		c.ask("PASS wrong", "530 *")
	}
	c.login("user0")
	c.ask("USER user1", "331 Previous *")
	c.ask("PASS wrong", "530 Authentication failed.") // the count began anew
}

func TestClientLeavesDuringLoginDelay(t *testing.T) {
	t.Parallel()
	ts := start(t, nil, func(o *Options) { o.AuthDelay = 20 * time.Millisecond })
	c := ts.connect(t)
	c.want("220 *")
	c.ask("USER user0", "331 *")
	c.send("PASS wrong")
	c.conn.(*net.TCPConn).CloseWrite()
	c.want("530 *", "(closed)")
}

// TestPasswordsAreBytes: what is not UTF-8 reaches Login unchanged.
func TestPasswordsAreBytes(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	ts := start(t, nil, func(o *Options) {
		o.Login = func(_ context.Context, a Attempt) *Account { got <- a.User + "/" + a.Password; return nil }
	})
	c := ts.connect(t)
	c.want("220 *")
	c.ask("USER \xd6\xd0", "331 *")
	c.ask("PASS \xce\xc4 ", "530 *")
	if login := <-got; login != "\xd6\xd0/\xce\xc4 " {
		t.Errorf("Login got %q", login)
	}
}

// TestLoginDuringTransfer: USER and REIN are answered at once, as in the original, and the transfer goes on as what it
// was: with the rights, the storage and the log line of who began it.
func TestLoginDuringTransfer(t *testing.T) {
	t.Parallel()
	for _, flush := range []string{"USER user1", "REIN"} {
		t.Run(flush, func(t *testing.T) {
			t.Parallel()
			ts := start(t, map[string]string{"/f": "F"})
			c := ts.user(t)
			c.begin("up", "mine")
			if c.ask(flush, "*"); flush == "REIN" {
				c.ask("USER user1", "331 *")
			}
			c.ask("PWD", "530 *")
			c.ask("PASS pass1", "230 *")
			c.ask("TYPE I", "200 *")
			c.ask("SIZE f", "213 1")
			c.sendRaw("PASV\r\nNOOP\r\n")
			c.sendData(" still")
			c.data.Close()
			c.want("226 *", "227 *", "200 *")
			c.wantObject("/up", "mine still")
			if !ts.log.has("INFO *-[user0] STOR up completed=1 *") {
				t.Errorf("the upload is not user0's in the log: %q", ts.log.all())
			}
		})
	}
}

func TestReinDropsWaitingTransfer(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	c := ts.user(t)
	c.listen("PASV")
	c.ask("RETR a", "150 *")
	c.ask("REIN", "425 *", "230 *")
	c.ask("STAT", "211-*", " Connected *", " Waiting for username.", " TYPE: ASCII*", " Data connection closed.", "211 *")
}

func TestLogCannotBeForged(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	c.ask("MKD a\nINFO 1.2.3.4:5-[root] USER 'root' logged in.", "553 *")
	if !ts.log.has(`INFO *MKD /home/user0/a\x0aINFO *`) {
		t.Errorf("line end not escaped: %q", ts.log.all())
	}
}
