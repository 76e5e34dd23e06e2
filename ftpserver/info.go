package ftpserver

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (s *session) cmdNoop(request) reply { return answer(200, "I successfully did nothing'.") }

func (s *session) cmdSyst(request) reply { return answer(215, "UNIX Type: L8") }

func (s *session) cmdAllo(request) reply { return answer(202, "No storage allocation necessary.") }

// cmdType knows of RFC 959 3.1.1 what has one meaning for files in bytes. N, non-print, is the default of A.
func (s *session) cmdType(r request) reply {
	switch strings.ReplaceAll(strings.ToUpper(r.arg), " ", "") {
	case "A", "AN", "L7":
		s.ascii = true
		return answer(200, "Type set to: ASCII.")
	case "I", "L8":
		s.ascii = false
		return answer(200, "Type set to: Binary.")
	}
	return answerf(504, "Unsupported type \"%s\".", r.arg)
}

func (s *session) cmdMode(r request) reply {
	switch strings.ToUpper(r.arg) {
	case "S":
		return answer(200, "Transfer mode set to: S")
	case "B", "C":
		return answer(504, "Unimplemented MODE type.")
	}
	return answer(501, "Unrecognized MODE type.")
}

func (s *session) cmdStru(r request) reply {
	switch strings.ToUpper(r.arg) {
	case "F":
		return answer(200, "File transfer structure set to: F.")
	case "R", "P":
		return answer(504, "Unimplemented STRU type.")
	}
	return answer(501, "Unrecognized STRU type.")
}

func (s *session) cmdFeat(request) reply {
	features := []string{"TVFS", "UTF8", "MLST " + s.facts.feature()}
	if s.srv.opts.Extended {
		features = append(features, s.hashFeature())
	}
	for _, c := range s.srv.commands {
		if c.feature != "" && s.srv.offers(c) {
			features = append(features, c.feature)
		}
	}
	slices.Sort(features)
	lines := []string{"Features supported:"}
	for _, f := range features {
		lines = append(lines, " "+f)
	}
	return reply{211, append(lines, "End FEAT.")}
}

// cmdOpts knows MLST (RFC 3659 7.9) and UTF8.
func (s *session) cmdOpts(r request) reply {
	name, value, _ := strings.Cut(r.arg, " ")
	name = strings.ToUpper(name)
	if name == "UTF8" {
		if switched := s.optsUTF8(value); !switched.isNone() {
			return switched
		}
	}
	if name == "HASH" && s.srv.opts.Extended {
		return s.optsHash(value)
	}
	switch {
	case strings.Contains(value, " "):
		return answer(501, "Invalid number of arguments.")
	case value != "" && !strings.Contains(value, ";"):
		return answer(501, "Invalid argument.")
	case name != "MLST":
		return answerf(501, "Unsupported command \"%s\".", name)
	}
	set, chosen := parseFacts(value)
	s.facts = set
	return answer(200, "MLST OPTS "+chosen)
}

func (s *session) cmdHelp(r request) reply {
	if r.arg != "" {
		c := s.srv.commands[strings.ToUpper(r.arg)]
		if c == nil || c.help == "" {
			return answer(501, "Unrecognized command.")
		}
		return answer(214, "Syntax: "+c.help)
	}
	var verbs []string
	for _, verb := range slices.Sorted(maps.Keys(s.srv.commands)) {
		if c := s.srv.commands[verb]; !strings.Contains(verb, " ") && c.help != "" && s.srv.offers(c) {
			verbs = append(verbs, verb)
		}
	}
	lines := []string{"The following commands are recognized:"}
	for row := range slices.Chunk(verbs, 8) {
		line := ""
		for _, verb := range row {
			line += fmt.Sprintf(" %-6s", verb)
		}
		lines = append(lines, line)
	}
	return reply{214, append(lines, "Help command successful.")}
}

// cmdSiteHelp. Legacy: a name must be given with its SITE in front, as in "SITE HELP SITE CHMOD".
func (s *session) cmdSiteHelp(r request) reply {
	if r.arg != "" {
		c := s.srv.commands[strings.ToUpper(r.arg)]
		if c == nil || c.help == "" {
			return answer(501, "Unrecognized SITE command.")
		}
		return answer(214, "Syntax: "+c.help)
	}
	lines := []string{"The following SITE commands are recognized:"}
	for _, verb := range slices.Sorted(maps.Keys(s.srv.commands)) {
		if sub, ok := strings.CutPrefix(verb, "SITE "); ok {
			lines = append(lines, " "+sub)
		}
	}
	return reply{214, append(lines, "Help SITE command successful.")}
}

func (s *session) cmdStat(r request) reply {
	if r.raw != "" {
		return s.statPath(r)
	}
	who := "Waiting for username."
	switch {
	case s.account != nil:
		who = "Logged in as: " + s.user
	case s.user != "":
		who = "Waiting for password."
	}
	mode := "Binary"
	if s.ascii {
		mode = "ASCII"
	}
	lines := []string{"FTP server status:", " Connected to: " + s.local.String(), " " + decode(who),
		" TYPE: " + mode + "; STRUcture: File; MODE: Stream"}
	return reply{211, append(append(lines, s.dataStatus()...), "End of status.")}
}

// dataStatus is what STAT tells about the data connection.
func (s *session) dataStatus() []string {
	d := s.ready
	if s.xfer.isRunning() {
		d = s.xfer.data
	}
	switch {
	case s.passive != nil:
		return []string{" Passive data channel waiting for connection."}
	case d == nil:
		return []string{" Data connection closed."}
	}
	elapsed := time.Since(d.opened)
	lines := []string{
		" Data connection open:",
		fmt.Sprintf(" Total bytes sent: %d", d.sent.Load()),
		fmt.Sprintf(" Total bytes received: %d", d.received.Load()),
		fmt.Sprintf(" Transfer elapsed time: %v secs", elapsed.Seconds()),
	}
	if s.xfer.isRunning() {
		lines = append(lines, s.xfer.progress(elapsed))
		lines = append(lines, s.xfer.outage()...)
	}
	return lines
}

// outage is a line about the storage, if it keeps a running transfer waiting.
func (t *transfer) outage() []string {
	if t.waiter == nil || t.waiter.Outage() <= 0 {
		return nil
	}
	return []string{fmt.Sprintf(" Waiting for the storage, which has been out of order or overloaded for %.0f secs",
		t.waiter.Outage().Seconds())}
}

// progress is a line about a running transfer: what it is, and its bytes per second since the data connection was made.
func (t *transfer) progress(elapsed time.Duration) string {
	what := t.verb
	if t.name != "" {
		what += " " + printable(t.name)
	}
	return fmt.Sprintf(" Transfer under way: %s, %.0f bytes/s", what, float64(t.data.bytes())/max(elapsed.Seconds(), 1e-3))
}
