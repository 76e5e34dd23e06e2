package rig

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Relay stands between a client in passive mode and a program, like cutter, but stays there: a client whose
// connections were lost, or whose program is gone, comes back through it.
type Relay struct {
	t        *testing.T
	Addr     string // for the client
	server   string
	listener net.Listener
	Hit      chan struct{} // gets one when the bytes of arm have passed; the upload then waits
	GoOn     chan struct{} // gets one when it may go on
	Complete chan struct{} // gets one when the program says that an upload is complete

	mu    sync.Mutex
	armed bool
	after int64
	links []*link // open ones, each control connection before its data connections
	held  []*link // the client's side is closed, the program's side is still open
	ended []int64 // bytes of the uploads that the client itself ended, since forget
	last  []byte  // what the client has sent in the last upload
}

// link is a client's connection and the one to the program that belongs to it.
type link struct {
	client, server *net.TCPConn
	isData         bool
}

// NewRelay listens in front of a server.
func NewRelay(t *testing.T, server string) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{
		t: t, Addr: listener.Addr().String(), server: server, listener: listener,
		Hit: make(chan struct{}), GoOn: make(chan struct{}), Complete: make(chan struct{}, 1),
	}
	go r.accept()
	t.Cleanup(func() {
		listener.Close()
		r.Sever(false)
		r.Release(false)
	})
	return r
}

func (r *Relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		l := r.join(conn, r.server, false)
		if l == nil {
			continue // the program is being started again
		}
		go func() {
			io.Copy(l.server, l.client)
			r.closeServer(l)
		}()
		go r.replies(l)
	}
}

// join connects a client's connection with the program, and returns nil where that does not listen.
func (r *Relay) join(conn net.Conn, to string, isData bool) *link {
	up, err := net.Dial("tcp", to)
	if err != nil {
		conn.Close()
		return nil
	}
	l := &link{conn.(*net.TCPConn), up.(*net.TCPConn), isData}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, l)
	return l
}

// closeServer tells the program that the client has ended a connection, unless hold keeps it open.
func (r *Relay) closeServer(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.held, l) {
		l.server.CloseWrite()
	}
}

// replies passes on what the program says, but leads data connections through the relay.
func (r *Relay) replies(l *link) {
	defer l.client.CloseWrite()
	lines := bufio.NewReader(l.server)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if _, err := l.client.Write([]byte(divert(r.t, line, r.data))); err != nil {
			return
		}
		if strings.HasPrefix(line, "226 ") {
			select {
			case r.Complete <- struct{}{}:
			default:
			}
		}
	}
}

func (r *Relay) data(listener net.Listener, to string) {
	conn, err := listener.Accept()
	listener.Close()
	if err != nil {
		return
	}
	l := r.join(conn, to, true)
	if l == nil {
		return
	}
	go func() {
		io.Copy(l.client, l.server)
		l.client.CloseWrite()
	}()
	r.upload(l)
}

// upload passes on what the client sends, and stops where arm says. It waits for the first byte, which a client sends
// after the reply 150: by then the program has begun the upload.
func (r *Relay) upload(l *link) {
	var content bytes.Buffer
	client := io.TeeReader(l.client, &content)
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = content.Bytes()
	}()
	sent, err := io.CopyN(l.server, client, 1)
	if err == nil {
		if after, armed := r.Disarm(); armed {
			var n int64
			n, err = io.CopyN(l.server, client, after)
			sent += n
			if err == nil {
				r.Hit <- struct{}{}
				<-r.GoOn
			}
		}
	}
	if err == nil {
		var n int64
		n, err = io.Copy(l.server, client)
		sent += n
	}
	switch {
	case err != nil && err != io.EOF:
		l.client.Close() // the program is gone, and with it this upload
	case sent > 0:
		r.mu.Lock()
		r.ended = append(r.ended, sent)
		r.mu.Unlock()
	}
	r.closeServer(l)
}

// Arm makes the next upload stop after so many bytes.
func (r *Relay) Arm(after int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed, r.after = true, after
}

// Disarm undoes arm, and returns what was armed.
func (r *Relay) Disarm() (after int64, armed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	after, armed, r.armed = r.after, r.armed, false
	return after, armed
}

// Sever closes all connections, or resets those to the program: what it has not read yet is lost.
func (r *Relay) Sever(hard bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	closeServers(r.links, hard)
	for _, l := range r.links {
		l.client.Close()
	}
	r.links = nil
}

// Hold resets the client's connections and leaves those to the program open and silent, as a network does that
// vanishes.
func (r *Relay) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.links = append(r.held, r.links...), nil
	for _, l := range r.held {
		l.client.SetLinger(0)
		l.client.Close()
	}
}

// Release ends what hold left open.
func (r *Relay) Release(hard bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	closeServers(r.held, hard)
	r.held = nil
}

// closeServers closes control connections first, as the system does for a client that dies: a data connection that
// ends alone is the end of a file.
func closeServers(links []*link, hard bool) {
	for _, l := range links {
		if hard {
			l.server.SetLinger(0)
		}
		l.server.Close()
	}
}

// Sessions is how many control connections hold left open.
func (r *Relay) Sessions() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.held {
		if !l.isData {
			n++
		}
	}
	return n
}

// Forget drops what ClientEnded knows.
func (r *Relay) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = nil
}

// Drain drops what an earlier client left in complete.
func (r *Relay) Drain() {
	select {
	case <-r.Complete:
	default:
	}
}

// SentLast returns what the client has sent in the last upload.
func (r *Relay) SentLast() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// ClientEnded reports whether the client ended an upload of so many bytes by itself.
func (r *Relay) ClientEnded(bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.ended, bytes)
}
