package cosfs

import (
	"context"
	"errors"
	"testing"
)

// TestClaims: which commands wait for which.
func TestClaims(t *testing.T) {
	key := func(keys ...string) *claim { return &claim{bucket: "b", keys: keys} }
	tree := func(trees ...string) *claim { return &claim{bucket: "b", trees: trees} }
	for _, test := range []struct {
		name  string
		a, b  *claim
		waits bool
	}{
		{"same key", key("a"), key("a"), true},
		{"other key", key("a"), key("ab"), false},
		{"one of two keys", key("a", "b"), key("c", "b"), true},
		{"in the tree", tree("d/"), key("d/x"), true},
		{"the tree's marker", tree("d/"), key("d/"), true},
		{"beside the tree", tree("d/"), key("d"), false},
		{"tree below", tree("d/"), tree("d/e/"), true},
		{"tree beside", tree("d/"), tree("de/"), false},
		{"shared and shared", &claim{bucket: "b", keys: []string{"a"}, shared: true}, &claim{bucket: "b", keys: []string{"a"}, shared: true}, false},
		{"shared and not", &claim{bucket: "b", keys: []string{"a"}, shared: true}, key("a"), true},
		{"other bucket", tree("d/"), &claim{bucket: "c", keys: []string{"d/x"}}, false},
	} {
		for _, swap := range []bool{false, true} {
			first, second := *test.a, *test.b
			if swap {
				first, second = second, first
			}
			claims := newClaims()
			release, err := claims.take(t.Context(), &first)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			again, err := claims.take(ctx, &second)
			if waits := errors.Is(err, context.Canceled); waits != test.waits {
				t.Errorf("%s: waits %t, want %t", test.name, waits, test.waits)
			}
			if err == nil {
				again()
			}
			release()
			if len(claims.keys)+len(claims.trees)+len(claims.waiting) != 0 {
				t.Errorf("%s: something is left", test.name)
			}
		}
	}
}

// TestClaimsAreServedInOrder: a directory's turn comes though files of it are claimed again and again.
func TestClaimsAreServedInOrder(t *testing.T) {
	claims := newClaims()
	release, err := claims.take(t.Context(), &claim{keys: []string{"d/1"}})
	if err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 2)
	take := func(name string, c *claim) {
		release, err := claims.take(t.Context(), c)
		order <- name
		if err == nil {
			release()
		}
	}
	go take("tree", &claim{trees: []string{"d/"}})
	waitFor(t, "the tree to wait", func() bool { return claims.waits() == 1 })
	go take("file", &claim{keys: []string{"d/2"}}) // is free, but came later
	waitFor(t, "the file to wait", func() bool { return claims.waits() == 2 })
	release()
	if first, second := <-order, <-order; first != "tree" || second != "file" {
		t.Errorf("%s came before %s", first, second)
	}
}
