// Command cos-ftp-server is an FTP gateway to Tencent Cloud COS. It takes the place of the Python tool of the
// same name: same conf/vsftpd.conf, same log, same start and stop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/confcheck"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
	"github.com/tencentyun/cos-ftp-server/ftpserver/auth"
	"github.com/tencentyun/cos-ftp-server/ftpserver/charset"
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
	_ ftpserver.Selector        = (*cosfs.FS)(nil)
	_ ftpserver.AttributeSetter = (*cosfs.FS)(nil)
)

func main() {
	os.Exit(run(commandLine(), os.Stdout, os.Stderr))
}

// flags are the switches of the command line.
type flags struct {
	conf                 string
	check, dump, version bool
	hash                 bool
	allowCore            bool
	probe, json          bool
	account              string // that is probed
}

func parseFlags(args []string, stderr io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("cos-ftp-server", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.conf, "conf", "", "configuration `FILE` (default conf/vsftpd.conf beside the program)")
	set.BoolVar(&f.check, "check", false, "list every problem of the configuration or, when that has none, of this machine; exit 0 or 1")
	set.BoolVar(&f.dump, "dump-config", false, "print the effective configuration as JSON, without secrets")
	set.BoolVar(&f.version, "version", false, "print the version")
	set.BoolVar(&f.hash, "hash-password", false, "read a password from the terminal or standard input and print its hash for ftp_login_user_password_hash")
	set.BoolVar(&f.allowCore, "allow-core", false, "let the server leave core dumps and debuggers of its user attach; passwords and keys are in its memory")
	set.BoolVar(&f.probe, "probe", false, "ask the bucket of an account, named behind it by its section or user (default: the first), what no document of COS says; takes two minutes, some megabytes")
	set.BoolVar(&f.json, "json", false, "with -probe: one JSON object per line")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if err := f.takeAccount(set); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q: see cos-ftp-server -h", set.Arg(0))
		fmt.Fprintln(stderr, "cos-ftp-server:", err)
		return f, err
	}
	return f, nil
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
	if err != nil {
		return err
	}
	switch {
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

func dump(cfg *conf.Config, stdout io.Writer) error {
	text, err := cfg.Dump()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n", text)
	return err
}

// The title that the Python tool has in ps, which the documented way to stop it looks for.
var title = []string{"python", "ftp_server.py"}

// titled says whether the process was started under the title, by itself or by ftp_server.py.
func titled() bool {
	return len(os.Args) >= 2 && os.Args[0] == title[0] && os.Args[1] == title[1]
}

// commandLine is the arguments without the program's name or title.
func commandLine() []string {
	if titled() {
		return os.Args[2:]
	}
	return os.Args[1:]
}

// takeTitle starts the program over under the title: the kernel shows no other command line than the one given to
// exec. Where that fails the server still serves, only `ps | grep python` does not find it.
func takeTitle(args []string) {
	if titled() {
		return
	}
	if exe, err := os.Executable(); err == nil {
		_ = syscall.Exec(exe, append(title[:len(title):len(title)], args...), os.Environ())
	}
}

// check lists every problem on stdout; any but warnings is an error.
func check(cfg *conf.Config, stdout io.Writer) error {
	machine := confcheck.ReadMachine()
	engine := newEngine(cfg, confcheck.TransferMemory(cfg, machine))
	defer engine.Close()
	warnings := slices.Concat(cfg.Warnings, warnOfRoot(cfg)) // before the check gives up root
	options := checkOptions(engine, cfg, true)
	if cfg.RunAs != "" {
		options.Become = func() error {
			user, err := process.FindUser(cfg.RunAs)
			if err != nil {
				return err
			}
			return user.Become()
		}
	}
	report := confcheck.Run(context.Background(), cfg, machine, options)
	warnings = append(warnings, report.Warnings...)
	for _, warning := range warnings {
		fmt.Fprintln(stdout, "warning:", warning)
	}
	for _, note := range report.Notes {
		fmt.Fprintln(stdout, "note:", note)
	}
	for _, problem := range report.Problems {
		fmt.Fprintln(stdout, "error:", problem)
	}
	fmt.Fprintln(stdout, report.Estimate)
	if n := len(report.Problems); n > 0 {
		return fmt.Errorf("%s: %d problem(s)", cfg.File, n)
	}
	fmt.Fprintf(stdout, "%s: ok, %d warning(s)\n", cfg.File, len(warnings))
	return nil
}

// serve runs the gateway until SIGTERM, SIGINT or SIGHUP; a second signal ends the process at once.
func serve(cfg *conf.Config, f flags, stdout, stderr io.Writer) (err error) {
	// A write to stdout or stderr whose reader has gone would end the process, and all uploads with it.
	signal.Ignore(syscall.SIGPIPE)
	warnings := slices.Concat(cfg.Warnings, warnOfRoot(cfg))
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
			return errors.Join(refused, err)
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

// logError writes a line for each error that err joins: started in the background the server often has no stderr.
func logError(logger *slog.Logger, err error) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		logger.Error(line)
	}
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

// untilSignal is a context that ends with the first signal; the second ends the process.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	received := make(chan os.Signal, 2)
	signal.Notify(received, endSignals()...)
	go func() {
		<-received
		cancel()
		<-received
		os.Exit(1)
	}()
	return ctx
}

// endSignals are SIGTERM, SIGINT and, unless nohup or the like has it ignored, SIGHUP.
func endSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// warnOfRoot is the warning for a server that stays root.
func warnOfRoot(cfg *conf.Config) []string {
	if cfg.RunAs != "" || os.Geteuid() != 0 {
		return nil
	}
	return []string{cfg.File + ": the server runs as root, so whoever finds a fault in it has the whole machine: " +
		"want run_as in [OPTIONAL], the user that it becomes when its ports are open, or another user to start it"}
}

// openAndBecome opens the ports and gives up root for the user of run_as. It gives up root where a port is refused too,
// because only that user may write the reason into the log.
func openAndBecome(cfg *conf.Config) (doors []door, refused, err error) {
	problem := conf.Problem{File: cfg.File, Section: "OPTIONAL", Key: "run_as", Value: cfg.RunAs}
	user, err := process.FindUser(cfg.RunAs) // first: a port that is refused to who is not root is not what is wrong then
	if err != nil {
		problem.Want = err.Error()
		return nil, nil, problem
	}
	doors, refused = openDoors(cfg)
	if err := user.Become(); err != nil {
		problem.Want = err.Error()
		return nil, refused, problem
	}
	return doors, refused, nil
}

// forUser says to an error about a file what would do where it is the user of run_as that may not.
func forUser(cfg *conf.Config, err error) error {
	if cfg.RunAs == "" || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w; run_as = %s must have the right to it: chown, or chgrp and chmod", err, cfg.RunAs)
}

// admit tells warnings and runs confcheck where config_check_enable asks for it.
func admit(ctx context.Context, cfg *conf.Config, warnings []string, machine confcheck.Machine, engine *cosfs.Engine, logger *slog.Logger, stderr io.Writer) error {
	var problems []error
	if cfg.ConfigCheckEnable {
		options := checkOptions(engine, cfg, false)
		options.Listening = cfg.RunAs != ""
		report := confcheck.Run(ctx, cfg, machine, options)
		warnings = append(warnings, report.Warnings...)
		for _, problem := range report.Problems {
			problems = append(problems, errors.New(problem))
		}
		logger.Info(report.Estimate)
	}
	for _, warning := range warnings {
		fmt.Fprintln(stderr, "cos-ftp-server: warning:", warning)
		logger.Warn(warning)
	}
	return errors.Join(problems...)
}

// checkOptions has the buckets checked; thorough is for -check, which may ask more than each start.
func checkOptions(engine *cosfs.Engine, cfg *conf.Config, thorough bool) confcheck.Options {
	return confcheck.Options{CheckAccount: func(ctx context.Context, a conf.Account) ([]error, []string) {
		fs, err := cosfs.New(fsOptions(cfg, &a, slog.New(slog.DiscardHandler)), engine)
		if err != nil {
			return []error{err}, nil
		}
		if thorough {
			return examine(ctx, fs, &a)
		}
		isNil := func(err error) bool { return err == nil }
		return slices.DeleteFunc([]error{fs.Check(ctx), fs.CheckClock()}, isNil), nil
	}}
}

// From here on: the one line per option that takes a Config's value into the room that uses it.

func logOptions(cfg *conf.Config, stderr io.Writer) log.Options {
	return log.Options{
		Level:   cfg.LogLevel,
		File:    cfg.LogFile(),
		Rotate:  cfg.LogRotateEnabled,
		When:    cfg.LogRotateWhen,
		Backups: cfg.LogBackupCount,
		Stderr:  stderr,
	}
}

func newEngine(cfg *conf.Config, memory int64) *cosfs.Engine {
	return cosfs.NewEngine(cosfs.EngineOptions{
		UploadThreads:   cfg.UploadThreadNum,
		DownloadThreads: cfg.DownloadThreadNum,
		Memory:          memory,
		Patience:        cfg.StoragePatience,
	})
}

func fsOptions(cfg *conf.Config, a *conf.Account, logger *slog.Logger) cosfs.Options {
	return cosfs.Options{
		SecretID:       a.SecretID.Reveal(),
		SecretKey:      a.SecretKey.Reveal(),
		SessionToken:   a.SessionToken.Reveal(),
		Bucket:         a.Bucket,
		Host:           a.Host(),
		Scheme:         a.Protocol,
		Address:        a.Address,
		Prefix:         a.Prefix,
		UserAgent:      "cos-ftp-server-" + version,
		PartSize:       cfg.PartSize(),
		MaxFileSize:    cfg.SingleFileMaxSize,
		MaxList:        cfg.MaxListFile,
		ListMetadata:   cfg.ListMetadata,
		RenameDirLimit: cfg.RenameDirLimit,
		ResumeAny:      cfg.ResumeUpload == "any",
		ClientOf:       ftpserver.ClientOf,
		Logger:         logger,
	}
}

func newServer(cfg *conf.Config, engine *cosfs.Engine, certificate *ftpserver.Certificate, logger *slog.Logger, stderr io.Writer) *ftpserver.Server {
	return ftpserver.New(ftpserver.Options{
		Login:          logins(cfg, engine, logger, stderr),
		Logger:         logger,
		Banner:         cfg.Banner,
		PassiveFirst:   cfg.PassiveFirst,
		PassiveLast:    cfg.PassiveLast,
		Masquerade:     ftpserver.Masquerade(cfg.MasqueradeAddress),
		MasqueradeFor:  masqueradeRoutes(cfg),
		SameHostOnly:   cfg.PermitForeign == "false",
		AnyHost:        cfg.PermitForeign == "true",
		NoActive:       !cfg.ActiveMode,
		AcceptTimeout:  cfg.AcceptTimeout,
		ConnectTimeout: cfg.ConnectTimeout,
		IdleTimeout:    cfg.IdleCtrlTimeout,
		DataTimeout:    cfg.IdleDataTimeout,
		MaxPerHost:     cfg.MaxConnsPerIP,
		MaxPerUser:     cfg.MaxConnsPerUser,
		BanAfter:       cfg.BanAfter,
		BanWindow:      cfg.BanWindow,
		BanTime:        cfg.BanTime,
		Certificate:    certificate,
		TLSRequired:    tlsRequirements[cfg.TLSRequired],

		CertificateUser: cfg.TLSClientUser == "cn",
		TLSRequireReuse: cfg.TLSRequireReuse,
		TLSStrictClose:  cfg.TLSStrictClose,

		MaxConnections: cfg.MaxConnectionNum,
		Extended:       cfg.ExtendedCommands,
		UnixListing:    cfg.ListStyle == "unix",
		KeepIncomplete: cfg.IncompleteUpload == "keep",

		MaxUploadRate:   cfg.MaxUploadRate,
		MaxDownloadRate: cfg.MaxDownloadRate,
		UploadRate:      ftpserver.NewRate(cfg.TotalUploadRate),
		DownloadRate:    ftpserver.NewRate(cfg.TotalDownloadRate),
		MaxLogins:       cfg.MaxLoginAttempts,
	})
}

// door is a listener and how clients come in by it.
type door struct {
	net.Listener
	tls bool // from the first byte
}

// openDoors listens on every listen_address, and on implicit_tls_port too where it is given.
func openDoors(cfg *conf.Config) (doors []door, err error) {
	defer func() {
		if err != nil {
			closeDoors(doors)
			doors = nil
		}
	}()
	for _, address := range cfg.ListenAddresses {
		listener, err := listenOn(address, cfg.ListenPort)
		if err != nil {
			return doors, fmt.Errorf("[NETWORK] listen_port = %d: %w; stop what listens there or choose another port", cfg.ListenPort, err)
		}
		doors = append(doors, door{listener, false})
		if cfg.ImplicitTLSPort == 0 {
			continue
		}
		listener, err = listenOn(address, cfg.ImplicitTLSPort)
		if err != nil {
			return doors, fmt.Errorf("[NETWORK] implicit_tls_port = %d: %w; stop what listens there or choose another port", cfg.ImplicitTLSPort, err)
		}
		doors = append(doors, door{listener, true})
	}
	return doors, nil
}

// listenOn listens on an address of its own family only, so that 0.0.0.0 and :: can stand side by side.
func listenOn(address netip.Addr, port int) (net.Listener, error) {
	network := "tcp4"
	if address.Is6() {
		network = "tcp6"
	}
	return net.Listen(network, netip.AddrPortFrom(address, uint16(port)).String())
}

func closeDoors(doors []door) {
	for _, d := range doors {
		d.Close()
	}
}

// serveDoors serves all of them and answers how each ended.
func serveDoors(server *ftpserver.Server, doors []door) <-chan error {
	served := make(chan error, len(doors))
	for _, d := range doors {
		serve := server.Serve
		if d.tls {
			serve = server.ServeTLS
		}
		go func() { served <- serve(d.Listener) }()
	}
	return served
}

func addresses(doors []door) string {
	var all []string
	for _, d := range doors {
		all = append(all, d.Addr().String())
	}
	return strings.Join(all, ", ")
}

// loadCertificate reads what FTPS needs; nil where tls_cert_file is not given. An expired certificate is told, and used.
func loadCertificate(cfg *conf.Config, logger *slog.Logger, stderr io.Writer) (*ftpserver.Certificate, error) {
	if cfg.TLSCertFile == "" {
		return nil, nil
	}
	certificate, err := ftpserver.LoadCertificate(cfg.TLSCertFile, cfg.TLSKeyFile, cfg.TLSClientCAFile, logger)
	if err != nil {
		return nil, forUser(cfg, fmt.Errorf("[NETWORK] tls_cert_file: %w; want a PEM certificate and its key, or delete the line to go without FTPS", err))
	}
	if err := certificate.Dates(); err != nil {
		fmt.Fprintln(stderr, "cos-ftp-server: warning:", err)
		logger.Error(err.Error())
	}
	return certificate, nil
}

// tlsRequirements are the words of tls_required.
var tlsRequirements = map[string]ftpserver.TLSRequirement{
	"none": ftpserver.TLSOptional, "login": ftpserver.TLSForLogin, "all": ftpserver.TLSForAll,
}

func masqueradeRoutes(cfg *conf.Config) []ftpserver.MasqueradeRoute {
	var routes []ftpserver.MasqueradeRoute
	for _, n := range cfg.MasqueradeNets {
		routes = append(routes, ftpserver.MasqueradeRoute{Clients: n.Clients, Address: ftpserver.Masquerade(n.Address)})
	}
	return routes
}

// logins opens one FS per account and returns the function that checks a login against them. An account that no
// client can be made for (the original starts with it and answers 550 to everything) cannot log in; the others can.
func logins(cfg *conf.Config, engine *cosfs.Engine, logger *slog.Logger, stderr io.Writer) func(context.Context, ftpserver.Attempt) *ftpserver.Account {
	accounts, entries := map[string]*ftpserver.Account{}, map[string]auth.Entry{}
	for i := range cfg.Accounts {
		a := &cfg.Accounts[i]
		fs, err := cosfs.New(fsOptions(cfg, a, logger), engine)
		if err != nil {
			logger.Error("this account cannot log in", "section", a.Section, "error", err)
			fmt.Fprintf(stderr, "cos-ftp-server: %s: [%s] cannot log in: %v\n", cfg.File, a.Section, err)
			continue
		}
		accounts[a.UserName] = accountOptions(a, fs)
		entries[a.UserName] = auth.Entry{Password: a.Password.Reveal(), Hash: a.PasswordHash.Reveal(), Open: a.Anonymous()}
	}
	if anonymous, open := accounts["anonymous"]; open && accounts["ftp"] == nil {
		accounts["ftp"], entries["ftp"] = anonymous, entries["anonymous"] // the other name by which RFC 1635 has it
	}
	book := auth.NewBook(entries)
	return func(ctx context.Context, a ftpserver.Attempt) *ftpserver.Account {
		if !book.Admits(ctx, auth.Attempt(a)) {
			return nil
		}
		return accounts[a.User]
	}
}

func accountOptions(a *conf.Account, fs *cosfs.FS) *ftpserver.Account {
	account := &ftpserver.Account{
		Name: a.UserName, Home: a.HomeDir, FS: fs,
		Perm: a.Perm, Delete: a.DeleteEnable,

		UploadRate:   ftpserver.NewRate(a.MaxUploadRate),
		DownloadRate: ftpserver.NewRate(a.MaxDownloadRate),
	}
	if a.Charset == "gbk" {
		account.Charset = charset.GBK{}
	}
	return account
}

// hashPassword prints the hash of a password that it reads.
func hashPassword(in *os.File, stdout, stderr io.Writer) error {
	text, err := auth.ReadPassword(in, stderr)
	if err != nil {
		return err
	}
	hash, err := auth.Hash(text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, hash)
	return err
}
