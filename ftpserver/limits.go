package ftpserver

import "github.com/tencentyun/cos-ftp-server/ftpserver/limit"

// mostNobodys is how many sessions one network may have in which nobody has logged in, where MaxConnections is most: a
// stranger must not hold all of them. A crowd of clients behind one address stays below, for each logs in at once.
func mostNobodys(most int) int {
	if most == 0 {
		return 0
	}
	const everybodys = 64
	return max(everybodys, most/4)
}

// enter counts a new session and says why it may not stay, "" if it may.
func (s *session) enter(banned bool) (refused string) {
	if banned {
		return bannedText
	}
	if s.counted = s.srv.sockets.AddControl(); !s.counted {
		s.srv.sockets.Release() // before the client hears of it and tries again
		return "Too many connections. Service temporarily unavailable."
	}
	from := limit.NetworkOf(s.remote.Addr())
	if s.ofHost = s.srv.hosts.Take(from, s.srv.opts.MaxPerHost); !s.ofHost {
		return "Too many connections from the same IP address."
	}
	if s.nobodys = s.srv.nobodys.Take(from, mostNobodys(s.srv.opts.MaxConnections)); !s.nobodys {
		return "Too many connections without a login from the same IP address."
	}
	return ""
}

// leave is the reverse of enter. Calling it again does nothing.
func (s *session) leave() {
	if s.counted {
		s.srv.sockets.Release()
	}
	if s.ofHost {
		s.srv.hosts.Release(limit.NetworkOf(s.remote.Addr()))
	}
	s.counted, s.ofHost = false, false
	s.leaveNobodys()
	s.seat.Leave()
}

// enterNobodys counts a session that was logged in among those in which nobody is. It stays, however many there are.
func (s *session) enterNobodys() {
	if !s.nobodys {
		s.nobodys = s.srv.nobodys.Take(limit.NetworkOf(s.remote.Addr()), 0)
	}
}

// leaveNobodys takes a session out of those in which nobody is logged in.
func (s *session) leaveNobodys() {
	if s.nobodys {
		s.srv.nobodys.Release(limit.NetworkOf(s.remote.Addr()))
		s.nobodys = false
	}
}
