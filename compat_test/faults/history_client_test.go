package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

const (
	historyReply = 30 * time.Second       // to wait for a reply; more is a session lost
	historyPause = 8 * time.Millisecond   // between two commands of a client, at most
	historyHold  = 120 * time.Millisecond // that an upload is left half open, at most
)

// historyClient is one of the clients of a history. What it does follows from its seed; when, only roughly.
type historyClient struct {
	site    *historySite
	number  int
	gateway int
	random  *rand.Rand
	peer    *rig.Peer
	todo    int       // commands
	broken  *recorded // the last upload that did not end well, to be resumed; nil for none
}

// work opens one session after the other until all commands are used up.
func (c *historyClient) work() {
	for c.todo > 0 {
		if err := c.login(); err != nil {
			c.todo-- // or a gateway that never comes back would keep us for ever
			time.Sleep(5 * time.Millisecond)
			continue
		}
		var err error
		for c.todo > 0 && err == nil {
			err = c.act()
			time.Sleep(time.Duration(c.random.Int64N(int64(historyPause))))
		}
		c.peer.Close()
	}
}

// user is a name of the client's own: by it, and by the address, a gateway tells who comes back.
func (c *historyClient) user() string { return fmt.Sprintf("client%d", c.number) }

func (c *historyClient) login() error {
	c.peer = &rig.Peer{Addr: c.site.addr(c.gateway)}
	err := c.peer.Connect()
	for _, step := range []struct{ line, want string }{
		{"", "220"}, {"USER " + c.user(), "331"}, {"PASS pass0", "230"}, {"TYPE I", "200"},
	} {
		if err == nil && step.line != "" {
			err = c.peer.Send([]byte(step.line + "\r\n"))
		}
		if err == nil && !strings.HasPrefix(c.peer.Reply(historyReply), step.want) {
			err = rig.ErrSessionLost
		}
	}
	if err != nil {
		c.peer.Close()
	}
	return err
}

// begin begins a command.
func (c *historyClient) begin(verb, name string) *recorded {
	c.todo--
	return &recorded{client: c.number, gateway: c.gateway, verb: verb, name: name, began: c.site.now()}
}

// end records a command with its reply, "" for none. The error says that the session is lost.
func (c *historyClient) end(r *recorded, reply string) error {
	r.reply, r.ended = reply, c.site.now()
	if reply == "" {
		r.ended = endless
	}
	c.site.add(r)
	if reply == "" {
		return rig.ErrSessionLost
	}
	return nil
}

// ask sends a command and returns the reply, "" where none comes.
func (c *historyClient) ask(format string, args ...any) string {
	if err := c.peer.Send(fmt.Appendf(nil, format+"\r\n", args...)); err != nil {
		return ""
	}
	return c.hear()
}

// hear returns the next reply, "" where none comes. 421 is the end of the session, and tells nothing of a command.
func (c *historyClient) hear() string {
	reply := c.peer.Reply(historyReply)
	if strings.HasPrefix(reply, "(") || strings.Contains(reply, "(cut off") || strings.HasPrefix(reply, "421") {
		return ""
	}
	return reply
}

// act is one command, or those that belong together.
func (c *historyClient) act() error {
	if c.broken != nil && c.site.theme.resumes && c.random.IntN(2) == 0 {
		return c.resume()
	}
	theme := c.site.theme
	name := theme.names[c.random.IntN(len(theme.names))]
	pick := c.random.IntN(theme.total())
	for i, weight := range theme.weights {
		if pick -= weight; pick < 0 {
			return clientActions[i](c, name)
		}
	}
	return nil
}

// clientActions are in the order of the weights of a theme.
var clientActions = []func(c *historyClient, name string) error{
	func(c *historyClient, name string) error { return c.upload("STOR", name) },
	func(c *historyClient, name string) error { return c.upload("APPE", name) },
	(*historyClient).retrieve,
	(*historyClient).size,
	(*historyClient).remove,
	func(c *historyClient, _ string) error { return c.renameFile() },
	func(c *historyClient, _ string) error { return c.renameDir() },
	func(c *historyClient, _ string) error { return c.list() },
}

// openData makes a data connection; false: the session is of no more use.
func (c *historyClient) openData() bool {
	return strings.HasPrefix(c.ask("PASV"), "227") && c.peer.Open("") == nil
}

func (c *historyClient) retrieve(name string) error {
	if !c.openData() {
		return rig.ErrSessionLost
	}
	r := c.begin("RETR", name)
	reply := c.ask("RETR %s", name)
	if !strings.HasPrefix(reply, "1") {
		return c.end(r, reply)
	}
	if c.random.IntN(12) == 0 { // broken off: it tells nothing
		c.peer.DropData()
		return c.end(r, cutReply(c.hear()))
	}
	got, err := c.peer.Download(historyReply)
	reply = c.hear()
	if r.got = takeApart(got); err != nil {
		reply = cutReply(reply)
	}
	return c.end(r, reply)
}

// cutReply keeps a reply from proving something when the data did not come whole.
func cutReply(reply string) string {
	if reply == "" {
		return ""
	}
	return "(cut) " + reply
}

// isCut reports whether the data of a command did not come whole.
func (r *recorded) isCut() bool { return strings.HasPrefix(r.reply, "(cut)") }

func (c *historyClient) size(name string) error {
	r := c.begin("SIZE", name)
	return c.end(r, c.ask("SIZE %s", name))
}

func (c *historyClient) remove(name string) error {
	defer c.site.claim(name, c.gateway).release()
	r := c.begin("DELE", name)
	return c.endChange(r, c.ask("DELE %s", name))
}

func (c *historyClient) list() error {
	if !c.openData() {
		return rig.ErrSessionLost
	}
	r := c.begin("LIST", listedDir)
	reply := c.ask("LIST %s", listedDir)
	if !strings.HasPrefix(reply, "1") {
		return c.end(r, reply)
	}
	got, err := c.peer.Download(historyReply)
	for line := range strings.SplitSeq(string(got), "\r\n") {
		if fields := strings.Fields(line); len(fields) > 0 {
			r.shown = append(r.shown, fields[len(fields)-1])
		}
	}
	reply = c.hear()
	if err != nil {
		reply = cutReply(reply)
	}
	return c.end(r, reply)
}

// renameFile renames one of the two names of files that are renamed to the other.
func (c *historyClient) renameFile() error {
	from, to := renamedFiles[0], renamedFiles[1]
	if c.random.IntN(2) == 0 {
		from, to = to, from
	}
	return c.rename(from, to)
}

// renameDir renames the directory, whatever it is called now. Often it does what another client has just begun to do:
// clients that lost their session come back and repeat it.
func (c *historyClient) renameDir() error {
	from := c.site.renaming.Load()
	if c.random.IntN(3) == 0 || from == nil {
		from = &renamedDirs[c.random.IntN(2)]
	}
	c.site.renaming.Store(from)
	to := renamedDirs[0]
	if *from == to {
		to = renamedDirs[1]
	}
	return c.rename(*from, to)
}

func (c *historyClient) rename(from, to string) error {
	found := c.begin("RNFR", from)
	if isRenamedDir(from) { // a directory is there as long as anything in it is, which no model here knows
		found.name = ""
	}
	if err := c.end(found, c.ask("RNFR %s", from)); err != nil || !found.has("350") {
		return err
	}
	defer c.site.claim(from, c.gateway).release()
	r := c.begin("RNTO", from)
	r.target = to
	return c.endChange(r, c.ask("RNTO %s", to))
}

func isRenamedDir(name string) bool { return slices.Contains(renamedDirs[:], name) }

// endChange is end for a command that may go on at the gateway when its session is lost: with several gateways the
// claim of the name must not end before that.
func (c *historyClient) endChange(r *recorded, reply string) error {
	err := c.end(r, reply)
	if err != nil {
		c.leave()
	}
	return err
}

// leave closes the session and, with several gateways, waits until the gateway has noticed.
func (c *historyClient) leave() {
	session := c.peer.Control.LocalAddr().String()
	c.peer.Close()
	c.site.awaitEnd(c.gateway, session)
}

// resume goes on with the upload that was broken off last, as clients do: SIZE, REST and the rest.
func (c *historyClient) resume() error {
	broken := c.broken
	c.broken = nil
	r := c.begin("SIZE", broken.name)
	if err := c.end(r, c.ask("SIZE %s", broken.name)); err != nil || !r.has("213") {
		return err
	}
	size, err := strconv.Atoi(strings.TrimPrefix(r.reply, "213 "))
	if err != nil || size == 0 || size >= broken.size {
		return err
	}
	if !c.openData() {
		return rig.ErrSessionLost
	}
	if !strings.HasPrefix(c.ask("REST %d", size), "350") {
		return rig.ErrSessionLost
	}
	rest := c.begin("STOR", broken.name)
	rest.content, rest.offset, rest.size = broken.content, size, broken.size
	return c.send(rest)
}
