package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/confcheck"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/ops/process"
)

func dump(cfg *conf.Config, stdout io.Writer) error {
	text, err := cfg.Dump()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n", text)
	return err
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
	report.Problems = slices.Concat(cfg.Errors, report.Problems)
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

// tellUnread is check for a configuration with which nothing starts.
func tellUnread(cfg *conf.Config, err error, stdout io.Writer) error {
	for _, warning := range cfg.Warnings {
		fmt.Fprintln(stdout, "warning:", warning)
	}
	problems := slices.Concat(strings.Split(err.Error(), "\n"), cfg.Errors)
	for _, problem := range problems {
		fmt.Fprintln(stdout, "error:", problem)
	}
	return fmt.Errorf("%s: %d problem(s)", cfg.File, len(problems))
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
	return confcheck.Options{Strict: thorough, CheckAccount: func(ctx context.Context, a conf.Account) confcheck.Findings {
		fs, err := cosfs.New(fsOptions(cfg, &a, slog.New(slog.DiscardHandler)), engine)
		switch {
		case err != nil:
			return confcheck.Findings{Broken: err}
		case thorough:
			return examine(ctx, fs, &a)
		}
		f := confcheck.Findings{Broken: fs.Check(ctx)}
		if err := fs.CheckClock(); err != nil {
			f.Warnings = []string{err.Error()}
		}
		return f
	}}
}
