package cosfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// foreignAge is how long the journal of another machine must not have changed before it is taken for that of a dead
	// process. A process that lives changes its own once in journalBeat.
	foreignAge  = 6 * time.Hour
	journalBeat = 10 * time.Minute

	// maxMachine bounds the first line of a journal in bytes.
	maxMachine = 1 << 10
)

// machine tells whose journal a file is. On some file systems of several machines locks are local (NFS with nolock, the
// default of Tencent's CFS), so the lock of another machine's journal tells nothing.
type machine struct {
	name string // of the host
	boot string // of its kernel; "" where the system tells none
}

// thisMachine names the machine of this process. Two containers have one kernel, whatever their names are.
func thisMachine() machine {
	name, _ := os.Hostname()                                  // without a name there is the kernel's
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // not on every system
	return machine{name: name, boot: strings.TrimSpace(string(boot))}
}

// sharesLocks reports whether the processes of both see each other's locks. A kernel that was started anew on the same
// host counts: the processes of the one before are dead. A host that was given no name of its own may be any.
func (m machine) sharesLocks(other machine) bool {
	if m.boot != "" && m.boot == other.boot {
		return true
	}
	named := m.name != "" && !strings.HasPrefix(m.name, "localhost")
	return named && m.name == other.name
}

// line is the first line of a journal. Earlier versions pass over it, because they want a number in its second field.
func (m machine) line() string { return fmt.Sprintf("%s\t%+q\t%+q\n", machineEvent, m.name, m.boot) }

// readMachine reads the first line of a journal; a zero machine for that of an earlier version.
func readMachine(r io.Reader) machine {
	line, err := bufio.NewReader(io.LimitReader(r, maxMachine)).ReadString('\n')
	fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if err != nil || fields[0] != machineEvent || len(fields) < 3 {
		return machine{}
	}
	name, err1 := strconv.Unquote(fields[1])
	boot, err2 := strconv.Unquote(fields[2])
	if err1 != nil || err2 != nil {
		return machine{}
	}
	return machine{name, boot}
}

// beat shows other machines that this process lives: its lock does not. Writing sets the time of the file by the clock of
// the file server, with which inherit compares it.
func (j *journal) beat() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.append(timeLine(aliveEvent))
}

// timeLine is a line without an entry. Earlier versions pass over it, as over the first.
func timeLine(event string) string {
	return fmt.Sprintf("%s\t%+q\n", event, time.Now().UTC().Format(time.RFC3339))
}

// isClosed reports whether the process of a journal has ended in order, which other machines need not wait for.
func isClosed(f *os.File) bool {
	end := make([]byte, 64)
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	n, err := f.ReadAt(end, max(0, info.Size()-int64(len(end))))
	if err != nil && err != io.EOF {
		return false
	}
	text, whole := strings.CutSuffix(string(end[:n]), "\n")
	return whole && strings.HasPrefix(text[strings.LastIndexByte(text, '\n')+1:], closedEvent+"\t")
}

// fileTime returns the time by the clock of the file server, which may differ from ours: that of a file written now.
func (j *journal) fileTime() (time.Time, error) {
	f, err := os.CreateTemp(j.dir, journalPattern+journalDraft)
	if err != nil {
		return time.Time{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString("\n"); err != nil {
		return time.Time{}, err
	}
	if err := f.Sync(); err != nil { // till then NFS may tell our own clock
		return time.Time{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
