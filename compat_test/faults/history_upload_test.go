package faults

import (
	"net"
	"strings"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// uploadEnd is a way in which a client ends an upload.
type uploadEnd struct {
	manner string
	weight int
	breaks bool // not all is sent
	end    func(c *historyClient, r *recorded) (reply string)
}

var uploadEnds = []uploadEnd{
	{"done", 12, false, func(c *historyClient, _ *recorded) string {
		c.peer.DropData()
		return c.hear()
	}},
	{"gone without waiting", 1, false, func(c *historyClient, r *recorded) string { return c.vanish(r, closeBoth) }},
	{"FIN of both connections", 3, true, func(c *historyClient, r *recorded) string { return c.vanish(r, closeBoth) }},
	{"RST of both connections", 2, true, func(c *historyClient, r *recorded) string { return c.vanish(r, resetBoth) }},
	{"half open", 1, true, func(c *historyClient, r *recorded) string { return c.vanish(r, closeControlFirst) }},
	{"RST of the data", 2, true, func(c *historyClient, r *recorded) string {
		r.broken = c.site.now()
		_ = rig.Reset(c.peer.Data)
		return c.hear()
	}},
	{"ABOR", 2, true, func(c *historyClient, r *recorded) string {
		r.broken = c.site.now()
		reply := c.ask("ABOR")
		if reply == "" || c.hear() == "" {
			return ""
		}
		return reply
	}},
}

func (c *historyClient) pickEnd() uploadEnd {
	total := 0
	for _, e := range uploadEnds {
		total += e.weight
	}
	pick := c.random.IntN(total)
	for _, e := range uploadEnds {
		if pick -= e.weight; pick < 0 {
			return e
		}
	}
	panic("the weights are more than their sum")
}

// vanish ends the session, in the manner of a client that dies.
func (c *historyClient) vanish(r *recorded, end func(p *rig.Peer)) string {
	r.broken = c.site.now()
	session := c.peer.Control.LocalAddr().String()
	end(c.peer)
	c.peer.Close()
	c.site.awaitEnd(c.gateway, session)
	return ""
}

// A process that dies has its connections closed in the order in which they were opened.
func closeBoth(p *rig.Peer) {
	p.Control.Close()
	p.Data.Close()
}

func resetBoth(p *rig.Peer) {
	for _, conn := range []net.Conn{p.Control, p.Data} {
		_ = rig.Reset(conn)
	}
}

// closeControlFirst leaves the data connection open until the gateway has surely seen the end of the other.
func closeControlFirst(p *rig.Peer) {
	p.Control.Close()
	time.Sleep(historyHold / 4)
	p.Data.Close()
}

func (c *historyClient) upload(verb, name string) error {
	if !c.openData() {
		return rig.ErrSessionLost
	}
	r := c.begin(verb, name)
	r.content, r.size = c.site.newContent(), c.pickSize()
	return c.send(r)
}

// pickSize is small mostly; one part, and a little more than some parts, now and then.
func (c *historyClient) pickSize() int {
	switch c.random.IntN(24) {
	case 0:
		return faultPart
	case 1:
		return faultPart + 1 + c.random.IntN(faultPart)
	case 2:
		return 2*faultPart + 1 + c.random.IntN(faultPart)
	}
	return 2*contentCell + c.random.IntN(2000)
}

// send moves what an upload is to store, leaves the upload half open for a while, and ends it in one of many ways.
func (c *historyClient) send(r *recorded) error {
	r.sent = r.offset
	reply := c.ask("%s %s", r.verb, r.name)
	if !strings.HasPrefix(reply, "1") {
		r.refused = reply != ""
		if c.broken = nil; r.offset == 0 && r.verb == "STOR" {
			c.broken = r
		}
		return c.end(r, reply)
	}
	r.opened = c.site.now()
	how := c.pickEnd()
	r.manner = how.manner
	first := r.offset + (r.size-r.offset)/2
	if first-r.offset < contentCell {
		first = min(r.offset+contentCell, r.size) // so that what arrives tells its content
	}
	wrote := c.write(r, first)
	if how.breaks || c.random.IntN(3) == 0 {
		time.Sleep(time.Duration(c.random.Int64N(int64(historyHold))))
	}
	if wrote && !how.breaks {
		wrote = c.write(r, r.size)
	}
	claim := c.site.claim(r.name, c.gateway)
	defer claim.release()
	if !wrote { // the gateway cut it off, and says why or is gone
		r.broken = c.site.now()
		c.peer.DropData()
		reply = c.hear()
	} else {
		reply = how.end(c, r)
	}
	if !strings.HasPrefix(reply, "226") && r.verb == "STOR" {
		c.broken = r
	}
	return c.endChange(r, reply)
}

// write sends what is missing up to an offset of the content.
func (c *historyClient) write(r *recorded, to int) bool {
	if err := c.peer.Write(tellingContent(r.content, r.sent, to-r.sent)); err != nil {
		// What was written before the error may have arrived.
		r.sent = to
		return false
	}
	r.sent = to
	return true
}
