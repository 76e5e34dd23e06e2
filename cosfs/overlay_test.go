package cosfs

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestOverlayForgetsOldChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverlay()
		o.note("d/old", change{size: 1})
		time.Sleep(overlayWindow / 2)
		o.note("d/new", change{size: 2})
		o.note("e/other", change{size: 3})
		if got := o.under("d/"); len(got) != 2 {
			t.Errorf("within the window: %v, want both", got)
		}
		time.Sleep(overlayWindow/2 + time.Second)
		got := o.under("d/")
		if _, there := got["d/new"]; len(got) != 1 || !there {
			t.Errorf("after the window of the first: %v, want d/new only", got)
		}
		time.Sleep(overlayWindow)
		if got := o.under(""); got != nil || len(o.changes) != 0 || len(o.order) != 0 {
			t.Errorf("after all windows: %v, holding %d and %d", got, len(o.changes), len(o.order))
		}
	})
}

func TestOverlayKeepsAChangeThatIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOverlay()
		o.note("key", change{size: 1})
		time.Sleep(overlayWindow - time.Second)
		o.note("key", change{size: 2})
		time.Sleep(2 * time.Second)
		if got := o.under("")["key"]; got.size != 2 {
			t.Errorf("the second change is forgotten with the first: %+v", got)
		}
	})
}

func TestOverlayIsBounded(t *testing.T) {
	o := newOverlay()
	for i := range 3 * o.limit {
		o.note(fmt.Sprint("key", i), change{})
	}
	if len(o.changes) > o.limit || len(o.order) > o.limit {
		t.Errorf("holds %d changes, %d in order; the limit is %d", len(o.changes), len(o.order), o.limit)
	}
	if _, known := o.last(fmt.Sprint("key", 3*o.limit-1)); !known {
		t.Error("the newest change is forgotten")
	}
	for range 3 * o.limit {
		o.note("the same", change{})
	}
	if _, known := o.last("the same"); len(o.order) > o.limit || !known {
		t.Errorf("after many changes of one key: %d in order, known: %v", len(o.order), known)
	}
}

func TestOverlayCountsByDirectory(t *testing.T) {
	o := newOverlay()
	for _, key := range []string{"a/b/c", "a/b/c", "a/d", "e", "f/"} {
		o.note(key, change{})
	}
	for dir, want := range map[string]int{"": 4, "a/": 2, "a/b/": 1, "f/": 1, "b/": 0, "a/b/c/": 0} {
		if got := len(o.under(dir)); got != want {
			t.Errorf("under %q: %d changes, want %d", dir, got, want)
		}
	}
	o.window = -time.Second // all are too old now
	if o.under("a/") != nil || len(o.below) != 0 || len(o.changes) != 0 {
		t.Errorf("after the window: %v, %v", o.below, o.changes)
	}
}
