package replay

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestReplay talks to our program, word for word, as the recorder talked to the original, and compares every
// reply, every byte of data and the objects at the end. What differs must be in testdata/differences.txt.
func TestReplay(t *testing.T) {
	diffs := &differences{}
	if *rig.Original == "" {
		diffs = loadDifferences(t)
	}
	dialogues := loadDialogues(t)
	t.Cleanup(func() { // when all have ended
		if !allPlayed(len(dialogues)) {
			return
		}
		for _, x := range diffs.list {
			if !x.used {
				t.Errorf("%s:%d: %s %s: there is no such step or object", differencesFile, x.line, x.scenario, x.place)
			}
		}
	})
	for _, d := range dialogues {
		if *rig.Original != "" && d.needsOwnGateway() {
			table.add(&score{name: d.name, leftOut: "needs a conf of its own"})
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			if *rig.Original == "" {
				t.Parallel()
			}
			r := newReplay(t, d, diffs, startFor)
			r.run()
			table.add(&r.score)
		})
	}
}

// allPlayed says whether every dialogue ran, not only those that -run chose.
func allPlayed(n int) bool {
	table.Lock()
	defer table.Unlock()
	return len(table.scores) == n
}

// score counts the steps of one dialogue, and apart from them its objects at the end.
type score struct {
	name    string
	steps   tally
	objects tally
	leftOut string
}

type tally struct{ equal, purpose, accident int }

func (y *tally) add(z tally) {
	y.equal, y.purpose, y.accident = y.equal+z.equal, y.purpose+z.purpose, y.accident+z.accident
}

func (y tally) cells() []any {
	return []any{y.equal + y.purpose + y.accident, y.equal, y.purpose, y.accident}
}

var table struct {
	sync.Mutex
	tableScores
}

type tableScores struct{ scores []*score }

func (s *tableScores) add(one *score) {
	table.Lock()
	defer table.Unlock()
	s.scores = append(s.scores, one)
}

func printTable() {
	table.Lock()
	defer table.Unlock()
	if len(table.scores) == 0 {
		return
	}
	slices.SortFunc(table.scores, func(a, b *score) int { return strings.Compare(a.name, b.name) })
	const row = "%-32s %7v %6v %11v %12v %9v %6v %11v %12v\n"
	columns := []any{"equal", "on purpose", "by accident"}
	fmt.Printf(row, append(append([]any{"dialogue", "steps"}, columns...), append([]any{"objects"}, columns...)...)...)
	sum := score{name: "all"}
	for _, s := range append(table.scores, &sum) {
		if s.leftOut != "" {
			fmt.Printf("%-32s %s\n", s.name, s.leftOut)
			continue
		}
		fmt.Printf(row, append(append([]any{s.name}, s.steps.cells()...), s.objects.cells()...)...)
		sum.steps.add(s.steps)
		sum.objects.add(s.objects)
	}
}

// needsOwnGateway says whether a running original, with its one conf, cannot play the dialogue.
func (d *dialogue) needsOwnGateway() bool {
	signalled := slices.ContainsFunc(d.steps, func(s step) bool { return strings.HasPrefix(s.text, "signal ") })
	return len(d.conf)+len(d.env)+len(d.options)+len(d.hostFiles) > 0 || signalled
}

// replay is one dialogue being played.
type replay struct {
	t       *testing.T
	d       *dialogue
	diffs   *differences
	store   *rig.Store
	gateway *rig.Gateway
	peers   map[int]*rig.Peer
	m       *matcher
	score   score
	began   time.Time // of the current step
	// wrong reports what came otherwise than wanted. Where it returns false the dialogue ends.
	wrong   func(format string, args ...any) bool
	stopped bool
}

func newReplay(t *testing.T, d *dialogue, diffs *differences, start func(*testing.T, *rig.Store, *dialogue) *rig.Gateway) *replay {
	t.Helper()
	r := &replay{t: t, d: d, diffs: diffs, store: rig.NewStore(t), peers: map[int]*rig.Peer{}, score: score{name: d.name}}
	r.wrong = func(format string, args ...any) bool { t.Errorf(format, args...); return true }
	r.m = &matcher{began: time.Now()}
	r.store.Seed(d.seeds, r.m.began)
	r.gateway = start(t, r.store, d)
	for _, f := range d.hostFiles {
		if err := os.WriteFile(r.hostFile(f), f.Content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r.m.replace = map[string]string{"{HOME}": r.gateway.Home, "{ADDR}": r.gateway.Addr}
	t.Cleanup(func() {
		for _, p := range r.peers {
			p.Close()
		}
	})
	return r
}

// startFor starts what the dialogue needs, or names the original that runs already.
func startFor(t *testing.T, store *rig.Store, d *dialogue) *rig.Gateway {
	switch {
	case *rig.Original != "":
		return &rig.Gateway{Addr: *rig.Original, Home: *rig.OriginalHome}
	case len(d.options) > 0:
		return rig.StartEngine(t, store, d.options)
	}
	return rig.StartGateway(t, store, d.conf, d.env...)
}

func (r *replay) hostFile(f rig.Seed) string {
	return filepath.Join(r.gateway.Home, fmt.Sprintf("user%d", f.Bucket), f.Key)
}

func (r *replay) peer(number int) *rig.Peer {
	if r.peers[number] == nil {
		r.peers[number] = &rig.Peer{Addr: r.gateway.Addr}
	}
	return r.peers[number]
}

func (r *replay) run() {
	for i := range r.d.steps {
		s := &r.d.steps[i]
		if s.kind == '*' {
			if err := r.store.ApplyFaults(s.text); err != nil {
				r.t.Fatal(err)
			}
			continue
		}
		if r.play(s); r.stopped {
			return
		}
	}
	for _, p := range r.peers {
		p.Close()
	}
	r.checkObjects()
}

// play does one step and compares what came with what is wanted.
func (r *replay) play(s *step) {
	place := fmt.Sprintf("%d %s", s.number, quoteLine(s.text))
	want, recorded := s.events, formatEvents(s.events)
	x := r.diffs.find(r.d.name, place)
	if x != nil {
		x.used = true
		if !slices.Equal(x.original, recorded) {
			r.t.Errorf("%s:%d: the original's side is not what was recorded:\n%s", differencesFile, x.line, strings.Join(recorded, "\n"))
		}
		want = r.parseEvents(x.ours)
	}
	got, err := r.perform(s, want)
	switch {
	case err == nil && x == nil:
		r.score.steps.equal++
	case err == nil:
		r.score.steps.purpose++
	default:
		r.score.steps.accident++
		r.stopped = !r.wrong("step %s of connection %d: %v\n%s", place, s.conn, err, proposal(r.d.name, place, recorded, r.generalise(got)))
	}
}

func (r *replay) parseEvents(lines []string) []event {
	var events []event
	for _, line := range lines {
		e, err := parseEvent(line)
		if err != nil {
			r.t.Fatalf("%s: %v", differencesFile, err)
		}
		events = append(events, e)
	}
	return events
}

// perform does the step and returns what happened, as events, and an error where that is not what is wanted.
func (r *replay) perform(s *step, want []event) (got []event, err error) {
	p := r.peer(s.conn)
	r.began = time.Now()
	if s.kind == '>' {
		// A connection that the server has closed may take bytes or not: the reply tells.
		_ = p.Send(r.fillPorts(p, s.send))
	} else if _, err := r.act(p, s.text); err != nil {
		return nil, err
	}
	for _, e := range want {
		happened, err := r.meet(p, e)
		got = append(got, happened)
		if err != nil {
			return append(got, r.carryOn(p, s, happened)...), err
		}
	}
	return got, nil
}

func (r *replay) fillPorts(p *rig.Peer, line []byte) []byte {
	port, eprt := p.Ports()
	line = bytes.ReplaceAll(line, []byte("{port}"), []byte(port))
	return bytes.ReplaceAll(line, []byte("{eprt}"), []byte(eprt))
}

// meet waits for one event.
func (r *replay) meet(p *rig.Peer, e event) (event, error) {
	if e.kind == ':' {
		happened, err := r.act(p, e.text)
		return event{':', happened}, err
	}
	within := rig.ReplyTime
	if e.text == "(silent)" {
		within = rig.QuietTime
	}
	reply := p.Reply(within)
	pattern, err := r.m.compile(samePreliminary(e.text), e.kind == '~')
	if err != nil {
		return event{'<', reply}, err
	}
	if !pattern.MatchString(samePreliminary(reply)) {
		return event{'<', reply}, fmt.Errorf("want %q, got %q", e.text, reply)
	}
	return e, nil
}

// samePreliminary makes 125 and 150 the same: which of them comes depends on who was faster.
func samePreliminary(reply string) string {
	switch {
	case reply == "150 File status okay. About to open data connection.":
		return "125 Data connection already open. Transfer starting."
	case strings.HasPrefix(reply, "150 FILE: "):
		return "125 FILE: " + strings.TrimPrefix(reply, "150 FILE: ")
	}
	return reply
}

// carryOn sees a step through that did not go as wanted, so that the failure can show all of it.
func (r *replay) carryOn(p *rig.Peer, s *step, last event) (got []event) {
	for {
		if strings.HasPrefix(last.text, "125 ") || strings.HasPrefix(last.text, "150 ") {
			got = append(got, r.transferAnyhow(p, s)...)
		} else if p.Data != nil && last.kind == '<' {
			p.DropData()
			got = append(got, event{':', "drop"})
		}
		if last.text == "(closed)" || last.text == "(silent)" {
			return got
		}
		if last = (event{'<', p.Reply(rig.QuietTime)}); last.text == "(silent)" {
			return got
		}
		got = append(got, last)
	}
}

func (r *replay) transferAnyhow(p *rig.Peer, s *step) []event {
	if p.Data == nil {
		return nil
	}
	for _, e := range s.events {
		if e.kind == ':' && strings.HasPrefix(e.text, "send ") {
			if happened, err := r.act(p, e.text); err == nil {
				return []event{{':', happened}}
			}
			return nil
		}
	}
	content, _ := p.Download(time.Second)
	return []event{{':', "recv " + rig.Describe(content)}}
}

// generalise writes what happened as the list of differences would.
func (r *replay) generalise(got []event) []string {
	var lines []string
	for _, e := range got {
		for name, value := range r.m.replace {
			e.text = strings.ReplaceAll(e.text, value, name)
		}
		e.text = r.m.generalise(e.text, r.d.seeds)
		if strings.HasPrefix(e.text, "227 ") {
			e = event{'~', "227 Entering passive mode (127,0,0,1,*)."}
		}
		lines = append(lines, formatEvent(e))
	}
	return lines
}
