package rig

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

// How long to wait.
const (
	ReplyTime = time.Minute            // to wait for a reply that is due, also on a machine that does much else
	QuietTime = 300 * time.Millisecond // without one to believe that none comes
)

// Peer is one FTP client that does nothing by itself: every byte and every close is the test's.
type Peer struct {
	Addr     string
	Control  net.Conn
	In       *bufio.Reader
	Passive  []string // addresses that PASV and EPSV gave, the newest last
	Data     net.Conn
	listener net.Listener
	written  int64         // bytes sent on the data connection of this transfer
	Least    time.Duration // wait at least so long, whatever is asked for: for one of many on a machine that does much else
}

// Connect opens the control connection.
func (p *Peer) Connect() error {
	control, err := net.DialTimeout("tcp", p.Addr, ReplyTime)
	if err != nil {
		return err
	}
	p.Control, p.In = control, bufio.NewReader(control)
	return nil
}

// Close closes all connections.
func (p *Peer) Close() {
	if p.Control != nil {
		p.Control.Close()
	}
	if p.Data != nil {
		p.Data.Close()
	}
	if p.listener != nil {
		p.listener.Close()
	}
}

// Send writes to the control connection.
func (p *Peer) Send(line []byte) error {
	if p.Control == nil {
		return errors.New("this connection is not open")
	}
	_, err := p.Control.Write(line)
	return err
}

// Command sends a line and returns the first reply, for tests that need no script.
func (p *Peer) Command(format string, args ...any) string {
	if err := p.Send(fmt.Appendf(nil, format+"\r\n", args...)); err != nil {
		return "(closed)"
	}
	return p.Reply(ReplyTime)
}

// Reply is the next reply, its lines joined by a line feed; "(closed)" at the end of the connection, "(silent)"
// where none came within the time.
func (p *Peer) Reply(within time.Duration) string {
	if p.Control == nil {
		return "(closed)"
	}
	p.Control.SetReadDeadline(time.Now().Add(max(within, p.Least)))
	text := ""
	for {
		line, err := p.In.ReadString('\n')
		for err == nil && !strings.HasSuffix(line, "\r\n") {
			var more string
			more, err = p.In.ReadString('\n')
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
		if !OpenMultiline(text) {
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
func (p *Peer) learn(reply string) {
	host, _, _ := net.SplitHostPort(p.Addr)
	if m := pasvAddress.FindStringSubmatch(reply); m != nil {
		high, _ := strconv.Atoi(m[2])
		low, _ := strconv.Atoi(m[3])
		p.Passive = append(p.Passive, net.JoinHostPort(host, strconv.Itoa(high<<8+low)))
	}
	if m := epsvPort.FindStringSubmatch(reply); m != nil {
		p.Passive = append(p.Passive, net.JoinHostPort(host, m[1]))
	}
}

// Open connects to the newest passive port, from another local address where one is given.
func (p *Peer) Open(from string) error {
	if len(p.Passive) == 0 {
		return errors.New("no passive reply so far")
	}
	dialer := net.Dialer{Timeout: ReplyTime}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	data, err := dialer.Dial("tcp", p.Passive[len(p.Passive)-1])
	if err != nil {
		return err
	}
	p.DropData()
	p.Data = data
	return nil
}

// Listen opens a port for an active data connection.
func (p *Peer) Listen() error {
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

// Ports are what {port} and {eprt} stand for: the listener's port as PORT and as EPRT write it.
func (p *Peer) Ports() (port, eprt string) {
	if p.listener == nil {
		return "", ""
	}
	n := p.listener.Addr().(*net.TCPAddr).Port
	return fmt.Sprintf("%d,%d", n>>8, n&0xff), strconv.Itoa(n)
}

// Accept waits for the gateway to open the active data connection.
func (p *Peer) Accept() error {
	if p.listener == nil {
		return errors.New("nothing listens")
	}
	p.listener.(*net.TCPListener).SetDeadline(time.Now().Add(ReplyTime))
	data, err := p.listener.Accept()
	if err != nil {
		return err
	}
	p.DropData()
	p.Data = data
	return nil
}

// DropData closes the data connection.
func (p *Peer) DropData() {
	if p.Data != nil {
		p.Data.Close()
	}
	p.Data, p.written = nil, 0
}

// Upload sends content and closes the data connection, as the end of a file.
func (p *Peer) Upload(content []byte) error {
	err := p.Write(content)
	p.DropData()
	return err
}

// Write sends a piece of an upload.
func (p *Peer) Write(content []byte) error {
	if p.Data == nil {
		return errors.New("no data connection")
	}
	p.Data.SetWriteDeadline(time.Now().Add(max(ReplyTime, p.Least)))
	n, err := p.Data.Write(content)
	p.written += int64(n)
	return err
}

// Download reads to the end of the data connection.
func (p *Peer) Download(within time.Duration) ([]byte, error) {
	if p.Data == nil {
		return nil, errors.New("no data connection")
	}
	p.Data.SetReadDeadline(time.Now().Add(max(within, p.Least)))
	content, err := io.ReadAll(p.Data)
	p.DropData()
	return content, err
}

// Read receives n bytes of a download.
func (p *Peer) Read(n int) ([]byte, error) {
	if p.Data == nil {
		return nil, errors.New("no data connection")
	}
	p.Data.SetReadDeadline(time.Now().Add(ReplyTime))
	content := make([]byte, n)
	n, err := io.ReadFull(p.Data, content)
	return content[:n], err
}

// Reset closes a connection so that the other side sees an error instead of the end.
func Reset(c net.Conn) error {
	if c == nil {
		return errors.New("no connection to reset")
	}
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return c.Close()
}

// Urgent sends a command as RFC 959 wants ABOR: behind Telnet's IP and, as urgent data, DM.
func (p *Peer) Urgent(command string) error {
	if _, err := p.Control.Write([]byte{0xff, 0xf4, 0xff}); err != nil {
		return err
	}
	raw, err := p.Control.(*net.TCPConn).SyscallConn()
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
	return p.Send([]byte(command + "\r\n"))
}

var totalReceived = regexp.MustCompile(`Total bytes received: (\d+)`)

// Settle waits until the gateway has taken what was written, which its STAT tells.
func (p *Peer) Settle() error {
	deadline := time.Now().Add(ReplyTime)
	for time.Now().Before(deadline) {
		status := p.Command("STAT")
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

// Attach makes a peer of a connection that there is.
func (p *Peer) Attach(control net.Conn) {
	p.Control, p.In = control, bufio.NewReader(control)
}
