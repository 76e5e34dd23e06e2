package ftpserver

import (
	"context"
	"testing"
	"time"
)

func TestMasqueradeOption(t *testing.T) {
	t.Parallel()
	if Masquerade("") != nil {
		t.Error("an address where none is configured")
	}
	if got := Masquerade("1.2.3.4")(context.Background()); got != "1.2.3.4" {
		t.Errorf("got %q", got)
	}
	if got := Masquerade("localhost")(context.Background()); got != "127.0.0.1" {
		t.Errorf("a host name: got %q", got)
	}
}

// TestMasqueradeRemembers: neither a name that resolved nor one that failed is asked for again at once, and a
// failure keeps the last address.
func TestMasqueradeRemembers(t *testing.T) {
	t.Parallel()
	m := &masqueradeName{name: "gateway.invalid", address: "1.2.3.4", until: time.Now().Add(time.Hour)}
	if got := m.lookup(context.Background()); got != "1.2.3.4" {
		t.Errorf("got %q", got)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	m.until = time.Time{}
	if got := m.lookup(cancelled); got != "1.2.3.4" || !time.Now().Before(m.until) {
		t.Errorf("after a failure: %q, holds until %v", got, m.until)
	}
}
