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

// listable tells names that a listing can show: a line end in them would forge a line.
func listable(name string) bool { return !strings.ContainsAny(name, "\r\n\x00") }
