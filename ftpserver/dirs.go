package ftpserver

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

func (s *session) cmdPwd(request) reply {
	return answerf(257, `"%s" is the current directory.`, doubled(s.cwd))
}

// doubled writes a path as the quoted string of a 257 reply (RFC 959, appendix II).
func doubled(name string) string { return strings.ReplaceAll(name, `"`, `""`) }

func (s *session) cmdCwd(r request) reply {
	if r.name != "/" {
		if err := s.statDir(r.name); err != nil {
			return s.fail(r, err)
		}
	}
	s.cwd = r.name
	// Legacy: quotes are not doubled here.
	return answer(250, fmt.Sprintf(`"%s" is the current directory.`, s.cwd))
}

// statDir returns nil for a directory.
func (s *session) statDir(name string) error {
	if cheap, ok := s.account.FS.(DirStater); ok {
		_, err := cheap.StatDir(s.asking.ctx, name)
		return err
	}
	info, err := s.account.FS.Stat(s.asking.ctx, name)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	return err
}

func (s *session) cmdMkd(r request) reply {
	if r.name == "/" {
		return s.fail(r, fs.ErrExist)
	}
	if err := s.account.FS.Mkdir(s.asking.ctx, r.name); err != nil {
		return s.fail(r, err)
	}
	return answerf(257, `"%s" directory created.`, doubled(r.name))
}

func (s *session) cmdRmd(r request) reply {
	if r.name == "/" {
		return answer(550, "Can't remove root directory.")
	}
	if err := s.account.FS.RemoveDir(s.asking.ctx, r.name); err != nil {
		return s.fail(r, err)
	}
	return answer(250, "Directory removed.")
}
