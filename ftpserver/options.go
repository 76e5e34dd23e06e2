package ftpserver

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// Options is everything the protocol room needs to know. New fills in the defaults named here where a field is
// zero.
type Options struct {
	// Login checks an attempt to log in and returns the account, or nil. It is asked by many sessions at once and may take
	// its time: only the session that asks waits, and ctx ends when its client leaves.
	Login func(ctx context.Context, a Attempt) *Account
	// Logger receives one INFO line per connection, login, transfer and change, and one ERROR line per command that the
	// storage fails, those of an outage taken together; nil discards.
	Logger *slog.Logger
	// Banner is the text of the 220 greeting ("Welcome to COS FTP Service").
	Banner string

	// PassiveFirst and PassiveLast are the ports for passive data connections, both included. Both zero: any
	// port the system has free.
	PassiveFirst, PassiveLast int
	// Masquerade answers the IPv4 address to tell in a 227 reply, or "" for the control connection's own; nil
	// means always the latter. It may resolve a name, so it gets the session's context.
	Masquerade func(ctx context.Context) string
	// MasqueradeFor answers the same for clients of certain networks; the first that holds the client's address
	// goes before Masquerade.
	MasqueradeFor []MasqueradeRoute
	// SameHostOnly turns strangers away from passive data connections: only the host of the control connection may
	// come. Without it another host gets one when it has waited for ForeignWait and the client has not come.
	SameHostOnly bool
	// AnyHost lets PORT and EPRT name another host than the control connection's, and gives a passive data connection
	// to the first that comes, as the original does. It makes the server a weapon against third hosts (RFC 2577 3).
	AnyHost bool
	// NoActive refuses PORT and EPRT.
	NoActive bool
	// ActiveSourcePort is the port from which active data connections are made, 20 by RFC 959 3.2; 0 means any. Several
	// connections may have it at once, to different ports of clients.
	ActiveSourcePort int

	// Certificate is what FTPS (RFC 4217) is made with; nil: the server knows no TLS.
	Certificate *Certificate
	// TLSRequired says what a client may do in plain. Where clients must have a certificate it is TLSForLogin at least.
	TLSRequired TLSRequirement
	// CertificateUser lets a client log in only as the user that is the common name of its certificate. It needs a
	// Certificate that asks for one.
	CertificateUser bool
	// TLSRequireReuse wants data connections under PROT P to resume the control connection's TLS session, which
	// only the same client can. It needs session tickets (RFC 5077, RFC 8446 4.6.1).
	TLSRequireReuse bool
	// TLSStrictClose takes an upload under PROT P that ends without TLS's close_notify for an interrupted one.
	TLSStrictClose bool

	// MaxConnections is the greatest number of sockets (listener, control, passive listeners, data), as the
	// original counts them; 0 means no limit. One address may hold a quarter of them, and 64 in any case, in sessions in
	// which nobody has logged in.
	MaxConnections int
	// MaxPerHost is the greatest number of sessions from one address (of IPv6: from one /64), MaxPerUser of logged-in
	// sessions of one user; 0 means no limit.
	MaxPerHost, MaxPerUser int
	// BanAfter failed logins from one address (of IPv6: from one /64) within BanWindow refuse that address for
	// BanTime: new connections with 421, further passwords of open ones unread. Who is logged in stays. 0 bans nobody.
	BanAfter           int
	BanWindow, BanTime time.Duration // 600 s both

	// MaxUploadRate and MaxDownloadRate are the bytes per second of one session's files, listings not counted; 0
	// means no limit. UploadRate and DownloadRate are those of all sessions together; nil means no limit.
	MaxUploadRate, MaxDownloadRate int64
	UploadRate, DownloadRate       *limit.Rate

	// KeepIncomplete says what an upload becomes that ABOR, or the loss of the client, ended early: true, the
	// object made of what arrived; false, nothing, and an older object stays.
	KeepIncomplete bool

	// UnixListing has the lines of LIST and STAT in the form of ls -l, not in the original's with tabs.
	UnixListing bool

	// Extended adds the commands that the original does not know (extended.go, hash.go). Without it HELP, FEAT and
	// the replies to those commands are as in the original.
	Extended bool

	AuthDelay      time.Duration // before a refused PASS is answered (3 s)
	MaxLogins      int           // refused logins before the connection is closed (3)
	IdleTimeout    time.Duration // of a control connection without a running transfer (300 s)
	DataTimeout    time.Duration // of a data connection on which nothing moves (300 s)
	AcceptTimeout  time.Duration // for the peer of a passive data connection to come (30 s)
	ForeignWait    time.Duration // for the client to come before another host at a passive port (3 s)
	ConnectTimeout time.Duration // for reaching the peer of an active data connection (10 s)

	HandshakeTimeout time.Duration // for a client to agree on TLS (15 s)
}

// Attempt is one try to log in.
type Attempt struct {
	User, Password string       // byte for byte
	From           netip.Prefix // the network it comes from: an address, or what one client of IPv6 has
	// Wanted reports whether the answer still counts: not once the address is banned.
	Wanted func() bool
}

// Account is what a successful login gives.
type Account struct {
	Name string // user name, for the log
	Home string // the home_dir, which some replies and log lines of the original show
	FS   FileSystem
	// Perm is what the user may do, in pyftpdlib's letters: e change directory, l list, r read, a append,
	// d delete, f rename, m make directories, w write, M change modes, T change times.
	Perm string
	// Delete is the conf's delete_enable: false denies what the letter d allows.
	Delete bool
	// Charset is what its clients write names in until they say OPTS UTF8 ON; nil means UTF-8.
	Charset Charset
	// UploadRate and DownloadRate bound all sessions of the account together; nil means no limit.
	UploadRate, DownloadRate *limit.Rate
}

func (o *Options) setDefaults() {
	if o.Login == nil {
		o.Login = func(context.Context, Attempt) *Account { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Banner == "" {
		o.Banner = "Welcome to COS FTP Service"
	}
	if o.Certificate.asksClients() {
		o.TLSRequired = max(o.TLSRequired, TLSForLogin) // or who has no certificate would log in in plain
	}
	if o.MaxLogins == 0 {
		o.MaxLogins = 3
	}
	for _, d := range []struct {
		value *time.Duration
		fill  time.Duration
	}{
		{&o.AuthDelay, 3 * time.Second},
		{&o.IdleTimeout, 300 * time.Second},
		{&o.DataTimeout, 300 * time.Second},
		{&o.AcceptTimeout, 30 * time.Second},
		{&o.ForeignWait, 3 * time.Second},
		{&o.ConnectTimeout, 10 * time.Second},
		{&o.HandshakeTimeout, 15 * time.Second},
		{&o.BanWindow, 600 * time.Second},
		{&o.BanTime, 600 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.fill
		}
	}
}

// may reports whether the account has a right, one of the letters of Perm; 0 is no right, which all have.
func (a *Account) may(letter byte) bool { return letter == 0 || strings.IndexByte(a.Perm, letter) >= 0 }
