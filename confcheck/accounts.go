package confcheck

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// accountsAtOnce bounds the requests in flight.
const accountsAtOnce = 16

// checkAccounts asks for all buckets at once, and waits for the answers or the end of the time. A bucket that cannot
// be used does not keep the server from starting: COS may be back, or the key be repaired, while it runs. Accounts that
// are known not to work are not asked for.
func (c *checks) checkAccounts(ctx context.Context, check func(context.Context, conf.Account) Findings) {
	accounts := slices.DeleteFunc(slices.Clone(c.cfg.Accounts), func(a conf.Account) bool { return a.Unusable != nil })
	if check == nil || len(accounts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	found := make([]Findings, len(accounts))
	slots := make(chan struct{}, accountsAtOnce)
	var pending sync.WaitGroup
	for i, account := range accounts {
		pending.Go(func() {
			select {
			case slots <- struct{}{}:
				found[i] = check(ctx, account)
				<-slots
				if found[i].Broken != nil && ctx.Err() != nil {
					found[i].Broken = fmt.Errorf("no answer from COS within %v", networkTimeout)
				}
			case <-ctx.Done():
				found[i].Broken = fmt.Errorf("not checked, the others took %v", networkTimeout)
			}
		})
	}
	pending.Wait()
	for i := range accounts {
		at := func(text string) string {
			return conf.Problem{File: c.cfg.File, Section: accounts[i].Section, Want: text}.Error()
		}
		if err := found[i].Broken; err != nil {
			c.doubt(at(err.Error()))
		}
		for _, warning := range found[i].Warnings {
			c.report.Warnings = append(c.report.Warnings, at(warning))
		}
		for _, note := range found[i].Notes {
			c.report.Notes = append(c.report.Notes, at(note))
		}
	}
}
