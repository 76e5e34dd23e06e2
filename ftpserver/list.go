package ftpserver

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// appendListLine appends the LIST line of an entry, byte for byte as the original prints it: tabs, UTC, a
// directory without size and time.
func appendListLine(b []byte, info fs.FileInfo, now time.Time) []byte {
	if info.IsDir() {
		b = append(b, "drwxrwxrwx\t1\towner\tgroup\t0\tJan 01 1970\t"...)
	} else {
		b = append(b, "-r-xr-xr-x\t1\towner\tgroup\t"...)
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

// appendFacts appends the facts of an entry of the directory dir, each with its ";", and a blank. The order
// and the values are the original's; the ";" before the blank, which RFC 3659 wants, it left out.
func (f factSet) appendFacts(b []byte, info fs.FileInfo, dir string) []byte {
	kind, perm, size, modified, mode := "file", "r", info.Size(), info.ModTime(), "0555"
	if info.IsDir() {
		kind, perm, size, modified, mode = "dir", "el", 0, time.Unix(0, 0), "0777"
	}
	fact := func(which factSet, name, value string) {
		if f&which != 0 {
			b = append(append(append(append(b, name...), '='), value...), ';')
		}
	}
	fact(factType, "type", kind)
	fact(factSize, "size", strconv.FormatInt(size, 10))
	fact(factPerm, "perm", perm)
	fact(factModify, "modify", modified.UTC().Format(timeLayout))
	if f&factUnique != 0 {
		fact(factUnique, "unique", uniqueID(kind, path.Join(dir, info.Name())))
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
