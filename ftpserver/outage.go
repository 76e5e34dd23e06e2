package ftpserver

import (
	"fmt"
	"sync"
	"time"
)

const (
	// outageSettles is how long nothing must have failed before an answer of the storage ends an outage: where every
	// second request fails, that is one outage and not hundreds.
	outageSettles = 5 * time.Second
	// outageReminds is how often the log is told why commands still fail.
	outageReminds = 10 * time.Minute
)

// outages keeps an outage of the storage from filling the log, where the reason for it would stand once for each
// command that fails: it is told at the beginning, every ten minutes, and with its length and the number of commands
// at the end.
type outages struct {
	mu  sync.Mutex
	now map[string]*storageOutage // under way, by account; few, since accounts are
}

// storageOutage is the time in which the storage of one account cannot be reached.
type storageOutage struct {
	began    time.Time
	failed   time.Time // the last command that did
	told     time.Time // in the log
	answered time.Time // the first answer since the last failure, zero for none
	commands int       // that failed
}

// failure counts a command that failed, and answers the outage so far and whether the log is to be told.
func (o *outages) failure(account string, at time.Time) (so storageOutage, tell bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.now[account]
	if out == nil {
		if o.now == nil {
			o.now = map[string]*storageOutage{}
		}
		out = &storageOutage{began: at}
		o.now[account] = out
	}
	out.commands++
	out.failed, out.answered = at, time.Time{}
	if tell = at.Sub(out.told) >= outageReminds; tell {
		out.told = at
	}
	return *out, tell
}

// answer takes note that the storage answered, and reports the outage that is over with it.
func (o *outages) answer(account string, at time.Time) (past storageOutage, over bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.now[account]
	if out == nil {
		return storageOutage{}, false
	}
	if out.answered.IsZero() {
		out.answered = at
	}
	if at.Sub(out.failed) < outageSettles {
		return storageOutage{}, false
	}
	delete(o.now, account)
	return *out, true
}

// logFault tells the log why the storage failed a command: one ERROR for each, but for those of one outage together.
func (srv *Server) logFault(by login, verb, name string, err error) {
	kind := failureOf(err)
	if by.account != nil && kind.isAnswer() && name != "/" {
		srv.storageAnswered(by)
	}
	if !kind.worthLogging() {
		return
	}
	line := fmt.Sprintf("%s %s failed: %v", verb, name, err)
	if kind != outage || by.account == nil {
		by.log.Error(printable(line))
		return
	}
	so, tell := srv.outages.failure(by.account.Name, srv.now())
	switch {
	case !tell:
		by.log.Debug(printable(line))
	case so.commands == 1:
		by.log.Error(printable(line))
	default:
		by.log.Error(printable(fmt.Sprintf("%s; the storage has failed %d commands of this user in %v",
			line, so.commands, so.failed.Sub(so.began).Round(time.Second))))
	}
}

// storageAnswered is called for everything that shows that the storage can be reached.
func (srv *Server) storageAnswered(by login) {
	if past, over := srv.outages.answer(by.account.Name, srv.now()); over {
		by.log.Warn(fmt.Sprintf("the storage is back after %v; commands of this user that failed: %d",
			past.answered.Sub(past.began).Round(time.Millisecond), past.commands))
	}
}

// askedStorage reports whether a command that succeeded has asked the storage. The root is there without asking.
func (r *request) askedStorage() bool {
	return r.cmd != nil && r.cmd.named && !r.cmd.transfers && r.name != "" && r.name != "/"
}

// isAnswer reports whether only a storage that can be reached fails a command so.
func (f failure) isAnswer() bool {
	switch f {
	case missing, exists, notEmpty, isDirectory, notDirectory, denied:
		return true
	default:
		return false
	}
}
