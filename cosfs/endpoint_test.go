package cosfs

import (
	"errors"
	"io/fs"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestDateOfOneAnswerIsNotBelieved: a proxy may have kept an answer for an hour. Only when all say so for a while COS's
// clock is another.
func TestDateOfOneAnswerIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(EngineOptions{}.withDefaults())
		told := func(drift time.Duration) time.Duration {
			resp := &http.Response{Header: http.Header{}}
			resp.Header.Set("Date", time.Now().Add(drift).UTC().Format(http.TimeFormat))
			e.correctDate(resp)
			return time.Until(dateOf(resp.Header)).Round(time.Second)
		}
		const ours = 3 * time.Minute // COS's clock is so far ahead
		for i, step := range []struct{ drift, want time.Duration }{
			{ours, ours}, {ours - time.Hour, ours}, {ours, ours}, {ours + time.Hour, ours}, {ours + time.Hour, ours}, {ours, ours},
		} {
			if got := told(step.drift); got != step.want {
				t.Errorf("answer %d: %v by a Date of %v, want %v", i, got, step.drift, step.want)
			}
		}
		told(time.Minute)
		time.Sleep(clockProof)
		if got := told(time.Minute); got != time.Minute {
			t.Errorf("%v after a while in which all said %v", got, time.Minute)
		}
	})
}

// TestCheckIsAnAnswerOfTheHost, so that an outage which begins before the first command is one.
func TestCheckIsAnAnswerOfTheHost(t *testing.T) {
	tr := newTree(t)
	if tr.endpoint.hasAnswered() {
		t.Fatal("the host has answered before it was asked")
	}
	if err := tr.Check(t.Context()); err != nil || !tr.endpoint.hasAnswered() {
		t.Errorf("after the check (%v) the host counts as one that never answered", err)
	}
}

// TestClockOfOneRefusalIsNotBelieved: a refusal with a wrong Date is tried again, but changes no signature; when all
// answers agree that our clock is wrong, it does, once.
func TestClockOfOneRefusalIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(EngineOptions{}.withDefaults())
		answer := func(status int, drift time.Duration) (again bool) {
			resp := &http.Response{StatusCode: status, Header: http.Header{"X-Cos-Request-Id": {"1"}}}
			resp.Header.Set("Date", time.Now().Add(drift).UTC().Format(http.TimeFormat))
			e.judgeClock(resp, e.clock())
			e.correctDate(resp)
			return resp.Header.Get(againHeader) != ""
		}
		if answer(200, 0) || answer(403, 0) {
			t.Error("an answer of a right clock counts as skewed")
		}
		if !answer(403, time.Hour) || e.clock() != 0 {
			t.Errorf("one refusal with a wrong Date: the offset is %v", e.clock())
		}
		if answer(200, 0); e.clock() != 0 {
			t.Errorf("the offset is %v", e.clock())
		}
		for began := time.Now(); time.Since(began) <= clockProof; time.Sleep(time.Second) {
			if !answer(403, time.Hour) {
				t.Error("a refusal by another clock counts as final")
			}
		}
		if e.clock().Round(time.Minute) != time.Hour {
			t.Errorf("the offset is %v, want an hour", e.clock())
		}
	})
}

// TestMissingIsCOSsWord: a proxy that answers 404 does not make a file missing, at a host whose answers have request IDs.
func TestMissingIsCOSsWord(t *testing.T) {
	tr := newTree(t)
	tr.giveUpSoon()
	tr.put("f")
	if _, err := tr.Stat(t.Context(), "/f"); err != nil {
		t.Fatal(err)
	}
	next := tr.FS.http.Transport.(*signer).next
	tr.FS.http.Transport.(*signer).next = roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodHead {
			return next.RoundTrip(r)
		}
		return &http.Response{StatusCode: 404, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	if _, err := tr.Stat(t.Context(), "/f"); errors.Is(err, fs.ErrNotExist) || !isTemporary(err) {
		t.Errorf("%v, want a temporary error", err)
	}
	if err := tr.Remove(t.Context(), "/f"); err == nil {
		t.Error("a file that nobody has seen is removed")
	}
}
