package ftpserver

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// receive takes what the reader handed over.
func (s *session) receive(in input) {
	s.pollPassive()
	switch in.kind {
	case inputEnded:
		s.lost()
		return
	case lineTooLong:
		s.log.Warn("Command too long.")
	}
	s.touch()
	r := request{cmd: tooLong}
	if in.kind != lineTooLong {
		r = s.srv.parse(in.line)
		r.followed = in.kind == lineFollowed
		s.trace(r, in.line)
	}
	if r.verb == "ABOR" && !s.aborting && s.account != nil && r.raw == "" {
		s.jumpQueue(r)
		return
	}
	if len(s.pending) > 0 || s.blocked(r) {
		s.pending = append(s.pending, r)
		return
	}
	s.execute(r)
}

// jumpQueue runs ABOR before the commands that wait, for it is about what they wait for.
func (s *session) jumpQueue(r request) {
	if s.dial == nil {
		s.execute(r)
		return
	}
	s.dial.cancel()
	s.pending = slices.Insert(s.pending, 0, r) // PORT is answered first
}

// tooLong stands for a line that was not read to its end.
var tooLong = &command{open: true, run: func(*session, request) reply { return answer(500, "Command too long.") }}

// blocked says whether a command must wait for something under way.
func (s *session) blocked(r request) bool {
	switch {
	case s.dial != nil || s.aborting:
		return true
	case r.cmd == nil || !r.cmd.waits:
		return false
	case s.refusal != nil && (r.verb == "USER" || r.verb == "PASS"):
		return true // one attempt at a time, however many lie in one packet
	case s.xfer.isRunning():
		return true
	}
	return r.cmd.transfers && s.transferMayStart()
}

// trace shows a line in the log, unless a password may be in it: in what is no command, a mistyped PASS most likely,
// all but a plain word at its beginning is hidden.
func (s *session) trace(r request, line string) {
	if !s.log.Enabled(s.ctx, slog.LevelDebug) {
		return
	}
	verb, _, more := strings.Cut(line, " ")
	switch {
	case r.cmd == nil && !isPlainWord(verb):
		line = hiddenText
	case (r.cmd == nil || r.verb == "PASS") && more:
		line = verb + " " + hiddenText
	}
	s.log.Debug("<- " + printable(line))
}

const hiddenText = "******"

// isPlainWord says whether the log may show what is no command. Commands are words of up to seven letters, and a
// password right behind PASS makes a longer one.
func isPlainWord(verb string) bool {
	const longest = 7
	upper := strings.ToUpper(verb)
	return len(verb) <= longest && strings.Trim(upper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" &&
		(!strings.HasPrefix(upper, "PASS") || len(verb) <= len("PASS")+1)
}

// execute checks a command and runs it, answers it and logs it.
func (s *session) execute(r request) {
	defer s.touch()       // what took long was not idle
	r.arg = decode(r.raw) // not before: those that wait shall not take thrice the memory
	if r.cmd != nil && r.cmd.turns {
		defer s.turn()
	}
	answered := s.gate(&r)
	if answered.isNone() {
		run := func() reply { return r.cmd.run(s, r) }
		if r.cmd.transfers {
			s.giveUpWaiting()
		}
		if !r.cmd.transfers && !r.cmd.slow {
			answered = aside(run)
		} else {
			aborted := false
			if answered, aborted = s.await(run); aborted {
				s.abortOpened(r, answered)
				return
			}
		}
	}
	s.tell(r, answered)
}

// tell sends a reply and logs it; the zero reply is sent later, or was.
func (s *session) tell(r request, answered reply) {
	if answered.isNone() {
		return
	}
	if r.askedStorage() && answered.code < 400 {
		s.storageAnswered()
	}
	s.logCommand(r, answered)
	if shown := answered.text(); r.cmd == nil && !isPlainWord(r.verb) {
		s.sendShowing(answered, strings.ReplaceAll(shown, r.verb, hiddenText))
	} else {
		s.sendShowing(answered, shown)
	}
	if r.verb == "QUIT" && answered.code == 221 {
		s.quitting = true
		s.pending = nil
	}
}

// gate makes the checks that all commands share, in the original's order. The zero reply lets pass.
func (s *session) gate(r *request) reply {
	switch {
	case r.cmd == nil:
		return answerf(500, "Command \"%s\" not understood.", r.verb)
	case r.raw == "" && r.cmd.argument == argumentRequired:
		return answer(501, "Syntax error: command needs an argument.")
	case r.raw != "" && r.cmd.argument == argumentForbidden:
		return answer(501, "Syntax error: command does not accept arguments.")
	case s.account == nil && (!r.cmd.open || r.verb == "STAT" && r.raw != ""):
		return answer(530, "Log in with USER and PASS first.")
	case r.verb == "STAT" && r.raw == "":
		return reply{} // about the session, not about files
	}
	if refused := s.unprotected(r); !refused.isNone() {
		return refused
	}
	if refused := s.decodeName(r); !refused.isNone() {
		return refused
	}
	if refused := s.resolve(r); !refused.isNone() {
		return refused
	}
	if !s.account.may(r.cmd.perm) {
		return answer(550, "Not enough privileges.")
	}
	if r.cmd.deletes && !s.account.Delete {
		return answer(550, "Current user is not allowed to delete..")
	}
	if r.cmd.makes {
		return refusedName(r.name)
	}
	return reply{}
}

// resolve makes the absolute name of a command's file.
func (s *session) resolve(r *request) reply {
	if !r.cmd.named {
		return reply{}
	}
	arg := r.arg
	switch r.verb {
	case "CWD", "XCWD":
		if arg == "" {
			arg = "/"
		}
	case "LIST", "NLST", "STAT":
		r.wish = parseListWish(arg)
		arg = r.wish.path
	case "SITE UTIME":
		if _, name, ok := utime(arg); ok {
			arg = name
		}
	case "MFMT", "SITE CHMOD":
		first, rest, found := strings.Cut(arg, " ")
		if !found {
			return answer(501, "Syntax error: command needs two arguments.")
		}
		r.arg, arg = first, rest
	}
	r.name = absolute(s.cwd, arg)
	return reply{}
}

// logCommand writes the line that the original has for commands that change something.
func (s *session) logCommand(r request, answered reply) {
	if r.cmd == nil || !r.cmd.logged {
		return
	}
	arg := printable(strings.TrimSpace(r.arg))
	if r.name != "" {
		arg = printable(s.account.localPath(r.name))
	}
	line := strings.TrimSpace(r.verb+" "+arg) + fmt.Sprintf(" %d", answered.code)
	if answered.code >= 400 {
		line += " " + quoted(printable(answered.text()))
	}
	s.log.Info(line)
}

// fail is the reply for a file operation that ended with err. A fault of the storage is logged here, once.
func (s *session) fail(r request, err error) reply {
	s.logFault(r.verb, r.name, err)
	return failed(r.verb, err, names{name: r.name, from: s.from, account: s.account})
}
