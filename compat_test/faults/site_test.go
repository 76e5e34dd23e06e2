package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
)

const (
	faultPart    = 1 << 20 // bytes of a part, and of the greatest object that one request copies
	faultBuckets = "faults-1250000000"
)

// outlet is a store on an address of its own that can be shut and opened again.
type outlet struct {
	*costest.Server
	addr    string
	handler http.Handler
	server  *http.Server
	served  chan error
	hole    *blackHole // in its place, nil for none
}

func newOutlet(t *testing.T, mood ...costest.Option) *outlet {
	t.Helper()
	// Not on the address of the gateway, which could be given the port of a store that is shut for a data connection.
	o := &outlet{addr: "127.0.0.2:0", Server: costest.New(append(mood,
		costest.WithBucket(faultBuckets), costest.WithCredentials("test-id", "test-key"), costest.WithoutMD5())...)}
	o.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://elsewhere.invalid/") // redirects lead there
		o.ServeHTTP(w, r)
	})
	if err := o.open(); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *outlet) open() error {
	if o.hole != nil {
		o.hole.end()
		o.hole = nil
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	o.addr = listener.Addr().String()
	o.server, o.served = &http.Server{Handler: o.handler}, make(chan error, 1)
	go func(server *http.Server, served chan<- error) { served <- server.Serve(listener) }(o.server, o.served)
	return nil
}

// shut refuses connections from now on, and cuts those there are.
func (o *outlet) shut() {
	o.server.Close()
	<-o.served
}

// cutIdle closes the connections that the other side believes to be open.
func (o *outlet) cutIdle() error {
	o.shut()
	return o.open()
}

// faultRig is a gateway on two stores: one whose faults are tried, as the accounts victim and any other name, and one
// that is in order, as the account witness. All share the engine.
type faultRig struct {
	victim, witness *outlet
	engine          *cosfs.Engine
	server          *ftpserver.Server
	served          chan error
	addr            string
	log             *faultLog
	cells           int
}

// newFaultRig makes one that waits for so long for an answer of COS, and repeats commands for patience and transfers for
// twice that (see cosfs.EngineOptions). With a host name, "" for none, the
// gateway asks for the address of the store's host first.
func newFaultRig(t *testing.T, stall, patience time.Duration, host string, mood ...costest.Option) *faultRig {
	t.Helper()
	r := &faultRig{victim: newOutlet(t, mood...), witness: newOutlet(t), log: &faultLog{}, served: make(chan error, 1)}
	r.engine = cosfs.NewEngine(cosfs.EngineOptions{
		UploadThreads: 8, DownloadThreads: 8, Memory: 64 << 20, RetryBase: time.Millisecond,
		CommandPatience: patience, Patience: 2 * patience,
		StallTimeout: stall, AnswerTimeout: stall, CopyTimeout: 4 * stall,
	})
	logger := slog.New(r.log)
	victimAddr := r.victim.addr
	if _, port, _ := net.SplitHostPort(victimAddr); host != "" {
		victimAddr = net.JoinHostPort(host, port)
	}
	victim, witness := r.tree(t, victimAddr, logger), r.tree(t, r.witness.addr, logger)
	r.server = ftpserver.New(ftpserver.Options{
		Logger: logger, KeepIncomplete: true, Extended: true,
		// Above the ports that the system gives away: some other test may still knock at one that it had before.
		PassiveFirst: 62000, PassiveLast: 64999,
		Login: func(_ context.Context, a ftpserver.Attempt) *ftpserver.Account {
			account := &ftpserver.Account{Name: a.User, Home: "/home", FS: victim, Perm: "elradfmwMT", Delete: true}
			if a.User == "witness" {
				account.FS = witness
			}
			return account
		},
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = listener.Addr().String()
	go func() { r.served <- r.server.Serve(listener) }()
	return r
}

// tree is the bucket on the store at an address.
func (r *faultRig) tree(t *testing.T, addr string, logger *slog.Logger) *cosfs.FS {
	t.Helper()
	tree, err := cosfs.New(cosfs.Options{
		SecretID: "test-id", SecretKey: "test-key", Bucket: faultBuckets, Host: costest.Host(faultBuckets),
		Scheme: "http", Address: addr, PartSize: faultPart, MaxFileSize: 100 << 20, CopyLimit: faultPart,
		RenameDirLimit: 100, ResumeAny: true, Logger: logger,
	}, r.engine)
	if err == nil {
		err = tree.Check(t.Context()) // as at the start of the program
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// fillPages puts there what takes two pages to list.
func (r *faultRig) fillPages() {
	for i := range pagedEntries {
		r.victim.Put(faultBuckets, fmt.Sprintf("pages/%04d", i), nil)
	}
}

func (r *faultRig) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), rig.ReplyTime)
	defer cancel()
	r.victim.ClearFaults()
	err := errors.Join(r.server.Shutdown(ctx), <-r.served)
	r.engine.Close()
	r.victim.shut()
	r.witness.shut()
	return err
}

func (r *faultRig) login(user string) (*rig.Peer, error) {
	p := &rig.Peer{Addr: r.addr}
	if err := p.Connect(); err != nil {
		return nil, err
	}
	for _, step := range []struct{ line, want string }{
		{"", "220"}, {"USER " + user, "331"}, {"PASS x", "230"}, {"TYPE I", "200"},
	} {
		reply := ""
		if step.line == "" {
			reply = p.Reply(rig.ReplyTime)
		} else {
			reply = p.Command("%s", step.line)
		}
		if !strings.HasPrefix(reply, step.want) {
			return nil, fmt.Errorf("%s: %s", step.line, reply)
		}
	}
	return p, nil
}

// transfer runs a command with a data connection: it sends what is given, or answers what came.
func transfer(p *rig.Peer, send []byte, format string, args ...any) (final string, got []byte, err error) {
	if reply := p.Command("PASV"); !strings.HasPrefix(reply, "227") {
		return "", nil, fmt.Errorf("PASV: %s", reply)
	}
	if err := p.Open(""); err != nil {
		return "", nil, err
	}
	defer p.DropData()
	return finish(p, send, ask(p, fmt.Sprintf(format, args...)))
}

// ask is the reply to a command for which the gateway must ask COS.
func ask(p *rig.Peer, line string) string {
	if err := p.Send([]byte(line + "\r\n")); err != nil {
		return "(closed)"
	}
	return p.Reply(faultTime)
}

// finish moves the data of a transfer that was answered.
func finish(p *rig.Peer, send []byte, reply string) (final string, got []byte, err error) {
	if !strings.HasPrefix(reply, "1") {
		return reply, nil, nil
	}
	var broken error
	if send != nil {
		_ = p.Upload(send) // the gateway may well cut it off
	} else {
		got, broken = p.Download(faultTime)
	}
	final = p.Reply(faultTime)
	if strings.HasPrefix(final, "2") && broken != nil {
		err = fmt.Errorf("%s, but the data connection broke off: %w", final, broken)
	}
	return final, got, err
}

// work has a client of the store that is in order store and read until done is closed. It answers how often, and how
// long it took at most.
func (r *faultRig) work(done <-chan struct{}) (rounds int, longest time.Duration, err error) {
	p, err := r.login("witness")
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	for ; ; rounds++ {
		select {
		case <-done:
			return rounds, longest, nil
		case <-time.After(20 * time.Millisecond):
		}
		began := time.Now()
		content := bytes.Repeat([]byte(fmt.Sprintf("round %d\n", rounds)), 1000)
		if final, _, err := transfer(p, content, "STOR w%d", rounds%10); err != nil || !strings.HasPrefix(final, "226") {
			return rounds, longest, fmt.Errorf("STOR: %q, %w", final, err)
		}
		final, got, err := transfer(p, nil, "RETR w%d", rounds%10)
		if err != nil || !strings.HasPrefix(final, "226") || !bytes.Equal(got, content) {
			return rounds, longest, fmt.Errorf("RETR: %q, %d bytes, %w", final, len(got), err)
		}
		longest = max(longest, time.Since(began))
	}
}

// faultLog keeps the errors, and counts the warnings.
type faultLog struct {
	mu       sync.Mutex
	errors   []string
	warnings []string
}

func (l *faultLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *faultLog) WithGroup(string) slog.Handler                    { return l }
func (l *faultLog) WithAttrs([]slog.Attr) slog.Handler               { return l }

func (l *faultLog) Handle(_ context.Context, record slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case record.Level >= slog.LevelError:
		l.errors = append(l.errors, record.Message)
	case record.Level >= slog.LevelWarn:
		l.warnings = append(l.warnings, record.Message)
	}
	return nil
}

// take answers the errors since the last call.
func (l *faultLog) take() []string {
	errs, _ := l.takeAll()
	return errs
}

func (l *faultLog) takeAll() (errs, warnings []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs, warnings = l.errors, l.warnings
	l.errors, l.warnings = nil, nil
	return errs, warnings
}

// warning is the first one that begins so since the last take, "" for none.
func (l *faultLog) warning(beginning string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.warnings {
		if strings.HasPrefix(line, beginning) {
			return line
		}
	}
	return ""
}

// pulse notices when the machine is so busy that time-outs run out though nothing is wrong.
type pulse struct {
	late atomic.Int64 // when it last was, in Unix nanoseconds
	stop chan struct{}
	work sync.WaitGroup
}

func newPulse(tolerance time.Duration) *pulse {
	p := &pulse{stop: make(chan struct{})}
	p.work.Go(func() {
		const beat = 20 * time.Millisecond
		for {
			began := time.Now()
			select {
			case <-p.stop:
				return
			case <-time.After(beat):
			}
			if time.Since(began) > beat+tolerance {
				p.late.Store(time.Now().UnixNano())
			}
		}
	})
	return p
}

func (p *pulse) isLateSince(t time.Time) bool { return p.late.Load() >= t.UnixNano() }

func (p *pulse) end() {
	close(p.stop)
	p.work.Wait()
}
