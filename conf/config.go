// Package conf reads vsftpd.conf into one typed Config: every value that the Python tool's configuration file may
// hold, read as Python 2.7's RawConfigParser reads it, with its defaults, and validated. It knows the file only:
// whether the machine can run what it asks for is confcheck's business.
package conf

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Config is everything vsftpd.conf can say: typed, defaulted and validated; immutable after Load. Sizes are bytes.
type Config struct {
	File     string // where it was read from
	Accounts []Account

	// [NETWORK]
	MasqueradeAddress string          // IPv4 address or host name for 227 replies, "" for none
	MasqueradeNets    []MasqueradeNet // the same for clients of certain networks; the first that fits holds
	ListenAddresses   []netip.Addr    // at least one
	ListenPort        int             // 0 lets the system choose (tests)
	PassiveFirst      int             // passive_port, both ends included
	PassiveLast       int
	ActiveMode        bool
	ActiveSourcePort  int    // 0: any
	PermitForeign     string // permit_foreign_addresses: "passive", "true" or "false"
	AcceptTimeout     time.Duration
	ConnectTimeout    time.Duration
	IdleCtrlTimeout   time.Duration
	IdleDataTimeout   time.Duration
	MaxConnsPerIP     int // 0: no limit
	MaxConnsPerUser   int // 0: no limit
	BanAfter          int // failed logins, 0 to 100; 0: nobody is banned
	BanWindow         time.Duration
	BanTime           time.Duration

	// FTPS, in [NETWORK] too. Files are absolute or relative to the working directory; "" for none.
	TLSCertFile     string // "": no FTPS
	TLSKeyFile      string // the certificate's file where it is not given
	TLSClientCAFile string
	TLSClientUser   string // "none" or "cn"
	TLSRequired     string // "none", "login" or "all"; not "none" with TLSClientCAFile
	TLSRequireReuse bool
	TLSStrictClose  bool
	ImplicitTLSPort int // 0: none

	// [FILE_OPTION]
	SingleFileMaxSize int64 // >= 1; COS holds no object above 50000 GiB, the check none above 40000 GiB

	// [OPTIONAL]
	MinPartSize       int64 // 1 MiB to 5 GiB
	UploadThreadNum   int   // parts in flight to COS at once, >= 1
	DownloadThreadNum int   // ranges in flight from COS at once, >= 1
	TransferMemory    int64 // 0: derived from the machine, see confcheck
	MaxConnectionNum  int   // sockets, the listener included; 0: no limit
	MaxListFile       int   // >= 1
	ExtendedCommands  bool  // those that the original does not know
	RenameDirLimit    int   // objects; 0: directories are not renamed
	LogLevel          slog.Level
	ListStyle         string // "original" or "unix"
	ListMetadata      bool
	LogDir            string // lower case, as the original has it; relative to the working directory
	LogRotateEnabled  bool
	LogRotateWhen     string // "S", "M", "H" or "D"
	LogBackupCount    int    // >= 1
	ConfigCheckEnable bool
	ShutdownGrace     time.Duration
	RunAs             string // "": as whoever starts the server
	IncompleteUpload  string // "keep" or "discard"
	ResumeUpload      string // "proven" or "any"
	StoragePatience   time.Duration
	MaxUploadRate     int64 // of one session, bytes per second; 0, here and below: no limit
	MaxDownloadRate   int64
	TotalUploadRate   int64 // of the whole server
	TotalDownloadRate int64
	Banner            string
	MaxLoginAttempts  int // 1 to 100

	// Errors are what is wrong with the file although the server starts, because the original does or because other accounts
	// work; in the words of Problem. -check fails for them.
	Errors []string

	// Warnings are what Load repaired or ignored, in the words of Problem.
	Warnings []string
}

// Account is one [COS_ACCOUNT_n] section.
type Account struct {
	Section      string
	SecretID     Secret
	SecretKey    Secret
	SessionToken Secret // "" for a permanent key
	Bucket       string
	Region       string
	Endpoint     string
	Protocol     string // "https" or "http"
	Address      string // cos_address: host:port to connect to, "" for the bucket host's own
	Prefix       string // of the user's keys: "" or clean and with a slash at its end
	HomeDir      string // absolute and clean
	UserName     string
	Password     Secret
	PasswordHash Secret // bcrypt or crypt, in place of Password; "" for none
	Perm         string // pyftpdlib's letters, those of authority where perm is not given
	DeleteEnable bool
	Charset      string // filename_charset: "utf-8" or "gbk"

	MaxUploadRate   int64 // of all sessions together, bytes per second; 0 means no limit
	MaxDownloadRate int64

	// Unusable is what keeps the account from working, in the words of Problem: nobody can log in to it. nil if nothing is
	// known that does.
	Unusable []string
}

// Anonymous says whether the account lets in anybody: with any password, also under the user name ftp.
func (a *Account) Anonymous() bool { return a.UserName == "anonymous" }

const (
	mib = 1 << 20
	gib = 1 << 30

	mostParts    = 10000   // of a multipart upload (COS: Initiate Multipart Upload, limits)
	smallestPart = mib     // (the same)
	largestPart  = 5 * gib // (the same)
)

// PartSize is the size in bytes of the parts of a multipart upload: min_part_size, or more where 10000 such parts
// could not hold single_file_max_size. It never exceeds COS's 5 GiB.
func (c *Config) PartSize() int64 {
	needed := c.SingleFileMaxSize / mostParts
	if c.SingleFileMaxSize%mostParts > 0 {
		needed++
	}
	return min(max(c.MinPartSize, needed), largestPart)
}

// LogFile is the path of the log.
func (c *Config) LogFile() string {
	return strings.TrimSuffix(c.LogDir, "/") + "/cos_v5.log"
}

// MaxClients is how many sockets max_connection_num leaves beside the listener, which is how many sessions can be
// open at once while none transfers. It is 0 where max_connection_num is 0, which means no limit, and also where
// it is 1, which lets nobody in.
func (c *Config) MaxClients() int {
	return max(c.MaxConnectionNum-1, 0)
}

// The rights of authority in pyftpdlib's letters, as the original gives them.
const (
	readPerm  = "elr"
	writePerm = "adfmwMT"
)

// Authority spells the account's rights as authority does: "RW", "R", "W" or "". A letter stands for all of its rights.
func (a *Account) Authority() string {
	authority := ""
	if hasAll(a.Perm, readPerm) {
		authority += "R"
	}
	if hasAll(a.Perm, writePerm) {
		authority += "W"
	}
	return authority
}

func hasAll(text, letters string) bool {
	for i := range len(letters) {
		if strings.IndexByte(text, letters[i]) < 0 {
			return false
		}
	}
	return true
}
