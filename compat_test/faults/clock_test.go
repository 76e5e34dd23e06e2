package faults

import (
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// TestClockThatIsOff: COS refuses what is signed by a clock 10 minutes off its own, and tells its time with every answer.
// Each command succeeds, as the first that its gateway asks of COS.
func TestClockThatIsOff(t *testing.T) {
	for name, off := range map[string]time.Duration{"COS ahead": 10 * time.Minute, "COS behind": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			for i := range faultCommands {
				command := &faultCommands[i]
				if command.also != nil {
					continue
				}
				r := newFaultRig(t, faultTime/4, cellPatience, "", costest.WithSignatureAge(5*time.Minute),
					costest.WithClock(func() time.Time { return time.Now().Add(off) }))
				r.fillPages()
				none := &faultKind{name: "none", fault: costest.Fault{Key: "none"}}
				if _, err := r.tryCell(cell{command, "none", none, 0}); err != nil {
					t.Errorf("%s: %v", command.name, err)
				}
				if err := r.stop(); err != nil {
					t.Errorf("%s: stop: %v", command.name, err)
				}
			}
		})
	}
}
