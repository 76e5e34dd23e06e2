package faults

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// The words of -faults for all cells, and for a spread of them.
const (
	fullMatrix   = "full"
	someOfMatrix = "some"
)

var faults = flag.String("faults", someOfMatrix, "`WHICH` faults of COS TestFaultMatrix tries with the commands: some, full, or those of one name")

const (
	pagedEntries = 1003             // of a listing of two pages
	faultTime    = 60 * time.Second // for a command to end, whatever COS does
	matrixSpread = 29               // the short form tries one cell of so many

	cellStall    = time.Second   // that COS may take
	cellPatience = 4 * cellStall // of commands: much longer than two answers that ask to wait
	cellTries    = 5             // where the machine is too busy for the gateway to keep its time

	leastFullCells  = 3000 // that were hit
	leastShortCells = 200
)

// faultMoods are the stores of the matrix: one each for the ways of COS that no document settles, and for the kinds of
// bucket. Their gateways run at once; most of their time is waiting.
var faultMoods = [][]costest.Option{
	nil,
	{costest.WithListDelay(100 * time.Millisecond)},
	{costest.WithModifiedAtInitiate()},
	{costest.WithCopySourceETag(costest.QuotedETag)},
	{costest.WithCopySourceETag(costest.UnquotedETag), costest.WithRepeatedCompleteConflict()},
	{costest.WithRepeatedPartConflict(), costest.WithRepeatedCompleteConflict()},
	{costest.WithBucket(faultBuckets, costest.Versioned())},
}

// cell is one use of a command while one operation fails in one way.
type cell struct {
	command *faultCommand
	op      string
	kind    *faultKind
	timing  int
}

func (c cell) String() string {
	return fmt.Sprintf("%s, %s: %s, %s", c.command.name, c.op, c.kind.name, faultTimings[c.timing].name)
}

// cells are all that make sense.
func cells() (all []cell) {
	for i := range faultCommands {
		command := &faultCommands[i]
		for j := range faultKinds {
			kind := &faultKinds[j]
			if kind.gate != "" {
				all = append(all, cell{command, "any", kind, len(faultTimings) - 1})
				continue
			}
			for _, op := range command.ops {
				if kind.ops != nil && !slices.Contains(kind.ops, op) {
					continue
				}
				for timing := range faultTimings {
					all = append(all, cell{command, op, kind, timing})
				}
			}
		}
	}
	return all
}

// TestFaultMatrix lets each operation of COS fail in each way during each command that uses it. Whatever happens: the
// client gets one final reply in time, success is told only where the effect is there, the old file stays otherwise, no
// upload stays open, no memory, goroutine or socket is kept, and a session on another bucket does not notice.
func TestFaultMatrix(t *testing.T) {
	goroutines, sockets := ourGoroutines(), len(rig.OpenFiles(t, os.Getpid()))
	busy := newPulse(cellStall / 8)
	defer busy.end()
	all := cells()
	least, crews := leastFullCells, 1 // crews of gateways, one for each mood
	switch *faults {
	case fullMatrix:
		crews = 4
	case someOfMatrix:
		all, least = spread(all), leastShortCells
	default:
		all, least = slices.DeleteFunc(all, func(c cell) bool { return c.kind.name != *faults }), 1
	}
	queue := make(chan cell)
	var (
		rigs sync.WaitGroup
		mu   sync.Mutex
		hit  int
	)
	for range crews {
		for _, mood := range faultMoods {
			rigs.Go(func() {
				n := runCells(t, newFaultRig(t, cellStall, cellPatience, "", mood...), queue, busy)
				mu.Lock()
				defer mu.Unlock()
				hit += n
			})
		}
	}
	for _, c := range all {
		queue <- c
	}
	close(queue)
	rigs.Wait()
	t.Logf("%d cells tried, in %d of them the fault struck", len(all), hit)
	if hit < least {
		t.Errorf("the fault struck in %d cells only, want %d at least", hit, least)
	}
	if !rig.Within(func() bool { return len(ourGoroutines()) <= len(goroutines) }) {
		t.Errorf("goroutines stay:\n%s", strings.Join(ourGoroutines(), "\n\n"))
	}
	if !rig.Within(func() bool { return len(rig.OpenFiles(t, os.Getpid())) <= sockets }) {
		t.Errorf("%d files and sockets are open, %d were before", len(rig.OpenFiles(t, os.Getpid())), sockets)
	}
}

// spread picks cells so that every command, fault and timing is among them.
func spread(all []cell) (some []cell) {
	for i, c := range all {
		if i%matrixSpread == 0 {
			some = append(some, c)
		}
	}
	return some
}

// runCells tries cells one after the other on one session, beside one that works.
func runCells(t *testing.T, r *faultRig, queue <-chan cell, busy *pulse) (hit int) {
	r.fillPages()
	done := make(chan struct{})
	var witness sync.WaitGroup
	witness.Go(func() {
		if _, longest, err := r.work(done); err != nil {
			t.Errorf("a session on another bucket noticed (%v at most): %v", longest, err)
		}
	})
	for c := range queue {
		struck, err := r.tryCellInPeace(c, busy)
		if err != nil {
			t.Errorf("%v: %v", c, err)
		}
		if struck {
			hit++
		}
	}
	close(done)
	witness.Wait()
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	return hit
}

// tryCellInPeace tries a cell again that failed while the machine was too busy.
func (r *faultRig) tryCellInPeace(c cell, busy *pulse) (struck bool, err error) {
	for range cellTries {
		began := time.Now()
		struck, err = r.tryCell(c)
		if err == nil || !busy.isLateSince(began) {
			return struck, err
		}
	}
	return struck, err
}

// tryCell runs one cell as a user of its own, whose log no outage of an earlier one makes shorter.
func (r *faultRig) tryCell(c cell) (struck bool, err error) {
	r.cells++
	p, err := r.login(fmt.Sprintf("victim%d", r.cells))
	if err != nil {
		return false, fmt.Errorf("login: %w", err)
	}
	defer p.Close()
	s := &site{faultRig: r, p: p, dir: fmt.Sprintf("c%d/", r.cells)}
	return s.try(c)
}

// try runs one cell.
func (s *site) try(c cell) (struck bool, err error) {
	if c.command.prepare != nil {
		if err := c.command.prepare(s); err != nil {
			return false, fmt.Errorf("prepare: %w", err)
		}
	}
	s.log.take()
	if err := s.arm(c); err != nil {
		return false, err
	}
	began := time.Now()
	e, err := s.run(c)
	took := time.Since(began)
	if err == nil && took > faultTime {
		err = fmt.Errorf("the reply took %v", took)
	}
	struck = c.kind.gate != "" || s.count(c.op) >= faultTimings[c.timing].from
	err = errors.Join(err, s.disarm(c))
	if err != nil {
		return struck, err
	}
	return struck, errors.Join(s.judge(c, e, struck), s.want("200", "NOOP"), s.nothingLeft())
}

func (s *site) arm(c cell) error {
	s.victim.ResetRequests()
	switch c.kind.gate {
	case "refused":
		s.victim.shut()
	case "stale":
		if err := s.victim.cutIdle(); err != nil {
			return err
		}
	default:
		f := c.kind.fault
		f.Op, f.From, f.Times = c.op, faultTimings[c.timing].from, faultTimings[c.timing].times
		s.victim.Inject(f)
	}
	s.victim.Inject(c.command.also...)
	return nil
}

func (s *site) disarm(c cell) error {
	s.victim.ClearFaults()
	if c.kind.gate == "refused" {
		return s.victim.open()
	}
	return nil
}

// run sends the command, and answers how it ended.
func (s *site) run(c cell) (e end, err error) {
	line := strings.ReplaceAll(c.command.line, "{}", "/"+s.dir)
	if c.command.data {
		e.final, e.got, err = transfer(s.p, c.command.send, "%s", line)
	} else {
		e.final = ask(s.p, line)
	}
	e.ok = strings.HasPrefix(e.final, strings.ReplaceAll(c.command.success, "{}", "/"+s.dir))
	e.lost, e.op = c.kind.lost, c.op
	return e, err
}

var (
	finalReply = regexp.MustCompile(`^[2345]\d\d[ -]`)
	looksGone  = regexp.MustCompile(`No such|not retrievable|Failed to open`)
)

// judge holds the end of a command against what was promised.
func (s *site) judge(c cell, e end, struck bool) error {
	every := faultTimings[c.timing].times == 0
	spared := !struck || c.kind.cures && (!every || c.kind.gate == "stale" || c.kind.fault.BytesPerSecond > 1000)
	errs := s.log.take()
	switch {
	case !finalReply.MatchString(e.final):
		return fmt.Errorf("no final reply: %q", e.final)
	case !e.ok && e.final[0] < '4':
		return fmt.Errorf("%q is neither success nor failure", e.final)
	case !e.ok && spared && c.command.also == nil:
		return fmt.Errorf("%q, though another attempt succeeds; log: %q", e.final, errs)
	case !e.ok && looksGone.MatchString(e.final):
		return fmt.Errorf("%q: a failure of COS is told as a missing file", e.final)
	case !e.ok && (c.kind.cures || c.kind.gate != "") && c.command.also == nil && e.final[0] != '4':
		return fmt.Errorf("%q, but it may be better later: want 4xx", e.final)
	case !e.ok && c.kind.fault.WrongETag && len(errs) == 0 && strings.HasPrefix(e.final, "450 "):
		// What another ETag looks like: another client has stored the file. That is no error.
	case !e.ok && len(errs) != 1:
		return fmt.Errorf("%q: the log has %d errors, want one: %q", e.final, len(errs), errs)
	case !e.ok && !c.kind.isTold(errs[0]) && c.command.also == nil:
		return fmt.Errorf("%q: the log does not tell the reason: %q", e.final, errs)
	}
	if c.command.check == nil {
		return nil
	}
	if err := c.command.check(s, e); err != nil {
		return fmt.Errorf("%q: %w", e.final, err)
	}
	return nil
}

// isTold says whether a line of the log holds what COS told of a failure. On a busy machine an answer may come too late.
func (k *faultKind) isTold(line string) bool {
	told := strings.Contains(line, fmt.Sprintf("COS answered %d", k.fault.Status)) && strings.Contains(line, "request id")
	return k.fault.Status == 0 || told || strings.Contains(line, "no answer from COS")
}

// count is how many requests of an operation the store has seen.
func (s *site) count(op string) int { return s.victim.Count(op) }

// want sends a command that must be answered so; an answer too many to the one before would be in its place.
func (s *site) want(code, line string) error {
	reply := ask(s.p, strings.ReplaceAll(line, "{}", "/"+s.dir))
	if !strings.HasPrefix(reply, code) {
		return fmt.Errorf("%s: %q, want %s", line, reply, code)
	}
	return nil
}

// nothingLeft waits until all that a failed command has to clean up is gone.
func (s *site) nothingLeft() error {
	open := func() bool {
		return slices.ContainsFunc(s.victim.Uploads(faultBuckets), func(u costest.Upload) bool {
			return strings.HasPrefix(u.Key, s.dir) && u.Parts > 0 // one without parts costs nothing
		})
	}
	if !rig.Within(func() bool { return !open() }) {
		return fmt.Errorf("uploads stay open: %v", s.victim.Uploads(faultBuckets))
	}
	if !rig.Within(func() bool { return s.victim.Running() == 0 }) {
		return fmt.Errorf("%d requests do not end", s.victim.Running())
	}
	if !rig.Within(func() bool { return s.engine.MemoryInUse() == 0 }) {
		return fmt.Errorf("%d bytes of transfer memory are not given back", s.engine.MemoryInUse())
	}
	for _, o := range s.victim.Objects(faultBuckets) {
		if strings.HasPrefix(o.Key, s.dir) {
			s.victim.Remove(faultBuckets, o.Key)
		}
	}
	return nil
}

// TestMatrixKnowsAllOperations holds the table of commands against what each asks of COS when all is well.
func TestMatrixKnowsAllOperations(t *testing.T) {
	r := newFaultRig(t, faultTime/4, cellPatience, "") // no request is repeated because the machine is slow
	r.fillPages()
	for i := range faultCommands {
		command := &faultCommands[i]
		if command.also != nil {
			continue
		}
		if _, err := r.tryCell(cell{command, "none", &faultKind{name: "none", fault: costest.Fault{Key: "none"}}, 0}); err != nil {
			t.Errorf("%s: %v", command.name, err)
		}
		seen := map[string]bool{}
		for _, q := range r.victim.Requests() {
			seen[q.Op] = true
			if !slices.Contains(command.ops, q.Op) {
				t.Errorf("%s uses %s, which its row does not tell", command.name, q.Op)
			}
		}
		for _, op := range command.ops {
			if !seen[op] {
				t.Errorf("%s does not use %s", command.name, op)
			}
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// ourGoroutines are the stacks of goroutines in the gateway's code.
func ourGoroutines() (ours []string) {
	buf := make([]byte, 4<<20)
	for g := range bytes.SplitSeq(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
		if bytes.Contains(g, []byte("/ftpserver.(*")) || bytes.Contains(g, []byte("/cosfs.(*")) {
			ours = append(ours, string(g))
		}
	}
	return ours
}
