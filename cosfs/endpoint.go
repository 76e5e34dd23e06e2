package cosfs

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// troubleGrace is the multiple of EngineOptions.RetryBase after which an outage is written to the log: 5 s.
	troubleGrace = 25
	// tellAgain is how long the log is silent about outages of the endpoint after it told one.
	tellAgain = time.Minute
)

// endpoint is what is known of one host of COS: how many requests it takes, whether it is out of order, and its clock.
// All accounts of a bucket share it.
type endpoint struct {
	pacer *pacer
	grace time.Duration // see troubleGrace

	mu       sync.Mutex
	log      *slog.Logger
	answered bool      // ever
	tellsIDs bool      // answers have request IDs
	since    time.Time // when the outage began; zero: there is none
	told     time.Time // when the log told one
	offset   time.Duration

	dated   bool          // drift is known
	drift   time.Duration // of COS's clock, by the Date of its answers, before ours
	odd     time.Duration // that of answers which say otherwise
	oddFrom time.Time     // since when they all do; zero: the last one did not
}

func newEndpoint(o EngineOptions) *endpoint {
	return &endpoint{pacer: newPacer(o.RetryBase), grace: troubleGrace * o.RetryBase, log: slog.New(slog.DiscardHandler)}
}

// logTo has the endpoint write to the log of the account that was made last: those of a check write to none.
func (e *endpoint) logTo(log *slog.Logger) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = log
}

// heard learns from what came of a request that was sent at some time.
func (e *endpoint) heard(sent time.Time, err error) {
	var answer *fault
	errors.As(err, &answer)
	switch {
	case answer != nil && answer.isOverload():
		e.pacer.slowDown(sent, answer.retryAfter)
	case err == nil, answer != nil && answer.status != 0:
		e.pacer.speedUp()
	}
	switch {
	case err == nil, answer != nil && answer.status != 0 && !answer.temporary:
		e.works()
	case isTemporary(err):
		e.fails(sent, err)
	}
}

func (e *endpoint) works() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answered, e.since = true, time.Time{}
}

// fails notes an outage, and tells of it once.
func (e *endpoint) fails(sent time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.since.IsZero() {
		e.since = sent
	}
	if now.Sub(e.since) < e.grace || !e.told.IsZero() && (e.told.After(e.since) || now.Sub(e.told) < tellAgain) {
		return
	}
	e.told = now
	e.log.Warn("COS is out of order or overloaded: transfers wait for it, up to storage_patience, and go on by themselves",
		"error", err)
}

// hasAnswered reports whether the host has ever answered as COS does.
func (e *endpoint) hasAnswered() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.answered
}

// outage returns for how long no request has succeeded since one failed, 0 where the last one has.
func (e *endpoint) outage() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.since.IsZero() {
		return 0
	}
	return time.Since(e.since)
}

// Outage returns for how long COS has been out of order or overloaded for this upload; 0 where it works.
func (w *writer) Outage() time.Duration { return w.f.endpoint.outage() }

// Outage returns for how long COS has been out of order or overloaded for this download; 0 where it works.
func (r *reader) Outage() time.Duration { return r.source.f.endpoint.outage() }

// clock returns how far to correct our clock for a signature: not at all, or to COS's time where it has refused ours.
func (e *endpoint) clock() (offset time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.offset
}

const (
	// clockStep is by how much the drift of COS's clock may differ between two answers.
	clockStep = 2 * clockGrain
	// clockProof is for how long all answers must say another time before it is believed.
	clockProof = 10 * time.Second
)

// correctDate puts COS's time of an answer into it. By that time it is decided whether an object is older than an upload,
// so one answer with a wrong one, which a proxy may have kept, must not count.
func (e *endpoint) correctDate(resp *http.Response) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err == nil && e.isRight(date.Sub(now), now) {
		e.dated, e.drift, e.oddFrom = true, date.Sub(now), time.Time{}
		return
	}
	if e.dated {
		resp.Header.Set("Date", now.Add(e.drift).UTC().Format(http.TimeFormat))
	}
}

// isRight reports whether a drift is believed. The caller holds mu.
func (e *endpoint) isRight(drift time.Duration, now time.Time) bool {
	if !e.dated || (drift-e.drift).Abs() <= clockStep {
		return true
	}
	if e.oddFrom.IsZero() || (drift-e.odd).Abs() > clockStep {
		e.odd, e.oddFrom = drift, now
	}
	return now.Sub(e.oddFrom) >= clockProof
}

// againHeader marks an answer that is not COS's last word: the refusal of a signature by a wrong clock, which COS tells only
// in answers with a body, or an answer of somebody in between.
const againHeader = "X-Not-The-Last-Word"

// judgeSource looks whether a refusal, or the word that something is missing, is COS's: its answers have a request ID.
func (e *endpoint) judgeSource(resp *http.Response) {
	resp.Header.Del(againHeader)
	e.mu.Lock()
	defer e.mu.Unlock()
	hasID := resp.Header.Get("x-cos-request-id") != ""
	if e.tellsIDs = e.tellsIDs || hasID; e.tellsIDs && !hasID && resp.StatusCode >= 400 {
		resp.Header.Set(againHeader, "true")
	}
}

// judgeClock looks whether a refusal may come from the time of its signature, which was made with this offset. If so,
// it is tried again, and signatures are made by COS's clock as soon as its answers agree on the time (see correctDate, which
// comes after this).
func (e *endpoint) judgeClock(resp *http.Response, offset time.Duration) {
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("x-cos-request-id") == "" {
		return
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	drift := date.Sub(now)
	if (drift - offset).Abs() < clockAhead-clockGrain {
		return
	}
	resp.Header.Set(againHeader, "true")
	if e.offset != offset || !e.isRight(drift, now) {
		return
	}
	e.offset = drift
	e.log.Warn("this machine's clock is wrong, and COS refuses what it signs: requests are signed by COS's clock from now on, "+
		"but the times in this log are not right; set the clock", "seconds behind COS", int(drift.Seconds()))
}
