package confcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

const rightsHint = "ports below 1024 need root, or setcap cap_net_bind_service=+ep on the program"

func (c *checks) checkListenPort() {
	port := c.cfg.ListenPort
	if port == 0 {
		return // the system chooses
	}
	err := c.machine.Listen(port)
	switch {
	case err == nil:
	case errors.Is(err, syscall.EADDRINUSE):
		c.problem("NETWORK", "listen_port", port, fmt.Sprintf("port %d is in use: stop what listens there (ss -ltnp), or choose another port", port))
	case errors.Is(err, fs.ErrPermission):
		c.problem("NETWORK", "listen_port", port, err.Error()+"; "+rightsHint)
	default:
		c.problem("NETWORK", "listen_port", port, err.Error())
	}
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
	var taken []string
	for i := range min(count, sampledPorts) {
		port := first + i*(count-1)/max(min(count, sampledPorts)-1, 1)
		if port == cfg.ListenPort {
			continue
		}
		err := c.machine.Listen(port)
		if errors.Is(err, fs.ErrPermission) {
			c.warn("NETWORK", "passive_port", value, fmt.Sprintf("port %d: %v; %s", port, err, rightsHint))
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
