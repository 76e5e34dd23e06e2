package ftpserver

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// shutdown runs Shutdown with so much time and waits for its result.
func (ts *testServer) shutdown(grace time.Duration) <-chan error {
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		result <- ts.Shutdown(ctx)
	}()
	return result
}

func TestShutdownEndsIdleSessions(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	fresh := ts.connect(t)
	fresh.want("220 *")
	idle, waiting := ts.user(t), ts.user(t)
	waiting.listen("PASV")
	waiting.ask("LIST", "150 *")
	result := ts.shutdown(patience)
	for _, c := range []*client{fresh, idle, waiting} {
		c.want("421 Service shutting down.", "(closed)")
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := <-ts.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestPortIsFreeDuringShutdown: a restart script binds while the old process still finishes transfers.
func TestPortIsFreeDuringShutdown(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	c := ts.user(t)
	c.begin("up", "first")
	result := ts.shutdown(patience)
	if err := <-ts.done; err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", ts.addr)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	ln.Close()
	c.sendData(" second")
	c.data.Close()
	c.want("226 Transfer complete.", "421 Service shutting down.", "(closed)")
	c.wantObject("/up", "first second")
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// TestForcedShutdownAbandonsUploads: also where interrupted uploads are kept, for the client could not help it.
func TestForcedShutdownAbandonsUploads(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/up": "old", "/big": strings.Repeat("x", 64<<20)})
	up, down, stuck := ts.user(t), ts.user(t), ts.user(t)
	up.begin("up", "new")
	down.open("PASV")
	down.ask("RETR big", "1*")
	if _, err := down.data.Read(make([]byte, 1)); err != nil { // both run
		t.Fatal(err)
	}
	waitFor(t, "the upload", func() bool { return ts.fs.called("write /up") })
	hung := make(chan struct{})
	ts.fs.setFault(func(ctx context.Context, op, _ string) error {
		if op == "list" {
			close(hung)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	stuck.send("LIST")
	<-hung
	began := time.Now()
	if err := <-ts.shutdown(30 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("took %v", took)
	}
	up.want("426 Transfer aborted: service is shutting down.", "421 Service shutting down.", "(closed)")
	down.want("426 Transfer aborted: service is shutting down.", "421 Service shutting down.", "(closed)")
	up.wantObject("/up", "old")
}

// TestForcedShutdownDuringCommit: the commit is cancelled, and the client does not hear 226.
func TestForcedShutdownDuringCommit(t *testing.T) {
	t.Parallel()
	ts := start(t, map[string]string{"/up": "old"})
	committing := make(chan struct{})
	ts.fs.setFault(func(ctx context.Context, op, _ string) error {
		if op == "close" {
			close(committing)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	c := ts.user(t)
	c.begin("up", "new")
	c.data.Close()
	<-committing
	if err := <-ts.shutdown(10 * time.Millisecond); err == nil {
		t.Error("no error")
	}
	c.want("426 *", "421 *", "(closed)")
	c.wantObject("/up", "old")
}

// pipeListener has one connection, without any buffer: a write waits until it is read.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// TestShutdownPassesDeafClients: who does not read cannot hold it up.
func TestShutdownPassesDeafClients(t *testing.T) {
	t.Parallel()
	srv := New(Options{})
	deaf, server := net.Pipe()
	defer deaf.Close()
	ln := &pipeListener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	ln.conns <- server
	served := make(chan error, 1)
	go func() { served <- srv.Serve(&onceListener{Listener: ln}) }()
	if _, err := deaf.Read(make([]byte, 1)); err != nil { // of the greeting, no more
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > replyTimeout/2 {
		t.Errorf("took %v", took)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// onceListener may be closed more than once, as the system's may.
type onceListener struct {
	net.Listener
	once sync.Once
}

func (l *onceListener) Close() (err error) {
	l.once.Do(func() { err = l.Listener.Close() })
	return err
}
