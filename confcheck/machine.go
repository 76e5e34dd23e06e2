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
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Machine is what the machine offers. Numbers are read once; the functions look when they are called, and tests
// choose both.
type Machine struct {
	MemAvailable     int64 // bytes this process may take: the machine's, or less in a limited cgroup; 0 if unknown
	HostMemAvailable int64 // bytes available on the machine, which is all the original looks at; 0 if unknown
	CPUs             int

	FilesSoft, FilesHard uint64 // limits of open files, 0 if unknown

	// RaiseFiles raises the soft limit of open files to want, or as far as the hard one allows, and answers what
	// it then is.
	RaiseFiles func(want uint64) (uint64, error)
	// Listen tries whether a TCP port can be listened on, and leaves it.
	Listen func(port int) error
	// Gateway finds out whether a gateway with the same conf file, the Python tool or this one, listens on a TCP port of any
	// address. It answers its process, 0 if another program listens there or nothing is known.
	Gateway func(port int, conf string) (pid int)
	// ListenAt tries the same on one address, or on all of IPv6.
	ListenAt func(address netip.Addr, port int) error
	// ConnectFrom tries whether connections can be made from a TCP port of an address, beside others from that port. Where
	// the address is 0.0.0.0 or ::, one of the machine's is enough.
	ConnectFrom func(address netip.Addr, port int) error
	// Writable tries whether the file can be written in dir, which need not exist yet.
	Writable func(dir, file string) error
	// Mode tells a file's permissions.
	Mode func(path string) (fs.FileMode, error)
	// Resolve finds out whether a host name has an IPv4 address.
	Resolve func(ctx context.Context, host string) error
}

// ReadMachine looks at the machine this process runs on.
func ReadMachine() Machine {
	host, own := readMemory(os.DirFS("/"))
	m := Machine{
		MemAvailable:     own,
		HostMemAvailable: host,
		CPUs:             runtime.NumCPU(),
		RaiseFiles:       RaiseFileLimit,
		Listen:           func(port int) error { return tryPort("0.0.0.0", port) },
		ListenAt:         func(address netip.Addr, port int) error { return tryPort(address.String(), port) },
		ConnectFrom:      tryFrom,
		Gateway:          findGateway,
		Writable:         tryFile,
		Mode:             fileMode,
		Resolve:          resolve,
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		m.FilesSoft, m.FilesHard = uint64(limit.Cur), uint64(limit.Max)
	}
	return m
}

// RaiseFileLimit raises the soft limit of open files to want, or as far as the hard limit allows, never lowering it.
// It answers the limit that then holds.
func RaiseFileLimit(want uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Cur >= want {
		return limit.Cur, nil
	}
	raised := syscall.Rlimit{Cur: min(want, limit.Max), Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return limit.Cur, fmt.Errorf("raise the limit of open files to %d: %w", raised.Cur, err)
	}
	return raised.Cur, nil
}

func tryPort(host string, port int) error {
	network := "tcp4"
	if strings.Contains(host, ":") {
		network = "tcp6"
	}
	l, err := net.Listen(network, net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// tryFile opens the file if it is there, else writes one of another name in dir or, where dir is missing, in the
// nearest directory above it, and removes it.
func tryFile(dir, file string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for {
		_, err := os.Stat(dir)
		if err == nil {
			break
		}
		if up := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && up != dir {
			dir = up
			continue
		}
		return err
	}
	f, err = os.CreateTemp(dir, ".cos-ftp-server-check-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, aLittle))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// aLittle is how many bytes there must be space for: some pages of a log.
const aLittle = 16 << 10

func fileMode(path string) (fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

func resolve(ctx context.Context, host string) error {
	_, err := net.DefaultResolver.LookupIP(ctx, "ip4", host)
	return err
}
