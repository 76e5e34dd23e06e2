package ftpserver

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// How long a resolved masquerade name holds, and how long resolving may take. Short enough to follow a changed
// address, long enough that a burst of PASV asks the resolver once.
const (
	masqueradeTTL     = 30 * time.Second
	masqueradeTimeout = 5 * time.Second
)

// MasqueradeRoute is what to tell clients of a network; Address is as Options.Masquerade, and nil too means the
// control connection's own address.
type MasqueradeRoute struct {
	Clients netip.Prefix
	Address func(ctx context.Context) string
}

// Masquerade returns the function for Options.Masquerade that tells address in 227 replies (RFC 959, PASV): an IPv4
// address as it is, a host name as its first IPv4 address, asked for when a passive reply is made. A name that does
// not resolve keeps its last address; one that never did gives "", the control connection's own. For address "" it
// returns nil.
func Masquerade(address string) func(ctx context.Context) string {
	if address == "" {
		return nil
	}
	if ip, err := netip.ParseAddr(address); err == nil {
		return func(context.Context) string { return ip.String() }
	}
	m := &masqueradeName{name: address}
	return m.lookup
}

// masqueradeName remembers what a host name resolved to.
type masqueradeName struct {
	name string

	mu      sync.Mutex
	address string
	until   time.Time
}

func (m *masqueradeName) lookup(ctx context.Context) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Now().Before(m.until) {
		return m.address
	}
	ctx, cancel := context.WithTimeout(ctx, masqueradeTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", m.name)
	if err == nil && len(found) > 0 {
		m.address = found[0].Unmap().String()
	}
	// A failure is remembered as long, so that a dead resolver delays one PASV, not each.
	m.until = time.Now().Add(masqueradeTTL)
	return m.address
}
