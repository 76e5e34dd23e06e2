package conf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// Load reads the conf file at path. Its error joins a Problem for everything that keeps the server from starting; what else
// is wrong, and what it repaired or ignored, is in Config.Errors and Config.Warnings. The Config is never nil: with an
// error it holds what could be read, and where to write a log in any case.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return unread(path), fmt.Errorf("read the configuration: %w", err)
	}
	return load(path, text, runtime.NumCPU())
}

// unread is the Config of a file that cannot be read.
func unread(file string) *Config { return &Config{File: file, LogDir: defaultLogDir} }

// load is Load for a text and a number of CPUs.
func load(file string, text []byte, cpus int) (*Config, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return unread(file), Problem{File: file, Line: 1, Want: "this is UTF-16: want UTF-8, without byte order mark"}
	}
	v, err := parse(file, text)
	if err != nil {
		return unread(file), err
	}
	l := &loader{
		file: file, cpus: cpus, values: v, cfg: &Config{File: file},
		problems: v.scanner.problems, warnings: v.scanner.warnings,
	}
	l.loadServer()
	l.loadAccounts()
	l.checkNames()
	l.checkTwice()
	l.checkEncoding(text)
	l.settleAccounts()
	l.cfg.Errors, l.cfg.Warnings = texts(l.errors), texts(l.warnings)
	if l.cfg.LogDir == "" {
		l.cfg.LogDir = defaultLogDir
	}
	return l.cfg, joinProblems(l.problems)
}

// loader fills a Config from values.
type loader struct {
	file    string
	cpus    int
	values  *values
	cfg     *Config
	account *Account // whose section is being read, nil for the others

	problems []Problem          // which end the start
	errors   []Problem          // see Config.Errors
	faults   map[string][]fault // of accounts, by section
	warnings []Problem
}

// reject notes a value that will not do.
func (l *loader) reject(p Problem, err error) {
	p.Want = err.Error()
	if l.account != nil {
		_, tolerated := errors.AsType[toleratedError](err)
		l.blame(l.account.Section, p, tolerated)
		return
	}
	l.problems = append(l.problems, p)
}

func (l *loader) loadServer() {
	// Legacy: the original needs the section, although both its ports have documented defaults.
	if !l.values.has(networkSection) {
		l.problems = append(l.problems, Problem{File: l.file, Section: networkSection, Want: "section missing: want it, with listen_port and passive_port" + l.lookalike(networkSection)})
	}
	for _, section := range []string{networkSection, fileSection, optionalSection} {
		l.loadSection(section, section)
	}
	l.loadAliases()
	l.checkTLS()
	l.settleMaxSize()
}

// settleMaxSize gives a limit below 1 byte the meaning that comes nearest to the original's, which tells nobody
// and lets through whatever is smaller than a part: as much as min_part_size allows. Refusing every upload
// would end the service.
func (l *loader) settleMaxSize() {
	if l.cfg.SingleFileMaxSize >= 1 {
		return
	}
	value := l.cfg.SingleFileMaxSize
	l.cfg.SingleFileMaxSize = mostParts * max(l.cfg.MinPartSize, smallestPart)
	if _, line, ok := l.values.get(fileSection, "single_file_max_size"); ok {
		l.warnings = append(l.warnings, Problem{
			File: l.file, Line: line, Section: fileSection, Key: "single_file_max_size", Value: fmt.Sprint(value),
			Want: fmt.Sprintf("want a size in bytes, at least 1; using %d, the most that parts of min_part_size make", l.cfg.SingleFileMaxSize),
		})
	}
}

func (l *loader) loadAccounts() {
	for _, section := range l.values.order {
		if !strings.HasPrefix(section, accountPrefix) {
			continue
		}
		l.account = &Account{Section: section}
		l.loadSection(section, accountSection)
		l.checkHost(l.account)
		l.cfg.Accounts = append(l.cfg.Accounts, *l.account)
	}
	l.account = nil
	if len(l.cfg.Accounts) == 0 {
		l.errors = append(l.errors, Problem{File: l.file, Want: "no [COS_ACCOUNT_0] section, so nobody can log in" + l.lookalike(accountPrefix+"_0")})
	}
	l.checkUserNames()
	l.checkHomeDirs()
}

// loadSection reads the options of one section by the table's rows for its kind.
func (l *loader) loadSection(section, kind string) {
	for _, row := range keys {
		if row.Section == kind {
			l.loadOption(section, row)
		}
	}
}

func (l *loader) loadOption(section string, row key) {
	value, line, given := l.values.get(section, row.Name)
	at := Problem{File: l.file, Line: line, Section: section, Key: row.Name, Value: value, Secret: row.secret}
	if !given {
		l.loadDefault(at, row)
		return
	}
	if _, _, both := l.values.get(section, row.instead); both && row.instead != "" {
		l.reject(at, errors.New(row.instead+" is given too: want one of them"))
		return
	}
	if !row.verbatim {
		value = l.cutComment(at, value)
		at.Value = value
	} else if row.required && commentAt(value) > 0 {
		at.Want = "the blank and the # behind it are part of the value, as in the Python tool: " +
			"if a comment is meant, put it in a line of its own"
		l.warnings = append(l.warnings, at)
	}
	note, err := row.set(l, value)
	switch {
	case err == nil && note != "":
		at.Want = note
		l.warnings = append(l.warnings, at)
	case err != nil && row.lenient:
		_, _ = row.set(l, row.Default)
		at.Want = err.Error() + "; using " + row.Default
		l.warnings = append(l.warnings, at)
	case err != nil:
		l.reject(at, err)
	}
}

func (l *loader) loadDefault(at Problem, row key) {
	if !row.required || l.mayMiss(at.Section, row.Name) {
		_, _ = row.set(l, row.Default)
		return
	}
	spoilt := func(p Problem) bool { return p.Section == at.Section && p.Key == at.Key }
	if slices.ContainsFunc(l.values.scanner.problems, spoilt) {
		return // its line is reported already
	}
	at.Secret = true // there is no value to show
	l.reject(at, errors.New("missing, but required: "+row.Doc+l.indented(at.Section, row.Name)))
}

// indented is a remark on a missing option that the section has in an indented line.
func (l *loader) indented(section, name string) string {
	line := l.values.scanner.indented[place{section, name}]
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" Line %d has it, but indented, so it is read as more of the value before it: remove the blanks before it.", line)
}

// mayMiss says whether a required option is not: another stands in its place, or nobody asks for it.
func (l *loader) mayMiss(section, name string) bool {
	if name == "ftp_login_user_password" && l.account.Anonymous() {
		return true
	}
	return slices.ContainsFunc(keys, func(row key) bool {
		_, _, given := l.values.get(section, row.Name)
		return row.instead == name && given
	})
}

// cutComment ends a value at a # behind white space, which the original keeps in the value and stumbles over,
// although its own sample has such comments.
func (l *loader) cutComment(at Problem, value string) string {
	end := commentAt(value)
	if end < 0 {
		return value
	}
	kept := strip(value[:end])
	switch at.Key {
	case "log_dir":
		at.Want = "# starts a comment, so the log is in " + printable(lower(kept)) + ", not in a directory with the comment in its name, as the original has it"
		l.warnings = append(l.warnings, at)
	case "authority":
		if strings.ContainsAny(value[end:], "RW") && rights(value) != rights(kept) {
			at.Want = "# starts a comment: letters in it give no rights any more"
			l.warnings = append(l.warnings, at)
		}
	}
	return kept
}

// commentAt is where a # stands at the beginning of a value or behind white space, -1 for nowhere.
func commentAt(value string) int {
	for i := range len(value) {
		if value[i] == '#' && (i == 0 || isSpace(value[i-1])) {
			return i
		}
	}
	return -1
}

func rights(authority string) [2]bool {
	return [2]bool{strings.Contains(authority, "R"), strings.Contains(authority, "W")}
}
