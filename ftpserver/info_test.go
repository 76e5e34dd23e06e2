package ftpserver

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// progress asks STAT and answers what it tells about a transfer.
func (c *client) progress() (sent, received int64, elapsed float64, what string, rate float64) {
	c.t.Helper()
	c.send("STAT")
	for line := c.line(); line != "211 End of status."; line = c.line() {
		fmt.Sscanf(line, " Total bytes sent: %d", &sent)
		fmt.Sscanf(line, " Total bytes received: %d", &received)
		fmt.Sscanf(line, " Transfer elapsed time: %g secs", &elapsed)
		if text, ok := strings.CutPrefix(line, " Transfer under way: "); ok {
			comma := strings.LastIndex(text, ", ")
			what = text[:comma]
			fmt.Sscanf(text[comma:], ", %g bytes/s", &rate)
		}
	}
	return sent, received, elapsed, what, rate
}

// TestStatDuringTransfers: STAT tells which file moves, which way, how much of it and how fast, of every kind of
// transfer; and nothing of the sort when none runs.
func TestStatDuringTransfers(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 32<<20) // more than sockets hold
	ts := start(t, map[string]string{"/dir/big.bin": big})
	ts.setWrap(func(fs FileSystem) FileSystem { return endless{fs, math.MaxInt, make(chan int, 1)} })
	c := ts.user(t)
	if _, _, _, what, _ := c.progress(); what != "" {
		t.Errorf("idle: %q", what)
	}

	c.begin("dir/up load.bin", strings.Repeat("u", 100_000))
	sent, received, elapsed, what, rate := c.progress()
	if what != "STOR /dir/up load.bin" || received != 100_000 || sent != 0 {
		t.Errorf("upload: %q, %d bytes received, %d sent", what, received, sent)
	}
	wantToldRate(t, received, elapsed, rate)
	c.data.Close()
	c.want("226 *")

	for _, command := range []string{"RETR dir/big.bin", "MLSD"} {
		c.open("PASV")
		c.ask(command, "1*")
		if _, err := io.ReadFull(c.data, make([]byte, 50_000)); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the count of what is sent", func() bool { // it follows what the client has read
			sent, received, elapsed, what, rate = c.progress()
			return sent >= 50_000
		})
		want := strings.Replace(command, "dir", "/dir", 1)
		if what != want || received != 0 {
			t.Errorf("%s: %q, %d bytes received, %d sent", command, what, received, sent)
		}
		if elapsed <= 0 || rate <= 0 {
			t.Errorf("%s: %g bytes/s after %g s", command, rate, elapsed)
		}
		c.resetData()
		c.want("426 *")
	}
	if _, _, _, what, _ := c.progress(); what != "" {
		t.Errorf("at the end: %q", what)
	}
}

// wantToldRate compares the rate with the bytes and the time that were told with it.
func wantToldRate(t *testing.T, bytes int64, elapsed, rate float64) {
	t.Helper()
	if want := float64(bytes) / max(elapsed, 1e-3); math.Abs(rate-want) > want/100+1 {
		t.Errorf("%g bytes/s; %d bytes in %g s are %g", rate, bytes, elapsed, want)
	}
}
