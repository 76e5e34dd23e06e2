// Package confcheck answers whether a configuration may run on this machine: memory, file descriptors, ports, the
// log directory, the buckets. It changes nothing but the soft limit of open files, and knows nothing of FTP or COS:
// how a bucket is asked is given to it.
package confcheck

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// Options are what Run needs from other rooms.
type Options struct {
	// CheckAccount asks COS whether an account's bucket is there and its keys are right. It must return soon after ctx ends.
	// nil leaves the buckets unchecked.
	CheckAccount func(ctx context.Context, account conf.Account) Findings
	// Strict makes problems of what a start only warns of: an account that cannot work, a full disk, active_source_port
	// that is in use. It also asks which process has a port.
	Strict bool
	// Become makes this process the user of run_as, when the ports have been tried and before all that the server does
	// as that user. nil where it is that user already, or stays who it is.
	Become func() error
	// Listening says that the server listens already, so that its ports cannot be tried.
	Listening bool
}

// Findings are what CheckAccount has found. Each text says what is wrong and what would do.
type Findings struct {
	Broken   error    // why the account cannot work at all; nil if it can
	Warnings []string // what does not work
	Notes    []string // what is good to know
}

// Report is what Run found. The texts need no more context.
type Report struct {
	Problems []string // what keeps the server from working: it should not start
	Warnings []string // what it starts with, and an operator should know
	Notes    []string // what is as it should be, and good to know
	Estimate string   // the line about memory
	Memory   int64    // the upper bound in that line, in bytes
}

// largestFile is the greatest single_file_max_size that the original's check lets through.
const largestFile = 40000 << 30

// Run makes all checks. It takes a few seconds at most, however long COS needs.
func Run(ctx context.Context, cfg *conf.Config, m Machine, o Options) Report {
	c := &checks{cfg: cfg, machine: m, strict: o.Strict}
	c.checkSize()
	c.checkMemory()
	c.checkFiles()
	if !o.Listening {
		c.checkListenPorts()
	}
	if o.Become != nil {
		if err := o.Become(); err != nil {
			c.problem("OPTIONAL", "run_as", cfg.RunAs, err.Error())
		}
	}
	c.checkPassivePorts()
	c.checkSourcePort()
	c.checkLogDir()
	c.checkMode()
	c.checkMasquerade(ctx)
	c.checkCertificate()
	c.checkAccounts(ctx, o.CheckAccount)
	return c.report
}

// checks gathers a Report.
type checks struct {
	cfg     *conf.Config
	machine Machine
	strict  bool
	report  Report
}

func (c *checks) problem(section, key string, value any, text string) {
	c.report.Problems = append(c.report.Problems, c.at(section, key, value, text))
}

func (c *checks) warn(section, key string, value any, text string) {
	c.report.Warnings = append(c.report.Warnings, c.at(section, key, value, text))
}

// doubt is a problem for -check, and a warning for a start: it may be over while the server runs.
func (c *checks) doubt(text string) {
	if c.strict {
		c.report.Problems = append(c.report.Problems, text)
	} else {
		c.report.Warnings = append(c.report.Warnings, text)
	}
}

func (c *checks) at(section, key string, value any, text string) string {
	return conf.Problem{File: c.cfg.File, Section: section, Key: key, Value: fmt.Sprint(value), Want: text}.Error()
}

func (c *checks) checkSize() {
	if c.cfg.SingleFileMaxSize > largestFile {
		c.problem("FILE_OPTION", "single_file_max_size", c.cfg.SingleFileMaxSize,
			"Single file size can only support up to 40TB: want "+strconv.FormatInt(largestFile, 10)+" or less")
	}
}

// checkMemory refuses what would use more than 60 % of the memory, but for one case: what the original started with
// starts here too. There the machine is so small that our least need is above what the original's formula asks for.
func (c *checks) checkMemory() {
	cfg, m := c.cfg, c.machine
	need := Estimate(cfg, m)
	c.report.Memory = need
	transfer := TransferMemory(cfg, m)
	if m.MemAvailable <= 0 {
		c.report.Estimate = fmt.Sprintf("the currently available memory is unknown, and cos ftp server requires a maximum of memory:%d (%d of it for transfers)", need, transfer)
	} else {
		c.report.Estimate = fmt.Sprintf("%s (%d of it for transfers)", needText(m.MemAvailable, need), transfer)
	}
	if least := leastTransferMemory(cfg); cfg.TransferMemory > 0 && cfg.TransferMemory < least {
		c.problem("OPTIONAL", "transfer_memory", cfg.TransferMemory, fmt.Sprintf(
			"too little for two parts of %d bytes: want %d or more, or a smaller single_file_max_size or min_part_size", cfg.PartSize(), least))
	}
	if cfg.MaxConnectionNum == 0 {
		c.warn("OPTIONAL", "max_connection_num", 0, fmt.Sprintf(
			"no limit, so memory is counted for %d connections: each further one may take %d bytes more", unlimitedConnections, sessionBytes+listingBytes/2+dataBytes/2))
	}
	if cfg.MaxConnectionNum == 1 {
		c.warn("OPTIONAL", "max_connection_num", 1, "counts the listening socket too, so nobody can connect: want 3 or more")
	}
	if m.MemAvailable <= 0 || float64(need) <= allowed(m.MemAvailable) {
		return
	}
	text := needText(m.MemAvailable, need) + ". Please consider to decrease the max connection num or release some system memory." +
		"You can also disable the config check by setting 'config_check_enable' to false"
	if cfg.TransferMemory == 0 && originalAccepts(cfg, m.HostMemAvailable) {
		c.report.Warnings = append(c.report.Warnings, text)
		return
	}
	c.report.Problems = append(c.report.Problems, text)
}

// needText has the words of the original, with which its users' searches find it.
func needText(available, need int64) string {
	return fmt.Sprintf("60%% of the currently available memory is:%s, and cos ftp server requires a maximum of memory:%d",
		strconv.FormatFloat(allowed(available), 'f', 1, 64), need)
}

// checkFiles raises the soft limit of open files where the connections need it and the hard limit allows.
func (c *checks) checkFiles() {
	m := c.machine
	need := openFiles(c.cfg)
	if m.FilesSoft == 0 || need <= m.FilesSoft {
		return
	}
	limit := m.FilesSoft
	if m.RaiseFiles != nil {
		if raised, err := m.RaiseFiles(need); err == nil {
			limit = raised
		}
	}
	if limit < need {
		c.warn("OPTIONAL", "max_connection_num", c.cfg.MaxConnectionNum, fmt.Sprintf(
			"may need %d open files, and this process may have %d: raise the limit with ulimit -n %d, LimitNOFILE=%d for systemd, or lower max_connection_num", need, limit, need, need))
	}
}
