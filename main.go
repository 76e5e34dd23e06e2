// Command cos-ftp-server is an FTP gateway to Tencent Cloud COS. It takes the place of the Python tool of the
// same name: same conf/vsftpd.conf, same log, same start and stop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/confcheck"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
	"github.com/tencentyun/cos-ftp-server/log"
	"github.com/tencentyun/cos-ftp-server/ops/process"
)

// version is stamped by setup.sh.
var version = "dev"

// What the engine must offer and the storage happens to have.
var (
	_ ftpserver.FileSystem      = (*cosfs.FS)(nil)
	_ ftpserver.Appender        = (*cosfs.FS)(nil)
	_ ftpserver.Resumer         = (*cosfs.FS)(nil)
	_ ftpserver.DirStater       = (*cosfs.FS)(nil)
	_ ftpserver.Selector        = (*cosfs.FS)(nil)
	_ ftpserver.AttributeSetter = (*cosfs.FS)(nil)
)

func main() {
	os.Exit(run(commandLine(), os.Stdout, os.Stderr))
}

// run does the work of one process and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	f, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case f.version:
		fmt.Fprintln(stdout, "cos-ftp-server", version)
		return 0
	}
	if f.hash {
		if err := hashPassword(os.Stdin, stdout, stderr); err != nil {
			fmt.Fprintln(stderr, "cos-ftp-server:", err)
			return 1
		}
		return 0
	}
	if !f.check && !f.dump && !f.probe {
		takeTitle(args)
	}
	if err := runConf(f, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "cos-ftp-server:", err)
		return exitCode(err)
	}
	return 0
}

// runConf reads the configuration and does with it what the flags say.
func runConf(f flags, stdout, stderr io.Writer) error {
	path, err := confPath(f.conf)
	if err != nil {
		return err
	}
	cfg, err := conf.Load(path)
	switch {
	case err != nil && f.check:
		return tellUnread(cfg, err, stdout)
	case err != nil && (f.dump || f.probe):
		return err
	case err != nil:
		logFailure(cfg, err)
		return err
	case f.dump:
		return dump(cfg, stdout)
	case f.check:
		return check(cfg, stdout)
	case f.probe:
		return probeAccount(cfg, f, stdout, stderr)
	}
	return serve(cfg, f, stdout, stderr)
}

// confPath is where the original looks too: conf/vsftpd.conf beside the program, symlinks resolved.
func confPath(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return "", fmt.Errorf("find conf/vsftpd.conf beside the program: %w; name it with -conf", err)
	}
	return filepath.Join(filepath.Dir(exe), "conf", "vsftpd.conf"), nil
}

// serve runs the gateway until SIGTERM, SIGINT or SIGHUP; a second signal ends the process at once.
func serve(cfg *conf.Config, f flags, stdout, stderr io.Writer) (err error) {
	// A write to stdout or stderr whose reader has gone would end the process, and all uploads with it.
	signal.Ignore(syscall.SIGPIPE)
	warnings := slices.Concat(cfg.Errors, cfg.Warnings, warnOfRoot(cfg))
	if !f.allowCore {
		if err := process.ForbidDumps(); err != nil {
			warnings = append(warnings, "a crash may leave a core dump with passwords and keys in it: "+err.Error())
		}
	}
	var doors []door
	var refused error // of a port
	if cfg.RunAs != "" {
		// Only the ports need root. All else is opened by the user it then is, log and certificates above all: what is
		// possible now is possible when they are rotated and renewed, and no file of that user's is followed as root.
		if doors, refused, err = openAndBecome(cfg); err != nil {
			err = errors.Join(refused, err)
			logFailure(cfg, err)
			return err
		}
	}
	logger, logFile, err := log.New(logOptions(cfg, stderr))
	if err != nil {
		return errors.Join(refused, forUser(cfg, err))
	}
	defer func() {
		logError(logger, err)
		err = errors.Join(err, logFile.Close())
	}()
	if refused != nil {
		return refused
	}

	machine := confcheck.ReadMachine()
	// Transfer buffers are outside the Go heap; this keeps its garbage within what confcheck promises.
	debug.SetMemoryLimit(confcheck.HeapLimit(cfg, machine))
	engine := newEngine(cfg, confcheck.TransferMemory(cfg, machine))
	defer engine.Close()
	ctx := untilSignal()
	if err := admit(ctx, cfg, warnings, machine, engine, logger, stderr); err != nil {
		return err
	}
	certificate, err := loadCertificate(cfg, logger, stderr)
	if err != nil {
		return err
	}
	server := newServer(cfg, engine, certificate, logger, stderr)
	if doors == nil {
		if doors, err = openDoors(cfg); err != nil {
			return err
		}
	}
	fmt.Fprintln(stdout, "starting  ftp server...")
	logger.Info("server started", "version", version, "address", addresses(doors), "conf", cfg.File)
	engine.KeepJournal(filepath.Dir(cfg.LogFile()), logger)
	return serveUntil(ctx, cfg, server, doors, logger)
}

// serveUntil serves until ctx ends, then gives running transfers shutdown_grace.
func serveUntil(ctx context.Context, cfg *conf.Config, server *ftpserver.Server, doors []door, logger *slog.Logger) error {
	served := serveDoors(server, doors)
	select {
	case err := <-served:
		closeDoors(doors)
		return err
	case <-ctx.Done():
	}
	logger.Info("server stopping", "shutdown_grace", cfg.ShutdownGrace.String())
	grace, cancel := context.WithTimeout(context.Background(), cfg.ShutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	for range doors {
		<-served
	}
	logger.Info("server stopped")
	return nil
}
