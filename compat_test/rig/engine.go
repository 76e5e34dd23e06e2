package rig

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	lib "github.com/fclairamb/ftpserverlib"

	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
)

// StartEngine runs our engine on the store inside the test, so that a dialogue may shorten what no conf can.
func StartEngine(t *testing.T, store *Store, options map[string]time.Duration) *Gateway {
	t.Helper()
	home := Homes(t)
	accounts := StoreAccounts(t, store, home)
	opts := ftpserver.Options{
		PassiveFirst: 61000, PassiveLast: 61400, KeepIncomplete: true, Banner: "Welcome to COS FTP Service",
		Login: func(_ context.Context, a ftpserver.Attempt) *ftpserver.Account {
			return accounts[a.User+" "+a.Password]
		},
	}
	for name, duration := range options {
		reflect.ValueOf(&opts).Elem().FieldByName(name).SetInt(int64(duration))
	}
	return &Gateway{Addr: serveOurs(t, opts), Home: home}
}

// StoreAccounts are the four accounts on the store's buckets, by user name and password.
func StoreAccounts(t *testing.T, store *Store, home string) map[string]*ftpserver.Account {
	t.Helper()
	engine := cosfs.NewEngine(cosfs.EngineOptions{UploadThreads: 8, DownloadThreads: 8, Memory: 64 << 20})
	t.Cleanup(func() { engine.Close() })
	accounts := map[string]*ftpserver.Account{}
	for n := range AccountCount {
		bucket, name := BucketName(n), fmt.Sprintf("user%d", n)
		tree, err := cosfs.New(cosfs.Options{
			SecretID: "test-id", SecretKey: "test-key", Bucket: bucket, Host: costest.Host(bucket), Scheme: "http",
			Address: store.Addr, PartSize: 1 << 20, MaxFileSize: 100 << 20, MaxList: 10000,
		}, engine)
		if err != nil {
			t.Fatal(err)
		}
		accounts[fmt.Sprintf("%s pass%d", name, n)] = &ftpserver.Account{
			Name: name, Home: filepath.Join(home, name), FS: tree, Perm: cmp.Or(map[int]string{2: "elr", 3: "adfmwMT"}[n], "elradfmwMT"), Delete: n != 1,
		}
	}
	return accounts
}

// StartLibrary runs the library on the store. Of the options it takes the idle timeout, in the whole seconds that it knows.
func StartLibrary(t *testing.T, store *Store, options map[string]time.Duration) *Gateway {
	t.Helper()
	home := Homes(t)
	accounts := StoreAccounts(t, store, home)
	limits := AbuseLimits{First: 61000, Last: 61400}
	if options["IdleTimeout"] > 0 {
		limits.Idle = time.Second
	}
	addr := serveTheirs(t, limits, func(user, password string) ftpserver.FileSystem {
		if a := accounts[user+" "+password]; a != nil {
			return a.FS
		}
		return nil
	})
	return &Gateway{Addr: addr, Home: home}
}

// serveOurs runs our engine until the test ends, which must leave nothing behind.
func serveOurs(t *testing.T, opts ftpserver.Options) (addr string) {
	t.Helper()
	return serveOursOn(t, opts, func(l net.Listener) net.Listener { return l })
}

// serveOursOn is serveOurs with the listener changed.
func serveOursOn(t *testing.T, opts ftpserver.Options, listen func(net.Listener) net.Listener) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := ftpserver.New(opts)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listen(listener)) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), ReplyTime)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// EngineUnderAbuse is one of the two engines, serving files to user "user" with password "pass".
type EngineUnderAbuse struct {
	name  string
	Start func(t *testing.T, files ftpserver.FileSystem, limits AbuseLimits) (addr string)
}

// AbuseLimits are what an abuse test wants shorter or smaller than it is; zero values are the engine's own.
type AbuseLimits struct {
	Idle    time.Duration // of the control connection, whole seconds
	Data    time.Duration // of a data connection
	Accept  time.Duration // for the peer of a passive port to come, whole seconds
	First   int           // passive ports
	Last    int
	CheckIP bool                            // refuse data connections from elsewhere
	Never   bool                            // the control connection has no idle timeout
	Deflate bool                            // MODE Z, where the engine has it
	Listen  func(net.Listener) net.Listener // changes the listener of control connections
}

// Engines are ours, and the one it is compared with.
var Engines = []EngineUnderAbuse{{"ours", startOurs}, {"ftpserverlib", startTheirs}}

func startOurs(t *testing.T, files ftpserver.FileSystem, limits AbuseLimits) string {
	return serveOursOn(t, ftpserver.Options{
		PassiveFirst: portOr(limits.First, 61401), PassiveLast: portOr(limits.Last, 61500), KeepIncomplete: true,
		IdleTimeout: limits.Idle, DataTimeout: limits.Data, AcceptTimeout: limits.Accept,
		AuthDelay: 10 * time.Millisecond, SameHostOnly: limits.CheckIP,
		Login: func(_ context.Context, a ftpserver.Attempt) *ftpserver.Account {
			if a.User != "user" || a.Password != "pass" {
				return nil
			}
			return &ftpserver.Account{Name: a.User, Home: "/home", FS: files, Perm: "elradfmwMT", Delete: true}
		},
	}, limits.listener)
}

// listener is the listener of control connections as the test wants it.
func (l AbuseLimits) listener(listener net.Listener) net.Listener {
	if l.Listen == nil {
		return listener
	}
	return l.Listen(listener)
}

func portOr(port, otherwise int) int {
	if port == 0 {
		return otherwise
	}
	return port
}

func startTheirs(t *testing.T, files ftpserver.FileSystem, limits AbuseLimits) string {
	return serveTheirs(t, limits, func(user, password string) ftpserver.FileSystem {
		if user != "user" || password != "pass" {
			return nil
		}
		return files
	})
}

func serveTheirs(t *testing.T, limits AbuseLimits, login func(user, password string) ftpserver.FileSystem) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	check := lib.IPMatchDisabled
	if limits.CheckIP {
		check = lib.IPMatchRequired
	}
	idle := seconds(limits.Idle, 900)
	if limits.Never {
		idle = -1
	}
	deflate := 0
	if limits.Deflate {
		deflate = 6
	}
	driver := &libDriver{login: login, settings: &lib.Settings{
		Listener:                 limits.listener(listener),
		PassiveTransferPortRange: lib.PortRange{Start: portOr(limits.First, 61401), End: portOr(limits.Last, 61500)},
		IdleTimeout:              idle,
		DeflateCompressionLevel:  deflate,
		ConnectionTimeout:        seconds(limits.Accept, 30),
		ActiveTransferPortNon20:  true,
		DisableSite:              true,
		ActiveConnectionsCheck:   check,
		PasvConnectionsCheck:     check,
	}}
	server := lib.NewFtpServer(driver)
	server.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return listener.Addr().String()
}

func seconds(d time.Duration, otherwise int) int {
	if d == 0 {
		return otherwise
	}
	return int(d / time.Second)
}
