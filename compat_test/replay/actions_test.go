package replay

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// actions are what a dialogue's ! and : lines may do. Each returns what happened, in the words of the line.
//
//	connect, hangup, reset           the control connection; reset ends it with an error, reset-both the data too
//	open [from IP]                   the data connection, to the newest passive port
//	listen, accept                   a port of our own for PORT and EPRT, and the connection to it
//	send C, write C                  upload; send closes the data connection, write waits until the gateway has it
//	recv C, recv-any-order C         download to the end; in any order of the lines
//	recv-lines N FORMAT              N lines, numbered from 0
//	read C                           the next bytes of a download
//	drain                            the rest of a download, whatever it is
//	eof                              the gateway has closed the data connection
//	shut, drop, reset-data           the data connection closes; drop, where the transfer was refused
//	refused                          the passive port before the newest is closed
//	urgent COMMAND                   a command behind Telnet's urgent data
//	wait                             nothing: only replies
//	within D                         the step took no longer
//	object BUCKET KEY C              wait until the store has the object
//	host-file unchanged              the files on the gateway's own disk are as they were
//	signal SIGTERM, exit N           the gateway's process
func (r *replay) act(p *rig.Peer, text string) (happened string, err error) {
	verb, arg, _ := strings.Cut(text, " ")
	if simple, there := simpleActions[verb]; there {
		return text, simple(p)
	}
	switch verb {
	case "connect":
		return text, p.Connect()
	case "open":
		return text, p.Open(strings.TrimPrefix(arg, "from "))
	case "urgent":
		return text, p.Urgent(arg)
	case "send", "write":
		return r.upload(p, verb, arg)
	case "recv", "recv-any-order", "recv-lines":
		return r.download(p, verb, arg)
	case "read":
		return r.readSome(p, arg)
	case "within":
		limit, err := time.ParseDuration(arg)
		if took := time.Since(r.began); err == nil && took > limit && *rig.Original == "" {
			return "within " + took.String(), fmt.Errorf("took %v", took)
		}
		return text, err
	case "object":
		return text, r.awaitObject(arg)
	case "host-file":
		return text, r.checkHostFiles()
	case "signal":
		return text, r.gateway.Proc.Cmd.Process.Signal(map[string]os.Signal{
			"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "SIGHUP": syscall.SIGHUP,
		}[arg])
	case "exit":
		code := r.gateway.Proc.Wait(rig.ReplyTime)
		if strconv.Itoa(code) != arg {
			return fmt.Sprintf("exit %d", code), fmt.Errorf("exit code %d, want %s", code, arg)
		}
		return text, nil
	}
	return text, fmt.Errorf("unknown action %q", text)
}

var simpleActions = map[string]func(*rig.Peer) error{
	"wait":       func(*rig.Peer) error { return nil },
	"listen":     (*rig.Peer).Listen,
	"accept":     (*rig.Peer).Accept,
	"shut":       func(p *rig.Peer) error { p.DropData(); return nil },
	"drop":       func(p *rig.Peer) error { p.DropData(); return nil },
	"hangup":     func(p *rig.Peer) error { return p.Control.Close() },
	"reset":      func(p *rig.Peer) error { return rig.Reset(p.Control) },
	"reset-data": func(p *rig.Peer) error { return rig.Reset(p.Data) },
	"reset-both": func(p *rig.Peer) error { return errors.Join(rig.Reset(p.Data), rig.Reset(p.Control)) },
	"drain":      func(p *rig.Peer) error { p.Download(rig.ReplyTime); return nil },
	"eof":        (*rig.Peer).ExpectEnd,
	"refused":    (*rig.Peer).ExpectRefused,
}

func (r *replay) upload(p *rig.Peer, verb, expr string) (string, error) {
	content, err := rig.ParseContent(expr)
	if err != nil {
		return "", err
	}
	if verb == "send" {
		// An upload that the gateway ends early is told by its reply.
		err := p.Upload(content)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			err = nil
		}
		return verb + " " + expr, err
	}
	if err := p.Write(content); err != nil {
		return verb + " " + expr, err
	}
	return verb + " " + expr, p.Settle()
}

func (r *replay) download(p *rig.Peer, verb, arg string) (string, error) {
	got, err := p.Download(rig.ReplyTime)
	happened := verb + " " + rig.Describe(got)
	if err != nil {
		return happened, fmt.Errorf("data connection: %w", err)
	}
	switch verb {
	case "recv-lines":
		err = r.compareLines(arg, string(got))
	default:
		var want []byte
		if want, err = rig.ParseContent(arg); err == nil {
			err = r.compareData(want, got, verb == "recv-any-order")
		}
	}
	if err != nil {
		return happened, err
	}
	return verb + " " + arg, nil
}

func (r *replay) compareData(want, got []byte, anyOrder bool) error {
	if bytes.Equal(want, got) {
		return nil
	}
	if !placeholders.Match(want) {
		return fmt.Errorf("received %s, want %s", rig.Describe(got), rig.Describe(want))
	}
	if !anyOrder {
		pattern, err := r.m.compile(string(want), false)
		if err == nil && !pattern.Match(got) {
			err = fmt.Errorf("received %s, want %s", rig.Describe(got), rig.Describe(want))
		}
		return err
	}
	rest := strings.SplitAfter(string(got), "\r\n")
	for line := range strings.SplitAfterSeq(string(want), "\r\n") {
		pattern, err := r.m.compile(line, false)
		if err != nil {
			return err
		}
		if rest = removeMatch(rest, pattern); rest == nil {
			return fmt.Errorf("received %s, which lacks %q", rig.Describe(got), line)
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("received %q besides", rest)
	}
	return nil
}

// removeMatch takes the first matching line out; nil where there is none.
func removeMatch(lines []string, pattern *regexp.Regexp) []string {
	for i, line := range lines {
		if pattern.MatchString(line) {
			return append(lines[:i:i], lines[i+1:]...)
		}
	}
	return nil
}

// compareLines checks a listing of many numbered names.
func (r *replay) compareLines(arg, got string) error {
	count, quoted, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	format, err := strconv.Unquote(quoted)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(got, "\r\n")
	if lines = lines[:len(lines)-1]; len(lines) != n {
		return fmt.Errorf("received %d lines, want %d", len(lines), n)
	}
	now, numbered := "{list:now}", r.m.ways("list", "now")
	for i, line := range lines {
		want := fmt.Sprintf(format, i)
		fits := false
		for _, way := range numbered {
			fits = fits || strings.Replace(want, now, way, 1) == line
		}
		if !fits {
			return fmt.Errorf("line %d is %q, want %q", i, line, want)
		}
	}
	return nil
}

func (r *replay) readSome(p *rig.Peer, expr string) (string, error) {
	want, err := rig.ParseContent(expr)
	if err != nil {
		return "", err
	}
	got, err := p.Read(len(want))
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("other bytes than the object's")
	}
	return "read " + expr, err
}

func (r *replay) awaitObject(arg string) error {
	s, err := parseSeed(arg)
	if err != nil {
		return err
	}
	return r.store.Await(s.Bucket, s.Key, s.Content)
}

func (r *replay) checkHostFiles() error {
	for _, f := range r.d.hostFiles {
		text, err := os.ReadFile(r.hostFile(f))
		if err != nil {
			return err
		}
		if !bytes.Equal(text, f.Content) {
			return fmt.Errorf("%s changed", r.hostFile(f))
		}
	}
	return nil
}
