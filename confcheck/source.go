package confcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
)

const sourceRunAsHint = "run_as gives up the right to ports below 1024: want the sysctl net.ipv4.ip_unprivileged_port_start = %d or less, or active_source_port = 0"

// checkSourcePort tries the port that active data connections are made from, as the user that the server runs as. The
// server starts without it, since passive mode does not need it.
func (c *checks) checkSourcePort() {
	port := c.cfg.ActiveSourcePort
	if port == 0 {
		return // the system chooses
	}
	for _, listener := range []struct {
		key  string
		port int
	}{{"listen_port", c.cfg.ListenPort}, {"implicit_tls_port", c.cfg.ImplicitTLSPort}} {
		if port == listener.port {
			c.doubtSource(fmt.Sprintf("%s is the same, and no connection can be made from a port that is listened on: want another port, or 0 for any", listener.key))
			return
		}
	}
	if c.cfg.PassiveFirst <= port && port <= c.cfg.PassiveLast {
		c.warn("NETWORK", "active_source_port", port, "it is in the range of passive_port, and while it serves passive mode no active data connection can be made: better choose another")
	}
	for _, address := range c.listenAddresses() {
		if c.checkSource(address, port) {
			return // one complaint is enough
		}
	}
}

// checkSource reports whether it found something wrong.
func (c *checks) checkSource(address netip.Addr, port int) bool {
	err := c.machine.ConnectFrom(address, port)
	switch {
	case err == nil:
		return false
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return false // it is listen_address that is wrong, and checkListenPort that tells it
	case errors.Is(err, syscall.EADDRINUSE) && c.isOurs("active_source_port", port):
	case errors.Is(err, syscall.EADDRINUSE):
		c.doubtSource(err.Error() + "; stop what has it (ss -tanp), or choose another port, or 0 for any")
	case errors.Is(err, fs.ErrPermission) && c.cfg.RunAs != "":
		c.doubtSource(err.Error() + "; " + fmt.Sprintf(sourceRunAsHint, port))
	case errors.Is(err, fs.ErrPermission):
		c.doubtSource(err.Error() + "; " + rightsHint)
	default:
		c.doubtSource(err.Error())
	}
	return true
}

func (c *checks) doubtSource(text string) {
	c.doubt(c.at("NETWORK", "active_source_port", c.cfg.ActiveSourcePort, "active data connections fail, PORT and EPRT are answered 425: "+text))
}

// tryFrom tries whether connections can be made from a port of an address. Where that is 0.0.0.0 or ::, a connection is
// made from the address that its client came to, so one address of the machine that has the port free is enough.
func tryFrom(address netip.Addr, port int) error {
	addresses := []netip.Addr{address}
	if address.IsUnspecified() {
		if own := ownAddresses(address.Is6()); len(own) > 0 {
			addresses = own
		}
	}
	return bindToOne(addresses, port)
}

// bindToOne returns nil if the port of one of the addresses is free, and what is wrong with the first if none is.
func bindToOne(addresses []netip.Addr, port int) (first error) {
	for _, address := range addresses {
		err := bindTo(address, port)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// ownAddresses are those of this machine, of one family, that other machines may know.
func ownAddresses(ipv6 bool) (addresses []netip.Addr) {
	networks, _ := net.InterfaceAddrs() // where they are not known there are none
	for _, network := range networks {
		prefix, err := netip.ParsePrefix(network.String())
		if err == nil && prefix.Addr().Is6() == ipv6 && prefix.Addr().IsGlobalUnicast() {
			addresses = append(addresses, prefix.Addr())
		}
	}
	return addresses
}

// bindTo binds a socket to a port as ftpserver binds those of active data connections, with SO_REUSEADDR, so that other
// connections from the port are no obstacle. It neither listens nor connects: a running server must not be disturbed.
func bindTo(address netip.Addr, port int) error {
	family, target := socketAddress(address, port)
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer syscall.Close(fd)
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, target); err != nil {
		return fmt.Errorf("bind %s: %w", netip.AddrPortFrom(address, uint16(port)), err)
	}
	return nil
}

func socketAddress(address netip.Addr, port int) (family int, target syscall.Sockaddr) {
	if address.Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: port, Addr: address.As4()}
	}
	var zone uint32
	if i, err := net.InterfaceByName(address.Zone()); err == nil {
		zone = uint32(i.Index)
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Port: port, Addr: address.As16(), ZoneId: zone}
}
