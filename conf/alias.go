package conf

import (
	"errors"
	"fmt"
	"math"
)

// alias is an option of another FTP server whose conf people bring along.
type alias struct {
	name string
	like string // the option of ours that holds where both are given, "" for none
	set  setter
}

var aliases = []alias{
	{name: "maximum_clients", like: "max_connection_num", set: setMaximumClients},
	{name: "local_umask", set: func(*loader, string) (string, error) {
		return "has no effect: objects have no owner and group to keep rights from", nil
	}},
}

// setMaximumClients counts clients where max_connection_num counts sockets: room for as many, each with a data
// connection, and for the listening socket.
func setMaximumClients(l *loader, value string) (string, error) {
	n, err := pythonInt(value)
	if err != nil || n < 0 {
		return "", errors.New("want a number of clients, or 0 for no limit")
	}
	l.cfg.MaxConnectionNum = 0
	if n > 0 {
		l.cfg.MaxConnectionNum = int(min(2*min(n, math.MaxInt32)+1, math.MaxInt32))
	}
	return fmt.Sprintf("taken as max_connection_num = %d, which counts control, data and listening connections", l.cfg.MaxConnectionNum), nil
}

// loadAliases reads them from any section that holds for the server.
func (l *loader) loadAliases() {
	for _, a := range aliases {
		for _, section := range []string{networkSection, optionalSection, fileSection} {
			value, line, given := l.values.get(section, a.name)
			if !given {
				continue
			}
			at := Problem{File: l.file, Line: line, Section: section, Key: a.name}
			at.Value = l.cutComment(at, value)
			l.loadAlias(a, at)
			break
		}
	}
}

func (l *loader) loadAlias(a alias, at Problem) {
	if _, _, both := l.values.get(optionalSection, a.like); both && a.like != "" {
		at.Want = "ignored: " + a.like + " is given too"
		l.warnings = append(l.warnings, at)
		return
	}
	note, err := a.set(l, at.Value)
	at.Want = note
	if err != nil {
		at.Want = err.Error()
		l.problems = append(l.problems, at)
		return
	}
	l.warnings = append(l.warnings, at)
}
