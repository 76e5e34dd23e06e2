package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// client is a bare FTP client: it costs next to nothing, so that what is measured is the server.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	tls  *tls.Config // of data connections; nil in plain
}

// connect logs in and switches to binary.
func connect(addr string) (*client, error) { return connectOver(addr, nil) }

// connectOver is connect over TLS; in plain where config is nil.
func connectOver(addr string, config *tls.Config) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 512), tls: config}
	if err := c.login(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) login() error {
	if err := c.expect("220"); err != nil {
		return err
	}
	steps := [][2]string{{"USER user", "331"}, {"PASS password", "230"}, {"TYPE I", "200"}}
	if c.tls != nil {
		if err := c.do("AUTH TLS", "234"); err != nil {
			return err
		}
		c.conn = tls.Client(c.conn, c.tls)
		c.in.Reset(c.conn)
		steps = append(steps, [2]string{"PBSZ 0", "200"}, [2]string{"PROT P", "200"})
	}
	for _, step := range steps {
		if err := c.do(step[0], step[1]); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) close() { c.conn.Close() }

// reply reads one reply and returns its last line.
func (c *client) reply() (string, error) {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(line) > 3 && line[3] == ' ' && line[0] >= '1' && line[0] <= '5' {
			return strings.TrimRight(line, "\r\n"), nil
		}
	}
}

func (c *client) expect(code string) error {
	line, err := c.reply()
	if err == nil && !strings.HasPrefix(line, code) {
		err = fmt.Errorf("want %s, got %q", code, line)
	}
	return err
}

func (c *client) do(command, code string) error {
	if _, err := fmt.Fprintf(c.conn, "%s\r\n", command); err != nil {
		return err
	}
	if err := c.expect(code); err != nil {
		return fmt.Errorf("%s: %w", strings.Fields(command)[0], err)
	}
	return nil
}

// data opens a passive data connection and gives the command that uses it.
func (c *client) data(command string) (net.Conn, error) {
	fmt.Fprintf(c.conn, "EPSV\r\n")
	line, err := c.reply()
	if err != nil {
		return nil, err
	}
	fields := strings.Split(line, "|")
	if len(fields) < 4 {
		return nil, fmt.Errorf("EPSV: %q", line)
	}
	host, _, _ := net.SplitHostPort(c.conn.RemoteAddr().String())
	conn, err := net.Dial("tcp", net.JoinHostPort(host, fields[3]))
	if err != nil {
		return nil, err
	}
	if err := c.do(command, "1"); err != nil {
		conn.Close()
		return nil, err
	}
	if c.tls != nil {
		return tls.Client(conn, c.tls), nil
	}
	return conn, nil
}

// stor uploads size bytes.
func (c *client) stor(name string, size int64) error {
	conn, err := c.data("STOR " + name)
	if err != nil {
		return err
	}
	err = send(conn, size)
	conn.Close()
	if err != nil {
		return err
	}
	return c.expect("226")
}

// retr downloads name and returns how many bytes came.
func (c *client) retr(name string) (int64, error) {
	conn, err := c.data("RETR " + name)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	n, err := drain(conn)
	if err != nil {
		return n, err
	}
	return n, c.expect("226")
}

// list reads a listing and returns its lines and how long the first byte took.
func (c *client) list(dir string) (lines int, first time.Duration, err error) {
	start := time.Now()
	conn, err := c.data("LIST " + dir)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	buf := make([]byte, 256<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 && first == 0 {
			first = time.Since(start)
		}
		lines += bytes.Count(buf[:n], []byte("\n"))
		if err == io.EOF {
			return lines, first, c.expect("226")
		}
		if err != nil {
			return lines, first, err
		}
	}
}

func drain(conn net.Conn) (int64, error) {
	buf := make([]byte, 1<<20)
	var total int64
	for {
		n, err := conn.Read(buf)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// patternBytes is what uploads send: a source that costs nothing.
var patternBytes = bytes.Repeat([]byte("0123456789abcdef"), 64<<10)

// send writes size bytes in large pieces.
func send(conn net.Conn, size int64) error {
	for size > 0 {
		n, err := conn.Write(patternBytes[:min(size, int64(len(patternBytes)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}
