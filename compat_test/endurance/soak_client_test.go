package endurance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

const (
	soakFiles    = 4        // names that each client uses
	soakSmall    = 32 << 10 // greatest size of most files
	soakLarge    = 3 << 20  // and of those of one client in eight
	soakUnproved = 6        // states that a file may be in before the client leaves it alone

	// soakQuiet is how long the program may be busy with an upload whose client is gone, repetitions included.
	soakQuiet = 40 * time.Second
)

// soakClient does everything, in a directory of its own, and knows what must be there.
type soakClient struct {
	site   *soakSite
	dir    string
	large  bool
	number uint64 // of the last content
	files  map[string]*soakFile

	peer *rig.Peer
	done int // commands of this session
}

// soakFile is what a client knows of a file.
type soakFile struct {
	may  []soakState // one: it is known
	life int64       // of the program, when it became unknown
	at   time.Time
}

// soakState is what a file may be.
type soakState struct {
	content []byte // nil: not there
	from    int    // the file may have any part of content that begins with so many bytes; -1: all of it
}

var soakAbsent = soakState{from: -1}

func soakWhole(content []byte) soakState { return soakState{content, -1} }

func (s soakState) fits(o costest.Object, there bool) bool {
	switch {
	case s.content == nil || !there:
		return s.content == nil && !there
	case s.from < 0:
		return bytes.Equal(o.Data, s.content)
	}
	return len(o.Data) >= s.from && bytes.HasPrefix(s.content, o.Data)
}

func newSoakClient(site *soakSite, n int) *soakClient {
	c := &soakClient{site: site, dir: fmt.Sprintf("c%03d", n), large: n%8 == 0, number: uint64(n) << 32, files: map[string]*soakFile{}}
	for f := range soakFiles {
		c.files[fmt.Sprintf("f%d", f)] = &soakFile{may: []soakState{soakAbsent}}
	}
	for d := range 2 {
		c.files[fmt.Sprintf("d%d/", d)] = &soakFile{may: []soakState{soakAbsent}}
	}
	return c
}

// known is the one state that a file is in.
func (f *soakFile) known() (soakState, bool) {
	if len(f.may) == 1 && f.may[0].from < 0 {
		return f.may[0], true
	}
	return soakState{}, false
}

func (f *soakFile) is(state soakState) { f.may = []soakState{state} }

// mayBe adds states that a file may be in besides: nobody told.
func (c *soakClient) mayBe(f *soakFile, states ...soakState) {
	f.may = append(f.may, states...)
	f.life, f.at = c.site.lives.Load(), time.Now()
}

// settle looks what a file is, when nothing can change it any more.
func (s *soakSite) settle(key string, f *soakFile) {
	o, there := s.store.Get(rig.BucketName(0), key)
	if !slices.ContainsFunc(f.may, func(state soakState) bool { return state.fits(o, there) }) {
		s.blame("%s: there %v with %d bytes; may be %s", key, there, len(o.Data), describeStates(f.may))
	}
	f.is(soakAbsent)
	if there {
		f.is(soakWhole(append([]byte{}, o.Data...)))
	}
}

func describeStates(states []soakState) (text string) {
	for _, s := range states {
		text += fmt.Sprintf("[%d bytes, absent %v, from %d] ", len(s.content), s.content == nil, s.from)
	}
	return text
}

// pick is a file that may be worked on.
func (c *soakClient) pick() (name string, f *soakFile) {
	name = fmt.Sprintf("f%d", rand.IntN(soakFiles))
	f = c.files[name]
	if _, known := f.known(); !known {
		ended := c.site.lives.Load() > f.life && time.Since(f.at) > 5*time.Second
		if ended || time.Since(f.at) > soakQuiet {
			c.site.settle(c.dir+"/"+name, f)
		}
	}
	return name, f
}

// work opens one session after the other until it is told to end.
func (c *soakClient) work(ended <-chan struct{}) {
	for !isClosed(ended) {
		err := c.login()
		for err == nil && !isClosed(ended) && c.done < 60 {
			err = c.step()
			c.pause(ended)
		}
		if err == nil && rand.IntN(4) > 0 {
			_, err = c.ask("QUIT")
		} else if c.done > 0 {
			c.site.count("disconnects")
		}
		c.peer.Close()
		if err != nil {
			time.Sleep(rand.N(soakRetry))
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (c *soakClient) pause(ended <-chan struct{}) {
	pause := soakPause
	if !c.site.long {
		pause /= 20
	}
	select {
	case <-time.After(rand.N(2 * pause)):
	case <-ended:
	}
}

func (c *soakClient) login() error {
	c.peer, c.done = &rig.Peer{Addr: c.site.addr}, 0
	if err := c.peer.Connect(); err != nil {
		return err
	}
	if _, err := c.hear(); err != nil {
		return err
	}
	for _, line := range []string{"USER user0", "PASS pass0", "TYPE I"} {
		if reply, err := c.ask("%s", line); err != nil || reply[0] > '3' {
			return rig.ErrSessionLost
		}
	}
	return nil
}

// ask sends a command and answers the reply, an error where the session is at its end.
func (c *soakClient) ask(format string, args ...any) (string, error) {
	line := fmt.Sprintf(format, args...)
	verb, _, _ := strings.Cut(line, " ")
	c.site.count("commands")
	c.site.count(verb)
	c.done++
	if err := c.peer.Send([]byte(line + "\r\n")); err != nil {
		return "", rig.ErrSessionLost
	}
	return c.hear()
}

func (c *soakClient) hear() (string, error) {
	reply := c.peer.Reply(soakPatience)
	switch {
	case reply == "(silent)":
		c.site.blame("%s waited %v for a reply", c.dir, soakPatience)
		return reply, rig.ErrSessionLost
	case !strings.HasPrefix(reply, "(") && !strings.Contains(reply, "(cut off") && !strings.HasPrefix(reply, "421"):
		return reply, nil
	}
	return reply, rig.ErrSessionLost
}

// step is one command, or those that belong together.
func (c *soakClient) step() error {
	name, f := c.pick()
	if len(f.may) > soakUnproved {
		_, err := c.ask("NOOP")
		return err
	}
	switch rand.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		return c.store("STOR", name, f, 0)
	case 6:
		return c.store("APPE", name, f, 0)
	case 7:
		return c.resume(name, f)
	case 8, 9, 10, 11:
		return c.fetch(name, f)
	case 12:
		return c.list([]string{"LIST", "NLST", "MLSD"}[rand.IntN(3)])
	case 13, 14:
		return c.remove(name, f)
	case 15:
		return c.rename(name, f)
	case 16:
		return c.makeDir()
	case 17:
		return c.removeDir()
	case 18:
		return c.size(name, f)
	}
	return c.modified(name, f)
}

func (c *soakClient) content() []byte {
	size := soakSmall
	if c.large && rand.IntN(3) == 0 {
		size = soakLarge
	}
	c.number++
	return rig.ContentOf(c.number, rand.IntN(size))
}

// resume is REST and STOR somewhere in the file.
func (c *soakClient) resume(name string, f *soakFile) error {
	state, known := f.known()
	if !known || len(state.content) < 2 || len(state.content) > soakLarge {
		return nil
	}
	offset := 1 + rand.IntN(len(state.content)-1)
	if reply, err := c.ask("REST %d", offset); err != nil || reply[0] != '3' {
		return err
	}
	return c.store("STOR", name, f, offset)
}

// store uploads, in one of the ways that clients have: at once, slowly, or not to the end.
func (c *soakClient) store(verb, name string, f *soakFile, offset int) error {
	content := c.content()
	whole := content
	if verb == "APPE" || offset > 0 {
		old, known := f.known()
		if !known || len(old.content) > soakLarge {
			return nil
		}
		if verb == "APPE" {
			offset = len(old.content)
		}
		whole = append(slices.Clip(old.content[:offset]), content...)
	}
	if whole == nil {
		whole = []byte{}
	}
	if opened, err := c.open("%s %s/%s", verb, c.dir, name); !opened {
		return err
	}
	switch rand.IntN(12) {
	case 0:
		return c.abort(f, whole, offset, content)
	case 1:
		c.peer.Write(content[:len(content)/2])
		c.mayBe(f, soakState{whole, offset})
		c.site.count("uploads cut off by the client")
		return rig.ErrSessionLost
	case 2:
		for piece := range slices.Chunk(content, len(content)/8+1) {
			if err := c.peer.Write(piece); err != nil {
				break
			}
			time.Sleep(rand.N(200 * time.Millisecond))
		}
		c.peer.DropData()
	default:
		c.peer.Upload(content)
	}
	reply, err := c.hear()
	done := err == nil && strings.HasPrefix(reply, "226")
	if done {
		c.site.count("226")
	}
	_, known := f.known()
	switch {
	case done && known:
		f.is(soakWhole(whole))
	case done: // what the client broke off in another session may be stored after this
		c.mayBe(f, soakWhole(whole))
	default: // a fault of COS, or the end of the program; COS may have it all the same
		c.site.count("uploads that failed")
		c.mayBe(f, soakWhole(whole))
	}
	return err
}

// open begins a transfer; false without an error: it was refused.
func (c *soakClient) open(format string, args ...any) (bool, error) {
	reply, err := c.ask("PASV")
	if err != nil || !strings.HasPrefix(reply, "227") {
		return false, rig.ErrSessionLost // a REST before it would hold for the next transfer
	}
	if err := c.peer.Open(""); err != nil {
		return false, rig.ErrSessionLost
	}
	reply, err = c.ask(format, args...)
	return err == nil && reply[0] == '1', err
}

// abort sends half of a file and ABOR.
func (c *soakClient) abort(f *soakFile, whole []byte, offset int, content []byte) error {
	c.peer.Write(content[:len(content)/2])
	c.mayBe(f, soakState{whole, offset})
	reply, err := c.ask("ABOR")
	if err == nil {
		_, err = c.hear()
	}
	if err == nil && strings.HasPrefix(reply, "226 Transfer complete") {
		c.site.blame("half a file and ABOR are answered %q", reply)
	}
	c.peer.DropData()
	return err
}

// fetch downloads, and compares.
func (c *soakClient) fetch(name string, f *soakFile) error {
	state, known := f.known()
	offset := 0
	if known && len(state.content) > 1 && rand.IntN(4) == 0 {
		offset = rand.IntN(len(state.content))
		if reply, err := c.ask("REST %d", offset); err != nil || reply[0] != '3' {
			return err
		}
	}
	opened, err := c.open("RETR %s/%s", c.dir, name)
	if !opened {
		return err
	}
	if known && state.content == nil {
		c.site.blame("%s/%s is not there, and RETR begins", c.dir, name)
	}
	switch rand.IntN(16) {
	case 0:
		c.peer.DropData()
		c.site.count("downloads cut off by the client")
		_, err := c.hear()
		return err
	case 1:
		c.peer.Read(1)
		time.Sleep(rand.N(time.Second))
		c.peer.DropData()
		_, err := c.hear()
		return err
	}
	got, _ := c.peer.Download(soakPatience)
	reply, err := c.hear()
	if err == nil && strings.HasPrefix(reply, "226") {
		c.site.count("226")
		if known && !bytes.Equal(got, state.content[offset:]) {
			c.site.blame("%s/%s: %d bytes from %d on came, of %d", c.dir, name, len(got), offset, len(state.content))
		}
	}
	return err
}

// list wants all files in a listing that must be there, and none that must not.
func (c *soakClient) list(verb string) error {
	opened, err := c.open("%s %s", verb, c.dir)
	if !opened {
		return err
	}
	got, _ := c.peer.Download(soakPatience)
	reply, err := c.hear()
	if err != nil || !strings.HasPrefix(reply, "226") {
		return err
	}
	c.site.count("226")
	for name, f := range c.files {
		state, known := f.known()
		shown := slices.ContainsFunc(strings.Split(string(got), "\r\n"), func(line string) bool {
			line = strings.ReplaceAll(line, "\t", " ")
			return line == strings.TrimSuffix(name, "/") || strings.HasSuffix(line, " "+strings.TrimSuffix(name, "/")) ||
				line == c.dir+"/"+strings.TrimSuffix(name, "/")
		})
		if known && shown != (state.content != nil) {
			c.site.blame("%s %s shows %s: %v, it is there: %v\n%s", verb, c.dir, name, shown, !shown, got)
		}
	}
	return nil
}

func (c *soakClient) remove(name string, f *soakFile) error {
	state, known := f.known()
	reply, err := c.ask("DELE %s/%s", c.dir, name)
	switch {
	case err == nil && strings.HasPrefix(reply, "250"):
		if known && state.content == nil {
			c.site.blame("%s/%s is not there, and DELE is answered %q", c.dir, name, reply)
		}
		if known { // else an upload may still be under way
			f.is(soakAbsent)
			return nil
		}
	case err == nil && known && state.content == nil:
		return nil
	}
	c.mayBe(f, soakAbsent)
	return err
}

// rename renames a file to another name, whose file it replaces.
func (c *soakClient) rename(name string, f *soakFile) error {
	state, known := f.known()
	other := fmt.Sprintf("f%d", rand.IntN(soakFiles))
	target := c.files[other]
	if _, targetKnown := target.known(); !known || !targetKnown || state.content == nil || name == other {
		return nil
	}
	reply, err := c.ask("RNFR %s/%s", c.dir, name)
	if err != nil || reply[0] != '3' {
		return err
	}
	reply, err = c.ask("RNTO %s/%s", c.dir, other)
	if err == nil && strings.HasPrefix(reply, "250") {
		f.is(soakAbsent)
		target.is(state)
		return nil
	}
	c.mayBe(f, soakAbsent)
	c.mayBe(target, state)
	return err
}

func (c *soakClient) makeDir() error {
	name := fmt.Sprintf("d%d/", rand.IntN(2))
	f := c.files[name]
	reply, err := c.ask("MKD %s/%s", c.dir, name)
	if err == nil && strings.HasPrefix(reply, "257") {
		f.is(soakWhole([]byte{}))
		return nil
	}
	if state, known := f.known(); err != nil || !known || state.content == nil {
		c.mayBe(f, soakWhole([]byte{}))
	}
	f.may = f.may[max(0, len(f.may)-soakUnproved):]
	return err
}

func (c *soakClient) removeDir() error {
	name := fmt.Sprintf("d%d/", rand.IntN(2))
	f := c.files[name]
	reply, err := c.ask("RMD %s/%s", c.dir, name)
	if err == nil && strings.HasPrefix(reply, "250") {
		f.is(soakAbsent)
		return nil
	}
	if state, known := f.known(); err != nil || !known || state.content != nil {
		c.mayBe(f, soakAbsent)
	}
	f.may = f.may[max(0, len(f.may)-soakUnproved):]
	return err
}

func (c *soakClient) size(name string, f *soakFile) error {
	reply, err := c.ask("SIZE %s/%s", c.dir, name)
	state, known := f.known()
	if known && strings.HasPrefix(reply, "213") && reply != fmt.Sprintf("213 %d", len(state.content)) {
		c.site.blame("SIZE of %s/%s with %d bytes is %q", c.dir, name, len(state.content), reply)
	}
	return err
}

func (c *soakClient) modified(name string, f *soakFile) error {
	reply, err := c.ask("MDTM %s/%s", c.dir, name)
	if state, known := f.known(); known && state.content == nil && strings.HasPrefix(reply, "213") {
		c.site.blame("%s/%s is not there, and MDTM is answered %q", c.dir, name, reply)
	}
	return err
}
