package ftpserver

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// transfer is one RETR, STOR, APPE, STOU, LIST, NLST or MLSD: it waits for its data connection, then runs in a
// goroutine of its own.
type transfer struct {
	session  *session
	verb     string
	name     string // of the file; "" for listings, which are not logged
	ctx      context.Context
	cancel   context.CancelCauseFunc
	keep     bool // an upload that is interrupted becomes an object all the same
	data     *dataConn
	by       login         // whose it is
	tls      protection    // as it was when the command came
	private  bool          // PROT P, likewise
	readWait time.Duration // see the constant; 0: not at all
	running  bool          // the loop's own
	look     *time.Ticker
	seen     int64      // bytes that it had moved when the loop looked last; the loop's own
	away     absence    // of its client; the loop's own
	seat     limit.Seat // of the user who has begun it and is not logged in any more
	phase    atomic.Int32
	done     chan outcome // holds one

	waiter  Waiter                  // what it moves to or from, nil where that does not tell
	move    func(*transfer) outcome // moves the bytes, then releases all
	discard func()                  // releases all when move was never called
}

// The phases of a running transfer. ABOR works until all bytes are there.
const (
	phaseMoving int32 = iota
	phaseSettling
	phaseAborted
)

// outcome is how a transfer ended.
type outcome struct {
	reply     reply
	completed bool
	bytes     int64
	took      time.Duration
	fault     error // of the storage, for the log
	ends      bool  // the session cannot go on
	unended   bool  // the client was given time to end the data connection, and has not
}

// abortReason says who ends a transfer early.
type abortReason uint8

const (
	abortCommand  abortReason = iota // ABOR
	abortShutdown                    // the server or the session ends at once
)

var (
	errAborted  = errors.New("transfer aborted by the client")
	errShutdown = errors.New("service is shutting down")
	errUnwanted = errors.New("transfer given up")
)

// newTransfer makes a transfer and its context, with which its storage operations are to be begun.
func (s *session) newTransfer(verb, name string) *transfer {
	t := &transfer{session: s, verb: verb, name: name, by: s.login, done: make(chan outcome, 1)}
	t.ctx, t.cancel = context.WithCancelCause(s.ctx)
	s.asking.adopt(t)
	return t
}

// begin is the reply 125 or 150 for a transfer that is ready; it starts when its data connection is there.
func (s *session) begin(t *transfer) reply {
	s.xfer = t
	t.tls, t.private = s.tls, s.private
	if !s.keepsData {
		t.readWait = s.srv.readWait
	}
	if s.ready != nil {
		return answer(125, "Data connection already open. Transfer starting.")
	}
	return answer(150, "File status okay. About to open data connection.")
}

func (t *transfer) isRunning() bool { return t != nil && t.running }

// end is where the outcome of a running transfer comes from.
func (t *transfer) end() <-chan outcome {
	if !t.isRunning() {
		return nil
	}
	return t.done
}

// looks is when to look whether the client of a running transfer is away.
func (t *transfer) looks() <-chan time.Time {
	if !t.isRunning() {
		return nil
	}
	return t.look.C
}

// leave is called once, at the end of a transfer that ran.
func (t *transfer) leave() {
	t.look.Stop()
	t.seat.Leave()
}

func (s *session) startTransfer() {
	t := s.xfer
	t.data, s.ready = s.ready, nil
	t.running, t.look = true, time.NewTicker(s.srv.lostGrace)
	s.limitData(t, t.data)
	if s.ended {
		s.lost()
	}
	go t.run()
}

// limitData applies the rates of session, account and server to a file's data connection; listings are not limited.
func (s *session) limitData(t *transfer, d *dataConn) {
	if t.name == "" {
		return
	}
	d.limit([]*limit.Rate{s.uploadRate, t.by.account.UploadRate, s.srv.opts.UploadRate}, s.downloadRates(t.by))
}

func (s *session) downloadRates(of login) []*limit.Rate {
	return []*limit.Rate{s.downloadRate, of.account.DownloadRate, s.srv.opts.DownloadRate}
}

// run moves the bytes. A panic, in the storage most likely, ends the transfer and then the session.
func (t *transfer) run() {
	var end outcome
	err := caught(func() error {
		secured := false
		if end, secured = t.secureData(); secured {
			end = t.move(t)
		}
		return nil
	})
	if err != nil {
		t.by.log.Error(t.verb + " ends the session, " + err.Error())
		end = outcome{reply: answer(421, "Service not available, closing control connection."), ends: true}
		t.data.reset()
	}
	t.cancel(errUnwanted)
	end.bytes = t.data.bytes()
	if end.took == 0 {
		end.took = time.Since(t.data.opened)
	}
	t.done <- end
}

// abort ends a running transfer early; its outcome comes as ever.
func (t *transfer) abort(why abortReason) {
	if why == abortShutdown {
		t.cancel(errShutdown)
		t.data.stop()
		return
	}
	if !t.phase.CompareAndSwap(phaseMoving, phaseAborted) {
		return // all bytes are there: it ends by itself
	}
	t.data.stop() // before the storage ends, or the data connection would as that of a whole file does
	if !t.keep {
		t.cancel(errAborted)
	}
}

// abortedPatience is how long the storage has for an upload, or the beginning of one, whose client waits for the reply to
// ABOR.
const abortedPatience = 10 * time.Second

// giveUpLater ends a transfer that ABOR came upon, even if all its bytes are there and only the storage is to blame.
func (t *transfer) giveUpLater() {
	time.AfterFunc(abortedPatience, func() { t.cancel(errAborted) })
}

// settle notes that all bytes are moved, or none will follow, and reports whether it was faster than ABOR.
func (t *transfer) settle() bool { return t.phase.CompareAndSwap(phaseMoving, phaseSettling) }

// drop gives up a transfer that never ran.
func (t *transfer) drop() {
	t.cancel(errUnwanted)
	t.discard()
}

// dropWaiting gives up a transfer that waits for its data connection; it was promised a reply.
func (s *session) dropWaiting() {
	if s.xfer == nil || s.xfer.running {
		return
	}
	s.xfer.drop()
	s.xfer = nil
	s.send(answer(425, "Can't open data connection."))
}

// giveUpWaiting makes way for another transfer when nothing is under way that the first could wait for.
func (s *session) giveUpWaiting() {
	if s.passive == nil {
		s.dropWaiting()
	}
}

// transferEnded answers a transfer that ran.
func (s *session) transferEnded(end outcome) {
	s.transferLog(end)
	s.keepsData = s.keepsData || end.unended
	s.xfer.leave()
	s.xfer = nil
	s.touch()
	switch {
	case !s.aborting && end.reply.isNone(): // its client has left
		s.send(answerf(426, "Transfer aborted; %d bytes transmitted.", end.bytes))
	case !s.aborting || end.ends:
		s.send(end.reply)
	case end.completed:
		s.send(end.reply)
		s.send(answer(225, "No transfer to abort."))
	default:
		s.sayAborted()
		s.send(answer(226, "ABOR command successful."))
	}
	s.aborting = false
	switch {
	case end.ends:
		s.over = true
	case s.stopping || s.ctx.Err() != nil:
		s.sayShutdown()
	}
}

// transferLog writes the line about a transfer, in the words of the original, and the fault that ended it.
func (s *session) transferLog(end outcome) {
	t := s.xfer
	if end.fault != nil {
		s.srv.logFault(t.by, t.verb, t.name, end.fault)
	}
	if end.completed {
		s.srv.storageAnswered(t.by)
	}
	if t.name == "" {
		return
	}
	completed := 0
	if end.completed {
		completed = 1
	}
	t.by.log.Info(fmt.Sprintf("%s %s completed=%d bytes=%d seconds=%s",
		t.verb, printable(key(t.name)), completed, end.bytes, seconds(end.took)))
}

// clientFault is the outcome when the data connection itself failed.
func (t *transfer) clientFault() outcome {
	if t.ctx.Err() != nil {
		return t.shutDown()
	}
	if t.data.stalled() && !t.session.controlGone.Load() {
		t.by.log.Info("Data connection timed out.")
		return outcome{reply: answer(421, "Data connection timed out."), ends: true}
	}
	if errors.Is(t.data.failure, errCut) {
		t.by.log.Warn(fmt.Sprintf("%s %s: %v.", t.verb, printable(key(t.name)), errCut))
	}
	return outcome{reply: answerf(426, "Transfer aborted; %d bytes transmitted.", t.data.bytes())}
}

// shutDown is the outcome when the transfer's context was ended.
func (t *transfer) shutDown() outcome {
	return outcome{reply: answer(426, "Transfer aborted: service is shutting down.")}
}

// internalError is the outcome when the storage failed in the middle of a download or listing.
func (t *transfer) internalError(err error) outcome {
	end := outcome{reply: answer(426, "Internal error; transfer aborted.")}
	if t.ctx.Err() != nil {
		end = t.shutDown()
	} else {
		end.fault = err
	}
	return end
}

var complete = answer(226, "Transfer complete.")

func (s *session) cmdAbor(request) reply {
	switch {
	case s.xfer.isRunning():
		s.aborting = true
		s.xfer.abort(abortCommand)
		s.xfer.giveUpLater()
		return reply{}
	case s.xfer != nil:
		s.closeData()
		s.sayAborted()
		return answer(226, "ABOR command successful.")
	case s.passive != nil || s.ready != nil:
		s.closeData()
		return answer(225, "ABOR command successful; data channel closed.")
	}
	return answer(225, "No transfer to abort.")
}
