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
func (c *checks) checkAccounts(ctx context.Context, check func(context.Context, conf.Account) ([]error, []string)) {
	accounts := c.cfg.Accounts
	if check == nil || len(accounts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	wrong, notes := make([][]error, len(accounts)), make([][]string, len(accounts))
	slots := make(chan struct{}, accountsAtOnce)
	var pending sync.WaitGroup
	for i, account := range accounts {
		pending.Go(func() {
			select {
			case slots <- struct{}{}:
				wrong[i], notes[i] = check(ctx, account)
				<-slots
				if len(wrong[i]) > 0 && ctx.Err() != nil {
					wrong[i] = []error{fmt.Errorf("no answer from COS within %v", networkTimeout)}
				}
			case <-ctx.Done():
				wrong[i] = []error{fmt.Errorf("not checked, the others took %v", networkTimeout)}
			}
		})
	}
	pending.Wait()
	for i := range accounts {
		at := func(text string) string {
			return conf.Problem{File: c.cfg.File, Section: accounts[i].Section, Want: text}.Error()
		}
		for _, err := range wrong[i] {
			c.report.Warnings = append(c.report.Warnings, at(err.Error()))
		}
		for _, note := range notes[i] {
			c.report.Notes = append(c.report.Notes, at(note))
		}
	}
}
