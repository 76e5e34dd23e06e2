package ftpserver

import (
	"context"
	"log/slog"
	"time"
)

// Options is everything the protocol room needs to know. New fills in the defaults named here where a field is
// zero.
type Options struct {
	// Login checks a user name and password (byte for byte) and returns the account, or nil.
	Login func(user, password string) *Account
	// Logger receives one INFO line per connection, login, transfer and change; nil discards.
	Logger *slog.Logger
	// Banner is the text of the 220 greeting ("Welcome to COS FTP Service").
	Banner string

	// PassiveFirst and PassiveLast are the ports for passive data connections, both included. Both zero: any
	// port the system has free.
	PassiveFirst, PassiveLast int
	// Masquerade answers the IPv4 address to tell in a 227 reply, or "" for the control connection's own; nil
	// means always the latter. It may resolve a name, so it gets the session's context.
	Masquerade func(ctx context.Context) string
	// SameHostOnly turns strangers away from passive data connections: only the host of the control
	// connection may come. The original lets anybody in, so the default is false.
	SameHostOnly bool

	// MaxConnections is the greatest number of sockets (listener, control, passive listeners, data), as the
	// original counts them; 0 means no limit.
	MaxConnections int

	// KeepIncomplete says what an upload becomes that ABOR, or the loss of the client, ended early: true, the
	// object made of what arrived; false, nothing, and an older object stays.
	KeepIncomplete bool

	AuthDelay      time.Duration // before a refused PASS is answered (3 s)
	MaxLogins      int           // refused logins before the connection is closed (3)
	IdleTimeout    time.Duration // of a control connection without a running transfer (300 s)
	DataTimeout    time.Duration // of a data connection on which nothing moves (300 s)
	AcceptTimeout  time.Duration // for the peer of a passive data connection to come (30 s)
	ConnectTimeout time.Duration // for reaching the peer of an active data connection (10 s)
}

// Account is what a successful login gives.
type Account struct {
	Name string // user name, for the log
	Home string // the home_dir, which some replies and log lines of the original show
	FS   FileSystem
	// Read and Write are the rights of the conf's authority; Delete is its delete_enable.
	Read, Write, Delete bool
}

func (o *Options) setDefaults() {
	if o.Login == nil {
		o.Login = func(string, string) *Account { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Banner == "" {
		o.Banner = "Welcome to COS FTP Service"
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
		{&o.ConnectTimeout, 10 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.fill
		}
	}
}

// permissions are pyftpdlib's letters as the original derives them from authority.
func (a *Account) permissions() string {
	letters := ""
	if a.Read {
		letters += "elr"
	}
	if a.Write {
		letters += "adfmwMT"
	}
	return letters
}
