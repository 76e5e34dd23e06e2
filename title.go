package main

import (
	"os"
	"syscall"
)

// The title that the Python tool has in ps, which the documented way to stop it looks for.
var title = []string{"python", "ftp_server.py"}

// titled says whether the process was started under the title, by itself or by ftp_server.py.
func titled() bool {
	return len(os.Args) >= 2 && os.Args[0] == title[0] && os.Args[1] == title[1]
}

// commandLine is the arguments without the program's name or title.
func commandLine() []string {
	if titled() {
		return os.Args[2:]
	}
	return os.Args[1:]
}

// takeTitle starts the program over under the title: the kernel shows no other command line than the one given to
// exec. Where that fails the server still serves, only `ps | grep python` does not find it.
func takeTitle(args []string) {
	if titled() {
		return
	}
	if exe, err := os.Executable(); err == nil {
		_ = syscall.Exec(exe, append(title[:len(title):len(title)], args...), os.Environ())
	}
}
