package ftpserver

import (
	"cmp"
	"io/fs"
	"path"
	"strings"
)

// listWish is the argument of LIST, NLST or STAT: a path with the options of ls in front.
type listWish struct {
	path string
	// unsure says that the options hold letters that nobody knows: the whole argument may be a name.
	unsure bool

	recursive bool // -R
	itself    bool // -d: a directory as one entry
	names     bool // -1
	long      bool // -l
	reverse   bool // -r
	by        byte // 't' or 'S', the last one that was given; 0 for none

	bare bool // names are all that is to be sent
}

// knownOptions are the letters that do something, and those that clients send and a listing obeys anyway.
const knownOptions = "-aAlLRtSr1dCFhn"

// parseListWish takes an argument apart. A file whose name looks like options can be listed as ./-l.
func parseListWish(arg string) listWish {
	wish := listWish{path: arg}
	for {
		word, rest, _ := strings.Cut(wish.path, " ")
		if word == "--" && rest != "" {
			wish.path = strings.TrimLeft(rest, " ")
			return wish
		}
		if !areOptions(word) {
			return wish
		}
		wish.add(word)
		wish.path = strings.TrimLeft(rest, " ")
	}
}

// areOptions reports whether a word can be nothing but options of ls, or a name like them.
func areOptions(word string) bool {
	letters, dashed := strings.CutPrefix(word, "-")
	return dashed && letters != "" && !strings.ContainsFunc(letters, func(r rune) bool {
		return r != '1' && (r|0x20 < 'a' || r|0x20 > 'z')
	})
}

func (w *listWish) add(letters string) {
	w.unsure = w.unsure || strings.Trim(letters, knownOptions) != ""
	for _, letter := range letters {
		switch letter {
		case 'R':
			w.recursive = true
		case 'd':
			w.itself = true
		case '1':
			w.names = true
		case 'l':
			w.long = true
		case 'r':
			w.reverse = true
		case 't', 'S':
			w.by = byte(letter)
		}
	}
}

// needsNames says that names, kinds and sizes are all that is needed.
func (w *listWish) needsNames() bool { return w.bare && w.by != 't' }

// order is the order that ls would give; nil: the options ask for none.
func (w *listWish) order() func(a, b fs.FileInfo) int {
	if w.by == 0 && !w.reverse {
		return nil
	}
	return func(a, b fs.FileInfo) int {
		n := 0
		switch w.by {
		case 't':
			n = b.ModTime().Compare(a.ModTime())
		case 'S':
			n = cmp.Compare(b.Size(), a.Size())
		}
		if n = cmp.Or(n, cmp.Compare(a.Name(), b.Name())); w.reverse {
			return -n
		}
		return n
	}
}

// wildcards begin what is not literal in a pattern of path.Match.
const wildcards = `*?[\`

// pattern is the last element of the path where it has wildcards, as path.Match reads them.
func (w *listWish) pattern() (pattern string, ok bool) {
	_, last := path.Split(w.path)
	if !strings.ContainsAny(last, "*?[") {
		return "", false
	}
	return strings.ReplaceAll(last, "[!", "[^"), true // as shells write it, too
}

// folder is the directory of the path as it was written, with its slash; "" for none.
func (w *listWish) folder() string {
	folder, _ := path.Split(w.path)
	return folder
}

// label is how ls -R calls a directory that was written so.
func label(written string) string {
	return cmp.Or(strings.TrimRight(written, "/"), written[:min(len(written), 1)], ".")
}

// below is how ls -R calls what is below a directory of a label.
func below(label, rest string) string {
	if strings.HasSuffix(label, "/") {
		return label + rest
	}
	return label + "/" + rest
}
