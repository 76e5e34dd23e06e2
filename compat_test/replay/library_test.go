package replay

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// TestLibraryReplays plays the dialogues to ftpserverlib.
func TestLibraryReplays(t *testing.T) {
	dialogues := loadDialogues(t)
	if os.Getenv(rig.LibraryProcess) != "" {
		diffs := loadDifferences(t)
		for _, d := range dialogues {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				rig.TellOfLibrary(d.name, replayAgainstLibrary(t, d, diffs))
			})
		}
		return
	}
	t.Parallel()
	var all []string
	for _, d := range dialogues {
		all = append(all, d.name)
	}
	rig.CompareWithKnown(t, all)
}

// replayAgainstLibrary plays a dialogue up to the first thing that is not as wanted, which it returns.
func replayAgainstLibrary(t *testing.T, d *dialogue, diffs *differences) (why string) {
	r := newReplay(t, d, diffs, func(t *testing.T, s *rig.Store, d *dialogue) *rig.Gateway { return rig.StartLibrary(t, s, d.options) })
	r.wrong = func(format string, args ...any) bool {
		why, _, _ = strings.Cut(fmt.Sprintf(format, args...), "\n")
		return false
	}
	r.run()
	return why
}
