package conf

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// Load reads the conf file at path. Its error joins a Problem for everything that is wrong with the file; what it
// repaired or ignored instead is in Config.Warnings.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return load(path, text, runtime.NumCPU())
}

// load is Load for a text and a number of CPUs.
func load(file string, text []byte, cpus int) (*Config, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, Problem{File: file, Line: 1, Want: "this is UTF-16: want UTF-8, without byte order mark"}
	}
	v, err := parse(file, text)
	if err != nil {
		return nil, err
	}
	l := &loader{
		file: file, cpus: cpus, values: v, cfg: &Config{File: file},
		problems: v.scanner.problems, warnings: v.scanner.warnings,
	}
	l.loadServer()
	l.loadAccounts()
	l.checkNames()
	if len(l.problems) > 0 {
		return nil, joinProblems(l.problems)
	}
	for _, w := range l.warnings {
		l.cfg.Warnings = append(l.cfg.Warnings, w.Error())
	}
	return l.cfg, nil
}

// loader fills a Config from values.
type loader struct {
	file    string
	cpus    int
	values  *values
	cfg     *Config
	account *Account // whose section is being read

	problems []Problem
	warnings []Problem
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
	if len(l.cfg.Accounts) == 0 {
		l.warnings = append(l.warnings, Problem{File: l.file, Want: "no [COS_ACCOUNT_0] section, so nobody can log in" + l.lookalike(accountPrefix+"_0")})
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
		at.Want = row.instead + " is given too: want one of them"
		l.problems = append(l.problems, at)
		return
	}
	if !row.verbatim {
		value = l.cutComment(at, value)
		at.Value = value
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
		at.Want = err.Error()
		l.problems = append(l.problems, at)
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
	at.Want = "missing, but required: " + row.Doc
	l.problems = append(l.problems, at)
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
	end := -1
	for i := range len(value) {
		if value[i] == '#' && (i == 0 || isSpace(value[i-1])) {
			end = i
			break
		}
	}
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

func rights(authority string) [2]bool {
	return [2]bool{strings.Contains(authority, "R"), strings.Contains(authority, "W")}
}
