package confcheck

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"
)

// networkTimeout bounds all questions to others together, names and buckets.
const networkTimeout = 5 * time.Second

func (c *checks) checkLogDir() {
	if err := c.machine.Writable(filepath.Dir(c.cfg.LogFile()), filepath.Base(c.cfg.LogFile())); err != nil {
		c.problem("OPTIONAL", "log_dir", c.cfg.LogDir, fmt.Sprintf("%v: want a directory that this user may write to", err))
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
