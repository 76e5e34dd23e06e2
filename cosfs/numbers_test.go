package cosfs

import (
	"testing"
	"time"
)

// TestStorageNumbersOfTheDifferences: what README says of limits that no test waits for.
func TestStorageNumbersOfTheDifferences(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"how far behind a silent upload may be", stallGrace, 30 * time.Second},
		{"the same for an account with more than its share", shareGrace, 5 * time.Second},
		{"the wait of a command for COS", commandPatience, 20 * time.Second},
		{"the wait of a transfer for COS, by default", defaultPatience, 600 * time.Second},
		{"bytes per second that it is behind of", leastRate, 4 << 10},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, README says %v", c.name, c.got, c.want)
		}
	}
}
