package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/confcheck"
	"github.com/tencentyun/cos-ftp-server/cosfs"
)

// need is an action of COS and what fails without it.
type need struct {
	action  string
	fails   []failing
	uploads string // what fails besides of those who may upload (w), and few clients use
}

// failing is what a letter of perm allows and an action is missing for.
type failing struct {
	letter   rune
	commands string
}

// needs are the actions that can be tried; docs/rights.md has all.
var needs = []need{
	{"GetBucket", []failing{{'e', "CWD"}, {'l', "LIST, NLST, MLSD, STAT of a path"}, {'d', "RMD"}, {'f', "RNTO"}}, "STOU"},
	{"HeadObject", []failing{
		{'l', "MLST, SIZE, MDTM"}, {'a', "APPE to a file"}, {'d', "DELE"}, {'f', "RNFR, RNTO"}, {'M', "SITE CHMOD"}, {'T', "MFMT"},
	}, "STOU, REST with STOR"},
	{"GetObject", []failing{
		{'r', "RETR, HASH"}, {'a', "APPE to a file"}, {'f', "RNTO"}, {'M', "SITE CHMOD"}, {'T', "MFMT"},
	}, "REST with STOR"},
	{"DeleteObject", []failing{{'d', "DELE, RMD"}, {'f', "RNTO"}}, ""},
	{"PutObjectCopy", []failing{{'f', "RNTO"}, {'M', "SITE CHMOD"}, {'T', "MFMT"}}, ""},
	{"UploadPart", []failing{{'w', "STOR of several parts"}, {'a', "APPE of several parts"}}, ""},
	{"UploadPartCopy", []failing{{'a', "APPE to a file from 5 MiB"}, {'f', "RNTO of a file over 5 GiB"}}, ""},
	{"CompleteMultipartUpload", []failing{
		{'w', "STOR of several parts"}, {'a', "APPE of several parts"}, {'f', "RNTO of a file over 5 GiB"},
	}, ""},
}

// commands are those that fail, of an account of these rights.
func (n need) commands(perm string) string {
	var names []string
	for _, f := range n.fails {
		if strings.ContainsRune(perm, f.letter) {
			names = append(names, f.commands)
		}
	}
	if n.uploads != "" && strings.Contains(perm, "w") {
		names = append(names, n.uploads)
	}
	return strings.Join(names, ", ")
}

// needOf returns the row of an action, one without anything that fails if it has none.
func needOf(action string) need {
	i := slices.IndexFunc(needs, func(n need) bool { return n.action == action })
	if i < 0 {
		return need{}
	}
	return needs[i]
}

// examine checks the bucket of an account for -check: what keeps it from working at all, actions that the key pair may not
// do and the account's users need, and, as notes, what the kind of the bucket limits.
func examine(ctx context.Context, tree *cosfs.FS, a *conf.Account) (f confcheck.Findings) {
	perm := a.Perm
	if !a.DeleteEnable {
		perm = strings.ReplaceAll(perm, "d", "")
	}
	checked := tree.Check(ctx)
	if checked != nil && !errors.Is(checked, fs.ErrPermission) {
		return confcheck.Findings{Broken: checked}
	}
	actions := actionsOf(perm)
	found, err := tree.Examine(ctx, actions)
	if err != nil || checked != nil && mayNothing(found, actions) {
		return confcheck.Findings{Broken: cmp.Or(checked, err)}
	}
	if err := tree.CheckClock(); err != nil {
		f.Warnings = append(f.Warnings, err.Error())
	}
	for _, action := range found.Denied {
		if text := denial(action, perm); isSeldom(action, perm) {
			f.Notes = append(f.Notes, text)
		} else {
			f.Warnings = append(f.Warnings, text)
		}
	}
	if len(found.Doubtful) > 0 {
		f.Notes = append(f.Notes, "not known without cos:GetBucket: whether the key may "+cosNames(found.Doubtful))
	}
	f.Notes = append(f.Notes, limits(found)...)
	return f
}

// actionsOf are the actions that can be tried and that an account of these rights needs.
func actionsOf(perm string) []string {
	actions := []string{"HeadBucket"}
	for _, n := range needs {
		if n.commands(perm) != "" {
			actions = append(actions, n.action)
		}
	}
	if strings.ContainsAny(perm, "aw") {
		actions = append(actions, "AbortMultipartUpload")
	}
	return actions
}

// mayNothing reports whether the key pair is refused whatever was tried: then it is not its rights that are wrong. A
// deletion is not tried where the rest is refused.
func mayNothing(found cosfs.Findings, actions []string) bool {
	tried := slices.DeleteFunc(slices.Clone(actions), func(action string) bool { return action == "DeleteObject" })
	return len(found.Denied)+len(found.Doubtful) >= len(tried)
}

// isSeldom reports whether only what few clients use fails without an action: an account that may upload and nothing else
// is as it should be without seeing and reading files.
func isSeldom(action, perm string) bool {
	n := needOf(action)
	return n.uploads != "" && n.commands(perm) == n.uploads
}

// denial says what does not work without an action.
func denial(action, perm string) string {
	text := "the key may not cos:" + action + ": "
	switch action {
	case "HeadBucket":
		return text + "the kind of the bucket is not known, and one with metadata acceleration is taken for an ordinary one"
	case "AbortMultipartUpload":
		return text + "parts of uploads that fail stay in the bucket, and are billed"
	}
	commands := needOf(action).commands(perm)
	if !strings.Contains(commands, ",") {
		return text + commands + " fails"
	}
	return text + commands + " fail"
}

func cosNames(actions []string) string { return "cos:" + strings.Join(actions, ", cos:") }

// limits is a note on the kind of the bucket, if that limits anything.
func limits(found cosfs.Findings) []string {
	var texts []string
	for _, kind := range []struct {
		is   bool
		text string
	}{
		{found.Accelerated, "metadata acceleration: a directory is renamed onto nothing, not even an empty one"},
		{found.Versioned, "versions: what is deleted or replaced stays as an earlier version, and is billed"},
		{found.Locked, "an object lock: DELE, RNTO and replacing a file are 550 until its retention period ends"},
		{found.KMS, "keys of KMS: renaming a directory costs a HEAD more per file, and the key pair needs the right to them"},
	} {
		if kind.is {
			texts = append(texts, kind.text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return []string{"the bucket has " + strings.Join(texts, "; it has ")}
}
