package confcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
)

const (
	rightsHint  = "ports below 1024 need root, or setcap cap_net_bind_service=+ep on the program"
	droppedHint = "run_as opens the listening ports before it gives up root, but not these: want ports from 1024 on"
)

// checkListenPorts tries what the server is going to listen on.
func (c *checks) checkListenPorts() {
	for _, listener := range []struct {
		key  string
		port int
	}{{"listen_port", c.cfg.ListenPort}, {"implicit_tls_port", c.cfg.ImplicitTLSPort}} {
		if listener.port == 0 {
			continue // the system chooses, or there is none
		}
		for _, address := range c.listenAddresses() {
			if c.checkListenPort(listener.key, listener.port, address) {
				break // one complaint about a port is enough
			}
		}
	}
}

var everywhere = netip.IPv4Unspecified()

func (c *checks) listenAddresses() []netip.Addr {
	if len(c.cfg.ListenAddresses) == 0 {
		return []netip.Addr{everywhere}
	}
	return c.cfg.ListenAddresses
}

func (c *checks) tryListen(address netip.Addr, port int) error {
	if address == everywhere {
		return c.machine.Listen(port)
	}
	return c.machine.ListenAt(address, port)
}

// checkListenPort says whether it found something wrong.
func (c *checks) checkListenPort(key string, port int, address netip.Addr) bool {
	err := c.tryListen(address, port)
	switch {
	case err == nil:
		return false
	case errors.Is(err, syscall.EADDRINUSE) && c.isOurs(key, port):
	case errors.Is(err, syscall.EADDRINUSE):
		c.problem("NETWORK", key, port, fmt.Sprintf("port %d is in use: stop what listens there (ss -ltnp), or choose another port", port))
	case errors.Is(err, fs.ErrPermission):
		c.problem("NETWORK", key, port, err.Error()+"; "+rightsHint)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		c.problem("NETWORK", "listen_address", address, err.Error()+"; want an address of this machine (ip address), or 0.0.0.0 for all")
	default:
		c.problem("NETWORK", key, port, err.Error())
	}
	return true
}

// isOurs notes that it is the running server, with this very conf, that has a port: -check looks at what comes after it.
func (c *checks) isOurs(key string, port int) bool {
	if !c.strict || c.machine.Gateway == nil {
		return false
	}
	pid := c.machine.Gateway(port, c.cfg.File)
	if pid == 0 {
		return false
	}
	c.report.Notes = append(c.report.Notes, c.at("NETWORK", key, port, fmt.Sprintf(
		"the server that runs has this port (process %d): stop it before the next start", pid)))
	return true
}

// sampledPorts is how many passive ports are tried out.
const sampledPorts = 8

func (c *checks) checkPassivePorts() {
	cfg := c.cfg
	first, last := cfg.PassiveFirst, cfg.PassiveLast
	value := fmt.Sprintf("%d,%d", first, last)
	count := last - first + 1
	if transfers := (cfg.MaxConnectionNum - 1) / 2; count < transfers {
		c.warn("NETWORK", "passive_port", value, fmt.Sprintf(
			"%d ports for up to %d data connections at once: when they are used up, PASV is answered 425", count, transfers))
	}
	if first <= cfg.ListenPort && cfg.ListenPort <= last {
		c.warn("NETWORK", "passive_port", value, fmt.Sprintf("listen_port = %d is in this range and cannot serve for data: better choose another", cfg.ListenPort))
	}
	if first <= cfg.ImplicitTLSPort && cfg.ImplicitTLSPort <= last {
		c.warn("NETWORK", "passive_port", value, fmt.Sprintf("implicit_tls_port = %d is in this range and cannot serve for data: better choose another", cfg.ImplicitTLSPort))
	}
	var taken []string
	for i := range min(count, sampledPorts) {
		port := first + i*(count-1)/max(min(count, sampledPorts)-1, 1)
		if port == cfg.ListenPort || port == cfg.ImplicitTLSPort {
			continue
		}
		err := c.machine.Listen(port)
		if errors.Is(err, fs.ErrPermission) {
			tell, hint := c.warn, rightsHint
			if cfg.RunAs != "" {
				hint = droppedHint
				if errors.Is(c.machine.Listen(last), fs.ErrPermission) {
					tell, hint = c.problem, "no passive transfer could work: "+droppedHint
				}
			}
			tell("NETWORK", "passive_port", value, fmt.Sprintf("port %d: %v; %s", port, err, hint))
			return
		}
		if err != nil {
			taken = append(taken, fmt.Sprint(port))
		}
	}
	if len(taken) > 0 {
		c.warn("NETWORK", "passive_port", value, fmt.Sprintf(
			"of %d ports tried these are taken by other programs: %s; passive mode uses the others", min(count, sampledPorts), strings.Join(taken, ", ")))
	}
}
