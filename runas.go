package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/ops/process"
)

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
