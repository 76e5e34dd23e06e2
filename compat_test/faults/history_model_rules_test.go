package faults

import (
	"strings"
	"testing"
	"time"
)

// sketch is a history by hand: one line for each command, as "BEGIN END VERB NAME …", and an end of "-" for a reply that
// was lost. What follows the name is the content of an upload as ID:OFFSET:SENT:SIZE, the target of a rename, or the
// pieces that a RETR or GET got, as ID:FROM:TO, or "none". The last field is the reply.
func sketch(t *testing.T, keep bool, text string) *history {
	t.Helper()
	h := &history{keep: keep, groups: historyGroups(), initial: map[string][]piece{"f0": {{1, 0, 20}}, "r0": {{1, 0, 20}}, "dA/x": {{1, 0, 20}}}}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		r := &recorded{began: sketchTime(t, fields[0]), ended: endless, verb: fields[2], name: fields[3]}
		if fields[1] != "-" {
			r.ended = sketchTime(t, fields[1])
			r.reply = fields[len(fields)-1]
		}
		switch r.verb {
		case "STOR", "APPE":
			n := sketchNumbers(t, fields[4])
			r.content, r.offset, r.sent, r.size = n[0], n[1], n[2], n[3]
			r.opened = r.began
			if len(fields) > 6 {
				r.broken = sketchTime(t, fields[5])
			}
		case "RNTO":
			r.target = fields[4]
		case "RETR", "GET":
			for _, field := range fields[4 : len(fields)-1] {
				n := sketchNumbers(t, field)
				r.got = append(r.got, piece{n[0], n[1], n[2]})
			}
		}
		h.add(r)
	}
	return h
}

func sketchTime(t *testing.T, text string) time.Duration {
	t.Helper()
	return time.Duration(sketchNumbers(t, text)[0]) * time.Millisecond
}

func sketchNumbers(t *testing.T, text string) (numbers []int) {
	t.Helper()
	for field := range strings.SplitSeq(text, ":") {
		n := 0
		for _, digit := range field {
			if digit < '0' || digit > '9' {
				t.Fatalf("%q is no number", text)
			}
			n = 10*n + int(digit-'0')
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// TestHistoryRules has histories with the defects that once were, and next to each one that is in order.
func TestHistoryRules(t *testing.T) {
	for _, c := range []struct {
		name    string
		discard bool
		wrong   bool
		text    string
	}{
		{"two appends", false, false, `
			1 9 APPE f0 2:0:8:8 226
			2 8 APPE f0 3:0:8:8 226
			20 21 GET f0 1:0:20 3:0:8 2:0:8 200`},
		{"two appends at once, one is lost", false, true, `
			1 9 APPE f0 2:0:8:8 226
			2 8 APPE f0 3:0:8:8 226
			20 21 GET f0 1:0:20 2:0:8 200`},
		{"a refused append adds nothing, or all", false, false, `
			1 9 APPE f0 2:0:8:8 451
			20 21 GET f0 1:0:20 200`},
		{"an append whose reply is lost adds once at most", false, true, `
			1 - APPE f0 2:0:8:8
			20 21 GET f0 1:0:20 2:0:8 2:0:8 200`},
		{"an append undoes an upload", false, true, `
			1 9 APPE f0 2:0:8:8 226
			2 8 STOR f0 3:0:8:8 226
			20 21 GET f0 1:0:20 2:0:8 200`},
		{"a part replaces an older file", false, false, `
			1 8 STOR f0 3:0:20:20 226
			10 - STOR f0 2:0:12:20 12 x
			20 21 GET f0 2:0:12 200`},
		{"a part replaces the file that was stored meanwhile", false, true, `
			1 - STOR f0 2:0:12:20 12 x
			2 8 STOR f0 3:0:20:20 226
			20 21 GET f0 2:0:12 200`},
		{"a part replaces the file that was stored when it began", false, false, `
			1 9 STOR f0 3:0:20:20 226
			8 - STOR f0 2:0:12:20 12 x
			20 21 GET f0 2:0:12 200`},
		{"a part was read before the file was stored", false, false, `
			1 - STOR f0 2:0:12:20 4 x
			5 6 RETR f0 2:0:12 226
			7 8 STOR f0 3:0:20:20 226
			20 21 GET f0 3:0:20 200`},
		{"resumed", false, false, `
			1 - STOR f0 2:0:12:20 4 x
			5 6 SIZE f0 213
			7 8 STOR f0 2:12:20:20 226
			20 21 GET f0 2:0:20 200`},
		{"resumed on another file", false, true, `
			1 4 STOR f0 2:0:15:24 451
			7 8 STOR f0 2:20:24:24 226
			20 21 GET f0 1:0:20 2:20:24 200`},
		{"told to be resumed, and it cannot be", false, true, `
			1 4 STOR f0 2:0:15:24 451
			7 8 STOR f0 2:20:24:24 226
			20 21 GET f0 1:0:20 200`},
		{"mode discard keeps no part", true, true, `
			1 - STOR f0 2:0:12:20 12 x
			20 21 GET f0 2:0:12 200`},
		{"renamed", false, false, `
			1 9 RNTO r0 r1 250
			3 4 RETR r0 1:0:20 226
			3 4 RETR r1 1:0:20 226
			20 21 GET r0 404
			20 21 GET r1 1:0:20 200`},
		{"stored under the old name before the file was renamed", false, false, `
			1 9 RNTO r0 r1 250
			2 8 STOR r0 2:0:8:8 226
			20 21 GET r0 404
			20 21 GET r1 2:0:8 200`},
		{"stored under the old name between copy and removal", false, true, `
			1 9 RNTO r0 r1 250
			2 8 STOR r0 2:0:8:8 226
			20 21 GET r0 404
			20 21 GET r1 1:0:20 200`},
		{"the same rename twice", false, false, `
			1 9 RNTO r0 r1 250
			2 8 RNTO r0 r1 250
			20 21 GET r0 404
			20 21 GET r1 1:0:20 200`},
		{"a rename of what is not there", false, true, `
			1 2 RNTO r0 r1 250
			3 4 RNTO r0 r1 250
			20 21 GET r0 404
			20 21 GET r1 1:0:20 200`},
		{"a directory renamed twice", false, false, `
			1 9 RNTO dA dB 250
			2 8 RNTO dA dB 550
			20 21 GET dA/x 404
			20 21 GET dB/x 1:0:20 200`},
		{"a directory renamed twice, and lost", false, true, `
			1 9 RNTO dA dB 250
			2 8 RNTO dA dB 550
			20 21 GET dA/x 404
			20 21 GET dB/x 404`},
		{"a failed rename that took its copy back", false, false, `
			1 9 RNTO dA dB 451
			4 5 RETR dB/x 1:0:20 226
			20 21 GET dA/x 1:0:20 200
			20 21 GET dB/x 404`},
		{"acknowledged and gone", false, true, `
			1 2 STOR f0 2:0:8:8 226
			20 21 GET f0 404`},
		{"deleted, and there again", false, true, `
			1 2 DELE f0 250
			20 21 GET f0 1:0:20 200`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := sketch(t, !c.discard, c.text)
			if found := h.check(false, ""); (len(found) > 0) != c.wrong {
				t.Errorf("found %v, want violations: %v", found, c.wrong)
			}
		})
	}
}

func TestTakeApart(t *testing.T) {
	whole := tellingContent(5, 0, 100)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "empty"},
		{"one", whole, "u5[0:100]"},
		{"two", append(tellingContent(7, 0, 13), whole...), "u7[0:13]+u5[0:100]"},
		{"the same twice", append(tellingContent(5, 0, 33), whole...), "u5[0:33]+u5[0:100]"},
		// The place of a mixture is told as late as both contents allow.
		{"a mixture", append(tellingContent(7, 0, 20), tellingContent(5, 51, 49)...), "u7[0:22]+u5[53:100]"},
		{"foreign bytes", []byte("hello"), "?[5 bytes]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := describePieces(takeApart(c.data)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
