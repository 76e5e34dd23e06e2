package ftpserver

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"time"
)

// recordHeader is the length of a TLS record's header: type, version, length (RFC 8446 5.1).
const recordHeader = 5

// recordConn hands TLS one record at a time and never a byte behind it, so that after CCC the rest can be read in
// plain.
type recordConn struct {
	net.Conn
	header []byte // the bytes of the header that were read
	left   int    // bytes of the record that were not
}

func (c *recordConn) Read(p []byte) (int, error) {
	if c.left > 0 {
		n, err := c.Conn.Read(p[:min(len(p), c.left)])
		c.left -= n
		return n, err
	}
	n, err := c.Conn.Read(p[:min(len(p), recordHeader-len(c.header))])
	c.header = append(c.header, p[:n]...)
	if len(c.header) == recordHeader {
		c.left = int(binary.BigEndian.Uint16(c.header[3:]))
		c.header = c.header[:0]
	}
	return n, err
}

// plainAgain reads what follows a TLS session that CCC ended. Some clients still send TLS's close_notify, some do
// not; a record begins with a byte that no command begins with.
type plainAgain struct {
	src   io.Reader
	begun bool // the first plain byte was read
}

func (r *plainAgain) Read(p []byte) (int, error) {
	if r.begun || len(p) == 0 {
		return r.src.Read(p)
	}
	for {
		var header [recordHeader]byte
		if _, err := io.ReadFull(r.src, header[:1]); err != nil {
			return 0, err
		}
		if header[0] < 20 || header[0] > 23 { // change_cipher_spec to application_data
			r.begun = true
			p[0] = header[0]
			return 1, nil
		}
		if _, err := io.ReadFull(r.src, header[1:]); err != nil {
			return 0, err
		}
		if _, err := io.CopyN(io.Discard, r.src, int64(binary.BigEndian.Uint16(header[3:]))); err != nil {
			return 0, err
		}
	}
}

// ownDeadlines keeps TLS from setting deadlines for its farewell, which would cut off slow clients: dataConn sets
// them.
type ownDeadlines struct{ net.Conn }

func (ownDeadlines) SetWriteDeadline(time.Time) error { return nil }

// tcpEnd remembers that TCP's end was read. At the boundary of a record crypto/tls takes it for the end of the data, as it
// does close_notify, behind which it reads no more.
type tcpEnd struct {
	net.Conn
	reached bool
}

func (c *tcpEnd) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.reached = c.reached || err == io.EOF
	return n, err
}

// lateTicket is what TLS writes a data connection to. It keeps the session ticket of TLS 1.3 back until the server has
// something to send: data of a download, or the farewell behind an upload. Many clients never read while they send a
// file; with a ticket unread, their system makes a reset of the end of the connection, and the file is lost.
type lateTicket struct {
	net.Conn
	comes bool   // the next write ends with the ticket
	held  []byte // the ticket's record; it goes before the next write
}

func (c *lateTicket) Write(p []byte) (int, error) {
	switch {
	case c.comes:
		c.comes = false
		return c.hold(p)
	case c.held == nil:
		return c.Conn.Write(p)
	}
	before := len(c.held)
	n, err := c.Conn.Write(append(c.held, p...))
	c.held = nil
	return max(n-before, 0), err
}

// hold writes all but the last record.
func (c *lateTicket) hold(p []byte) (int, error) {
	ticket := lastRecord(p)
	c.held = bytes.Clone(p[ticket:])
	if ticket > 0 { // behind a client certificate the ticket is alone
		if n, err := c.Conn.Write(p[:ticket]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// lastRecord returns where the last of some whole TLS records begins.
func lastRecord(p []byte) (begin int) {
	for next := 0; next+recordHeader <= len(p); {
		begin = next
		next += recordHeader + int(binary.BigEndian.Uint16(p[next+3:]))
	}
	return begin
}
