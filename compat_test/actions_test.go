package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
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
func (r *replay) act(p *peer, text string) (happened string, err error) {
	verb, arg, _ := strings.Cut(text, " ")
	if simple, there := simpleActions[verb]; there {
		return text, simple(p)
	}
	switch verb {
	case "connect":
		return text, p.connect()
	case "open":
		return text, p.open(strings.TrimPrefix(arg, "from "))
	case "urgent":
		return text, p.urgent(arg)
	case "send", "write":
		return r.upload(p, verb, arg)
	case "recv", "recv-any-order", "recv-lines":
		return r.download(p, verb, arg)
	case "read":
		return r.readSome(p, arg)
	case "within":
		limit, err := time.ParseDuration(arg)
		if took := time.Since(r.began); err == nil && took > limit && *original == "" {
			return "within " + took.String(), fmt.Errorf("took %v", took)
		}
		return text, err
	case "object":
		return text, r.awaitObject(arg)
	case "host-file":
		return text, r.checkHostFiles()
	case "signal":
		return text, r.gateway.proc.cmd.Process.Signal(map[string]os.Signal{
			"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "SIGHUP": syscall.SIGHUP,
		}[arg])
	case "exit":
		code := r.gateway.proc.wait(replyTime)
		if strconv.Itoa(code) != arg {
			return fmt.Sprintf("exit %d", code), fmt.Errorf("exit code %d, want %s", code, arg)
		}
		return text, nil
	}
	return text, fmt.Errorf("unknown action %q", text)
}

var simpleActions = map[string]func(*peer) error{
	"wait":       func(*peer) error { return nil },
	"listen":     (*peer).listen,
	"accept":     (*peer).accept,
	"shut":       func(p *peer) error { p.dropData(); return nil },
	"drop":       func(p *peer) error { p.dropData(); return nil },
	"hangup":     func(p *peer) error { return p.control.Close() },
	"reset":      func(p *peer) error { return reset(p.control) },
	"reset-data": func(p *peer) error { return reset(p.data) },
	"reset-both": func(p *peer) error { return errors.Join(reset(p.data), reset(p.control)) },
	"drain":      func(p *peer) error { p.download(replyTime); return nil },
	"eof":        (*peer).expectEnd,
	"refused":    (*peer).expectRefused,
}

// expectEnd reads until the gateway closes the data connection, in whatever way.
func (p *peer) expectEnd() error {
	if p.data == nil {
		return errors.New("no data connection")
	}
	if _, err := p.download(replyTime); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the data connection stays open")
	}
	return nil
}

func (p *peer) expectRefused() error {
	if len(p.passive) < 2 {
		return errors.New("want two passive replies before")
	}
	conn, err := net.DialTimeout("tcp", p.passive[len(p.passive)-2], replyTime)
	if err == nil {
		conn.Close()
		return errors.New("the first passive port still listens")
	}
	return nil
}

func (r *replay) upload(p *peer, verb, expr string) (string, error) {
	content, err := parseContent(expr)
	if err != nil {
		return "", err
	}
	if verb == "send" {
		// An upload that the gateway ends early is told by its reply.
		err := p.upload(content)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			err = nil
		}
		return verb + " " + expr, err
	}
	if err := p.write(content); err != nil {
		return verb + " " + expr, err
	}
	return verb + " " + expr, p.settle()
}

func (r *replay) download(p *peer, verb, arg string) (string, error) {
	got, err := p.download(replyTime)
	happened := verb + " " + describe(got)
	if err != nil {
		return happened, fmt.Errorf("data connection: %w", err)
	}
	switch verb {
	case "recv-lines":
		err = r.compareLines(arg, string(got))
	default:
		var want []byte
		if want, err = parseContent(arg); err == nil {
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
		return fmt.Errorf("received %s, want %s", describe(got), describe(want))
	}
	if !anyOrder {
		pattern, err := r.m.compile(string(want), false)
		if err == nil && !pattern.Match(got) {
			err = fmt.Errorf("received %s, want %s", describe(got), describe(want))
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
			return fmt.Errorf("received %s, which lacks %q", describe(got), line)
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

func (r *replay) readSome(p *peer, expr string) (string, error) {
	want, err := parseContent(expr)
	if err != nil {
		return "", err
	}
	got, err := p.read(len(want))
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
	return r.store.await(s.bucket, s.key, s.content)
}

func (r *replay) checkHostFiles() error {
	for _, f := range r.d.hostFiles {
		text, err := os.ReadFile(r.hostFile(f))
		if err != nil {
			return err
		}
		if !bytes.Equal(text, f.content) {
			return fmt.Errorf("%s changed", r.hostFile(f))
		}
	}
	return nil
}
