package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
)

// localGateway is a gateway in this process. Each of its lives has an engine and a server of its own, and its own way
// to the store, which a kill cuts first: what the killed life still tries has no effect.
type localGateway struct {
	store    *costest.Server
	keep     bool
	careless bool   // it does not keep two at one name apart
	journal  string // directory

	mu   sync.RWMutex // held while there is no life
	life *gatewayLife
	log  *sessionLog
}

// gatewayLife is a gateway between two restarts.
type gatewayLife struct {
	door   *http.Server // to the store
	engine *cosfs.Engine
	server *ftpserver.Server
	served chan error
	addr   string
}

func newLocalGateway(s *historySite, careless bool, journal string) (*localGateway, error) {
	g := &localGateway{store: s.store, keep: s.keep, careless: careless, journal: journal, log: &sessionLog{ended: &sync.Map{}}}
	return g, g.begin()
}

var (
	lastHost  atomic.Uint32
	firstHost = 16 + rand.IntN(200)
)

// ownHost is an address of this machine that nothing else of this process has. Clients of a gateway that is gone, and
// the gateway itself, may still knock at ports that somebody else has by now.
func ownHost() string {
	n := lastHost.Add(1)
	return fmt.Sprintf("127.%d.%d.%d:0", firstHost, n>>8&0xff, n&0xff)
}

func (g *localGateway) begin() error {
	l := &gatewayLife{served: make(chan error, 1)}
	door, err := net.Listen("tcp", ownHost())
	if err != nil {
		return err
	}
	l.door = &http.Server{Handler: g.store}
	go l.door.Serve(door)
	l.engine = cosfs.NewEngine(cosfs.EngineOptions{
		UploadThreads: 8, DownloadThreads: 8, Memory: 64 << 20, RetryBase: time.Millisecond, CommandPatience: 100 * time.Millisecond, Patience: time.Second,
		StallTimeout: 5 * time.Second, AnswerTimeout: 5 * time.Second, CopyTimeout: 20 * time.Second,
		Careless: g.careless,
	})
	logger := slog.New(g.log)
	files, err := cosfs.New(cosfs.Options{
		SecretID: "test-id", SecretKey: "test-key", Bucket: historyBucket, Host: costest.Host(historyBucket),
		Scheme: "http", Address: door.Addr().String(), PartSize: faultPart, MaxFileSize: 100 << 20,
		CopyLimit: faultPart, RenameDirLimit: 100, ClientOf: ftpserver.ClientOf, Logger: logger,
	}, l.engine)
	if err != nil {
		return err
	}
	l.engine.KeepJournal(g.journal, logger)
	account := &ftpserver.Account{Name: "user0", Home: "/home", FS: files, Perm: "elradfmwMT", Delete: true}
	l.server = ftpserver.New(ftpserver.Options{
		Logger: logger, KeepIncomplete: g.keep, Extended: true,
		Login: func(context.Context, ftpserver.Attempt) *ftpserver.Account { return account },
	})
	listener, err := net.Listen("tcp", ownHost())
	if err != nil {
		return err
	}
	l.addr = listener.Addr().String()
	go func() { l.served <- l.server.Serve(listener) }()
	g.life = l
	return nil
}

func (g *localGateway) address() string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.life.addr
}

func (g *localGateway) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.life.door.Close()
	g.beginAgain(0)
}

func (g *localGateway) restart() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.beginAgain(50 * time.Millisecond)
}

// beginAgain ends a life, whose transfers get a while, and begins the next.
func (g *localGateway) beginAgain(grace time.Duration) {
	_ = g.life.end(grace) // that a transfer was ended is no news
	if err := g.begin(); err != nil {
		panic(err) // no address is left on this machine
	}
}

func (g *localGateway) shut() error { return g.life.end(rig.ReplyTime) }

func (l *gatewayLife) end(grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := l.server.Shutdown(ctx)
	if ended := <-l.served; !errors.Is(ended, ftpserver.ErrServerClosed) { // a life may end before it serves
		err = errors.Join(err, ended)
	}
	l.engine.Close()
	l.door.Close()
	return err
}

func (g *localGateway) awaitEnd(session string) {
	const most = 20 * time.Second // a connection that was never accepted has no end that the log tells
	for deadline := time.Now().Add(most); time.Now().Before(deadline); {
		if _, ended := g.log.ended.Load(session); ended {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// sessionLog notes the sessions that have ended, by the address of their client.
type sessionLog struct {
	ended   *sync.Map
	session string
}

func (l *sessionLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}
func (l *sessionLog) WithGroup(string) slog.Handler { return l }

func (l *sessionLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "session" {
			session, _, _ := strings.Cut(a.Value.String(), "-[")
			return &sessionLog{l.ended, session}
		}
	}
	return l
}

func (l *sessionLog) Handle(_ context.Context, r slog.Record) error {
	if l.session != "" && strings.HasPrefix(r.Message, "FTP session closed") {
		l.ended.Store(l.session, true)
	}
	return nil
}
