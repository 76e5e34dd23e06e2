package ftpserver

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// appendListLine appends the LIST line of an entry, byte for byte as the original prints it: tabs, UTC, a
// directory without size and time. Only a mode that was kept for a file, which the original knows nothing of, is shown.
func appendListLine(b []byte, info fs.FileInfo, now time.Time) []byte {
	if info.IsDir() {
		b = append(b, "drwxrwxrwx\t1\towner\tgroup\t0\tJan 01 1970\t"...)
	} else {
		mode := "-r-xr-xr-x"
		if kept, ok := keptMode(info); ok {
			mode = kept.String()
		}
		b = append(append(b, mode...), "\t1\towner\tgroup\t"...)
		b = strconv.AppendInt(b, info.Size(), 10)
		b = append(b, '\t')
		b = info.ModTime().UTC().AppendFormat(b, listTimeLayout(info.ModTime(), now))
		b = append(b, '\t')
	}
	return append(append(b, info.Name()...), "\r\n"...)
}

// listTimeLayout shows the time of day for what is less than 180 days old, else the year. Legacy: the age is
// the difference between the wall clock at the server's place and the time in UTC.
func listTimeLayout(t, now time.Time) string {
	_, zone := now.Zone()
	if now.Add(time.Duration(zone)*time.Second).Sub(t) < 180*24*time.Hour {
		return "Jan 02 15:04"
	}
	return "Jan 02 2006"
}

// appendUnixLine appends the LIST line of an entry in the form of vsftpd, which is that of ls -l, in UTC.
func appendUnixLine(b []byte, info fs.FileInfo, mode fs.FileMode, now time.Time) []byte {
	layout := "Jan 02 15:04"
	if age := now.Sub(info.ModTime()); age > 180*24*time.Hour || age < -24*time.Hour {
		layout = "Jan 02  2006"
	}
	return fmt.Appendf(b, "%v    1 %-8s %-8s %8d %s %s\r\n",
		mode, "owner", "group", info.Size(), info.ModTime().UTC().Format(layout), info.Name())
}

// keptMode is the mode that was kept for a file.
func keptMode(info fs.FileInfo) (mode fs.FileMode, ok bool) {
	keeper, ok := info.(ModeKeeper)
	if !ok || !keeper.HasMode() || info.IsDir() {
		return 0, false
	}
	return info.Mode().Perm(), true
}

// modeOf is the mode of an entry: the one that was kept for it, else what the account's rights come to.
func (a *Account) modeOf(info fs.FileInfo) fs.FileMode {
	if mode, ok := keptMode(info); ok {
		return mode
	}
	var mode fs.FileMode
	grant := func(letters string, bits fs.FileMode) {
		if strings.ContainsAny(a.Perm, letters) {
			mode |= bits
		}
	}
	if !info.IsDir() {
		grant("r", 0o444)
		grant("wa", 0o200)
		return mode
	}
	grant("l", 0o444)
	grant("wmfd", 0o200)
	grant("e", 0o111)
	return mode | fs.ModeDir
}

// permOf is the value of the fact perm: the letters of RFC 3659 7.5.5 for what the account may do with an entry. The
// root can be neither renamed nor deleted.
func (a *Account) permOf(info fs.FileInfo, isRoot bool) string {
	letters := make([]byte, 0, 8)
	grant := func(letter, right byte, possible bool) {
		if possible && a.may(right) {
			letters = append(letters, letter)
		}
	}
	dir, movable := info.IsDir(), !isRoot
	grant('a', 'a', !dir)
	grant('c', 'w', dir)
	grant('d', 'd', movable && a.Delete)
	grant('e', 'e', dir)
	grant('f', 'f', movable)
	grant('l', 'l', dir)
	grant('m', 'm', dir)
	grant('p', 'd', dir && a.Delete)
	grant('r', 'r', !dir)
	grant('w', 'w', !dir)
	return string(letters)
}

// compareEntries is the original's order of a listing: directories first, then by size, time and name.
func compareEntries(a, b fs.FileInfo) int {
	switch {
	case a.IsDir() && b.IsDir():
		return cmp.Compare(a.Name(), b.Name())
	case a.IsDir():
		return -1
	case b.IsDir():
		return 1
	}
	return cmp.Or(cmp.Compare(a.Size(), b.Size()), a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
}

// factSet is which facts MLSD and MLST send (RFC 3659 7.5), a bit for each of factNames.
type factSet uint8

var factNames = [...]string{"type", "perm", "size", "modify", "unique", "unix.mode", "unix.uid", "unix.gid"}

const (
	factType factSet = 1 << iota
	factPerm
	factSize
	factModify
	factUnique
	factMode
	factUID
	factGID

	defaultFacts = factType | factPerm | factSize | factModify | factUnique
)

// feature is the set as FEAT shows it, the chosen ones starred (RFC 3659 7.8).
func (f factSet) feature() string {
	text := ""
	for i, name := range factNames {
		text += name
		if f&(1<<i) != 0 {
			text += "*"
		}
		text += ";"
	}
	return text
}

// parseFacts reads the argument of OPTS MLST. It returns the facts also in the client's words and order, for the
// reply; unknown ones are ignored (RFC 3659 7.9).
func parseFacts(arg string) (set factSet, chosen string) {
	for wanted := range strings.SplitSeq(strings.ToLower(arg), ";") {
		i := slices.Index(factNames[:], wanted)
		if i < 0 || set&(1<<i) != 0 {
			continue
		}
		set |= 1 << i
		chosen += wanted + ";"
	}
	return set, chosen
}

// appendFacts appends the facts of an entry of the given name, as the account sees it, each with its ";", and a blank.
// The order and the values are the original's, but for perm, which was r or el whatever the rights, and the time of
// directories, which was always the first second of 1970; the ";" before the blank, which RFC 3659 wants, it left out.
func (f factSet) appendFacts(b []byte, info fs.FileInfo, name string, account *Account) []byte {
	kind, size, modified, mode := "file", info.Size(), info.ModTime(), "0555"
	if info.IsDir() {
		kind, size, mode = "dir", 0, "0777"
	}
	if kept, ok := keptMode(info); ok {
		mode = fmt.Sprintf("%04o", kept)
	}
	fact := func(which factSet, name, value string) {
		if f&which != 0 {
			b = append(append(append(append(b, name...), '='), value...), ';')
		}
	}
	fact(factType, "type", kind)
	fact(factSize, "size", strconv.FormatInt(size, 10))
	fact(factPerm, "perm", account.permOf(info, name == "/"))
	fact(factModify, "modify", modified.UTC().Format(timeLayout))
	if f&factUnique != 0 {
		fact(factUnique, "unique", uniqueID(kind, name))
	}
	fact(factMode, "unix.mode", mode)
	fact(factUID, "unix.uid", "0")
	fact(factGID, "unix.gid", "0")
	return append(b, ' ')
}

// uniqueID is the same for the same file under the same name, and different for any other.
func uniqueID(kind, name string) string {
	h := fnv.New64a()
	fmt.Fprint(h, kind, ":", name)
	return strconv.FormatUint(h.Sum64(), 16)
}
