package ftpserver

import (
	"strconv"
	"strings"
	"time"
)

// plenty is what AVBL answers: a bucket has no end, and 1 PiB is a number that all clients can read.
const plenty = 1 << 50

// cmdAvbl answers AVBL (draft-peterson-streamlined-ftp-command-extensions-10, 4).
func (s *session) cmdAvbl(r request) reply {
	if r.name != "/" {
		if err := s.statDir(r.name); err != nil {
			return s.fail(r, err)
		}
	}
	return answer(213, strconv.Itoa(plenty))
}

func (s *session) cmdClnt(request) reply { return answer(200, "Noted.") }

// cmdHost answers HOST (RFC 7151 3.2): every host is the same one here.
func (s *session) cmdHost(r request) reply {
	switch {
	case s.account != nil:
		return answer(503, "Bad sequence of commands: HOST must come before USER.")
	case strings.ContainsAny(r.arg, " /"):
		return answer(501, "Syntax error: want the name or address of a host.")
	}
	return answer(220, s.srv.opts.Banner)
}

func (s *session) cmdUmask(r request) reply {
	if _, err := strconv.ParseUint(r.arg, 8, 9); err != nil && r.arg != "" {
		return answer(501, "Invalid mask; expected: three octal digits.")
	}
	return answer(200, "UMASK has no effect here; SITE CHMOD keeps a mode for a file.")
}

// cmdUtime sets a modification time. It is told in one of two forms, in UTC: before the name, or, as ncftp has it,
// as times of access, modification and creation behind the name, with UTC at the end.
func (s *session) cmdUtime(r request) reply {
	at, _, ok := utime(r.arg)
	if !ok {
		return answer(501, "Invalid SITE UTIME format; expected: YYYYMMDDhhmm[ss] path.")
	}
	attributes, can := s.account.FS.(AttributeSetter)
	if !can {
		return answer(502, "SITE UTIME is not supported here.")
	}
	if err := attributes.SetModTime(s.asking.ctx, r.name, at); err != nil {
		return s.fail(r, err)
	}
	return answer(200, "SITE UTIME successful.")
}

// utime reads the argument of SITE UTIME.
func utime(arg string) (at time.Time, name string, ok bool) {
	words := strings.Split(arg, " ")
	if n := len(words); n >= 5 && strings.EqualFold(words[n-1], "UTC") {
		if at, ok = utimeOf(words[n-3]); ok {
			return at, strings.Join(words[:n-4], " "), true
		}
	}
	first, name, _ := strings.Cut(arg, " ")
	at, ok = utimeOf(first)
	return at, name, ok && name != ""
}

func utimeOf(text string) (time.Time, bool) {
	if len(text) == len("YYYYMMDDhhmm") {
		text += "00"
	}
	at, err := time.Parse(timeLayout, text)
	return at, err == nil && len(text) == len(timeLayout)
}
