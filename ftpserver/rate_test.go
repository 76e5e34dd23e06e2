package ftpserver

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// limited is a data connection and its peer, with rates in both directions.
func limited(rates ...*limit.Rate) (d *dataConn, peer net.Conn) {
	conn, peer := net.Pipe()
	d = newDataConn(conn, time.Hour, func() {})
	d.limit(rates, rates)
	return d, peer
}

func TestStopEndsTheWaitingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, early := range []bool{false, true} {
			d, peer := limited(limit.NewRate(1))
			defer peer.Close()
			if early {
				d.stop()
			} else {
				time.AfterFunc(time.Second/2, d.stop)
			}
			begun := time.Now()
			n, err := d.Write(make([]byte, 1000))
			if !errors.Is(err, errStopped) && !errors.Is(err, limit.ErrHalted) || n != 0 || time.Since(begun) > time.Second/2 || !d.failed(err) {
				t.Errorf("stopped early %v: %d, %v after %v", early, n, err, time.Since(begun))
			}
			d.stop() // again does no harm
			d.Close()
		}
	})
}

// TestUnlimitedHasNoThrottle: transfers without limits keep the short way.
func TestUnlimitedHasNoThrottle(t *testing.T) {
	d, peer := limited(nil, limit.NewRate(0))
	defer peer.Close()
	defer d.Close()
	if d.in != nil || d.out != nil || d.halt != nil { // and so nothing but a comparison
		t.Error("no limit makes a throttle")
	}
}

// TestLimitedTransfersCanBeEnded goes through the whole server: the rate of a session, and ABOR, the loss of the
// client and a shutdown while a byte waits for its turn.
func TestLimitedTransfersCanBeEnded(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("x", 1<<20)
	ts := start(t, map[string]string{"/a": content}, func(o *Options) { o.MaxUploadRate, o.MaxDownloadRate = 1, 1 })
	c := ts.user(t)
	c.open("PASV")
	c.ask("RETR a", "1*")
	c.ask("ABOR", "426 *", "226 *")
	c.open("PASV")
	c.ask("STOR b", "1*")
	c.sendData("some bytes")
	c.ask("ABOR", "426 *", "226 *")
	if got := c.retr("LIST"); !strings.Contains(got, "\ta\r\n") { // which would take minutes
		t.Errorf("listing %q", got)
	}
	c.open("PASV")
	c.ask("RETR a", "1*") // for the shutdown at the end of the test
	c.ask("NOOP", "200 *")
	ts.cancel()
	c.want("426 *", "421 *")
}

func TestAccountAndServerRatesAreUsed(t *testing.T) {
	t.Parallel()
	slow := limit.NewRate(1)
	for name, set := range map[string]func(*Options, *Account){
		"account upload":   func(_ *Options, a *Account) { a.UploadRate = slow },
		"account download": func(_ *Options, a *Account) { a.DownloadRate = slow },
		"server upload":    func(o *Options, _ *Account) { o.UploadRate = slow },
		"server download":  func(o *Options, _ *Account) { o.DownloadRate = slow },
	} {
		opts, account := &Options{}, &Account{}
		set(opts, account)
		conn, peer := net.Pipe()
		s := &session{srv: &Server{opts: *opts}}
		s.xfer = &transfer{session: s, name: "/x", by: login{account: account}}
		d := newDataConn(conn, time.Hour, func() {})
		s.limitData(s.xfer, d)
		if up := d.in != nil; up != strings.HasSuffix(name, "upload") {
			t.Errorf("%s: uploads limited: %v", name, up)
		}
		if down := d.out != nil; down != strings.HasSuffix(name, "download") {
			t.Errorf("%s: downloads limited: %v", name, down)
		}
		conn.Close()
		peer.Close()
	}
}
