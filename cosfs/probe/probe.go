// Package probe asks a bucket what no document of COS says, and what the gateway takes for granted: one question after
// the other, each with what was expected, what was seen and what follows from it.
//
// It writes some megabytes below a prefix of its own, <prefix>cos-ftp-server-probe-<random>/, and removes them, also when
// it is interrupted. It shares no code with the gateway's storage: a probe that did would share its mistakes.
package probe

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Options say which bucket is asked, and how long it may take. The zero duration of a field means its default.
type Options struct {
	SecretID     string
	SecretKey    string
	SessionToken string
	Bucket       string
	Region       string // "" where it is not known; then the other hosts of the bucket are not asked
	Host         string // the bucket's host, as the gateway uses it
	Scheme       string // "https" or "http"
	Address      string // host:port to connect to in place of each host, "" for the hosts' own
	Prefix       string // of the keys the account may use: "" or with a slash at its end
	UserAgent    string
	Name         string // of this run, in the prefix of its keys; "" for a random one

	Apart     time.Duration    // between Initiate, the part and Complete, where their times are told apart
	ListFor   time.Duration    // how long a listing is waited for; the gateway bridges half of it
	ListEvery time.Duration    // between two looks at a listing
	Idle      [3]time.Duration // how long the connections of idle-25s, idle-35s and idle-65s rest
	Pause     time.Duration    // before a request that failed is sent again
	Timeout   time.Duration    // of one request
	Dial      time.Duration    // of a connection
	Cleanup   time.Duration    // of the removal of all that was written

	// In tests: what takes the place of a dialer, and a smaller size for objects that are copied. COS copies no part of less
	// than 1 MiB.
	source int
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	o.Apart = cmp.Or(o.Apart, 5*time.Second)
	o.ListFor = cmp.Or(o.ListFor, time.Minute)
	o.ListEvery = cmp.Or(o.ListEvery, 500*time.Millisecond)
	for i, d := range [3]time.Duration{25 * time.Second, 35 * time.Second, 65 * time.Second} {
		o.Idle[i] = cmp.Or(o.Idle[i], d)
	}
	o.Pause = cmp.Or(o.Pause, 500*time.Millisecond)
	o.Timeout = cmp.Or(o.Timeout, time.Minute) // all begin at once, and the line may be slow
	o.Dial = cmp.Or(o.Dial, 5*time.Second)
	o.Cleanup = cmp.Or(o.Cleanup, 30*time.Second)
	o.source = cmp.Or(o.source, mebi)
	o.Name = cmp.Or(o.Name, NewName())
	return o
}

// NewName is a name that no run has had before.
func NewName() string { return strings.ToLower(rand.Text()) }

// Base is the prefix of all keys that a run of that Name writes.
func (o Options) Base() string { return o.Prefix + "cos-ftp-server-probe-" + o.Name + "/" }

// Verdict is what an answer means.
type Verdict string

// An assumption holds, or does not; nothing could be seen; or the question was not asked.
const (
	OK      Verdict = "ok"
	Wrong   Verdict = "wrong"
	Unknown Verdict = "unknown"
	Skipped Verdict = "skipped"
)

// Result is the answer to one question.
type Result struct {
	ID       string   `json:"id"`
	Question string   `json:"question"`
	Expected string   `json:"expected"`
	Seen     string   `json:"seen"`
	Verdict  Verdict  `json:"verdict"`
	Follows  string   `json:"follows"`
	Requests []string `json:"request_ids"`
}

// String is the result as one line.
func (r Result) String() string {
	line := fmt.Sprintf("%-7s %s: %s expected: %s; seen: %s", r.Verdict, r.ID, r.Question, r.Expected, r.Seen)
	if r.Follows != "" {
		line += "; follows: " + r.Follows
	}
	if len(r.Requests) > 0 {
		line += "; requests: " + strings.Join(r.Requests, " ")
	}
	// What COS answers is printed in a terminal.
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, line)
}

// ErrLeft is the error of a run that could not remove all that it wrote; its text names what is left.
var ErrLeft = errors.New("this is left in the bucket")

// Run asks all questions and calls emit with each result, one at a time and in the order of the table. Where ctx ends
// first, the questions that are open then are Skipped. It returns when nothing that it wrote is left in the bucket. Its
// error says why questions could not be asked, or what is left (ErrLeft); an assumption that is wrong is no error.
func Run(ctx context.Context, options Options, emit func(Result)) error {
	c := newClient(options.withDefaults())
	defer c.close()
	return c.ask(ctx, themes(), emit)
}

// ask asks the questions of some themes.
func (c *client) ask(ctx context.Context, all []theme, emit func(Result)) (err error) {
	out := newOutput(all, emit)
	defer out.flush(ctx) // whatever happens, each question has its line
	defer func() { err = errors.Join(err, c.cleanup(ctx)) }()
	if err := c.mayRemove(ctx, out); err != nil {
		return err
	}
	crashes := make([]error, len(all))
	var running sync.WaitGroup
	for i, t := range all {
		running.Go(func() { crashes[i] = t.run(ctx, c, out) })
	}
	running.Wait()
	return errors.Join(append(crashes, ctx.Err())...)
}
