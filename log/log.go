// Package log writes the server's log file, cos_v5.log, line by line as the Python server wrote it, behind a
// *slog.Logger. It rotates the file by time under the same names, survives a full disk and a removed directory,
// and never truncates. What is logged, and at which level, is decided by the callers.
package log

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options say where the log goes and how it is kept.
type Options struct {
	Level   slog.Level // the least level that is written
	File    string     // full path of cos_v5.log; its directory is made when missing
	Rotate  bool       // begin a new file every When; false appends to one file for ever
	When    string     // "S", "M", "H" or "D": a second, a minute, an hour, a day
	Backups int        // how many rotated files stay; 0 keeps all
	Stderr  io.Writer  // told, once a minute at most, when lines are lost; nil tells nobody
}

// New opens the log file, or says why it cannot be written. The logger never fails and never waits for anything
// but the file; it is safe for concurrent use. Closing ends the file; a line logged later opens it again.
//
// Two attributes outside of groups have their own place in a line: "session" is printed before the message, and
// "stack", a text of many lines, below it.
func New(o Options) (*slog.Logger, io.Closer, error) {
	return newWithClock(o, time.Now)
}

func newWithClock(o Options, now func() time.Time) (*slog.Logger, io.Closer, error) {
	f, err := newFile(o, now)
	if err != nil {
		return nil, nil, fmt.Errorf("log file %s: %w", o.File, err)
	}
	return slog.New(&handler{out: f, level: o.Level}), f, nil
}

// handler turns records into lines. It is immutable; With and WithGroup make changed copies.
type handler struct {
	out   *file
	level slog.Level
	group string // prefix of attribute names, such as "request.", or ""
	with  parts  // what With has collected
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// scratch is the memory of one line, reused.
type scratch struct {
	line  []byte
	parts parts
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.parts = parts{h.with.session, append(s.parts.attrs[:0], h.with.attrs...), h.with.stack}
	r.Attrs(func(a slog.Attr) bool {
		s.parts.add(h.group, a)
		return true
	})
	if r.Time.IsZero() {
		r.Time = h.out.now()
	}
	s.line = appendLine(s.line[:0], h.out.date, r, s.parts)
	h.out.write(s.line)
	return nil // write tells stderr what went wrong
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.with.attrs = slices.Clip(h.with.attrs) // so that two copies do not append to the same memory
	for _, a := range attrs {
		c.with.add(h.group, a)
	}
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.group += name + "."
	return &c
}
