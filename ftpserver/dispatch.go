package ftpserver

import (
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
)

// receive takes what the reader handed over.
func (s *session) receive(in input) {
	s.pollPassive()
	if in.kind == inputEnded {
		s.lost()
		return
	}
	s.touch()
	r := in.request
	if in.kind == lineTooLong {
		s.log.Warn("Command too long.")
	} else {
		s.trace(r, in.line)
	}
	if r.jumpsQueue() && !s.aborting && s.account != nil {
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
	switch {
	case s.dial != nil:
		s.dial.cancel()
		s.pending = slices.Insert(s.pending, 0, r) // PORT is answered first
	default:
		r.jumped = len(s.pending) > 0
		s.execute(r)
	}
}

// tooLong stands for a line that was not read to its end.
var tooLong = &command{open: true, run: func(*session, request) reply { return answer(500, "Command too long.") }}

// blocked reports whether a command must wait for something under way.
func (s *session) blocked(r request) bool {
	switch {
	case s.dial != nil || s.aborting:
		return true
	case r.cmd == nil:
		return false
	case s.refusal != nil && r.cmd.credentials:
		return true // one attempt at a time, however many lie in one packet
	case s.xfer.isRunning():
		return r.cmd.waits || r.cmd.transfers
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
	case (r.cmd == nil || r.cmd.secret) && more:
		line = verb + " " + hiddenText
	}
	s.log.Debug("<- " + printable(line))
}

const hiddenText = "******"

// isPlainWord reports whether the log may show what is no command. Commands are words of up to seven letters, and a
// password right behind PASS makes a longer one.
func isPlainWord(verb string) bool {
	const longest, pass = 7, "PASS"
	upper := strings.ToUpper(verb)
	return len(verb) <= longest && strings.Trim(upper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" &&
		(!strings.HasPrefix(upper, pass) || len(verb) <= len(pass)+1)
}

// execute checks a command and runs it, answers it and logs it.
func (s *session) execute(r request) {
	defer s.touch()       // what took long was not idle
	r.arg = decode(r.raw) // not before: those that wait must not take thrice the memory
	if r.cmd != nil && r.cmd.web && s.account != nil {
		r.cmd = nil
	}
	takes, keeps := r.claims()
	r.armed, s.armed = s.armed.only(takes), s.armed.only(keeps)
	if r.cmd != nil && r.cmd.switchesTLS {
		defer s.letReaderGoOn()
	}
	answered, abort := s.run(&r)
	s.srv.observe(s, r, answered)
	if abort != nil {
		s.abortAsking(r, answered, *abort)
		return
	}
	s.tell(r, answered)
	s.over = s.over || answered.code == serviceEnds
	if s.deserted {
		s.desert()
	}
}

// run returns the reply to a command, and the ABOR that it was given up for.
func (s *session) run(r *request) (answered reply, abort *request) {
	if refused := s.gate(r); !refused.isNone() {
		return refused, nil
	}
	if r.cmd.transfers {
		s.giveUpWaiting()
	}
	handler := func() reply { return r.cmd.run(s, *r) }
	if !r.cmd.named && !r.cmd.slow || r.aboutSession() {
		return aside(handler), nil
	}
	return s.await(r.cmd, handler)
}

// tell sends a reply and logs it; the zero reply is sent later, or was.
func (s *session) tell(r request, answered reply) {
	if answered.isNone() {
		return
	}
	if r.askedStorage() && answered.code < 400 {
		s.srv.storageAnswered(s.login)
	}
	s.logCommand(r, answered)
	if shown := answered.text(); r.cmd == nil && !isPlainWord(r.verb) {
		s.sendShowing(answered, strings.ReplaceAll(shown, r.verb, hiddenText))
	} else {
		s.sendShowing(answered, shown)
	}
}

// gate makes the checks that all commands share, in the original's order. The zero reply lets pass.
func (s *session) gate(r *request) reply {
	if why := s.overLimit(r); why != "" {
		return s.expel(why)
	}
	switch {
	case r.cmd == nil:
		return answerf(500, "Command \"%s\" not understood.", r.verb)
	case r.raw == "" && r.cmd.argument == argumentRequired:
		return answer(501, "Syntax error: command needs an argument.")
	case r.raw != "" && r.cmd.argument == argumentForbidden:
		return answer(501, "Syntax error: command does not accept arguments.")
	case r.aboutSession():
		return reply{}
	case s.account == nil && !r.cmd.open:
		return answer(530, "Log in with USER and PASS first.")
	}
	for _, check := range []func(*request) reply{s.unprotected, s.decodeName, s.resolve, s.unavailable} {
		if refused := check(r); !refused.isNone() {
			return refused
		}
	}
	switch {
	case !s.account.may(r.cmd.perm):
		return answer(550, "Not enough privileges.")
	case r.cmd.deletes && !s.account.Delete:
		return answer(550, "Current user is not allowed to delete..")
	case r.cmd.makes:
		if refused := s.unreadable(r); !refused.isNone() {
			return refused
		}
		return refusedName(r.name)
	}
	return reply{}
}

// unavailable refuses ways to a data connection that the server, or EPSV ALL, does not allow.
func (s *session) unavailable(r *request) reply {
	switch {
	case !s.srv.offers(r.cmd):
		return answer(502, "Active mode is not available here: use PASV or EPSV.")
	case r.cmd.old && s.epsvOnly:
		return answerf(501, "%s not allowed after EPSV ALL.", r.verb)
	}
	return reply{}
}

// offers reports whether a known command can do anything here.
func (srv *Server) offers(c *command) bool { return !srv.opts.NoActive || !c.active }

// resolve makes the absolute name of a command's file.
func (s *session) resolve(r *request) reply {
	if !r.cmd.named {
		return reply{}
	}
	arg := r.arg
	if r.cmd.split != nil {
		var refused reply
		if arg, refused = r.cmd.split(s, r); !refused.isNone() {
			return refused
		}
	}
	r.name = absolute(s.cwd, arg)
	return reply{}
}

// splitRoot: without an argument it is the root, as in the original.
func splitRoot(_ *session, r *request) (name string, refused reply) {
	if r.arg == "" {
		return "/", reply{}
	}
	return r.arg, reply{}
}

func splitParent(s *session, _ *request) (name string, refused reply) {
	return path.Dir(s.cwd), reply{}
}

// splitList takes the options of ls away.
func splitList(_ *session, r *request) (name string, refused reply) {
	r.wish = parseListWish(r.arg)
	return r.wish.path, reply{}
}

// splitTwo leaves the first word as the argument; the rest is the name.
func splitTwo(_ *session, r *request) (name string, refused reply) {
	first, rest, found := strings.Cut(r.arg, " ")
	if !found {
		return "", answer(501, "Syntax error: command needs two arguments.")
	}
	r.arg = first
	return rest, reply{}
}

func splitUtime(_ *session, r *request) (name string, refused reply) {
	if _, name, ok := utime(r.arg); ok {
		return name, reply{}
	}
	return r.arg, reply{}
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
func (s *session) fail(r request, err error) reply { return s.failAs(r.cmd.wording, r, err) }

// failAs is fail in the words of another operation.
func (s *session) failAs(wording string, r request, err error) reply {
	s.srv.logFault(s.login, r.verb, r.name, err)
	return failed(wording, err, names{name: r.name, from: r.from, account: s.account})
}
