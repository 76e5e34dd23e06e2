// Cosd serves COS-compatible storage on this machine, for demos and tests by hand. It is not for production: it
// does not check who may do what, and it keeps what it stores in memory or in plain files.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cosd:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	address, store, err := configure(args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: store, ReadHeaderTimeout: time.Minute, IdleTimeout: 5 * time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // its error would be the listener's, which is going anyway
	fmt.Fprintf(out, "cosd listens on %s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// configure reads the command line.
func configure(args []string) (address string, store *costest.Server, err error) {
	flags := flag.NewFlagSet("cosd", flag.ContinueOnError)
	flags.StringVar(&address, "listen", "127.0.0.1:9000", "`address` to listen on")
	dir := flags.String("dir", "", "`directory` to keep objects in (default: in memory)")
	id := flags.String("id", "", "secret `ID` that requests are signed with (default: signatures are not checked)")
	key := flags.String("key", "", "secret `key` of that ID")
	latency := flags.Duration("latency", 0, "`time` added to each request")
	bandwidth := flags.Int64("bandwidth", 0, "`bytes` per second of a connection in each direction (default: no limit)")
	discard := flags.Bool("discard", false, "forget the bodies of objects, for benchmarks")
	noMD5 := flags.Bool("no-md5", false, "make ETags without MD5, for benchmarks")
	opts := []costest.Option{costest.WithRequestLog(0)}
	flags.Func("bucket", "`name-APPID` of a bucket to serve; may be repeated", func(name string) error {
		opts = append(opts, costest.WithBucket(name))
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return "", nil, err
	}
	if (*id == "") != (*key == "") {
		return "", nil, errors.New("-id and -key go together")
	}
	if len(opts) == 1 && *dir == "" {
		return "", nil, errors.New("nothing to serve: give -bucket name-APPID, or -dir with buckets in it")
	}
	if *id != "" {
		opts = append(opts, costest.WithCredentials(*id, *key))
	}
	if *dir != "" {
		opts = append(opts, costest.WithDir(*dir))
	}
	if *discard {
		opts = append(opts, costest.WithDiscard())
	}
	if *noMD5 {
		opts = append(opts, costest.WithoutMD5())
	}
	opts = append(opts, costest.WithLatency(*latency), costest.WithBandwidth(*bandwidth))
	store, err = costest.Open(opts...)
	return address, store, err
}
