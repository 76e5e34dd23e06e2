package ftpserver

import (
	"context"
	"sync"
	"time"
)

// abortGrace is how long ABOR waits for an answer of the storage that may be on its way: what is open is then ended in
// the ordinary manner, with all replies.
const abortGrace = 50 * time.Millisecond

// asking is a command that asks the storage or checks a password, which may take long. The loop hears the client
// meanwhile: ABOR ends the command, and so does the client that leaves.
type asking struct {
	ctx    context.Context // of what is asked; ends with the command
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	ended error     // why it was given up; nil: it was not
	xfer  *transfer // whose context outlives the command's; nil: not made yet
}

// adopt tells which transfer the command begins.
func (a *asking) adopt(t *transfer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.xfer = t
	if a.ended != nil {
		t.cancel(a.ended)
	}
}

// giveUp ends what the command waits for.
func (a *asking) giveUp(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = why
	a.cancel(why)
	if a.xfer != nil {
		a.xfer.cancel(why)
	}
}

// await runs a command's handler as aside does, and hears the client meanwhile: ABOR ends what the handler waits for and
// is returned. All else is kept for later, NOOP too: before the command has its first reply, the reply to another one
// would be taken for it. A client that leaves gives its place among the user's sessions up, and ends the command and those
// behind it, unless it is a change, which is better whole than half.
func (s *session) await(cmd *command, run func() reply) (answered reply, abort *request) {
	a := &asking{}
	a.ctx, a.cancel = context.WithCancelCause(s.ctx)
	s.asking = a
	defer func() {
		s.asking = nil
		a.cancel(errUnwanted)
	}()
	lines, most, mayAbort := s.lines(), s.mayPend(), s.account != nil
	look := time.NewTicker(s.srv.lostGrace)
	defer look.Stop()
	var away absence
	var grace <-chan time.Time
	end := launch(run)
	for {
		select {
		case done := <-end:
			return done.result(), abort
		case <-grace:
			a.giveUp(errAborted)
		case <-look.C:
			if !away.look(s.isAway()) {
				continue
			}
			s.seat.Leave()
			if !cmd.lasts && (cmd.slow || !s.mayListen(away)) {
				s.deserted = true
				a.giveUp(errUnwanted)
			}
		case in := <-lines:
			switch {
			case mayAbort && in.request.jumpsQueue():
				abort, lines, grace = &in.request, nil, time.After(abortGrace)
				continue
			case in.kind == inputEnded || len(s.heard)+1 >= most:
				lines = nil
			}
			s.heard = append(s.heard, in)
		}
	}
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

// abortAsking answers a command that ABOR came upon, and ABOR. What was done all the same is done. A transfer that was
// running already is aborted as well.
func (s *session) abortAsking(r request, answered reply, abort request) {
	const endedReply = 426
	if answered.code != endedReply {
		s.tell(r, answered)
		s.execute(abort)
		return
	}
	s.logCommand(r, answered)
	s.sayAborted()
	if s.xfer.isRunning() {
		s.execute(abort)
		return
	}
	s.closeData()
	s.send(answer(226, "ABOR command successful."))
}

// sayAborted is the reply to what ABOR ended.
func (s *session) sayAborted() {
	const text = "Transfer aborted via ABOR."
	s.log.Info(text)
	s.send(answer(426, text))
}

// handled is how a handler ended.
type handled struct {
	reply reply
	err   error // its panic
}

// result is the reply, or the handler's panic.
func (h handled) result() reply {
	passOn(h.err)
	return h.reply
}

// launch runs a handler on a stack of its own. Asking the storage takes a deep stack, which a session would keep for
// as long as it idles.
func launch(run func() reply) <-chan handled {
	end := make(chan handled, 1)
	go func() {
		var h handled
		h.err = caught(func() error {
			h.reply = run()
			return nil
		})
		end <- h
	}()
	return end
}

// aside runs a handler and waits for it.
func aside(run func() reply) reply { return (<-launch(run)).result() }
