package confcheck

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestBecome: ports are tried before root is given up, files after it, and an error is told.
func TestBecome(t *testing.T) {
	cfg, m := goodConfig(), fakeMachine()
	cfg.RunAs = "cos-ftp"
	var order []string
	m.Listen = func(port int) error {
		if port == cfg.ListenPort {
			order = append(order, "listen")
		}
		return nil
	}
	m.Writable = func(_, file string) error {
		order = append(order, file)
		return nil
	}
	report := Run(context.Background(), cfg, m, Options{Become: func() error {
		order = append(order, "become")
		return errors.New("there is no such user")
	}})
	if want := []string{"listen", "become", "cos_v5.log", "uploads.journal"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
	if len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "[OPTIONAL] run_as = cos-ftp: there is no such user") {
		t.Errorf("%q", report.Problems)
	}
}

// TestListening: a server's own ports are not in use.
func TestListening(t *testing.T) {
	cfg, m := goodConfig(), fakeMachine()
	m.Listen = taken(cfg.ListenPort)
	if report := Run(context.Background(), cfg, m, Options{Listening: true}); len(report.Problems) != 0 {
		t.Errorf("%q", report.Problems)
	}
	if report := Run(context.Background(), cfg, m, Options{}); len(report.Problems) != 1 {
		t.Errorf("%q", report.Problems)
	}
}

// TestLogDirWithoutNewFiles: a log that can be written in a directory that cannot is a warning, with and without run_as.
func TestLogDirWithoutNewFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("log", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ user, dir, want string }{
		{"", "log", "permission denied: the log is written, but it cannot be rotated, and uploads that a crash breaks off leave parts in the bucket: want a directory that this user may write to"},
		{"cos-ftp", "log", "want a directory that run_as = cos-ftp may write to, and its files too: chown -R cos-ftp: " + dir + "/log"},
		{"cos-ftp", "none", "its files too: mkdir -p " + dir + "/none && chown -R cos-ftp: " + dir + "/none"},
		{"cos-ftp", "/var/log", "its files too: one for this server alone, owned by that user"},
	} {
		cfg, m := goodConfig(), fakeMachine()
		cfg.RunAs, cfg.LogDir = c.user, c.dir
		m.Writable = func(_, file string) error {
			if file == "cos_v5.log" {
				return nil
			}
			return syscall.EACCES
		}
		report := Run(context.Background(), cfg, m, Options{})
		if len(report.Problems) != 0 || len(report.Warnings) != 1 || !strings.HasSuffix(report.Warnings[0], c.want) {
			t.Errorf("run_as = %q: %q %q, want …%s", c.user, report.Problems, report.Warnings, c.want)
		}
	}
}

// TestJournalsThatCanBeRead are not told. compat_test has those that cannot, since root reads all.
func TestJournalsThatCanBeRead(t *testing.T) {
	cfg := goodConfig()
	cfg.LogDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(cfg.LogDir, "uploads.1-1.journal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if report := Run(context.Background(), cfg, fakeMachine(), Options{}); len(report.Warnings) != 0 {
		t.Errorf("%q", report.Warnings)
	}
}

// TestPassivePortsOfRoot: run_as cannot open them, and setcap would not do. Where it can open none, it is a problem.
func TestPassivePortsOfRoot(t *testing.T) {
	for _, c := range []struct {
		user             string
		last             int
		problem, warning string
	}{
		{"", 3000, "", "permission denied; " + rightsHint},
		{"", 1010, "", "permission denied; " + rightsHint},
		{"cos-ftp", 3000, "", "permission denied; " + droppedHint},
		{"cos-ftp", 1010, "permission denied; no passive transfer could work: " + droppedHint, ""},
	} {
		cfg, m := goodConfig(), fakeMachine()
		cfg.RunAs, cfg.PassiveFirst, cfg.PassiveLast, cfg.ListenPort, cfg.MaxConnectionNum = c.user, 1000, c.last, 990, 3
		m.Listen = func(port int) error {
			if port < 1024 && port != cfg.ListenPort {
				return syscall.EACCES
			}
			return nil
		}
		report := Run(context.Background(), cfg, m, Options{})
		for _, told := range []struct {
			texts []string
			want  string
		}{{report.Problems, c.problem}, {report.Warnings, c.warning}} {
			if (told.want == "") != (len(told.texts) == 0) || !strings.HasSuffix(strings.Join(told.texts, "\n"), told.want) {
				t.Errorf("run_as = %q to port %d: %q, want …%s", c.user, c.last, told.texts, told.want)
			}
		}
	}
}
