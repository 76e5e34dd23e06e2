// Package auth knows who may log in: names, passwords and their hashes.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
)

// Entry is what one user name is checked with.
type Entry struct {
	Password string // compared byte for byte
	Hash     string // in place of Password where it is not "": of a kind that Matches knows
	Open     bool   // any password will do
}

// Attempt is one try to log in.
type Attempt struct {
	User, Password string       // byte for byte
	From           netip.Prefix // the network it comes from
	// Wanted is asked once more before a hash is computed: the address may have been banned meanwhile. nil means yes.
	Wanted func() bool
}

// Book holds the entries by user name. It does not change, and is safe for concurrent use.
type Book struct {
	entries map[string]Entry
	anyHash string // of one of the entries, "" where none has one
	hashing *queue
}

// NewBook makes a book of entries by user name.
func NewBook(entries map[string]Entry) *Book {
	b := &Book{entries: entries, hashing: newQueue()}
	for _, e := range entries {
		if e.Hash != "" {
			b.anyHash = e.Hash
		}
	}
	return b
}

// Admits reports whether a password is the user's. It takes as long for a name that there is not as for one that there
// is. Hashing waits for its turn; ctx ends the waiting, and the answer is no.
func (b *Book) Admits(ctx context.Context, a Attempt) bool {
	e, known := b.entries[a.User]
	switch {
	case e.Open:
		return true
	case e.Hash != "":
		return b.matches(ctx, a, e.Hash)
	case equal(e.Password, a.Password) && known:
		return true
	}
	if b.anyHash != "" {
		b.matches(ctx, a, b.anyHash) // or the time would tell which names have a hash
	}
	return false
}

func (b *Book) matches(ctx context.Context, a Attempt, hash string) (same bool) {
	b.hashing.do(ctx, a.From, a.Wanted, func() { same = Matches(hash, a.Password) })
	return same
}

// equal compares in a time that tells nothing about either.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
