package confcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tencentyun/cos-ftp-server/conf"
)

// TestSourcePort: what -check calls a problem a start warns of, since passive mode works all the same.
func TestSourcePort(t *testing.T) {
	answering := func(err error) func(netip.Addr, int) error {
		return func(address netip.Addr, port int) error {
			if err == nil {
				return nil
			}
			return fmt.Errorf("bind %s: %w", netip.AddrPortFrom(address, uint16(port)), err)
		}
	}
	const fails = "vsftpd.conf: [NETWORK] active_source_port = 20: active data connections fail, PORT and EPRT are answered 425: "
	for _, c := range []struct {
		what   string
		err    error // of the port
		change func(*conf.Config)
		want   string
	}{
		{"free", nil, nil, ""},
		{"no right to it", syscall.EACCES, nil, fails + "bind 0.0.0.0:20: permission denied; " + rightsHint},
		{"no right to it after run_as", syscall.EACCES, func(c *conf.Config) { c.RunAs = "cos-ftp" },
			fails + "bind 0.0.0.0:20: permission denied; run_as gives up the right to ports below 1024: want the sysctl net.ipv4.ip_unprivileged_port_start = 20 or less, or active_source_port = 0"},
		{"in use", syscall.EADDRINUSE, nil, fails + "bind 0.0.0.0:20: address already in use; stop what has it (ss -tanp), or choose another port, or 0 for any"},
		{"in use at one address", syscall.EADDRINUSE, func(c *conf.Config) { c.ListenAddresses = []netip.Addr{netip.MustParseAddr("10.1.2.3")} },
			fails + "bind 10.1.2.3:20: address already in use"},
		{"other trouble", errors.New("no network"), nil, fails + "bind 0.0.0.0:20: no network"},
		{"listen_port", nil, func(c *conf.Config) { c.ListenPort = 20 }, fails + "listen_port is the same"},
		{"implicit_tls_port", nil, func(c *conf.Config) { c.ImplicitTLSPort = 20 }, fails + "implicit_tls_port is the same"},
		{"address that is not there", syscall.EADDRNOTAVAIL, nil, ""}, // listen_address is to blame
	} {
		for _, strict := range []bool{false, true} {
			cfg, m := goodConfig(), fakeMachine()
			cfg.ActiveSourcePort, m.ConnectFrom = 20, answering(c.err)
			if c.change != nil {
				c.change(cfg)
			}
			m.ListenAt = func(netip.Addr, int) error { return nil }
			report := Run(context.Background(), cfg, m, Options{Strict: strict})
			told, silent := report.Warnings, report.Problems
			if strict {
				told, silent = silent, told
			}
			if (c.want == "") != (len(told) == 0) || !strings.HasPrefix(strings.Join(told, "\n"), c.want) || len(silent) != 0 {
				t.Errorf("%s, strict %v: problems %q, warnings %q, want %s…", c.what, strict, report.Problems, report.Warnings, c.want)
			}
		}
	}
}

// TestSourcePortAmongPassivePorts works now and then, so it is a warning.
func TestSourcePortAmongPassivePorts(t *testing.T) {
	cfg := goodConfig()
	cfg.ActiveSourcePort = cfg.PassiveLast
	report := Run(context.Background(), cfg, fakeMachine(), Options{Strict: true})
	if len(report.Problems) != 0 || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "active_source_port = 65535: it is in the range of passive_port") {
		t.Errorf("problems %q, warnings %q", report.Problems, report.Warnings)
	}
}

// TestSourcePortOfTheRunningServer: what the server that still runs listens on, by an older conf, is free when it has ended.
func TestSourcePortOfTheRunningServer(t *testing.T) {
	cfg, m := goodConfig(), fakeMachine()
	cfg.ActiveSourcePort = 20
	m.ConnectFrom = func(netip.Addr, int) error { return syscall.EADDRINUSE }
	m.Gateway = func(int, string) int { return 7 }
	report := Run(context.Background(), cfg, m, Options{Strict: true})
	if want := "[NETWORK] active_source_port = 20: the server that runs has this port (process 7)"; len(report.Problems) != 0 ||
		len(report.Notes) != 1 || !strings.Contains(report.Notes[0], want) {
		t.Errorf("notes %q, problems %q, want a note …%s…", report.Notes, report.Problems, want)
	}
}

// TestSourcePortAfterBecome: it is tried as the user that the server then is.
func TestSourcePortAfterBecome(t *testing.T) {
	cfg, m := goodConfig(), fakeMachine()
	cfg.RunAs, cfg.ActiveSourcePort = "cos-ftp", 20
	var order []string
	m.ConnectFrom = func(netip.Addr, int) error {
		order = append(order, "port 20")
		return nil
	}
	Run(context.Background(), cfg, m, Options{Become: func() error {
		order = append(order, "become")
		return nil
	}})
	if want := []string{"become", "port 20"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// TestTryFrom: a port is in use where somebody listens on it or a connection from it does not share it, not where
// connections from it do, and trying takes nothing away.
func TestTryFrom(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	listening := l.Addr().(*net.TCPAddr).Port
	if err := tryFrom(loopback, listening); !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), fmt.Sprintf("bind 127.0.0.1:%d: ", listening)) {
		t.Errorf("port that is listened on: %v", err)
	}

	alone, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	port := alone.LocalAddr().(*net.TCPAddr).Port
	if err := tryFrom(loopback, port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port of a connection of another program: %v", err)
	}
	alone.Close()

	shared := connectFrom(t, l.Addr().String())
	defer shared.Close()
	for range 2 {
		if err := tryFrom(loopback, shared.LocalAddr().(*net.TCPAddr).Port); err != nil {
			t.Errorf("port of a connection of a server like this: %v", err)
		}
	}
}

// connectFrom makes a connection as ftpserver does with active_source_port.
func connectFrom(t *testing.T, target string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
	}}
	conn, err := dialer.Dial("tcp4", target)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestTryFromAnyAddress: a server on 0.0.0.0 does not need the port at an address that its clients do not come to.
func TestTryFromAnyAddress(t *testing.T) {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := tryFrom(everywhere, port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port that is listened on everywhere: %v", err)
	}
	l.Close()
	if err := tryFrom(everywhere, port); err != nil {
		t.Errorf("free port: %v", err)
	}
	l, err = net.Listen("tcp4", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := bindToOne([]netip.Addr{loopback, netip.MustParseAddr("127.0.0.2")}, port); err != nil {
		t.Errorf("port that is listened on at one of two addresses: %v", err)
	}
}

func TestTryFromIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Logf("not tested here: the source port of IPv6 (%v)", err)
		return
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := tryFrom(netip.IPv6LinkLocalAllNodes(), port); err == nil {
		t.Error("an address that is not this machine's: no error")
	}
	if err := tryFrom(netip.IPv6Loopback(), port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port that is listened on: %v", err)
	}
	l.Close()
	if err := tryFrom(netip.IPv6Loopback(), port); err != nil {
		t.Errorf("free port: %v", err)
	}
}
