package faults

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// outages are the ways in which COS is away altogether.
var outages = []struct {
	name       string
	stall      time.Duration // that COS may take
	host       string        // of the store, "" for an address
	begin, end func(*faultRig) error
	reason     string // in the log
	more       int    // commands that each client tries beside its own
}{
	{"refused", faultTime / 4, "", func(r *faultRig) error { r.victim.shut(); return nil },
		func(r *faultRig) error { return r.victim.open() }, "connection refused", 8},
	{"black hole", 4 * time.Second, "", func(r *faultRig) error { return r.victim.swallow() },
		func(r *faultRig) error { return r.victim.open() }, "no answer from COS", 2},
	{"unknown name", faultTime / 4, "unknown.cos.test", misnamed(rig.DNSNameError), named(rig.DNSNameError), "no such host", 8},
	{"name server out of order", faultTime / 4, "server.cos.test", misnamed(rig.DNSServerFailure), named(rig.DNSServerFailure), "server misbehaving", 8},
}

// TestOutageOfCOS takes the store away while a client for each use of a command is logged in. Whatever the reason: each
// command is answered with 4xx, nothing changes, sessions stay and new ones begin, the log tells the reason once, a
// session on another bucket does not notice; and when the store is back all goes on by itself.
func TestOutageOfCOS(t *testing.T) {
	t.Parallel()
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			r := newFaultRig(t, o.stall, 500*time.Millisecond, o.host)
			done := make(chan struct{})
			var witness sync.WaitGroup
			witness.Go(func() {
				if _, longest, err := r.work(done); err != nil {
					t.Errorf("a session on another bucket noticed (%v at most): %v", longest, err)
				}
			})
			clients := r.outageClients(t)
			if err := o.begin(r); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			failed := failAll(t, clients, o.more)
			if p, err := r.login("victim"); err != nil {
				t.Errorf("nobody can log in: %v", err)
			} else {
				p.Close()
			}
			errs, warnings := r.log.takeAll()
			if err := o.end(r); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d commands failed in %v", failed, time.Since(began).Round(time.Millisecond))
			if len(errs) != 1 || !strings.Contains(errs[0], o.reason) {
				t.Errorf("the log has %d errors, want one with %q: %q", len(errs), o.reason, errs)
			}
			if len(warnings) > 1 {
				t.Errorf("the log has %d warnings, want one at most: %q", len(warnings), warnings)
			}
			succeedAll(t, clients)
			if err := r.wantBack(clients[0], failed); err != nil {
				t.Errorf("%v; the log has the errors %q", err, r.log.take())
			}
			close(done)
			witness.Wait()
			for _, c := range clients {
				if err := c.nothingLeft(); err != nil {
					t.Errorf("%s: %v", c.command.name, err)
				}
				c.p.Close()
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// outageClient is a session that is about to use a command.
type outageClient struct {
	*site
	command *faultCommand
}

// outageClients logs in a client for each command that succeeds when all is well, and prepares the command.
func (r *faultRig) outageClients(t *testing.T) (clients []outageClient) {
	t.Helper()
	r.fillPages()
	for i := range faultCommands {
		command := &faultCommands[i]
		if command.also != nil || strings.HasPrefix(command.success, "5") {
			continue
		}
		p, err := r.login("victim")
		if err != nil {
			t.Fatal(err)
		}
		c := outageClient{&site{faultRig: r, p: p, dir: fmt.Sprintf("o%d/", i)}, command}
		if err := c.prepare(); err != nil {
			t.Fatalf("%s: %v", command.name, err)
		}
		clients = append(clients, c)
	}
	return clients
}

func (c *outageClient) prepare() error {
	if c.command.prepare == nil {
		return nil
	}
	return c.command.prepare(c.site)
}

// failAll has all clients try their command, and more, and answers how many have failed.
func failAll(t *testing.T, clients []outageClient, more int) int {
	var all sync.WaitGroup
	var failed atomic.Int64
	for _, c := range clients {
		all.Go(func() {
			n, err := c.fail(more)
			if err != nil {
				t.Errorf("%s: %v", c.command.name, err)
			}
			failed.Add(int64(n))
		})
	}
	all.Wait()
	return int(failed.Load())
}

var transient = regexp.MustCompile(`^4(26|51) `)

// fail tries the client's command and more until one does not fail as it should.
func (c *outageClient) fail(more int) (failed int, err error) {
	e, err := c.run(cell{command: c.command, kind: &faultKind{}})
	if err != nil || !transient.MatchString(e.final) {
		return 0, fmt.Errorf("%q, want 426 or 451: %w", e.final, err)
	}
	if c.command.check != nil {
		if err := c.command.check(c.site, e); err != nil {
			return 1, err
		}
	}
	others := []string{"SIZE /pages/0000", "CWD /none", "MKD /never", "DELE /pages/0001", "RNFR /pages", "STAT /pages", "MLST /none"}
	for failed = 1; failed <= more; failed++ {
		if err := c.want("451", others[failed%len(others)]); err != nil {
			return failed, err
		}
	}
	return failed, c.want("200", "NOOP")
}

// succeedAll has all clients do what they could not do, a few at a time, so that a busy machine keeps up.
func succeedAll(t *testing.T, clients []outageClient) {
	var all sync.WaitGroup
	room := make(chan struct{}, 4)
	for _, c := range clients {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			if err := c.succeed(); err != nil {
				t.Errorf("%s, after the outage: %v", c.command.name, err)
			}
		})
	}
	all.Wait()
}

func (c *outageClient) succeed() error {
	if err := c.prepare(); err != nil {
		return err
	}
	e, err := c.run(cell{command: c.command, kind: &faultKind{}})
	switch {
	case err != nil || !e.ok:
		return fmt.Errorf("%q, %w", e.final, err)
	case c.command.check != nil:
		err = c.command.check(c.site, e)
	}
	return errors.Join(err, c.want("550", "CWD /none"))
}

// wantBack asks until the log tells that the outage is over.
func (r *faultRig) wantBack(c outageClient, failed int) error {
	var line string
	over := rig.Within(func() bool {
		<-time.After(50 * time.Millisecond)
		_ = c.want("213", "SIZE /pages/0000")
		line = r.log.warning("the storage is back after ")
		return line != ""
	})
	if want := fmt.Sprintf("commands of this user that failed: %d", failed); !over || !strings.HasSuffix(line, want) {
		return fmt.Errorf("the log tells of the end with %q, want %q", line, want)
	}
	return nil
}

// swallow has the store's address take connections and never answer.
func (o *outlet) swallow() error {
	o.shut()
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	hole := &blackHole{Listener: listener}
	o.hole = hole
	hole.work.Go(hole.run)
	return nil
}

// blackHole takes all and answers nothing.
type blackHole struct {
	net.Listener
	work sync.WaitGroup
	mu   sync.Mutex
	in   []net.Conn
}

func (h *blackHole) run() {
	for {
		conn, err := h.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.in = append(h.in, conn)
		h.mu.Unlock()
		h.work.Go(func() { _, _ = io.Copy(io.Discard, conn) })
	}
}

func (h *blackHole) end() {
	h.Close()
	h.mu.Lock()
	for _, conn := range h.in {
		conn.Close()
	}
	h.mu.Unlock()
	h.work.Wait()
}

// misnamed makes the store's name useless, and cuts the connections that need none.
func misnamed(rcode int) func(*faultRig) error {
	return func(r *faultRig) error {
		rig.Names.RCode[rcode].Store(true)
		return r.victim.cutIdle()
	}
}

func named(rcode int) func(*faultRig) error {
	return func(*faultRig) error { rig.Names.RCode[rcode].Store(false); return nil }
}
