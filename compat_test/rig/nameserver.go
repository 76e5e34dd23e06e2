package rig

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
)

// The answers of a name server (RFC 1035 4.1.1).
const (
	DNSServerFailure = 2
	DNSNameError     = 3
)

// Names is the name server of all tests: every name under cos.test is the address of the stores, unless it shall fail.
var Names nameServer

type nameServer struct{ RCode [4]atomic.Bool }

func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go s.serve(theirs)
		return ours, nil
	}}
}

// serve answers queries as over TCP (RFC 1035 4.2.2).
func (s *nameServer) serve(conn net.Conn) {
	defer conn.Close()
	for {
		length := make([]byte, 2)
		if _, err := io.ReadFull(conn, length); err != nil {
			return
		}
		query := make([]byte, int(length[0])<<8|int(length[1]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := s.answer(query)
		if _, err := conn.Write(append([]byte{0, byte(len(reply))}, reply...)); err != nil {
			return
		}
	}
}

func (s *nameServer) answer(query []byte) []byte {
	end := 12 + strings.IndexByte(string(query[12:]), 0) + 5
	name := string(query[12 : end-5])
	rcode := byte(0)
	switch {
	case !strings.HasSuffix(name, "\x03cos\x04test"),
		strings.HasPrefix(name, "\x07unknown") && s.RCode[DNSNameError].Load():
		rcode = DNSNameError
	case strings.HasPrefix(name, "\x06server") && s.RCode[DNSServerFailure].Load():
		rcode = DNSServerFailure
	}
	reply := append([]byte{}, query[:2]...)
	answers := byte(0)
	if isIPv4 := query[end-3] == 1; rcode == 0 && isIPv4 {
		answers = 1
	}
	reply = append(reply, 0x81, 0x80|rcode, 0, 1, 0, answers, 0, 0, 0, 0)
	reply = append(reply, query[12:end]...)
	if answers > 0 {
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 2)
	}
	return reply
}
