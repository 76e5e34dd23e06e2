package conf

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// checkHost asks for one of region and endpoint.
func (l *loader) checkHost(a *Account) {
	if a.Region != "" || a.Endpoint != "" {
		return
	}
	hint := ""
	for _, name := range []string{"cos_region", "cos_endpoint"} {
		if slices.ContainsFunc(l.problems, func(p Problem) bool { return p.Section == a.Section && p.Key == name }) {
			return
		}
		hint += l.indented(a.Section, name)
	}
	l.reject(Problem{File: l.file, Line: l.values.lines[place{a.Section, ""}], Section: a.Section},
		tolerated("cos_region and cos_endpoint missing: want one of them, e.g. cos_region = ap-guangzhou"+hint))
}

// checkUserNames refuses a name used twice, as the original does.
func (l *loader) checkUserNames() {
	owners := map[string]string{}
	for _, a := range l.cfg.Accounts {
		const name = "ftp_login_user_name"
		_, line, given := l.values.get(a.Section, name)
		if !given {
			continue
		}
		if owner, taken := owners[a.UserName]; taken {
			p := Problem{
				File: l.file, Line: line, Section: a.Section, Key: name, Value: a.UserName,
				Want: fmt.Sprintf("[%s] has this user already: want another name", printable(owner)),
			}
			switch {
			case len(l.faults[a.Section]) > 0:
				l.blame(a.Section, p, false)
			case len(l.faults[owner]) > 0: // it lets in nobody: the name is free
				owners[a.UserName] = a.Section
			default:
				l.problems = append(l.problems, p)
			}
			continue
		}
		owners[a.UserName] = a.Section
	}
}

// checkHomeDirs looks at home directories used twice. The original then sends all their users to the bucket of the
// last account, which is harmless where it is the same, and data in the wrong place where it is not.
func (l *loader) checkHomeDirs() {
	owners, broken := map[string]*Account{}, maps.Clone(l.faults)
	for i := range l.cfg.Accounts {
		a := &l.cfg.Accounts[i]
		if a.HomeDir == "" || len(broken[a.Section]) > 0 {
			continue // nobody works in it
		}
		owner, taken := owners[a.HomeDir]
		if !taken {
			owners[a.HomeDir] = a
			continue
		}
		value, line, _ := l.values.get(a.Section, "home_dir")
		p := Problem{File: l.file, Line: line, Section: a.Section, Key: "home_dir", Value: value}
		if a.sameBucket(owner) {
			p.Want = fmt.Sprintf("[%s] has the same home_dir; both work on one bucket: better give each its own", printable(owner.Section))
			if a.Prefix != owner.Prefix {
				p.Want = fmt.Sprintf("[%s] has the same home_dir and another cos_prefix: replies and log lines show names of both alike, better give each its own", printable(owner.Section))
			}
			l.warnings = append(l.warnings, p)
			continue
		}
		l.blameHomeDir(a, owner)
		l.blameHomeDir(owner, a)
	}
}

// blameHomeDir says of an account that another has its home_dir.
func (l *loader) blameHomeDir(a, other *Account) {
	value, line, _ := l.values.get(a.Section, "home_dir")
	l.blame(a.Section, Problem{
		File: l.file, Line: line, Section: a.Section, Key: "home_dir", Value: value,
		Want: fmt.Sprintf("[%s] has the same home_dir and another bucket or key: want another directory", printable(other.Section)),
	}, true)
}

func (a *Account) sameBucket(b *Account) bool {
	return a.Host() == b.Host() && a.Protocol == b.Protocol && a.Address == b.Address &&
		a.SecretID.Equal(b.SecretID.Reveal()) && a.SecretKey.Equal(b.SecretKey.Reveal())
}

// checkNames warns of keys that are ignored, and of ignored sections that look like slips for others.
func (l *loader) checkNames() {
	for _, section := range append(slices.Clone(l.values.order), defaults) {
		kind := kindOf(section)
		if kind == "" {
			if known := l.meantSection(section); known != "" && !(len(l.cfg.Accounts) == 0 && kindOf(known) == accountSection) {
				l.errors = append(l.errors, Problem{
					File: l.file, Line: l.values.lines[place{section, ""}], Section: section, Want: "section ignored: did you mean [" + known + "]?",
				})
			}
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(l.values.sections[section])) {
			if advice := meantKey(name, kind); advice != "" {
				l.warnName(section, name, "ignored: "+advice)
			} else if !hasKey(kind, name) {
				l.warnUnknown(section, name)
			}
		}
	}
}

// warnName does not show the value: it may be a secret under a misspelt key.
func (l *loader) warnName(section, name, want string) {
	l.warnings = append(l.warnings, Problem{
		File: l.file, Line: l.values.lines[place{section, name}], Section: section, Key: name, Secret: true, Want: want,
	})
}

// nameForm is what the names of options look like. It is too short for the keys of COS.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,29}$`)

// warnUnknown shows a key only if it looks like one: it may be the second line of a secret.
func (l *loader) warnUnknown(section, name string) {
	at := Problem{
		File: l.file, Line: l.values.lines[place{section, name}], Section: section, Key: name, Secret: true,
		Want: "ignored: there is no such option; conf/cos-ftp-server.conf.example has all of them",
	}
	if !nameForm.MatchString(name) {
		at.Key, at.Want = "", "line "+at.Want
	}
	l.warnings = append(l.warnings, at)
}

// hasKey reports whether a section of the kind has the option; those of other servers hold in all but accounts.
func hasKey(kind, name string) bool {
	return slices.ContainsFunc(keys, func(row key) bool { return row.Name == name && (row.Section == kind || kind == defaults) }) ||
		kind != accountSection && slices.ContainsFunc(aliases, func(a alias) bool { return a.name == name })
}

// kindOf is the Section of the table's rows that hold for a section, defaults for [DEFAULT], "" for an unknown one.
func kindOf(section string) string {
	switch {
	case section == defaults, section == networkSection, section == fileSection, section == optionalSection:
		return section
	case strings.HasPrefix(section, accountPrefix):
		return accountSection
	}
	return ""
}

// meantSection is the section that a name differs from by a slip, or "".
func meantSection(name string) string {
	name = strings.ToUpper(strip(name))
	if strings.HasPrefix(name, accountPrefix) {
		return name
	}
	for _, known := range []string{networkSection, fileSection, optionalSection, accountPrefix + "_0"} {
		if similar(name, known) || name == known {
			return known
		}
	}
	return ""
}

// meantSection is the section that an ignored one stands for, by its name or by the options in it, or "".
func (l *loader) meantSection(name string) string {
	if known := meantSection(name); known != "" {
		return known
	}
	for _, row := range keys {
		if _, has := l.values.sections[name][row.Name]; has {
			return row.Section
		}
	}
	return ""
}

// lookalike is a remark on a section of nearly the wanted name.
func (l *loader) lookalike(wanted string) string {
	for _, name := range l.values.order {
		if kindOf(name) == "" && kindOf(meantSection(name)) == kindOf(wanted) {
			return fmt.Sprintf("; [%s] in line %d is another section", printable(name), l.values.lines[place{name, ""}])
		}
	}
	return ""
}

// meantKey is advice for a key that its section does not have, "" for one that it has or that resembles none.
func meantKey(name, kind string) string {
	advice := ""
	for _, row := range keys {
		switch {
		case row.Name == name && (row.Section == kind || kind == defaults):
			return ""
		case row.Name == name:
			advice = "it belongs in [" + row.Section + "]"
		case advice == "" && similar(name, row.Name):
			advice = "did you mean " + row.Name + "?"
		}
	}
	return advice
}
