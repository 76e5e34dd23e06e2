package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/log"
	"github.com/tencentyun/cos-ftp-server/ops/process"
)

// logError writes a line for each error that err joins: started in the background the server often has no stderr.
func logError(logger *slog.Logger, err error) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		logger.Error(line)
	}
}

// logFailure writes what ends a start before there is a log. The process ends: it gives up root for the log, so that the
// file can be written by the user that the server runs as when the configuration is right. Where the log cannot be
// written, stderr has the reason alone.
func logFailure(cfg *conf.Config, err error) {
	if becomeLogger(cfg) != nil {
		return
	}
	logger, file, failed := log.New(logOptions(cfg, nil))
	if failed != nil {
		return
	}
	for _, warning := range append(cfg.Errors, cfg.Warnings...) {
		logger.Warn(warning)
	}
	logError(logger, err)
	_ = file.Close()
}

// becomeLogger makes the process the user of run_as or, where that cannot be, the owner of the log or of its directory.
func becomeLogger(cfg *conf.Config) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if user, err := process.FindUser(cfg.RunAs); cfg.RunAs != "" && err == nil {
		return user.Become()
	}
	return process.BecomeOwner(cfg.LogFile(), filepath.Dir(cfg.LogFile()))
}
