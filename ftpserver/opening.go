package ftpserver

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// abortGrace is how long ABOR waits for an answer of the storage that may be on its way: what is open is then ended in
// the ordinary manner, with all replies.
const abortGrace = 50 * time.Millisecond

// opening is a command under way that asks the storage for what may take long: to open a transfer, or for all bytes
// of a file. The loop hears the client meanwhile, and ABOR ends it.
type opening struct {
	ctx    context.Context // of what is asked; ends with the command
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	aborted bool
	xfer    *transfer // whose context outlives the command's; nil: not made yet
}

// adopt tells which transfer is being opened.
func (o *opening) adopt(t *transfer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.xfer = t
	if o.aborted {
		t.cancel(errAborted)
	}
}

func (o *opening) abort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.aborted = true
	o.cancel(errAborted)
	if o.xfer != nil {
		o.xfer.cancel(errAborted)
	}
}

// await runs a handler as aside does, and hears the client meanwhile: ABOR ends what the handler waits for, all else
// is kept for later.
func (s *session) await(run func() reply) (answered reply, aborted bool) {
	o := &opening{}
	o.ctx, o.cancel = context.WithCancelCause(s.ctx)
	s.opening = o
	defer func() {
		s.opening = nil
		o.cancel(errUnwanted)
	}()
	end := launch(run)
	var grace <-chan time.Time
	for {
		select {
		case done := <-end:
			return done.result(), aborted
		case <-grace:
			o.abort()
		case in := <-s.linesUnless(aborted):
			if aborted = s.isAbort(in); aborted {
				grace = time.After(abortGrace)
			} else {
				s.heard = append(s.heard, in)
			}
		}
	}
}

// linesUnless is where the next line may be heard from: nowhere when enough was.
func (s *session) linesUnless(enough bool) <-chan input {
	ended := len(s.heard) > 0 && s.heard[len(s.heard)-1].kind == inputEnded
	if enough || ended || len(s.heard) >= maxPending {
		return nil
	}
	return s.lines()
}

func (s *session) isAbort(in input) bool {
	if in.kind != lineComplete {
		return false
	}
	r := s.srv.parse(in.line)
	return r.verb == "ABOR" && r.raw == ""
}

// rehear takes what the client said while a handler waited for the storage. As in lines, no command counts behind QUIT
// or the beginning of a shutdown.
func (s *session) rehear() {
	for len(s.heard) > 0 && !s.over {
		in := s.heard[0]
		s.heard = s.heard[1:]
		if (s.quitting || s.stopping) && in.kind != inputEnded {
			continue
		}
		s.receive(in)
		s.advance()
	}
	s.heard = nil
}

// abortOpened answers a command that ABOR came upon, and ABOR. What was done all the same is done.
func (s *session) abortOpened(r request, answered reply) {
	const endedReply = 426
	if answered.code == endedReply {
		s.closeData()
		s.log.Info("Transfer aborted via ABOR.")
		s.logCommand(r, answered)
		s.send(answer(426, "Transfer aborted via ABOR."))
		s.send(answer(226, "ABOR command successful."))
		return
	}
	s.tell(r, answered)
	s.execute(s.srv.parse("ABOR"))
}

// handled is how a handler ended.
type handled struct {
	reply    reply
	panicked string
}

// result is the reply, or the handler's panic.
func (h handled) result() reply {
	if h.panicked != "" {
		panic(h.panicked)
	}
	return h.reply
}

// launch runs a handler on a stack of its own. Asking the storage takes a deep stack, which a session would keep for
// as long as it idles.
func launch(run func() reply) <-chan handled {
	end := make(chan handled, 1)
	go func() {
		var h handled
		defer func() {
			if p := recover(); p != nil {
				h.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
			end <- h
		}()
		h.reply = run()
	}()
	return end
}

// aside runs a handler and waits for it.
func aside(run func() reply) reply { return (<-launch(run)).result() }
