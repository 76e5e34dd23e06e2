package confcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// fakeMachine has room for everything.
func fakeMachine() Machine {
	return Machine{
		MemAvailable: 16 << 30, HostMemAvailable: 16 << 30, CPUs: 2, FilesSoft: 1 << 20, FilesHard: 1 << 20,
		RaiseFiles:  func(want uint64) (uint64, error) { return want, nil },
		Listen:      func(int) error { return nil },
		ConnectFrom: func(netip.Addr, int) error { return nil },
		Writable:    func(string, string) error { return nil },
		Mode:        func(string) (fs.FileMode, error) { return 0o600, nil },
		Resolve:     func(context.Context, string) error { return nil },
	}
}

func goodConfig() *conf.Config {
	cfg := recordedChecks[0].config()
	cfg.ListenPort = 2121
	return cfg
}

func taken(ports ...int) func(int) error {
	return func(port int) error {
		if slices.Contains(ports, port) {
			return fmt.Errorf("listen tcp4 0.0.0.0:%d: %w", port, syscall.EADDRINUSE)
		}
		return nil
	}
}

func TestNothingToSay(t *testing.T) {
	report := Run(context.Background(), goodConfig(), fakeMachine(), Options{CheckAccount: func(context.Context, conf.Account) Findings { return Findings{} }})
	if len(report.Problems) != 0 || len(report.Warnings) != 0 {
		t.Errorf("%q %q", report.Problems, report.Warnings)
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		what    string
		change  func(*conf.Config, *Machine)
		problem string
		warning string
	}{
		{"41 TB", func(c *conf.Config, m *Machine) { c.SingleFileMaxSize, m.MemAvailable = 41<<40, 1<<50 },
			"vsftpd.conf: [FILE_OPTION] single_file_max_size = 45079976738816: Single file size can only support up to 40TB", ""},
		{"no limit of connections", func(c *conf.Config, _ *Machine) { c.MaxConnectionNum = 0 },
			"", "max_connection_num = 0: no limit, so memory is counted for 512 connections"},
		{"few files", func(c *conf.Config, m *Machine) {
			m.FilesSoft, m.FilesHard = 256, 400
			m.RaiseFiles = func(uint64) (uint64, error) { return 400, nil }
		}, "", "max_connection_num = 512: may need 816 open files, and this process may have 400: raise the limit with ulimit -n 816"},
		{"limit of files that cannot be raised", func(c *conf.Config, m *Machine) {
			m.FilesSoft = 256
			m.RaiseFiles = func(uint64) (uint64, error) { return 0, errors.New("no") }
		}, "", "may have 256"},
		{"limit of files that can be raised", func(c *conf.Config, m *Machine) { m.FilesSoft = 256 }, "", ""},
		{"port in use", func(_ *conf.Config, m *Machine) { m.Listen = taken(2121) },
			"[NETWORK] listen_port = 2121: port 2121 is in use: stop what listens there", ""},
		{"any port", func(c *conf.Config, m *Machine) { c.ListenPort, m.Listen = 0, taken(0) }, "", ""},
		{"privileged port", func(_ *conf.Config, m *Machine) {
			m.Listen = func(port int) error {
				if port == 2121 {
					return syscall.EACCES
				}
				return nil
			}
		}, "permission denied; ports below 1024 need root", ""},
		{"other trouble with the port", func(_ *conf.Config, m *Machine) {
			m.Listen = func(port int) error {
				if port == 2121 {
					return errors.New("no network")
				}
				return nil
			}
		}, "listen_port = 2121: no network", ""},
		{"passive ports taken", func(_ *conf.Config, m *Machine) { m.Listen = taken(60000, 65535, 64000) },
			"", "[NETWORK] passive_port = 60000,65535: of 8 ports tried these are taken by other programs: 60000, 65535;"},
		{"privileged passive ports", func(c *conf.Config, m *Machine) {
			c.PassiveFirst = 900
			m.Listen = func(port int) error {
				if port < 1024 {
					return syscall.EACCES
				}
				return nil
			}
		}, "", "port 900: permission denied; ports below 1024"},
		{"few passive ports", func(c *conf.Config, _ *Machine) { c.PassiveLast = 60009 },
			"", "passive_port = 60000,60009: 10 ports for up to 255 data connections at once"},
		{"one passive port, taken", func(c *conf.Config, m *Machine) {
			c.PassiveLast, c.MaxConnectionNum, m.Listen = 60000, 3, taken(60000)
		}, "", "of 1 ports tried these are taken by other programs: 60000;"},
		{"overlap", func(c *conf.Config, m *Machine) { c.ListenPort = 60000 },
			"", "listen_port = 60000 is in this range"},
		{"log directory", func(_ *conf.Config, m *Machine) {
			m.Writable = func(dir, file string) error {
				return &fs.PathError{Op: "open", Path: dir + "/" + file, Err: syscall.EACCES}
			}
		}, "[OPTIONAL] log_dir = log: open log/cos_v5.log: permission denied: want a directory", ""},
		{"readable conf", func(_ *conf.Config, m *Machine) {
			m.Mode = func(string) (fs.FileMode, error) { return 0o644, nil }
		}, "", "vsftpd.conf: every user of this machine can read the keys and passwords in it: chmod 600"},
		{"unknown gateway", func(c *conf.Config, m *Machine) {
			c.MasqueradeAddress = "gw.invalid"
			m.Resolve = func(context.Context, string) error { return errors.New("no such host") }
		}, "", "masquerade_address = gw.invalid: no such host"},
		{"gateway by address", func(c *conf.Config, m *Machine) {
			c.MasqueradeAddress = "1.2.3.4"
			m.Resolve = func(context.Context, string) error { return errors.New("asked") }
		}, "", ""},
		{"nobody gets in", func(c *conf.Config, _ *Machine) { c.MaxConnectionNum = 1 },
			"", "max_connection_num = 1: counts the listening socket too, so nobody can connect"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, m := goodConfig(), fakeMachine()
			c.change(cfg, &m)
			report := Run(context.Background(), cfg, m, Options{})
			for _, found := range []struct {
				kind, want string
				got        []string
			}{{"problems", c.problem, report.Problems}, {"warnings", c.warning, report.Warnings}} {
				if (found.want == "") != (len(found.got) == 0) || !strings.Contains(strings.Join(found.got, "\n"), found.want) {
					t.Errorf("%s %q, want …%s…", found.kind, found.got, found.want)
				}
			}
		})
	}
}

func TestAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := goodConfig()
		for i := range 40 {
			cfg.Accounts = append(cfg.Accounts, conf.Account{Section: fmt.Sprint("COS_ACCOUNT_", i), SecretKey: conf.NewSecret("verysecret")})
		}
		var atOnce, most, asked atomic.Int32
		start := time.Now()
		report := Run(context.Background(), cfg, fakeMachine(), Options{CheckAccount: func(ctx context.Context, a conf.Account) Findings {
			asked.Add(1)
			most.Store(max(most.Load(), atOnce.Add(1)))
			defer atOnce.Add(-1)
			switch a.Section {
			case "COS_ACCOUNT_3":
				return Findings{Broken: errors.New("there is no such bucket: check cos_bucket"), Notes: []string{"nobody has one"}}
			case "COS_ACCOUNT_4":
				return Findings{Warnings: []string{"one thing", "another"}}
			case "COS_ACCOUNT_5":
				<-ctx.Done() // COS is silent
				return Findings{Broken: ctx.Err()}
			}
			time.Sleep(10 * time.Millisecond) // of the bubble's clock
			return Findings{}
		}})
		if took := time.Since(start); took > networkTimeout {
			t.Errorf("took %v", took)
		}
		if asked.Load() != 40 || most.Load() > accountsAtOnce {
			t.Errorf("%d asked, %d at once", asked.Load(), most.Load())
		}
		want := []string{
			"vsftpd.conf: [COS_ACCOUNT_3]: there is no such bucket: check cos_bucket",
			"vsftpd.conf: [COS_ACCOUNT_4]: one thing",
			"vsftpd.conf: [COS_ACCOUNT_4]: another",
			"vsftpd.conf: [COS_ACCOUNT_5]: no answer from COS within 5s",
		}
		if len(report.Problems) != 0 || !slices.Equal(report.Warnings, want) {
			t.Errorf("problems %q, warnings %q", report.Problems, report.Warnings)
		}
		if want := []string{"vsftpd.conf: [COS_ACCOUNT_3]: nobody has one"}; !slices.Equal(report.Notes, want) {
			t.Errorf("notes %q, want %q", report.Notes, want)
		}
	})
}

func TestAccountsWhenCOSIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := goodConfig()
		for i := range 100 {
			cfg.Accounts = append(cfg.Accounts, conf.Account{Section: fmt.Sprint("COS_ACCOUNT_", i)})
		}
		start := time.Now()
		report := Run(context.Background(), cfg, fakeMachine(), Options{CheckAccount: func(ctx context.Context, _ conf.Account) Findings {
			<-ctx.Done()
			return Findings{Broken: ctx.Err()}
		}})
		if took := time.Since(start); took != networkTimeout || len(report.Warnings) != 100 {
			t.Errorf("took %v, %d warnings", took, len(report.Warnings))
		}
	})
}

func TestTryPort(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := tryPort("127.0.0.1", port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port in use: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is left free
		if err := tryPort("127.0.0.1", port); err != nil {
			t.Errorf("free port: %v", err)
		}
	}
}

func TestTryFile(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "cos_v5.log")
	if err := tryFile(filepath.Join(dir, "a", "b"), "cos_v5.log"); err != nil {
		t.Errorf("directory to be made: %v", err)
	}
	if err := tryFile(dir, "cos_v5.log"); err != nil {
		t.Errorf("no log yet: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(log, []byte("line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tryFile(dir, "cos_v5.log"); err != nil {
		t.Errorf("log is there: %v", err)
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "line\n" {
		t.Errorf("log after the check: %q, %v", text, err)
	}
	for _, file := range []string{"x", "x/y"} {
		if err := tryFile(filepath.Join(log, file), "cos_v5.log"); err == nil {
			t.Errorf("log directory %s below a file: no error", file)
		}
	}
}

func TestReadMachine(t *testing.T) {
	m := ReadMachine()
	if m.CPUs < 1 || m.MemAvailable <= 0 || m.HostMemAvailable < m.MemAvailable || m.FilesSoft == 0 || m.FilesHard < m.FilesSoft {
		t.Errorf("%+v", m)
	}
	path := filepath.Join(t.TempDir(), "vsftpd.conf")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if mode, err := m.Mode(path); err != nil || mode.Perm() != 0o600 {
		t.Errorf("mode %v, %v", mode, err)
	}
	if err := m.Resolve(context.Background(), "localhost"); err != nil {
		t.Errorf("localhost: %v", err)
	}
	if limit, err := m.RaiseFiles(m.FilesSoft - 1); err != nil || limit != m.FilesSoft {
		t.Errorf("a limit that is high enough: %d, %v; want %d", limit, err, m.FilesSoft)
	}
	if limit, err := m.RaiseFiles(m.FilesHard); err != nil || limit != m.FilesHard {
		t.Errorf("raised to the hard limit: %d, %v; want %d", limit, err, m.FilesHard)
	}
}

// TestStrict: what a start warns of is a problem for -check.
func TestStrict(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "log/x", Err: syscall.ENOSPC}
	for _, c := range []struct {
		what   string
		change func(*conf.Config, *Machine, *Options)
		want   string
	}{
		{"full disk", func(_ *conf.Config, m *Machine, _ *Options) {
			m.Writable = func(string, string) error { return full }
		}, "[OPTIONAL] log_dir = log: write log/x: no space left on device: log lines are lost"},
		{"full disk with a log", func(_ *conf.Config, m *Machine, _ *Options) {
			m.Writable = func(_, file string) error {
				if file == newInLogDir {
					return full
				}
				return nil
			}
		}, "no space left on device: log lines are lost"},
		{"account", func(c *conf.Config, _ *Machine, o *Options) {
			c.Accounts = []conf.Account{{Section: "COS_ACCOUNT_0"}}
			o.CheckAccount = func(context.Context, conf.Account) Findings { return Findings{Broken: errors.New("wrong key")} }
		}, "vsftpd.conf: [COS_ACCOUNT_0]: wrong key"},
	} {
		for _, strict := range []bool{false, true} {
			cfg, m, o := goodConfig(), fakeMachine(), Options{Strict: strict}
			c.change(cfg, &m, &o)
			report := Run(context.Background(), cfg, m, o)
			told, silent := report.Warnings, report.Problems
			if strict {
				told, silent = silent, told
			}
			if len(told) != 1 || !strings.Contains(told[0], c.want) || len(silent) != 0 {
				t.Errorf("%s, strict %v: problems %q, warnings %q", c.what, strict, report.Problems, report.Warnings)
			}
		}
	}
}

// TestAccountThatCannotWorkIsNotAsked: its conf says so already.
func TestAccountThatCannotWorkIsNotAsked(t *testing.T) {
	cfg := goodConfig()
	cfg.Accounts = []conf.Account{{Section: "COS_ACCOUNT_0", Unusable: []string{"empty"}}, {Section: "COS_ACCOUNT_1"}}
	var asked []string
	Run(context.Background(), cfg, fakeMachine(), Options{CheckAccount: func(_ context.Context, a conf.Account) Findings {
		asked = append(asked, a.Section)
		return Findings{}
	}})
	if !slices.Equal(asked, []string{"COS_ACCOUNT_1"}) {
		t.Errorf("asked for %q", asked)
	}
}

// TestPortOfTheRunningServer: a note for -check, an error for a start and where another program has the port.
func TestPortOfTheRunningServer(t *testing.T) {
	for _, c := range []struct {
		strict bool
		pid    int
		note   bool
	}{{true, 7, true}, {true, 0, false}, {false, 7, false}} {
		m := fakeMachine()
		m.Listen = taken(2121)
		m.Gateway = func(int, string) int { return c.pid }
		report := Run(context.Background(), goodConfig(), m, Options{Strict: c.strict})
		note := len(report.Notes) == 1 && strings.Contains(report.Notes[0], "[NETWORK] listen_port = 2121: the server that runs has this port (process 7)")
		if note != c.note || (len(report.Problems) == 0) != c.note {
			t.Errorf("%+v: notes %q, problems %q", c, report.Notes, report.Problems)
		}
	}
}
