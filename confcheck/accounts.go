package confcheck

import (
	"context"
	"fmt"
	"sync"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// accountsAtOnce bounds the requests in flight.
const accountsAtOnce = 16

// checkAccounts asks for all buckets at once, and waits for the answers or the end of the time. A bucket that cannot
// be used is a warning: COS may be back, or the key be repaired, while the server runs.
func (c *checks) checkAccounts(ctx context.Context, check func(context.Context, conf.Account) error) {
	accounts := c.cfg.Accounts
	if check == nil || len(accounts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	errs := make([]error, len(accounts))
	slots := make(chan struct{}, accountsAtOnce)
	var pending sync.WaitGroup
	for i, account := range accounts {
		pending.Go(func() {
			select {
			case slots <- struct{}{}:
				errs[i] = check(ctx, account)
				<-slots
				if errs[i] != nil && ctx.Err() != nil {
					errs[i] = fmt.Errorf("no answer from COS within %v", networkTimeout)
				}
			case <-ctx.Done():
				errs[i] = fmt.Errorf("not checked, the others took %v", networkTimeout)
			}
		})
	}
	pending.Wait()
	for i, err := range errs {
		if err != nil {
			c.report.Warnings = append(c.report.Warnings, conf.Problem{File: c.cfg.File, Section: accounts[i].Section, Want: err.Error()}.Error())
		}
	}
}
