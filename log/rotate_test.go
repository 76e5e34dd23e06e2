package log

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"
)

// files is the content of every file in the log's directory, by what follows "cos_v5.log" in its name, one
// word per line.
func files(t *testing.T, f *file) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, e := range entries {
		name := filepath.Join(filepath.Dir(f.path), e.Name())
		text := strings.ReplaceAll(messages(t, name), "INFO ", "")
		found[strings.TrimPrefix(e.Name(), "cos_v5.log")] = strings.Join(strings.Fields(text), " ")
	}
	return found
}

func wantFiles(t *testing.T, f *file, want map[string]string) {
	t.Helper()
	if got := files(t, f); !maps.Equal(got, want) {
		t.Errorf("files\n%q\nwant\n%q", got, want)
	}
}

// testdata/python27.json was recorded from Python 2.7.18's TimedRotatingFileHandler under a clock of our own.
// "line" and "start" are events at a time in Unix seconds; files holds the numbers of the lines in each file.
func TestRotatesAsPython27(t *testing.T) {
	var runs []struct {
		Zone, When string
		Backups    int
		Events     []string
		Files      map[string]string
	}
	if err := json.Unmarshal([]byte(content(t, "testdata/python27.json")), &runs); err != nil {
		t.Fatal(err)
	}
	if len(runs) < 38 {
		t.Fatalf("%d recorded runs, want 38", len(runs))
	}
	for i, run := range runs {
		t.Run(fmt.Sprint(i, run.When, run.Zone), func(t *testing.T) {
			zone, err := time.LoadLocation(run.Zone)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{File: filepath.Join(t.TempDir(), "cos_v5.log"), Rotate: true, When: run.When, Backups: run.Backups}
			c := new(clock)
			var l *slog.Logger
			var f *file
			lines := 0
			for _, event := range run.Events {
				var kind string
				var at int64
				if _, err := fmt.Sscan(event, &kind, &at); err != nil {
					t.Fatal(err)
				}
				last := c.now()
				c.set(time.Unix(at, 250e6).In(zone))
				if kind == "line" {
					lines++
					l.Info(fmt.Sprint(lines))
					continue
				}
				if f != nil {
					f.Close()
					if err := os.Chtimes(o.File, last, last); err != nil {
						t.Fatal(err)
					}
				}
				l, f = open(t, o, c)
			}
			wantFiles(t, f, run.Files)
		})
	}
}

func TestRotatedNames(t *testing.T) {
	start := time.Date(2026, 11, 21, 0, 56, 10, 0, time.FixedZone("", 8*60*60))
	for _, tt := range []struct {
		when   string
		period time.Duration
		name   string
	}{
		{"S", time.Second, ".2026-11-21_00-56-10"},
		{"M", time.Minute, ".2026-11-21_00-56"},
		{"H", time.Hour, ".2026-11-21_00"},
		{"D", 24 * time.Hour, ".2026-11-21"},
	} {
		t.Run(tt.when, func(t *testing.T) {
			c := &clock{t: start}
			l, f := open(t, Options{Rotate: true, When: tt.when}, c)
			l.Info("a")
			c.add(tt.period - time.Nanosecond)
			l.Info("b")
			wantFiles(t, f, map[string]string{"": "a b"})
			c.add(time.Nanosecond)
			l.Info("c")
			wantFiles(t, f, map[string]string{"": "c", tt.name: "a b"})
		})
	}
}

func TestQuietPeriodsMakeNoFile(t *testing.T) {
	c := &clock{t: noon}
	l, f := open(t, Options{Rotate: true, When: "M"}, c)
	l.Info("a")
	c.add(time.Hour)
	wantFiles(t, f, map[string]string{"": "a"})
	l.Info("b")
	wantFiles(t, f, map[string]string{"": "b", ".2026-11-21_12-00": "a"})
}

func TestRestartContinuesAnOldFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		age  time.Duration
		want map[string]string
	}{
		{"period over", 2 * time.Hour, map[string]string{"": "new", ".2026-11-21_10": "old"}},
		{"period not over", 30 * time.Minute, map[string]string{"": "old new"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "cos_v5.log")
			if err := os.WriteFile(name, []byte("old\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(name, noon, noon.Add(-tt.age)); err != nil {
				t.Fatal(err)
			}
			l, f := open(t, Options{File: name, Rotate: true, When: "H"}, &clock{t: noon})
			l.Info("new")
			wantFiles(t, f, tt.want)
		})
	}
}

func TestWithoutRotationTheFileGrowsForEver(t *testing.T) {
	c := &clock{t: noon}
	l, f := open(t, Options{When: "S", Backups: 1}, c)
	l.Info("a")
	c.add(1000 * time.Hour)
	l.Info("b")
	wantFiles(t, f, map[string]string{"": "a b"})
}

func TestRotationOverwritesNoOldLog(t *testing.T) {
	c := &clock{t: noon}
	l, f := open(t, Options{Rotate: true, When: "H"}, c)
	for _, word := range []string{"a", "b", "c", "d"} {
		l.Info(word)
		c.set(noon.Add(time.Hour))
		l.Info(word + "2")
		c.set(noon) // the clock is set back, and the period begins again
		f.rotation.due = noon.Add(time.Hour).Unix()
	}
	wantFiles(t, f, map[string]string{"": "d2", ".2026-11-21_12": "a", ".2026-11-21_12.1": "a2 b", ".2026-11-21_12.2": "b2 c", ".2026-11-21_12.3": "c2 d"})
}

// Python 2.7 gives both hours the same name when summer time ends or begins, and deletes the first.
func TestSummerTimeCostsNoLog(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []time.Time{
		time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC),
		time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
	} {
		c := &clock{t: change.Add(-150 * time.Minute).In(berlin)}
		l, f := open(t, Options{Rotate: true, When: "H"}, c)
		for i := range 6 {
			l.Info(fmt.Sprint(i))
			c.add(time.Hour)
		}
		all := files(t, f)
		if got := slices.Sorted(maps.Values(all)); !slices.Equal(got, strings.Split("012345", "")) {
			t.Errorf("files %q, want one for each hour", all)
		}
	}
}

func TestOldestBackupsAreDeleted(t *testing.T) {
	c := &clock{t: noon}
	l, f := open(t, Options{Rotate: true, When: "H", Backups: 3}, c)
	kept := []string{"cos_v5.log.2026-11-21", "cos_v5.log.2026-11-20_09-00", "cos_v5.log.2026-11-20_09.gz", "cos_v5.log.x",
		"cos_v5.log.2026-11-20_09.", "cos_v5-log.2026-11-20_09", "other.cos_v5.log.2026-11-20_09", "cos_v5.log.2026-11-20_9"}
	deleted := []string{"cos_v5.log.2026-11-20_08", "cos_v5.log.2026-11-20_09", "cos_v5.log.2026-11-20_09.2", "cos_v5.log.2026-11-20_09.9"}
	young := []string{"cos_v5.log.2026-11-20_09.10", "cos_v5.log.2026-11-20_10"}
	for _, name := range slices.Concat(kept, deleted, young) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(f.path), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(f.path+".2020-01-01_00", 0o700); err != nil {
		t.Fatal(err)
	}
	l.Info("a")
	c.add(time.Hour)
	l.Info("b")
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := slices.Concat(kept, young, []string{"cos_v5.log", "cos_v5.log.2026-11-21_12", "cos_v5.log.2020-01-01_00"})
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left are\n%q\nwant\n%q", got, want)
	}
}

func TestUnknownPeriod(t *testing.T) {
	_, _, err := New(Options{File: filepath.Join(t.TempDir(), "x"), Rotate: true, When: "W"})
	if err == nil || !strings.Contains(err.Error(), `"W": want S, M, H or D`) {
		t.Errorf("error %v, want one that names the periods", err)
	}
}

func TestFailedRotationLosesNoLineAndIsTriedAgain(t *testing.T) {
	c := &clock{t: noon}
	var stderr strings.Builder
	l, f := open(t, Options{Rotate: true, When: "S", Stderr: &stderr}, c)
	l.Info("a")
	c.add(2 * time.Second)
	f.rotation.suffix = strings.Repeat("too long ", 40)
	l.Info("b")
	wantFiles(t, f, map[string]string{"": "a b"})
	if !regexp.MustCompile(`^cos-ftp-server: trouble with the log \(lines lost: 0\): rename .*: file name too long\n$`).MatchString(stderr.String()) {
		t.Errorf("stderr %q, want the failed rename", stderr.String())
	}
	f.rotation.suffix = periods["S"].suffix
	l.Info("c")
	wantFiles(t, f, map[string]string{"": "c", ".2026-11-21_12-00-00": "a b"})
}

func TestNoLineIsLostAcrossRotations(t *testing.T) {
	const writers, each = 8, 2000
	c := &clock{t: noon}
	l, f := open(t, Options{Rotate: true, When: "S", Stderr: io.Discard}, c)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if i%50 == 0 {
					c.add(time.Second)
				}
				l.Info(fmt.Sprintf("%d.%d", w, i))
			}
		})
	}
	wg.Wait()
	seen := make(map[string]int)
	all := files(t, f)
	for _, text := range all {
		for word := range strings.FieldsSeq(text) {
			seen[word]++
		}
	}
	if len(all) < 50 {
		t.Errorf("%d files, want rotations while writing", len(all))
	}
	if len(seen) != writers*each {
		t.Errorf("%d different lines, want %d", len(seen), writers*each)
	}
	for word, n := range seen {
		if n != 1 || strings.Count(word, ".") != 1 {
			t.Errorf("line %q is there %d times", word, n)
		}
	}
}
