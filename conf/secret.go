package conf

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// hidden is what every way of printing a Secret shows.
const hidden = "[hidden]"

// Secret is a text that no printing, logging or encoding shows. The zero value is the empty text.
//
// The text sits behind a pointer: fmt calls no methods on the unexported fields of a struct that holds a Secret,
// and then prints an address where it would have printed a string.
type Secret struct {
	text *string
}

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the hidden text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Equal compares the hidden text with given, byte for byte, in a time that tells nothing about either.
func (s Secret) Equal(given string) bool {
	own, other := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(own[:], other[:]) == 1
}

// String answers "[hidden]", as all the methods below do.
func (s Secret) String() string { return hidden }

// GoString is String for %#v.
func (s Secret) GoString() string { return hidden }

// Format is String for every verb, also those that would go past String, such as %x and %d.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, hidden) }

// LogValue is String for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText is String for encodings of text, and for map keys in JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON is String for JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
