package cosfs

import (
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
