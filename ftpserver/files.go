package ftpserver

import (
	"io/fs"
	"strconv"
	"syscall"
	"time"
)

// timeLayout is the time-val of RFC 3659 2.3, in UTC.
const timeLayout = "20060102150405"

func (s *session) cmdDele(r request) reply {
	if r.name == "/" {
		return s.fail(r, syscall.EISDIR)
	}
	if err := s.account.FS.Remove(s.asking.ctx, r.name); err != nil {
		return s.fail(r, err)
	}
	return answer(250, "File removed.")
}

// statFile tells about a file; a directory is an error.
func (s *session) statFile(name string) (fs.FileInfo, error) {
	if name == "/" {
		return nil, syscall.EISDIR
	}
	info, err := s.account.FS.Stat(s.asking.ctx, name)
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	return info, err
}

func (s *session) cmdSize(r request) reply {
	if s.ascii {
		return answer(550, "SIZE not allowed in ASCII mode.")
	}
	info, err := s.statFile(r.name)
	if err != nil {
		return s.fail(r, err)
	}
	return answer(213, strconv.FormatInt(info.Size(), 10))
}

func (s *session) cmdMdtm(r request) reply {
	info, err := s.statFile(r.name)
	if err != nil {
		return s.fail(r, err)
	}
	return answer(213, info.ModTime().UTC().Format(timeLayout))
}

func (s *session) cmdMfmt(r request) reply {
	at, err := time.Parse(timeLayout, r.arg)
	if err != nil || len(r.arg) != len(timeLayout) { // Parse takes fractions of seconds
		return answer(550, "Invalid time format; expected: YYYYMMDDHHMMSS.")
	}
	attributes, ok := s.account.FS.(AttributeSetter)
	if !ok {
		return answer(502, "MFMT is not supported here.")
	}
	if err := attributes.SetModTime(s.asking.ctx, r.name, at); err != nil {
		return s.fail(r, err)
	}
	return answerf(213, "Modify=%s; %s.", r.arg, r.name)
}

func (s *session) cmdChmod(r request) reply {
	mode, err := strconv.ParseUint(r.arg, 8, 12)
	if err != nil || len(r.arg) < 3 || len(r.arg) > 4 {
		return answer(501, "Invalid SITE CHMOD format.")
	}
	attributes, ok := s.account.FS.(AttributeSetter)
	if !ok {
		return answer(502, "SITE CHMOD is not supported here.")
	}
	if err := attributes.SetMode(s.asking.ctx, r.name, fs.FileMode(mode).Perm()); err != nil {
		return s.fail(r, err)
	}
	return answer(200, "SITE CHMOD successful.")
}

func (s *session) cmdRnfr(r request) reply {
	if r.name == "/" {
		return answer(550, "Can't rename home directory.")
	}
	if _, err := s.account.FS.Stat(s.asking.ctx, r.name); err != nil {
		return s.fail(r, err)
	}
	s.from = r.name
	return answer(350, "Ready for destination name.")
}

func (s *session) cmdRnto(r request) reply {
	if r.from == "" {
		return answer(503, "Bad sequence of commands: use RNFR first.")
	}
	var err error = syscall.EISDIR
	if r.name != "/" {
		err = s.account.FS.Rename(s.asking.ctx, r.from, r.name)
	}
	if err != nil {
		return s.fail(r, err)
	}
	return answer(250, "Renaming ok.")
}
