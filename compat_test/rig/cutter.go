package rig

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Cutter stands between a client in passive mode and a program. It lets so many bytes of a transfer pass, then calls
// strike and closes everything, as if the client, the network or the program were gone.
type Cutter struct {
	t      *testing.T
	Addr   string // for the client
	server string
	after  int64 // bytes of a data connection, in either direction
	strike func(c *Cutter)

	listener net.Listener
	started  chan struct{} // gets one for each reply that begins a transfer
	Done     chan struct{} // closed when all is cut
	once     sync.Once

	mu       sync.Mutex
	upstream []*net.TCPConn // to the program, the control connection first
	client   []*net.TCPConn
}

// NewCutter listens in front of a server.
func NewCutter(t *testing.T, server string, after int64, strike func(c *Cutter)) *Cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cutter{
		t: t, Addr: listener.Addr().String(), server: server, after: after, strike: strike, listener: listener,
		started: make(chan struct{}, 1), Done: make(chan struct{}),
	}
	go c.accept()
	t.Cleanup(c.close)
	return c
}

func (c *Cutter) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		client, server, err := c.join(conn, c.server)
		if err != nil {
			conn.Close()
			continue
		}
		go func() {
			io.Copy(server, client)
			server.CloseWrite()
		}()
		go c.replies(client, server)
	}
}

// join connects a client's connection with the program.
func (c *Cutter) join(conn net.Conn, to string) (client, server *net.TCPConn, err error) {
	up, err := net.Dial("tcp", to)
	if err != nil {
		return nil, nil, err
	}
	client, server = conn.(*net.TCPConn), up.(*net.TCPConn)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client, c.upstream = append(c.client, client), append(c.upstream, server)
	return client, server, nil
}

// replies passes on what the program says, but leads data connections through the cutter.
func (c *Cutter) replies(client, server *net.TCPConn) {
	defer client.CloseWrite()
	lines := bufio.NewReader(server)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if _, err := client.Write([]byte(divert(c.t, line, c.data))); err != nil {
			return
		}
		if strings.HasPrefix(line, "125 ") || strings.HasPrefix(line, "150 ") {
			c.started <- struct{}{}
		}
	}
}

// divert replaces the port in a passive reply by another, and hands to data the listener there and the address that
// the program told. Other replies stay as they are.
func divert(t *testing.T, line string, data func(listener net.Listener, to string)) string {
	port := 0
	if m := pasvAddress.FindStringSubmatch(line); m != nil {
		high, _ := strconv.Atoi(m[2])
		low, _ := strconv.Atoi(m[3])
		port = high<<8 | low
	} else if m := epsvPort.FindStringSubmatch(line); m != nil {
		port, _ = strconv.Atoi(m[1])
	} else {
		return line
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return "425 " + err.Error() + "\r\n"
	}
	go data(listener, fmt.Sprintf("127.0.0.1:%d", port))
	mine := listener.Addr().(*net.TCPAddr).Port
	if strings.HasPrefix(line, "227") {
		return fmt.Sprintf("227 Entering passive mode (127,0,0,1,%d,%d).\r\n", mine>>8, mine&0xff)
	}
	return fmt.Sprintf("229 Entering extended passive mode (|||%d|).\r\n", mine)
}

func (c *Cutter) data(listener net.Listener, to string) {
	conn, err := listener.Accept()
	listener.Close()
	if err != nil {
		return
	}
	client, server, err := c.join(conn, to)
	if err != nil {
		conn.Close()
		return
	}
	select {
	case <-c.started: // or the program would not know yet what it loses
	case <-c.Done:
		return
	}
	go c.pass(server, client)
	c.pass(client, server)
}

func (c *Cutter) pass(to, from *net.TCPConn) {
	if _, err := io.CopyN(to, from, c.after); err != nil {
		to.CloseWrite()
		return
	}
	c.once.Do(func() {
		c.strike(c)
		c.shut()
	})
}

func (c *Cutter) close() { c.once.Do(c.shut) }

func (c *Cutter) shut() {
	c.listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range append(c.upstream, c.client...) {
		conn.Close()
	}
	close(c.Done)
}

// Cut closes the connections as the system does when a client ends: what was sent arrives.
func Cut(*Cutter) {}

// CutHard resets the connections: what the program has not read yet is lost.
func CutHard(c *Cutter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.upstream {
		conn.SetLinger(0)
	}
}
