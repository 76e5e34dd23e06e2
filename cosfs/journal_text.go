package cosfs

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The lines of a journal. Fields are separated by tabs; texts are quoted as in Go, so that any key fits in a line:
//
//	machine   "NAME"  "BOOT"                       the first line: who writes the file, see machine
//	alive     "TIME"                               nothing happened, but the process lives
//	closed    "TIME"                               the last line: the process has ended in order
//	asked     NUMBER  TIME  TIME  "HOST"  "KEY"    COS has been asked for an upload (earlier versions: is being asked)
//	begun     NUMBER  "UPLOAD ID"                  its ID
//	left      NUMBER  TIME  "BUCKET"  "KEY"  "ETAG"  "CLIENT"  what an upload has left; a later line of the number replaces it
//	completed NUMBER                               nothing is left to abort
//	aborted   NUMBER                               (the same)
//	forgotten NUMBER                               what was left is of no use any more
const (
	machineEvent   = "machine"
	aliveEvent     = "alive"
	closedEvent    = "closed"
	askedEvent     = "asked"
	begunEvent     = "begun"
	leftEvent      = "left"
	completedEvent = "completed"
	abortedEvent   = "aborted"
	forgottenEvent = "forgotten"
)

// line is the text of an entry. That of an upload has two lines, which earlier versions can read.
func (e *journaled) line() string {
	at := e.asked.UTC().Format(time.RFC3339Nano)
	if e.remains {
		return fmt.Sprintf("%s\t%d\t%s\t%+q\t%+q\t%+q\t%+q\n", leftEvent, e.number, at, e.host, e.key, e.upload, e.client)
	}
	return fmt.Sprintf("%s\t%d\t%s\t%s\t%+q\t%+q\n%s\t%d\t%+q\n",
		askedEvent, e.number, at, at, e.host, e.key, begunEvent, e.number, e.upload)
}

func endedLine(e *journaled, how string) string { return fmt.Sprintf("%s\t%d\n", how, e.number) }

// readJournal reads the entries of a journal that are open, oldest first. A line that was cut off by the end of its process, or
// that cannot be read, counts for nothing.
func readJournal(r io.Reader) ([]*journaled, error) {
	open := make(map[int64]*journaled)
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		readLine(open, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	var entries []*journaled
	for _, number := range slices.Sorted(maps.Keys(open)) {
		entries = append(entries, open[number])
	}
	return entries, nil
}

// readLine adds what a line says to the open uploads.
func readLine(open map[int64]*journaled, fields []string) {
	if len(fields) < 2 {
		return
	}
	number, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return
	}
	known := open[number]
	switch event := fields[0]; {
	case event == askedEvent && len(fields) == 6:
		// The second time is that of the last repetition.
		if e, ok := readEntry(fields[2], fields[4], fields[5]); ok {
			e.number = number
			open[number] = e
		}
	case event == begunEvent && len(fields) == 3 && known != nil:
		if upload, err := strconv.Unquote(fields[2]); err == nil {
			known.upload = upload
		}
	case event == leftEvent && len(fields) == 7:
		e, ok := readEntry(fields[2], fields[3], fields[4])
		etag, err1 := strconv.Unquote(fields[5])
		client, err2 := strconv.Unquote(fields[6])
		if ok && err1 == nil && err2 == nil {
			e.number, e.remains, e.upload, e.client = number, true, etag, client
			open[number] = e
		}
	case event == completedEvent, event == abortedEvent, event == forgottenEvent:
		delete(open, number)
	}
}

func readEntry(at, host, key string) (*journaled, bool) {
	asked, err1 := time.Parse(time.RFC3339Nano, at)
	host, err2 := strconv.Unquote(host)
	key, err3 := strconv.Unquote(key)
	if err1 != nil || err2 != nil || err3 != nil || host == "" || key == "" {
		return nil, false
	}
	return &journaled{asked: asked, host: host, key: key}, true
}
