package compat_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	replyTime = time.Minute            // to wait for a reply that is due, also on a machine that does much else
	quietTime = 300 * time.Millisecond // without one to believe that none comes
)

// peer is one FTP client that does nothing by itself: every byte and every close is the test's.
type peer struct {
	addr     string
	control  net.Conn
	in       *bufio.Reader
	passive  []string // addresses that PASV and EPSV gave, the newest last
	data     net.Conn
	listener net.Listener
	written  int64         // bytes sent on the data connection of this transfer
	least    time.Duration // wait at least so long, whatever is asked for: for one of many on a machine that does much else
}

func (p *peer) connect() error {
	control, err := net.DialTimeout("tcp", p.addr, replyTime)
	if err != nil {
		return err
	}
	p.control, p.in = control, bufio.NewReader(control)
	return nil
}

func (p *peer) close() {
	if p.control != nil {
		p.control.Close()
	}
	if p.data != nil {
		p.data.Close()
	}
	if p.listener != nil {
		p.listener.Close()
	}
}

func (p *peer) send(line []byte) error {
	if p.control == nil {
		return errors.New("this connection is not open")
	}
	_, err := p.control.Write(line)
	return err
}

// command sends a line and returns the first reply, for tests that need no script.
func (p *peer) command(format string, args ...any) string {
	if err := p.send(fmt.Appendf(nil, format+"\r\n", args...)); err != nil {
		return "(closed)"
	}
	return p.reply(replyTime)
}

// reply is the next reply, its lines joined by a line feed; "(closed)" at the end of the connection, "(silent)"
// where none came within the time.
func (p *peer) reply(within time.Duration) string {
	if p.control == nil {
		return "(closed)"
	}
	p.control.SetReadDeadline(time.Now().Add(max(within, p.least)))
	text := ""
	for {
		line, err := p.in.ReadString('\n')
		for err == nil && !strings.HasSuffix(line, "\r\n") {
			var more string
			more, err = p.in.ReadString('\n')
			line += more
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && line == "" && text == "":
			return "(silent)"
		case err != nil && line == "" && text == "":
			return "(closed)"
		case err != nil:
			return text + line + "(cut off: " + err.Error() + ")"
		}
		text += strings.TrimSuffix(line, "\r\n")
		if !openMultiline(text) {
			p.learn(text)
			return text
		}
		text += "\n"
	}
}

var (
	pasvAddress = regexp.MustCompile(`^227 .*\((\d+,\d+,\d+,\d+),(\d+),(\d+)\)`)
	epsvPort    = regexp.MustCompile(`^229 .*\(\|\|\|(\d+)\|\)`)
)

// learn keeps the address of a passive reply. The host is always the gateway's own: a masquerade address is for
// clients elsewhere.
func (p *peer) learn(reply string) {
	host, _, _ := net.SplitHostPort(p.addr)
	if m := pasvAddress.FindStringSubmatch(reply); m != nil {
		high, _ := strconv.Atoi(m[2])
		low, _ := strconv.Atoi(m[3])
		p.passive = append(p.passive, net.JoinHostPort(host, strconv.Itoa(high<<8+low)))
	}
	if m := epsvPort.FindStringSubmatch(reply); m != nil {
		p.passive = append(p.passive, net.JoinHostPort(host, m[1]))
	}
}

// open connects to the newest passive port, from another local address where one is given.
func (p *peer) open(from string) error {
	if len(p.passive) == 0 {
		return errors.New("no passive reply so far")
	}
	dialer := net.Dialer{Timeout: replyTime}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	data, err := dialer.Dial("tcp", p.passive[len(p.passive)-1])
	if err != nil {
		return err
	}
	p.dropData()
	p.data = data
	return nil
}

func (p *peer) listen() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if p.listener != nil {
		p.listener.Close()
	}
	p.listener = listener
	return nil
}

// ports are what {port} and {eprt} stand for: the listener's port as PORT and as EPRT write it.
func (p *peer) ports() (port, eprt string) {
	if p.listener == nil {
		return "", ""
	}
	n := p.listener.Addr().(*net.TCPAddr).Port
	return fmt.Sprintf("%d,%d", n>>8, n&0xff), strconv.Itoa(n)
}

func (p *peer) accept() error {
	if p.listener == nil {
		return errors.New("nothing listens")
	}
	p.listener.(*net.TCPListener).SetDeadline(time.Now().Add(replyTime))
	data, err := p.listener.Accept()
	if err != nil {
		return err
	}
	p.dropData()
	p.data = data
	return nil
}

func (p *peer) dropData() {
	if p.data != nil {
		p.data.Close()
	}
	p.data, p.written = nil, 0
}

// upload sends content and closes the data connection, as the end of a file.
func (p *peer) upload(content []byte) error {
	err := p.write(content)
	p.dropData()
	return err
}

func (p *peer) write(content []byte) error {
	if p.data == nil {
		return errors.New("no data connection")
	}
	p.data.SetWriteDeadline(time.Now().Add(max(replyTime, p.least)))
	n, err := p.data.Write(content)
	p.written += int64(n)
	return err
}

// download reads to the end of the data connection.
func (p *peer) download(within time.Duration) ([]byte, error) {
	if p.data == nil {
		return nil, errors.New("no data connection")
	}
	p.data.SetReadDeadline(time.Now().Add(max(within, p.least)))
	content, err := io.ReadAll(p.data)
	p.dropData()
	return content, err
}

func (p *peer) read(n int) ([]byte, error) {
	if p.data == nil {
		return nil, errors.New("no data connection")
	}
	p.data.SetReadDeadline(time.Now().Add(replyTime))
	content := make([]byte, n)
	n, err := io.ReadFull(p.data, content)
	return content[:n], err
}

// reset closes a connection so that the other side sees an error instead of the end.
func reset(c net.Conn) error {
	if c == nil {
		return errors.New("no connection to reset")
	}
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return c.Close()
}

// urgent sends a command as RFC 959 wants ABOR: behind Telnet's IP and, as urgent data, DM.
func (p *peer) urgent(command string) error {
	if _, err := p.control.Write([]byte{0xff, 0xf4, 0xff}); err != nil {
		return err
	}
	raw, err := p.control.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	if err := raw.Control(func(fd uintptr) {
		_, sendErr = syscall.SendmsgN(int(fd), []byte{0xf2}, nil, nil, syscall.MSG_OOB)
	}); err != nil {
		return err
	}
	if sendErr != nil {
		return sendErr
	}
	return p.send([]byte(command + "\r\n"))
}

var totalReceived = regexp.MustCompile(`Total bytes received: (\d+)`)

// settle waits until the gateway has taken what was written, which its STAT tells.
func (p *peer) settle() error {
	deadline := time.Now().Add(replyTime)
	for time.Now().Before(deadline) {
		status := p.command("STAT")
		if !strings.HasPrefix(status, "211-") {
			return fmt.Errorf("STAT during an upload says %q", status)
		}
		// There is no total before the gateway has taken the data connection.
		if m := totalReceived.FindStringSubmatch(status); m != nil && m[1] == strconv.FormatInt(p.written, 10) {
			return nil
		}
		<-time.After(5 * time.Millisecond)
	}
	return fmt.Errorf("the gateway never received all %d bytes", p.written)
}
