package auth

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const hashOfUU = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" // of "U*U"

func TestAdmits(t *testing.T) {
	b := NewBook(map[string]Entry{
		"clear": {Password: "secret"}, "hashed": {Hash: hashOfUU}, "anonymous": {Open: true}, "empty": {},
	})
	for _, c := range []struct {
		user, password string
		want           bool
	}{
		{"clear", "secret", true}, {"clear", "Secret", false}, {"clear", "", false}, {"clear", "secret\x00", false},
		{"hashed", "U*U", true}, {"hashed", "U*V", false}, {"hashed", "", false}, {"hashed", hashOfUU, false},
		{"anonymous", "", true}, {"anonymous", "me@", true}, {"empty", "", true}, {"empty", "x", false},
		{"nobody", "", false}, {"nobody", "U*U", false}, {"", "", false}, {"Clear", "secret", false},
	} {
		if got := b.Admits(t.Context(), Attempt{User: c.user, Password: c.password}); got != c.want {
			t.Errorf("%q with %q: %v", c.user, c.password, got)
		}
	}
}

// What takes the time is asked for as often for a name that there is not as for one that there is.
func TestTimeTellsNoNames(t *testing.T) {
	for _, hash := range []string{"", hashOfUU} {
		b := NewBook(map[string]Entry{"clear": {Password: "secret"}, "other": {Hash: hash, Password: "y"}})
		for _, user := range []string{"clear", "other", "nobody"} {
			asked := 0
			b.Admits(t.Context(), Attempt{User: user, Password: "x", Wanted: func() bool { asked++; return false }})
			if want := min(1, len(hash)); asked != want {
				t.Errorf("hash %q: a wrong password of %q is hashed %d times, want %d", hash, user, asked, want)
			}
		}
	}
}

// A guess whose address was banned while it waited is not hashed.
func TestUnwantedIsNotHashed(t *testing.T) {
	b := NewBook(map[string]Entry{"hashed": {Hash: hashOfUU}})
	if b.Admits(t.Context(), Attempt{User: "hashed", Password: "U*U", Wanted: func() bool { return false }}) {
		t.Error("a password is right that nobody was to look at")
	}
}

func network(i int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", i)) }

// A place in the queue is given up as soon as the client leaves, and a turn is given back.
func TestQueueIsLeftAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueueOf(1)
		release := make(chan struct{})
		go q.do(t.Context(), network(0), nil, func() { <-release })
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan bool, 511)
		for i := range 511 {
			go func() { done <- q.do(ctx, network(i%3), nil, func() { t.Error("hashed for a client that left") }) }()
		}
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("somebody did not wait for a turn")
		}
		leave()
		for range 511 {
			if <-done {
				t.Error("work was done for a client that left")
			}
		}
		close(release)
		if synctest.Wait(); q.free != 1 || len(q.lines) != 0 || q.next.Len() != 0 {
			t.Errorf("%d turns are free, %d lines and %d networks are left", q.free, len(q.lines), q.next.Len())
		}
		if !q.do(t.Context(), network(1), nil, func() {}) {
			t.Error("the queue is stuck")
		}
	})
}

// However many guesses one network has in the queue, another waits for one of them at most.
func TestNetworksTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueueOf(1)
		const hash = 65 * time.Millisecond
		for range 100 {
			go q.do(t.Context(), network(1), nil, func() { time.Sleep(hash) })
		}
		synctest.Wait()
		asked := time.Now()
		q.do(t.Context(), network(2), nil, func() {})
		if waited := time.Since(asked); waited > 2*hash {
			t.Errorf("another network waited for %v, that is %d hashes", waited, waited/hash)
		}
		time.Sleep(time.Hour)
	})
}

// One network alone has all turns.
func TestOneNetworkHasAllTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueueOf(8)
		began := time.Now()
		var guesses sync.WaitGroup
		for range 16 {
			guesses.Go(func() { q.do(t.Context(), network(1), nil, func() { time.Sleep(time.Second) }) })
		}
		guesses.Wait()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("16 hashes of a second each took %v on 8 CPUs", took)
		}
	})
}
