package ftpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const tooMany = "421 Too many connections. Service temporarily unavailable."

// TestMaxConnections counts as the original: listener and control connections, N in all.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	for limit, sessions := range map[int]int{1: 0, 3: 2, 4: 3, 6: 5} {
		ts := start(t, map[string]string{"/a": "A"}, func(o *Options) { o.MaxConnections = limit })
		var clients []*client
		for range sessions {
			clients = append(clients, ts.user(t))
		}
		refused := ts.connect(t)
		refused.want(tooMany, "(closed)")
		if !ts.log.has("WARN *-[] Too many connections. Service temporarily unavailable.") {
			t.Error("not in the log")
		}
		if sessions == 0 {
			continue
		}
		waitFor(t, "the refused connection to be discounted", func() bool { return ts.open() == limit })
		clients[0].retr("RETR a")
		clients[0].ask("QUIT", "221 *", "(closed)")
		ts.user(t).ask("NOOP", "200 *")
	}
}

// TestMaxConnectionsAndData follows the original: listeners and data connections count, the limit is looked at
// before they do.
func TestMaxConnectionsAndData(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"}, func(o *Options) { o.MaxConnections = 6 })
	c := []*client{ts.user(t), ts.user(t), ts.user(t), ts.user(t)}
	c[0].listen("PASV")
	c[1].listen("PASV")
	c[2].ask("PASV", "425 Too many connections. Can't open data channel.")
	c[3].ask("EPSV", "425 Too many connections. Can't open data channel.")
	c[3].ask("PORT 127,0,0,1,200,10", "425 Too many connections. Can't open data channel.")
	ts.connect(t).want(tooMany, "(closed)")
	c[3].ask("QUIT", "221 *", "(closed)")
	c[2].ask("QUIT", "221 *", "(closed)")
	c[0].retr("RETR a")
	c[1].listen("PASV")
	c[1].ask("ABOR", "225 *")
	if n := ts.open(); n != 3 {
		t.Errorf("%d sockets counted, want listener and 2 sessions", n)
	}
}

func TestNoLimit(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/a": "A"})
	for range 30 {
		ts.user(t).listen("PASV")
	}
}

// poorListener is out of file descriptors for a while.
type poorListener struct {
	net.Listener
	fails atomic.Int32
}

func (l *poorListener) Accept() (net.Conn, error) {
	if l.fails.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptRecovers(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	poor := &poorListener{Listener: ln}
	poor.fails.Store(4)
	go ts.Serve(poor)
	ts.addr = ln.Addr().String()
	ts.user(t).ask("NOOP", "200 *")
	if n := strings.Count(strings.Join(ts.log.all(), "\n"), "accept a control connection: "); n != 1 {
		t.Errorf("%d log lines about it, want 1", n)
	}
}

func TestShutdownWhileAcceptFails(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	poor := &poorListener{Listener: ln}
	poor.fails.Store(1 << 30)
	ended := make(chan error, 1)
	go func() { ended <- ts.Serve(poor) }()
	waitFor(t, "accepting to fail", func() bool { return ts.log.has("ERROR accept *") })
	ts.stop(t)
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeReportsALostListener(t *testing.T) {
	t.Parallel()
	srv := New(Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	ln.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	if err := srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := srv.Serve(ln); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve after Shutdown: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	var o Options
	o.setDefaults()
	got := fmt.Sprint(o.Banner, o.AuthDelay, o.MaxLogins, o.IdleTimeout, o.DataTimeout, o.AcceptTimeout, o.ConnectTimeout)
	if want := "Welcome to COS FTP Service3s 3 5m0s 5m0s 30s 10s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if o.Login(t.Context(), Attempt{User: "user0", Password: "pass0"}) != nil {
		t.Error("somebody may log in")
	}
	o = Options{IdleTimeout: time.Second}
	if o.setDefaults(); o.IdleTimeout != time.Second {
		t.Error("a given value was replaced")
	}
}
