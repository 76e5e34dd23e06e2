package conf

import (
	"math"
	"testing"
)

// Recorded from Python 2.7's int(), but for the last: Python's int has no bounds.
func TestPythonInt(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "+1": 1, "-1": -1, "- 1": -1, "+ 1": 1, "012": 12, "08": 8, "00": 0, "-0": 0, " 1\n": 1, "\t1\x0b": 1,
		"43980465111040000": 43980465111040000, "999999999999999999999999999999": math.MaxInt64,
	} {
		if got, err := pythonInt(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "+", "--1", "1L", "0x10", "1_0", "1 2", "1\n2", "1\x00", "1\x1c", "\xa01", "1.0", "1e9", "20G", "\"1\"", "１"} {
		if got, err := pythonInt(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}
