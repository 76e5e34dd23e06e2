package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// helper is the variable that makes the test's binary a process which gives up root, so that the test itself keeps it.
const helper = "PROCESS_TEST_HELPER"

const nobody = 65534

func TestMain(m *testing.M) {
	switch os.Getenv(helper) {
	case "":
		os.Exit(m.Run())
	case "become":
		becomeNobody()
	case "dumps":
		printDumps()
	}
}

// run returns what the test's binary prints as a helper. It needs root.
func run(t *testing.T, what string) []string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("the test needs root")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helper+"="+what)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return strings.Split(strings.TrimSpace(string(output)), "\n")
}

// becomeNobody prints who the threads are after Become, and what becomes of another Become.
func becomeNobody() {
	parked, park := make(chan bool), make(chan bool)
	for range 5 {
		go func() {
			runtime.LockOSThread()
			parked <- true
			<-park
		}()
		<-parked
	}
	u := &User{uid: nobody, gid: nobody, groups: []int{nobody, 4711}}
	fmt.Println("become:", u.Become())
	var seen []string
	threads, _ := filepath.Glob("/proc/self/task/*/status")
	for _, file := range threads {
		status, _ := os.ReadFile(file)
		for line := range strings.SplitSeq(string(status), "\n") {
			field, _, _ := strings.Cut(line, ":")
			if slices.Contains([]string{"Uid", "Gid", "Groups", "CapPrm", "CapEff"}, field) && !slices.Contains(seen, line) {
				seen = append(seen, line)
			}
		}
	}
	for _, line := range seen {
		fmt.Println(strings.Join(strings.Fields(line), " "))
	}
	fmt.Println("many threads:", len(threads) > 5)
	fmt.Println("again:", u.Become())
	fmt.Println("another:", (&User{uid: 4711}).Become())
	fmt.Println("root:", syscall.Setuid(0))
}

// TestBecome: every thread is the user, with its groups and no others, without capabilities and for good.
func TestBecome(t *testing.T) {
	want := []string{
		"become: <nil>",
		"Uid: 65534 65534 65534 65534",
		"Gid: 65534 65534 65534 65534",
		"Groups: 4711 65534",
		"CapPrm: 0000000000000000",
		"CapEff: 0000000000000000",
		"many threads: true",
		"again: <nil>",
		"another: setgroups []: operation not permitted; the process needs the capabilities CAP_SETUID and CAP_SETGID until then",
		"root: operation not permitted",
	}
	if got := run(t, "become"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFindUser: root and who is not there are refused with what would do.
func TestFindUser(t *testing.T) {
	u, err := FindUser("nobody")
	if err != nil || u.uid != nobody || !slices.Contains(u.groups, u.gid) {
		t.Errorf("nobody is %+v, %v", u, err)
	}
	for name, want := range map[string]string{
		"root":              "this user is root: want one without its rights, or no run_as",
		"cos-ftp-not-there": "there is no such user: want one that exists, or make it with useradd ",
	} {
		if _, err := FindUser(name); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// printDumps prints whether the process may be dumped: as it starts, after ForbidDumps, and after Become.
func printDumps() {
	show := func(when string) {
		dumpable, _, _ := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_DUMPABLE, 0, 0)
		fmt.Println(when, dumpable)
	}
	show("at first")
	if os.Getenv("ALLOW") == "" {
		fmt.Println(ForbidDumps())
		var limit syscall.Rlimit
		fmt.Println(syscall.Getrlimit(syscall.RLIMIT_CORE, &limit), limit)
		show("forbidden")
	}
	fmt.Println((&User{uid: nobody, gid: nobody}).Become())
	show("nobody's")
}

// TestDumps: a change of the user neither lifts the ban, as fs.suid_dumpable = 2 would, nor imposes one.
func TestDumps(t *testing.T) {
	want := []string{"at first 1", "<nil>", "<nil> {0 0}", "forbidden 0", "<nil>", "nobody's 0"}
	if got := run(t, "dumps"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("ALLOW", "yes")
	want = []string{"at first 1", "<nil>", "nobody's 1"}
	if got := run(t, "dumps"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
