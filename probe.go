package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/cosfs/probe"
)

// usageError is a command line that asks for what there is not.
type usageError struct{ error }

// exitCode is that of a run that ended with an error.
func exitCode(err error) int {
	if usage := new(usageError); errors.As(err, usage) {
		return 2
	}
	return 1
}

// takeAccount reads the argument of -probe, behind which further switches may stand.
func (f *flags) takeAccount(set *flag.FlagSet) error {
	if f.probe && set.NArg() > 0 {
		f.account = set.Arg(0)
		if err := set.Parse(set.Args()[1:]); err != nil {
			return err
		}
	}
	if f.json && !f.probe {
		err := errors.New("-json goes with -probe: see cos-ftp-server -h")
		fmt.Fprintln(set.Output(), "cos-ftp-server:", err)
		return err
	}
	return nil
}

// probeAccount asks the bucket of one account what no document of COS says, and prints the answers. An answer that is not
// as the gateway takes it to be is an error.
func probeAccount(cfg *conf.Config, f flags, stdout, stderr io.Writer) error {
	account, err := findAccount(cfg, f.account)
	if err != nil {
		return err
	}
	// A reader of stdout that has gone must not end the process: what it wrote would stay in the bucket.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(untilSignal())
	defer cancel(nil)
	options := probeOptions(account)
	fmt.Fprintf(stderr, "cos-ftp-server: probing bucket %s of [%s] at %s, below %s, for some two minutes; Ctrl-C ends it and removes what it wrote\n",
		account.Bucket, account.Section, options.Host, options.Base())
	counts := map[probe.Verdict]int{}
	err = probe.Run(ctx, options, func(r probe.Result) {
		counts[r.Verdict]++
		if err := printResult(stdout, r, f.json); err != nil {
			cancel(err)
		}
	})
	fmt.Fprintf(stderr, "cos-ftp-server: %d ok, %d wrong, %d unknown, %d skipped\n",
		counts[probe.OK], counts[probe.Wrong], counts[probe.Unknown], counts[probe.Skipped])
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	if err == nil && counts[probe.Wrong] > 0 {
		err = errors.New("COS is not everywhere as the gateway takes it to be: see the lines that say wrong")
	}
	return err
}

func printResult(to io.Writer, r probe.Result, asJSON bool) error {
	line := []byte(r.String())
	if asJSON {
		var err error
		if line, err = json.Marshal(r); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(to, "%s\n", line)
	return err
}

// findAccount finds an account by its section or its user; "" is the first.
func findAccount(cfg *conf.Config, name string) (*conf.Account, error) {
	var known []string
	for i := range cfg.Accounts {
		a := &cfg.Accounts[i]
		if name == "" || name == a.Section || name == a.UserName {
			if a.Unusable != nil {
				return nil, errors.New(strings.Join(a.Unusable, "\n"))
			}
			return a, nil
		}
		known = append(known, a.Section+" ("+a.UserName+")")
	}
	return nil, usageError{fmt.Errorf("-probe: %s has no account %q: want one of %s", cfg.File, name, strings.Join(known, ", "))}
}

func probeOptions(a *conf.Account) probe.Options {
	return probe.Options{
		SecretID:     a.SecretID.Reveal(),
		SecretKey:    a.SecretKey.Reveal(),
		SessionToken: a.SessionToken.Reveal(),
		Bucket:       a.Bucket,
		Region:       a.Region,
		Host:         a.Host(),
		Scheme:       a.Protocol,
		Address:      a.Address,
		Prefix:       a.Prefix,
		UserAgent:    "cos-ftp-server-" + version,
		Name:         probe.NewName(),
	}
}
