package confcheck

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// launcher is the script that the Python tool is started by, and the title that our program takes.
const launcher = "ftp_server.py"

// findGateway is Machine.Gateway: it looks in /proc, which shows what belongs to this user, and all to root.
func findGateway(port int, conf string) (pid int) {
	sockets := listeners(port)
	if len(sockets) == 0 {
		return 0
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if !isGateway(process, conf) {
			continue
		}
		files, _ := filepath.Glob(process + "/fd/*")
		for _, file := range files {
			if target, err := os.Readlink(file); err == nil && slices.Contains(sockets, target) {
				pid, _ = strconv.Atoi(filepath.Base(process))
				return pid
			}
		}
	}
	return 0
}

// listeners are the sockets that listen on a port, as links in /proc/PID/fd name them.
func listeners(port int) (sockets []string) {
	const local, state, inode, listening = 1, 3, 9, "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) > inode && fields[state] == listening && strings.HasSuffix(fields[local], fmt.Sprintf(":%04X", port)) {
				sockets = append(sockets, "socket:["+fields[inode]+"]")
			}
		}
		file.Close()
	}
	return sockets
}

// isGateway reports whether a process is the Python tool or this program, and reads the conf file: the one that -conf
// names, or conf/vsftpd.conf beside the script or the program.
func isGateway(process, conf string) bool {
	line, err := os.ReadFile(process + "/cmdline")
	if err != nil {
		return false
	}
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	script := slices.IndexFunc(args, func(arg string) bool { return filepath.Base(arg) == launcher })
	if script < 0 {
		return false
	}
	at, _ := os.Readlink(process + "/cwd")
	program, _ := os.Readlink(process + "/exe") // " (deleted)" follows where it was replaced
	for i, arg := range args {
		if name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "="); name == "conf" && arg != name {
			if !given && i+1 < len(args) {
				value = args[i+1]
			}
			return sameFile(under(at, value), conf)
		}
	}
	for _, file := range []string{under(at, args[script]), program} {
		if resolved, err := filepath.EvalSymlinks(file); err == nil {
			file = resolved
		}
		if sameFile(filepath.Join(filepath.Dir(file), "conf", "vsftpd.conf"), conf) {
			return true
		}
	}
	return false
}

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
