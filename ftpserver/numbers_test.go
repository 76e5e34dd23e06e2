package ftpserver

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// TestNumbersOfTheDifferences: what README says of limits that a test does not wait for, or reaches only in part.
func TestNumbersOfTheDifferences(t *testing.T) {
	var defaults Options
	defaults.setDefaults()
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"unknown or too long lines of a session without a login", maxUnknown, 20},
		{"bytes of log of such a session", maxStrangerLog, 64 << 10},
		{"letters of a user name in front of a line", prefixName, 32},
		{"entries from which a listing is not sorted", sortedListing + 1, 1000},
		{"the wait of a foreign address", defaults.ForeignWait, 3 * time.Second},
		{"strangers of one address, a quarter", mostNobodys(400), 100},
		{"strangers of one address, in any case", mostNobodys(8), 64},
		{"STOR over what is newer", wording["STOR"][changed].code, 450},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, README says %v", c.name, c.got, c.want)
		}
	}
}

// notResumable is an Appender's error for a file whose last upload failed.
type notResumable struct{}

func (notResumable) Error() string { return "no beginning" }
func (notResumable) NotResumable() {}

// TestAppendToWhatIsNotTheFile: a file that is being replaced is another soon, and one whose upload failed is not the one that
// is to be continued.
func TestAppendToWhatIsNotTheFile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{syscall.EBUSY, "450 An upload or another change of this name is under way, try again later."},
		{notResumable{}, "550 Can't append: the last upload of this file failed. Send the whole file."},
	} {
		ts := start(t, map[string]string{"/f": "old"})
		ts.fs.setFault(func(_ context.Context, op, _ string) error {
			if op == "append" {
				return test.err
			}
			return nil
		})
		c := ts.user(t)
		c.ask("APPE f", test.want)
		c.wantObject("/f", "old")
	}
}
