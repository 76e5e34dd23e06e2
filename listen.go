package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
)

// door is a listener and how clients come in by it.
type door struct {
	net.Listener
	tls bool // from the first byte
}

// openDoors listens on every listen_address, and on implicit_tls_port too where it is given.
func openDoors(cfg *conf.Config) (doors []door, err error) {
	defer func() {
		if err != nil {
			closeDoors(doors)
			doors = nil
		}
	}()
	for _, address := range cfg.ListenAddresses {
		listener, err := listenOn(address, cfg.ListenPort)
		if err != nil {
			return doors, fmt.Errorf("[NETWORK] listen_port = %d: %w; stop what listens there or choose another port", cfg.ListenPort, err)
		}
		doors = append(doors, door{listener, false})
		if cfg.ImplicitTLSPort == 0 {
			continue
		}
		listener, err = listenOn(address, cfg.ImplicitTLSPort)
		if err != nil {
			return doors, fmt.Errorf("[NETWORK] implicit_tls_port = %d: %w; stop what listens there or choose another port", cfg.ImplicitTLSPort, err)
		}
		doors = append(doors, door{listener, true})
	}
	return doors, nil
}

// listenOn listens on an address of its own family only, so that 0.0.0.0 and :: can stand side by side.
func listenOn(address netip.Addr, port int) (net.Listener, error) {
	network := "tcp4"
	if address.Is6() {
		network = "tcp6"
	}
	return net.Listen(network, netip.AddrPortFrom(address, uint16(port)).String())
}

func closeDoors(doors []door) {
	for _, d := range doors {
		d.Close()
	}
}

// serveDoors serves all of them and answers how each ended.
func serveDoors(server *ftpserver.Server, doors []door) <-chan error {
	served := make(chan error, len(doors))
	for _, d := range doors {
		serve := server.Serve
		if d.tls {
			serve = server.ServeTLS
		}
		go func() { served <- serve(d.Listener) }()
	}
	return served
}

func addresses(doors []door) string {
	var all []string
	for _, d := range doors {
		all = append(all, d.Addr().String())
	}
	return strings.Join(all, ", ")
}
