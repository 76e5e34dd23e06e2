package confcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// networkTimeout bounds all questions to others together, names and buckets.
const networkTimeout = 5 * time.Second

func (c *checks) checkLogDir() {
	dir, file := filepath.Split(c.cfg.LogFile())
	want := c.wantWritable(dir)
	if err := c.machine.Writable(filepath.Clean(dir), file); isFull(err) {
		c.doubtFull(err)
		return
	} else if err != nil {
		c.problem("OPTIONAL", "log_dir", c.cfg.LogDir, fmt.Sprintf("%v: %s", err, want))
		return
	}
	// The log is there and can be written, but other files come into the directory, too.
	if err := c.machine.Writable(filepath.Clean(dir), newInLogDir); isFull(err) {
		c.doubtFull(err)
	} else if err != nil {
		c.warn("OPTIONAL", "log_dir", c.cfg.LogDir, fmt.Sprintf(
			"%v: the log is written, but it cannot be rotated, and uploads that a crash breaks off leave parts in the bucket: %s", err, want))
	}
	c.checkJournals(filepath.Clean(dir), want)
}

// isFull reports whether there is no space for a file.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func (c *checks) doubtFull(err error) {
	c.doubt(c.at("OPTIONAL", "log_dir", c.cfg.LogDir, fmt.Sprintf(
		"%v: log lines are lost, and uploads that a crash breaks off leave parts in the bucket: want free space there, or another directory", err)))
}

// wantWritable says what would do for dir. It names no directory to chown where that may be the whole system's.
func (c *checks) wantWritable(dir string) string {
	user := c.cfg.RunAs
	if user == "" {
		return "want a directory that this user may write to"
	}
	want := fmt.Sprintf("want a directory that run_as = %s may write to, and its files too: ", user)
	dir, err := filepath.Abs(dir)
	if up := filepath.Dir(dir); err != nil || up == "/" || up == "/var" {
		return want + "one for this server alone, owned by that user"
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		want += "mkdir -p " + dir + " && "
	}
	return want + fmt.Sprintf("chown -R %s: %s", user, dir)
}

const (
	journalPattern = "uploads.*.journal" // as cosfs has it
	newInLogDir    = "uploads.journal"   // a name that nothing has
)

// checkJournals looks for journals of uploads that an earlier run has left as another user, as root above all.
func (c *checks) checkJournals(dir, want string) {
	entries, _ := os.ReadDir(dir) // a directory that is not there yet has none
	for _, e := range entries {
		if match, _ := filepath.Match(journalPattern, e.Name()); !match {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, e.Name()), os.O_RDWR, 0)
		if err == nil {
			f.Close()
		} else if errors.Is(err, fs.ErrPermission) {
			c.warn("OPTIONAL", "log_dir", c.cfg.LogDir, fmt.Sprintf("%v: the uploads that it names keep their parts in the bucket: %s", err, want))
			return // one is enough to tell
		}
	}
}

func (c *checks) checkMode() {
	const othersRead = 0o004
	if mode, err := c.machine.Mode(c.cfg.File); err == nil && mode.Perm()&othersRead != 0 {
		c.report.Warnings = append(c.report.Warnings, fmt.Sprintf("%s: every user of this machine can read the keys and passwords in it: chmod 600", c.cfg.File))
	}
}

func (c *checks) checkMasquerade(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	c.checkGateway(ctx, c.cfg.MasqueradeAddress)
	for _, n := range c.cfg.MasqueradeNets {
		c.checkGateway(ctx, n.Address)
	}
}

func (c *checks) checkGateway(ctx context.Context, host string) {
	if _, err := netip.ParseAddr(host); host == "" || err == nil {
		return
	}
	if err := c.machine.Resolve(ctx, host); err != nil {
		c.warn("NETWORK", "masquerade_address", host, fmt.Sprintf("%v: until the name has an IPv4 address, passive mode tells the server's own", err))
	}
}
