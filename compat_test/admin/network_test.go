package admin

import (
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// controlLine is a raw control connection to a program with switches.
type controlLine struct {
	t *testing.T
	*textproto.Conn
}

func dialControl(t *testing.T, g *rig.Gateway) controlLine {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(rig.ReplyTime))
	return controlLine{t, textproto.NewConn(conn)}
}

// want reads a reply that begins as given.
func (c controlLine) want(start string) string {
	c.t.Helper()
	line, err := c.ReadLine()
	if err != nil || !strings.HasPrefix(line, start) {
		c.t.Fatalf("got %q, %v, want %s", line, err, start)
	}
	return line
}

func (c controlLine) ask(command, start string) string {
	c.t.Helper()
	if err := c.PrintfLine("%s", command); err != nil {
		c.t.Fatal(err)
	}
	return c.want(start)
}

func (c controlLine) login(user string) {
	c.t.Helper()
	c.want("220 ")
	c.ask("USER user"+user, "331 ")
	c.ask("PASS pass"+user, "230 ")
}

// TestNetworkSwitches: the options of [NETWORK] reach the server.
func TestNetworkSwitches(t *testing.T) {
	t.Parallel()
	g := rig.StartGateway(t, rig.NewStore(t), map[string]string{
		"active_mode_enable": "false", "max_conns_per_ip": "3", "max_conns_per_user": "1",
		"masquerade_address": "172.16.0.0/12=10.9.9.9, 127.0.0.0/8=10.1.2.3, 192.0.2.1",
	})
	first := dialControl(t, g)
	first.login("0")
	first.ask("PORT 127,0,0,1,200,1", "502 ")
	first.ask("PASV", "227 Entering passive mode (10,1,2,3,")
	second := dialControl(t, g)
	second.want("220 ")
	second.ask("USER user0", "331 ")
	second.ask("PASS pass0", "530 Too many connections of this user.")
	dialControl(t, g).want("220 ")
	dialControl(t, g).want("421 Too many connections from the same IP address.")
}

// TestForeignAddresses: who may be at the other end of a data connection.
func TestForeignAddresses(t *testing.T) {
	t.Parallel()
	foreign, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	port := foreign.Addr().(*net.TCPAddr).Port
	for permit, want := range map[string]struct{ active, passive string }{
		"passive": {"501 ", "226 "}, "true": {"200 ", "226 "}, "false": {"501 ", "421 Passive data channel timed out."},
	} {
		g := rig.StartGateway(t, rig.NewStore(t), map[string]string{"permit_foreign_addresses": permit, "accept_timeout": "2"})
		c := dialControl(t, g)
		c.login("0")
		c.ask(fmt.Sprintf("PORT 127,0,0,2,%d,%d", port>>8, port&0xff), want.active)
		var a, b, d, e, high, low int
		if _, err := fmt.Sscanf(c.ask("PASV", "227 "), "227 Entering passive mode (%d,%d,%d,%d,%d,%d).", &a, &b, &d, &e, &high, &low); err != nil {
			t.Fatal(err)
		}
		stranger := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		data, err := stranger.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", high<<8|low))
		if err != nil {
			t.Fatal(err)
		}
		c.ask("LIST", "1")
		c.want(want.passive)
		data.Close()
	}
}

// TestTimeouts measures the three that a client can see.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	g := rig.StartGateway(t, rig.NewStore(t), map[string]string{"accept_timeout": "1", "idle_ctrl_timeout": "2", "idle_data_timeout": "1"})
	c := dialControl(t, g)
	c.login("0")
	began := time.Now()
	c.ask("PASV", "227 ")
	c.want("421 Passive data channel timed out.")
	c.took(began, time.Second)

	var port int
	if _, err := fmt.Sscanf(c.ask("EPSV", "229 "), "229 Entering extended passive mode (|||%d|).", &port); err != nil {
		t.Fatal(err)
	}
	data, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	began = time.Now()
	c.ask("STOR stalled", "1")
	c.want("421 Data connection timed out.")
	c.took(began, time.Second)

	c = dialControl(t, g)
	began = time.Now()
	c.login("0")
	c.want("421 Control connection timed out.")
	c.took(began, 2*time.Second)
}

func (c controlLine) took(began time.Time, want time.Duration) {
	c.t.Helper()
	if took := time.Since(began); took < want*9/10 || took > want+rig.ReplyTime {
		c.t.Errorf("took %v, want %v", took, want)
	}
}
