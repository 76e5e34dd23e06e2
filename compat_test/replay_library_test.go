package compat_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLibraryReplays plays the dialogues to ftpserverlib.
func TestLibraryReplays(t *testing.T) {
	dialogues := loadDialogues(t)
	if os.Getenv(libraryProcess) != "" {
		diffs := loadDifferences(t)
		for _, d := range dialogues {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				tellOfLibrary(d.name, replayAgainstLibrary(t, d, diffs))
			})
		}
		return
	}
	t.Parallel()
	var all []string
	for _, d := range dialogues {
		all = append(all, d.name)
	}
	compareWithKnown(t, all)
}

// replayAgainstLibrary plays a dialogue up to the first thing that is not as wanted, which it returns.
func replayAgainstLibrary(t *testing.T, d *dialogue, diffs *differences) (why string) {
	r := newReplay(t, d, diffs, func(t *testing.T, s *store, d *dialogue) *gateway { return startLibrary(t, s, d.options) })
	r.wrong = func(format string, args ...any) bool {
		why, _, _ = strings.Cut(fmt.Sprintf(format, args...), "\n")
		return false
	}
	r.run()
	return why
}
