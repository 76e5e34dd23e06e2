package main

import (
	"flag"
	"fmt"
	"io"
)

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
