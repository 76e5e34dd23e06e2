package ftpserver

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// login is who a session belongs to. What runs on after a REIN or USER keeps a copy.
type login struct {
	user    string
	account *Account     // nil: not logged in
	refusal *refusal     // a refused PASS that is not answered yet
	log     *slog.Logger // names the user
}

// setUser changes who the log says the session belongs to.
func (s *session) setUser(user string) {
	s.user = user
	s.log = s.metered.With("session", fmt.Sprintf("%s-[%s]", s.remote, printable(shortened(user, prefixName))))
}

// refusal is a refused PASS whose reply is delayed, so that guessing passwords takes time.
type refusal struct {
	timer *time.Timer
	user  string
}

func (r *refusal) due() <-chan time.Time {
	if r == nil {
		return nil
	}
	return r.timer.C
}

func (s *session) cmdUser(r request) reply {
	if refused := s.otherCertificate(r.raw); !refused.isNone() {
		return refused
	}
	if s.account == nil {
		s.setUser(r.raw)
		return answer(331, "Username ok, send password.")
	}
	connection := s.state
	s.flush()
	s.epsvOnly, s.sized, s.private = connection.epsvOnly, connection.sized, connection.private
	const text = "Previous account information was flushed, send password."
	s.log.Info(text)
	s.setUser(r.raw)
	return answer(331, text)
}

func (s *session) cmdPass(r request) reply {
	switch {
	case s.account != nil:
		return answer(503, "User already authenticated.")
	case s.user == "":
		return answer(503, "Login with USER first.")
	}
	host := s.remote.Addr()
	if s.srv.bans.Holds(host) {
		return s.turnAway()
	}
	asked := time.Now()
	account := s.srv.opts.Login(s.asking.ctx, Attempt{User: s.user, Password: r.raw, From: limit.NetworkOf(host),
		Wanted: func() bool { return !s.srv.bans.Holds(host) }})
	switch {
	case s.srv.bans.Holds(host):
		return s.turnAway() // right or wrong: of many passwords sent at once no more may be tried than of others
	case account == nil && s.asking.ctx.Err() != nil:
		return answer(421, "Login given up: the connection has ended.") // the password was not looked at, most likely
	}
	if account == nil {
		if s.countFailure(host) {
			return s.turnAway()
		}
		// From when it was asked: how long the check took would tell which names there are.
		s.refusal = &refusal{timer: time.NewTimer(s.srv.opts.AuthDelay - time.Since(asked)), user: s.user}
		s.setUser("")
		return reply{}
	}
	if !s.seat.Take(&s.srv.users, cmp.Or(account.Name, s.user), s.srv.opts.MaxPerUser) {
		return s.warned(530, "Too many connections of this user.")
	}
	s.account = account
	s.leaveNobodys()
	s.failures = 0
	s.log.Info(fmt.Sprintf("USER '%s' logged in.", printable(s.user)))
	return answer(230, "Login successful.")
}

// countFailure does so when the password is known to be wrong, not when that is told: the delay would let a guesser
// with many connections try as many passwords. It reports whether the address was banned while the password was checked.
func (s *session) countFailure(host netip.Addr) (late bool) {
	opts := &s.srv.opts
	bans, late := s.srv.bans.Failed(host)
	if bans {
		s.log.Warn(fmt.Sprintf("%d failed logins within %v: %v is banned for %v.", opts.BanAfter, opts.BanWindow, limit.NetworkOf(host), opts.BanTime))
	}
	return late
}

const bannedText = "Too many failed logins from this address, try again later."

// turnAway ends a session of a banned address.
func (s *session) turnAway() reply {
	s.send(answer(421, bannedText))
	s.over = true
	return reply{}
}

// refuse answers a refused PASS when its delay is over.
func (s *session) refuse() {
	user := s.refusal.user
	s.failures++
	s.logRefusal()
	text := "Authentication failed."
	if user == "anonymous" {
		text = "Anonymous access not allowed."
	}
	last := s.failures >= s.srv.opts.MaxLogins || s.srv.bans.Holds(s.remote.Addr())
	if last {
		text += " Disconnecting."
	}
	s.send(answer(530, text))
	s.over = s.over || last
}

// logRefusal writes the line of a refused PASS. Sessions that end before its delay is over write it, too: who bans by the
// log must see each try.
func (s *session) logRefusal() {
	if s.refusal != nil {
		s.log.Info(fmt.Sprintf("USER '%s' failed login.", printable(shortened(s.refusal.user, longestName))))
		s.refusal = nil
	}
}

func (s *session) cmdRein(request) reply {
	s.flush()
	return answer(230, "Ready for new user.")
}

// flush forgets who is logged in, and all that commands left behind. A running transfer goes on (RFC 959, REIN).
func (s *session) flush() {
	if s.account != nil {
		s.unknown = 0
		s.written.Store(0) // what the user did is not a stranger's
		s.enterNobodys()
	}
	s.dropWaiting()
	s.closeUnused()
	s.touch() // for the last time, from now on it is nobody's
	if s.xfer.isRunning() {
		s.seat.MoveTo(&s.xfer.seat) // it is the user's all the same
	} else {
		s.seat.Leave()
	}
	s.login, s.state = login{}, newState(s.implicit)
	s.setUser("")
}

func (s *session) cmdQuit(request) reply {
	if !s.xfer.isRunning() && !s.transferMayStart() {
		s.closeData()
	}
	s.quitting = true
	s.pending = nil
	return answer(221, "Goodbye.")
}
