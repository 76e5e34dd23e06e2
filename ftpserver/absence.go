package ftpserver

import "time"

// absence counts the looks, one every lostGrace, at which a client was away and nothing moved for it.
type absence int

// Who has ended the control connection may still listen, as a script does that is piped into a connection: for a moment,
// and longer where it said QUIT.
const (
	awayForNow  absence = 2
	awayForGood absence = 10
)

// look adds a look, and reports whether the client has been away for longer than a moment.
func (a *absence) look(away bool) bool {
	if !away {
		*a = 0
		return false
	}
	*a++
	return *a >= awayForNow
}

// isAway reports whether the client has ended the control connection. The reader need not know: where many lines are
// pending it waits, with that end behind them.
func (s *session) isAway() bool { return s.controlGone.Load() || hasEnded(s.raw) }

// mayListen reports whether a client that is away for longer than a moment may still listen.
func (s *session) mayListen(away absence) bool { return s.quitSeen.Load() && away < awayForGood }

// lookAfterTransfer lets what a client that has left began move on, but not wait for the storage in its user's place.
// What cannot become a file any more ends; the beginning of an upload, where such are kept, is on its way to be one.
func (s *session) lookAfterTransfer() {
	t := s.xfer
	moved := t.data.bytes()
	idle := moved == t.seen
	t.seen = moved
	if !t.away.look(idle && s.isAway()) {
		return
	}
	s.seat.Leave()
	t.seat.Leave()
	if t.away >= awayForGood {
		s.vacate()
	}
	if t.keep || s.mayListen(t.away) {
		return
	}
	t.abort(abortCommand)
	if !s.quitSeen.Load() {
		t.cancel(errAborted) // it may have died in the middle of the file
	}
}

// vacate gives up the socket of a client that has left for good, and its place among the connections, while the storage
// still has to finish its file: clients that give up and come again in an outage must not take all places.
func (s *session) vacate() {
	s.leave()
	s.controlGone.Store(true)
	s.deaf = true
	s.raw.Close()
}

// desert ends the session of a client that was away for too long for a command, with what it has pending.
func (s *session) desert() {
	s.pending, s.heard = nil, nil
	s.lost()
}

// isGone reports whether the client ends the control connection without QUIT within some time. One that died sends the
// same end of data as one that is done. Where its end has arrived the reader may not have come to it, who alone knows
// whether QUIT came before.
func (s *session) isGone(within time.Duration) bool {
	if !s.controlGone.Load() {
		arrived := peerHasClosed(s.raw)
		if arrived {
			within = readerLag
		}
		select {
		case <-s.readToEnd:
		case <-time.After(within):
			if !arrived {
				return false
			}
		}
	}
	return !s.quitSeen.Load()
}
