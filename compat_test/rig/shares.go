package rig

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// AwaitFarewells waits until every session that the log saw begin has ended: what an interrupted upload has brought is
// stored before, and that takes its time.
func (g *Gateway) AwaitFarewells(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(ReplyTime); ; time.Sleep(QuietTime) {
		log := ReadText(t, filepath.Join(g.Home, "log", "cos_v5.log"))
		opened, closed := strings.Count(log, "FTP session opened"), strings.Count(log, "FTP session closed")
		if opened > 0 && opened == closed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions began and %d have ended", opened, closed)
		}
	}
}
