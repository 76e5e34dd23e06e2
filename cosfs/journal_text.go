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
//	asked     NUMBER  TIME  TIME  "HOST"  "KEY"    COS is being asked for an upload: first and last time so far
//	begun     NUMBER  "UPLOAD ID"                  COS has answered
//	completed NUMBER                               nothing is left to abort
//	aborted   NUMBER                               (the same)
const (
	askedEvent     = "asked"
	begunEvent     = "begun"
	completedEvent = "completed"
	abortedEvent   = "aborted"
)

func askedLine(e *journaled) string {
	return fmt.Sprintf("%s\t%d\t%s\t%s\t%+q\t%+q\n", askedEvent, e.number,
		e.asked.UTC().Format(time.RFC3339Nano), e.again.UTC().Format(time.RFC3339Nano), e.host, e.key)
}

func begunLine(e *journaled) string {
	return fmt.Sprintf("%s\t%d\t%+q\n", begunEvent, e.number, e.upload)
}

func endedLine(e *journaled, how string) string { return fmt.Sprintf("%s\t%d\n", how, e.number) }

// readJournal reads the open uploads of a journal, oldest first. A line that was cut off by the end of its process, or
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
		if e, ok := readAsked(fields); ok {
			e.number = number
			if known != nil {
				e.upload = known.upload
			}
			open[number] = e
		}
	case event == begunEvent && len(fields) == 3 && known != nil:
		if upload, err := strconv.Unquote(fields[2]); err == nil {
			known.upload = upload
		}
	case event == completedEvent, event == abortedEvent:
		delete(open, number)
	}
}

func readAsked(fields []string) (*journaled, bool) {
	asked, err1 := time.Parse(time.RFC3339Nano, fields[2])
	again, err2 := time.Parse(time.RFC3339Nano, fields[3])
	host, err3 := strconv.Unquote(fields[4])
	key, err4 := strconv.Unquote(fields[5])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || host == "" || key == "" {
		return nil, false
	}
	return &journaled{asked: asked, again: again, host: host, key: key}, true
}
