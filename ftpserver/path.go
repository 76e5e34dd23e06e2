package ftpserver

import (
	"path"
	"strings"
	"unicode/utf8"
)

// decode turns the bytes of a command line into text: each byte that is not UTF-8 becomes U+FFFD.
func decode(line string) string {
	if utf8.ValidString(line) {
		return line
	}
	var b strings.Builder
	for _, r := range line { // an invalid byte ranges as utf8.RuneError
		b.WriteRune(r)
	}
	return b.String()
}

// absolute makes the clean absolute name of what a client calls arg.
func absolute(cwd, arg string) string {
	if !strings.HasPrefix(arg, "/") {
		arg = cwd + "/" + arg
	}
	return path.Clean("/" + arg)
}

// localPath is a name as the original showed it: below the home_dir on its own disk.
func (a *Account) localPath(name string) string {
	home := strings.TrimSuffix(a.Home, "/")
	if name == "/" {
		return home
	}
	return home + name
}

// key is a name as the original's transfer log showed it: without the leading slash.
func key(name string) string { return strings.TrimPrefix(name, "/") }

// listable tells names that a listing can show. A line end in them would forge a line, also one by which only scripts
// split text (U+2028); other control characters steer the terminal of who looks. A tab does neither.
func listable(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r != '\t' && isControl(r) })
}

// isControl tells the control characters of ASCII and Unicode, and Unicode's separators of lines.
func isControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// unreadable refuses to make a name that is not UTF-8, since each byte that is not becomes the same character: two names
// would be one, and the second file replace the first. What was made so can be fetched, renamed and deleted.
func (s *session) unreadable(r *request) reply {
	if s.charset() != nil || utf8.ValidString(r.raw) {
		return reply{}
	}
	return answer(553, "Requested action not taken: file name not allowed: it is not UTF-8. "+
		"For clients that write GBK set filename_charset = gbk in the account.")
}

// refusedName refuses to make what no listing would show. What has such a name can be fetched, renamed and deleted.
func refusedName(name string) reply {
	i := strings.IndexFunc(name, isControl)
	if i < 0 {
		return reply{}
	}
	r, _ := utf8.DecodeRuneInString(name[i:])
	return answerf(553, "Requested action not taken: file name not allowed: it has the control character %#02x.", r)
}
