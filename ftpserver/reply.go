package ftpserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
)

// reply is what a command is answered with: a code and its lines (RFC 959 4.2). The zero reply is none.
// Of several lines all but the first and the last are sent as they are; by RFC 2389 they begin with a blank.
type reply struct {
	code  int
	lines []string
}

// answer is a reply of one line.
func answer(code int, text string) reply { return reply{code, []string{text}} }

func answerf(code int, format string, args ...any) reply {
	return answer(code, fmt.Sprintf(format, args...))
}

func (r reply) isNone() bool { return r.code == 0 }

// text is the last line, which the log shows.
func (r reply) text() string { return r.lines[len(r.lines)-1] }

// wire is the reply as it is sent.
func (r reply) wire() []byte {
	var b []byte
	for i, line := range r.lines {
		last := i == len(r.lines)-1
		switch {
		case last:
			b = append(strconv.AppendInt(b, int64(r.code), 10), ' ')
		case i == 0:
			b = append(strconv.AppendInt(b, int64(r.code), 10), '-')
		}
		b = append(append(b, line...), "\r\n"...)
	}
	return b
}

// failure is what kind of error a FileSystem answered.
type failure uint8

const (
	faultOfStorage failure = iota // anything that is none of the others
	outage                        // the storage cannot be reached now; trying again may help
	missing
	exists
	denied
	badName
	isDirectory
	notDirectory
	notEmpty
	tooBig
	changed
	busy
	unsupported
	ended // the session's or transfer's context
)

// failureOf classifies err by the sentinels that FileSystem names. ENOTEMPTY comes before ErrExist, and
// ErrUnsupported before the rest, because syscall.Errno matches several of them.
func failureOf(err error) failure {
	for _, known := range []struct {
		target error
		kind   failure
	}{
		{fs.ErrNotExist, missing},
		{syscall.ENOTEMPTY, notEmpty},
		{fs.ErrExist, exists},
		{syscall.EISDIR, isDirectory},
		{syscall.ENOTDIR, notDirectory},
		{syscall.EFBIG, tooBig},
		{syscall.ESTALE, changed},
		{syscall.EBUSY, busy},
		{errors.ErrUnsupported, unsupported},
		{fs.ErrPermission, denied},
		{fs.ErrInvalid, badName},
		{context.Canceled, ended},
	} {
		if errors.Is(err, known.target) {
			return known.kind
		}
	}
	var transient interface{ Temporary() bool }
	if errors.As(err, &transient) && transient.Temporary() {
		return outage
	}
	return faultOfStorage
}

// worthLogging says whether an operator should hear of it: the client's own mistakes are not news.
func (f failure) worthLogging() bool {
	switch f {
	case faultOfStorage, outage, denied, tooBig, changed:
		return true
	default:
		return false
	}
}

// phrase is a reply whose text has placeholders: $name is the FTP name, $local the name below home_dir as the original
// showed it, $key the name without its leading slash, $from the local name of RNFR.
type phrase struct {
	code int
	text string
}

// wording maps operation and kind of failure to the reply. The row "" holds what all operations share; faultOfStorage is
// an operation's reply for any kind it does not name. Texts without a remark are the original's, odd spellings included.
var wording = map[string]map[failure]phrase{
	"": {
		// The original took an outage for a missing file, or for an empty disk, or said nothing at all.
		outage:         {451, "Requested action aborted: the storage is not available, try again later."},
		badName:        {553, "Requested action not taken: file name not allowed."},
		unsupported:    {502, "Command not implemented."},
		denied:         {550, "Permission denied by the storage."},
		ended:          {426, "Transfer aborted."},
		busy:           {450, "An upload or another change of this name is under way, try again later."},
		faultOfStorage: {451, "Requested action aborted: local error in processing."},
	},
	"CWD": {
		missing:        {550, "No such file or directory."},
		notDirectory:   {550, "No such file or directory."},
		badName:        {550, "No such file or directory."},
		faultOfStorage: {550, "Can't change to directory $name."},
	},
	"MKD": {
		exists:         {550, "$local is a directory."},
		denied:         {550, "Make dir:$name failed.."},
		faultOfStorage: {550, "Make dir:$name failed.."},
	},
	"RMD": {
		missing:        {550, "No such file or directory."},
		badName:        {550, "No such file or directory."},
		notDirectory:   {550, "Not a directory."},
		notEmpty:       {550, "Directory not empty."},
		faultOfStorage: {550, "Remove dir:$local occurs error.."},
	},
	"DELE": {
		missing:        {550, "No such file or directory."},
		badName:        {550, "No such file or directory."},
		denied:         {550, "Remove file:$local occurs error.."},
		faultOfStorage: {550, "Remove file:$local occurs error.."},
	},
	"SIZE": {
		missing:        {550, "$name is not retrievable."},
		badName:        {550, "$name is not retrievable."},
		isDirectory:    {550, "$name is not retrievable."},
		denied:         {550, "Failed to retrieve the file $key attribute information."},
		faultOfStorage: {550, "Failed to retrieve the file $key attribute information."},
	},
	"MDTM": {
		missing:        {550, "$name is not retrievable"},
		badName:        {550, "$name is not retrievable"},
		isDirectory:    {550, "$name is not retrievable"},
		faultOfStorage: {550, "Can't determine file's last modification time."},
	},
	"MFMT": {
		missing:        {550, "$name is not retrievable"},
		badName:        {550, "$name is not retrievable"},
		faultOfStorage: {550, "Can't set file's last modification time."},
	},
	"HASH": {
		missing:     {550, "No such file or directory."},
		badName:     {550, "No such file or directory."},
		isDirectory: {553, "$name is a directory."},
		changed:     {450, "The file changed while it was read, try again."},
	},
	"SITE CHMOD": {
		missing:        {550, "No such file or directory."},
		badName:        {550, "No such file or directory."},
		faultOfStorage: {550, "Can't set the mode of $name."},
	},
	"RNFR": {
		missing: {550, "No such file or directory."},
		badName: {550, "No such file or directory."},
	},
	"RNTO": {
		unsupported:    {550, "Directory renaming is not supported."},
		denied:         {550, "Rename $from to $local failed.."},
		changed:        {550, "Rename $from to $local is not complete, try it again."},
		faultOfStorage: {550, "Rename $from to $local failed.."},
	},
	"LIST": {
		missing:        {550, "No such file or directory."},
		badName:        {550, "No such file or directory."},
		notDirectory:   {550, "No such file or directory."},
		denied:         {550, "list dir:$name failed.."},
		faultOfStorage: {550, "list dir:$name failed.."},
	},
	"MLSD": {
		missing:        {550, "No such directory."},
		badName:        {501, "No such directory."},
		notDirectory:   {501, "No such directory."},
		denied:         {550, "list dir:$name failed.."},
		faultOfStorage: {550, "list dir:$name failed.."},
	},
	"RETR": {
		isDirectory: {550, "${local}is a directory."},
		missing:     {550, "Failed to open file $name in read mode."},
		badName:     {550, "Failed to open file $name in read mode."},
		changed:     {450, "The file changed while it was read, try again."},
	},
	"STOR": {
		isDirectory:    {550, "${local}is a directory."},
		tooBig:         {552, "Requested file action aborted: file is greater than single_file_max_size."},
		outage:         {451, "Storage not available; transfer aborted."},
		changed:        {450, "The file was stored by another client meanwhile, nothing of this upload is kept."},
		faultOfStorage: {426, "Internal error; transfer aborted."},
	},
}

// names are what the texts of wording may show.
type names struct {
	name, from string
	account    *Account
}

// failed is the reply for an operation, a row of wording, that ended with err.
func failed(operation string, err error, of names) reply {
	kind := failureOf(err)
	shared := wording[""][kind]
	if kind == faultOfStorage {
		shared = phrase{}
	}
	p := cmp.Or(wording[operation][kind], shared, wording[operation][faultOfStorage], wording[""][faultOfStorage])
	var named interface{ Reason() string }
	if kind == badName && p == wording[""][badName] && errors.As(err, &named) {
		p.text = strings.TrimSuffix(p.text, ".") + ": it " + named.Reason() + "."
	}
	return answer(p.code, of.fill(p.text))
}

func (n names) fill(text string) string {
	return strings.NewReplacer(
		"${local}", n.account.localPath(n.name),
		"$local", n.account.localPath(n.name),
		"$from", n.account.localPath(n.from),
		"$name", n.name,
		"$key", key(n.name),
	).Replace(text)
}
