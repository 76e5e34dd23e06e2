package log

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 526_999_999, time.FixedZone("", 8*60*60))

// open starts a log in a fresh directory unless o says which.
func open(t testing.TB, o Options, c *clock) (*slog.Logger, *file) {
	t.Helper()
	if o.File == "" {
		o.File = filepath.Join(t.TempDir(), "log", "cos_v5.log")
	}
	logger, closer, err := newWithClock(o, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closer.Close() })
	return logger, closer.(*file)
}

func content(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var beforeMessage = regexp.MustCompile(`(?m)^\S+ .* (\w+_test|format)\.go\[line:\d+\] `)

// messages is the log without times and sources.
func messages(t testing.TB, name string) string {
	t.Helper()
	return beforeMessage.ReplaceAllString(content(t, name), "")
}

func wantMessages(t *testing.T, name, want string) {
	t.Helper()
	if got := messages(t, name); got != want {
		t.Errorf("%s holds\n%swant\n%s", filepath.Base(name), got, want)
	}
}

func handle(t *testing.T, l *slog.Logger, r slog.Record) {
	t.Helper()
	if err := l.Handler().Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

func TestLineHasTheOriginalsForm(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rotate bool
		want   string
	}{
		{"without rotation", false, `^Sat, 21 Nov 2026 12:00:00 log_test\.go\[line:\d+\] INFO 127\.0\.0\.1:51772-\[user0\] STOR a\.txt completed=1 bytes=3 seconds=0\.005\n$`},
		{"with rotation", true, `^2026-11-21 12:00:00,526 log_test\.go\[line:\d+\] INFO 127\.0\.0\.1:51772-\[user0\] STOR a\.txt completed=1 bytes=3 seconds=0\.005\n$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, f := open(t, Options{Rotate: tt.rotate, When: "D"}, &clock{t: noon})
			l = l.With("session", "127.0.0.1:51772-[user0]")
			var pc [1]uintptr
			runtime.Callers(1, pc[:])
			handle(t, l, slog.NewRecord(noon, slog.LevelInfo, "STOR a.txt completed=1 bytes=3 seconds=0.005", pc[0]))
			if got := content(t, f.path); !regexp.MustCompile(tt.want).MatchString(got) {
				t.Errorf("line %q, want %s", got, tt.want)
			}
		})
	}
}

func TestLineNamesItsSource(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	_, _, line, _ := runtime.Caller(0)
	l.Info("here")
	if got, want := content(t, f.path), " log_test.go[line:"+itoa(line+1)+"] INFO here\n"; !strings.HasSuffix(got, want) {
		t.Errorf("line %q, want its end to be %q", got, want)
	}
}

func itoa(n int) string { return slog.IntValue(n).String() }

func TestRecordWithoutTimeAndSource(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	handle(t, l, slog.NewRecord(time.Time{}, slog.LevelInfo, "m", 0))
	if got, want := content(t, f.path), "Sat, 21 Nov 2026 12:00:00 (unknown file)[line:0] INFO m\n"; got != want {
		t.Errorf("line %q, want %q", got, want)
	}
}

func TestLevels(t *testing.T) {
	l, f := open(t, Options{Level: slog.LevelDebug}, &clock{t: noon})
	for _, level := range []slog.Level{-8, slog.LevelDebug, -1, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelError + 4} {
		l.Log(context.Background(), level, "m")
	}
	wantMessages(t, f.path, "DEBUG m\nDEBUG m\nINFO m\nWARNING m\nERROR m\nCRITICAL m\n")
}

func TestLevelIsTheLeastWritten(t *testing.T) {
	l, f := open(t, Options{Level: slog.LevelError}, &clock{t: noon})
	l.Debug("no")
	l.Warn("no")
	l.Error("yes")
	wantMessages(t, f.path, "ERROR yes\n")
}

type hidden struct{ secret string }

func (hidden) LogValue() slog.Value { return slog.StringValue("[hidden]") }

func TestAttributes(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"values", func(l *slog.Logger) {
			l.Info("m", "s", "v", "n", 3, "ok", true, "took", 1500*time.Millisecond, "err", errors.New("gone"), "nil", nil)
		}, "m s=v n=3 ok=true took=1.5s err=gone nil=<nil>"},
		{"quoted", func(l *slog.Logger) {
			l.Info("m", "a b", "c d", "q", `"`, "empty", "", "nl", "x\ny", "cn", "中文", "wide", "中\u3000文")
		},
			`m "a b"="c d" q="\"" empty="" nl="x\ny" cn=中文 wide="中\u3000文"`},
		{"not UTF-8", func(l *slog.Logger) { l.Info("m", "name", "\xd6\xd0") }, `m name="\xd6\xd0"`},
		{"unquoted", func(l *slog.Logger) { l.Info("m", "url", `http://a/?b=c\d'`) }, `m url=http://a/?b=c\d'`},
		{"resolved", func(l *slog.Logger) { l.Info("m", "key", hidden{"s3cret"}) }, "m key=[hidden]"},
		{"session in the record", func(l *slog.Logger) { l.Info("m", "a", 1, "session", "1.2.3.4:5-[]") }, "1.2.3.4:5-[] m a=1"},
		{"last session holds", func(l *slog.Logger) { l.With("session", "old").With("session", "new").Info("m") }, "new m"},
		{"with", func(l *slog.Logger) { l.With("a", 1).With("b", 2).Info("m", "c", 3) }, "m a=1 b=2 c=3"},
		{"groups", func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("").WithGroup("h").Info("m", "c", 3, "session", "s", "stack", "t")
		}, "m a=1 g.b=2 g.h.c=3 g.h.session=s g.h.stack=t"},
		{"group values", func(l *slog.Logger) {
			l.Info("m", slog.Group("g", "a", 1, slog.Group("h", "b", 2), slog.Group("", "c", 3)), slog.Group("none"), slog.Attr{})
		}, "m g.a=1 g.h.b=2 g.c=3"},
		{"stack", func(l *slog.Logger) { l.Info("m", "stack", "main.f()\n\tmain.go:3\n", "a", 1) }, "m a=1\n  main.f()\n    main.go:3"},
		{"stack kept", func(l *slog.Logger) { l.With("stack", "f\r\nSat, g").Info("m", "a", 1) }, "m a=1\n  f\\r\n  Sat, g"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, f := open(t, Options{}, &clock{t: noon})
			tt.log(l)
			wantMessages(t, f.path, "INFO "+tt.want+"\n")
		})
	}
}

func TestCopiesDoNotShareAttributes(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	base := l.With("a", 1) // in a buffer with room for more
	one, two := base.With("n", 1), base.With("n", 2)
	one.Info("m")
	two.Info("m")
	base.Info("m")
	wantMessages(t, f.path, "INFO m a=1 n=1\nINFO m a=1 n=2\nINFO m a=1\n")
}

func TestNoTextForgesALine(t *testing.T) {
	const forged = "Sat, 21 Nov 2026 12:00:00 x.go[line:1] INFO forged"
	for _, end := range []string{"\n", "\r", "\r\n", "\v", "\f", "\x00", "\x1b[2K", "\u0085", "\u2028", "\u2029", "\xff"} {
		l, f := open(t, Options{}, &clock{t: noon})
		l.With("session", "a"+end+forged).Info("b"+end+forged, "k"+end+forged, "v"+end+forged, "stack", "s"+end+forged)
		for i, line := range strings.Split(strings.TrimSuffix(content(t, f.path), "\n"), "\n") {
			if i > 0 && !strings.HasPrefix(line, "  ") {
				t.Errorf("%q makes a line of its own: %q", end, line)
			}
			if end != "\n" && strings.Contains(line, end) {
				t.Errorf("%q is in the log as it is", end)
			}
		}
	}
}

func TestMessageKeepsQuotesAndBackslashes(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	l.Info(`CWD /中文/a\b 550 'No such file or directory.'`)
	wantMessages(t, f.path, `INFO CWD /中文/a\b 550 'No such file or directory.'`+"\n")
}

// countingWriter checks that a line is one write.
type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func (w *countingWriter) Close() error { return nil }

func TestOneWritePerLine(t *testing.T) {
	l, f := open(t, Options{}, &clock{t: noon})
	var w countingWriter
	f.out = &w
	l.Info("a", "stack", "b\nc", "name", strings.Repeat("x", 1<<16))
	if w.writes != 1 || !strings.HasSuffix(w.String(), "\n  b\n  c\n") {
		t.Errorf("%d writes, want 1", w.writes)
	}
}

func TestHotPathHardlyAllocates(t *testing.T) {
	l, _ := open(t, Options{}, &clock{t: noon})
	l = l.With("session", "127.0.0.1:51772-[user0]")
	if n := testing.AllocsPerRun(100, func() { l.Info("STOR a.txt completed=1 bytes=3 seconds=0.005") }); n > 6 {
		t.Errorf("%v allocations per line, want 6 at most", n)
	}
}

func BenchmarkLine(b *testing.B) {
	for _, rotate := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "rotating"}[rotate], func(b *testing.B) {
			o := Options{File: filepath.Join(b.TempDir(), "cos_v5.log"), Rotate: rotate, When: "D", Stderr: io.Discard}
			l, closer, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			defer closer.Close()
			l = l.With("session", "127.0.0.1:51772-[user0]")
			b.ReportAllocs()
			for b.Loop() {
				l.Info("STOR a.txt completed=1 bytes=3 seconds=0.005", "parts", 1)
			}
		})
	}
}
