package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"time"
)

// relay moves size bytes through a process that only copies from one connection to another: the floor of what any
// gateway on this machine can do. It returns MiB/s and the process's CPU seconds per GiB.
func relay(size int64) (mibs, cpuPerGiB float64, err error) {
	sink, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	defer sink.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := sink.Accept()
		if err != nil {
			return
		}
		n, _ := drain(conn)
		conn.Close()
		received <- n
	}()
	cmd := exec.Command("/proc/self/exe", "-relay", sink.Addr().String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer cmd.Wait()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 0, 0, err
	}
	conn, err := net.Dial("tcp", strings.TrimSpace(line))
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := send(conn, size); err != nil {
		return 0, 0, err
	}
	conn.(*net.TCPConn).CloseWrite()
	n := <-received
	took := time.Since(start).Seconds()
	used := cpu(cmd.Process.Pid)
	conn.Close()
	if n != size {
		return 0, 0, fmt.Errorf("relay: %d bytes of %d", n, size)
	}
	return float64(size) / mib / took, used / (float64(size) / gib), nil
}

// relayMain is the copying process: it takes one connection and copies it to the address, through user memory as a
// gateway that looks at the data must.
func relayMain(to string) error {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	from, err := ln.Accept()
	if err != nil {
		return err
	}
	dest, err := net.Dial("tcp", to)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{dest}, struct{ io.Reader }{from}, make([]byte, 256<<10)); err != nil {
		return err
	}
	dest.Close()
	// The parent reads this process's CPU time, then closes its end.
	_, _ = io.Copy(io.Discard, from)
	return nil
}
