package ftpserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

const (
	// maxForeign is how many foreign peers may wait at one passive port.
	maxForeign = 4
	// maxForeignTold is how many of those that get nothing are named in the log; the others are counted.
	maxForeignTold = 8
)

// errOnlyForeign is why a passive port got no peer where foreign ones came and did not stay.
var errOnlyForeign = errors.New("only foreign addresses came")

// onlyForeign is the reply where the client did not come, and a foreign peer sent nothing. It is not 426, which an
// upload has whose beginning may be kept: here nothing has moved, and the old file stays.
var onlyForeign = answer(425, "Can't open data connection: only a foreign address came, and sent nothing.")

// admission says when a peer may have a passive data connection.
type admission uint8

const (
	admitNever admission = iota
	admitLater           // when the client itself does not come
	admitNow
)

// doorkeeper decides which peer of a passive port gets the data connection. The client's own address gets it at once;
// what another address gets is an option.
type doorkeeper struct {
	client  netip.Addr
	foreign admission     // of other addresses
	wait    time.Duration // of admitLater
	log     *slog.Logger

	waiting []foreignPeer // in the order in which they came
	refused int           // foreign peers that came and got nothing
}

// foreignPeer is a peer of another address that waits.
type foreignPeer struct {
	conn net.Conn
	due  time.Time // when it gets the data connection
}

func (s *session) doorkeeper() doorkeeper {
	d := doorkeeper{client: s.remote.Addr(), foreign: admitLater, wait: s.srv.opts.ForeignWait, log: s.log}
	switch {
	case s.srv.opts.SameHostOnly:
		d.foreign = admitNever
	case s.srv.opts.AnyHost:
		d.foreign = admitNow
	}
	return d
}

func (d *doorkeeper) isForeign(conn net.Conn) bool { return peerOf(conn) != d.client }

func peerOf(conn net.Conn) netip.Addr { return addrPort(conn.RemoteAddr()).Addr() }

// admit reports whether a peer gets the data connection at once. Otherwise it keeps or closes the connection.
func (d *doorkeeper) admit(conn net.Conn, now time.Time) bool {
	switch {
	case !d.isForeign(conn):
		return true
	case d.foreign == admitNow:
		d.log.Info(d.about(conn, "takes the data connection"))
		return true
	case d.foreign == admitNever || len(d.waiting) == maxForeign && !d.forget():
		conn.Close()
	default:
		d.waiting = append(d.waiting, foreignPeer{conn, now.Add(d.wait)})
	}
	return false
}

// forget makes room, and reports whether it could: one of those that wait has left.
func (d *doorkeeper) forget() bool {
	for i, p := range d.waiting {
		if peerHasClosed(p.conn) {
			d.turnAway(i, "left the data port")
			return true
		}
	}
	return false
}

// next returns the foreign peer that has waited long enough and is still there, or nil; last says that none may wait
// any longer.
func (d *doorkeeper) next(now time.Time, last bool) net.Conn {
	for len(d.waiting) > 0 && (last || !now.Before(d.waiting[0].due)) {
		conn := d.waiting[0].conn
		if !peerHasClosed(conn) {
			d.waiting = d.waiting[1:]
			d.log.Warn(d.about(conn, "takes the data connection"))
			return conn
		}
		d.turnAway(0, "left the data port")
	}
	return nil
}

// due returns when the first foreign peer has waited long enough, or the zero time if none waits.
func (d *doorkeeper) due() time.Time {
	if len(d.waiting) == 0 {
		return time.Time{}
	}
	return d.waiting[0].due
}

// close turns away all that wait.
func (d *doorkeeper) close() {
	for len(d.waiting) > 0 {
		d.turnAway(0, "is turned away from the data port")
	}
	if more := d.refused - maxForeignTold; more > 0 {
		d.log.Warn(fmt.Sprintf("%d more connections of foreign addresses came to the data port of client %s and got nothing.", more, d.client))
	}
}

func (d *doorkeeper) turnAway(i int, how string) {
	conn := d.waiting[i].conn
	d.waiting = append(d.waiting[:i], d.waiting[i+1:]...)
	if d.refused++; d.refused <= maxForeignTold {
		d.log.Warn(d.about(conn, how))
	}
	conn.Close()
}

func (d *doorkeeper) about(conn net.Conn, what string) string {
	return fmt.Sprintf("Foreign address %s %s of client %s.", peerOf(conn), what, d.client)
}
