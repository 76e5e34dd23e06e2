package conf

import "time"

// Key is one option of vsftpd.conf, as README and vsftpd.conf.example show it.
type Key struct {
	Section string // COS_ACCOUNT_n stands for every section whose name starts with COS_ACCOUNT
	Name    string
	Default string // as one would write it; "" for none
	Doc     string // one line
}

const (
	accountSection  = "COS_ACCOUNT_n"
	accountPrefix   = "COS_ACCOUNT"
	networkSection  = "NETWORK"
	fileSection     = "FILE_OPTION"
	optionalSection = "OPTIONAL"

	defaultLogDir = "log"
)

// key is one row of the table: what the option is, and how its text becomes a field.
type key struct {
	Key
	required bool   // in every section of its kind
	instead  string // the option in whose place this one may stand; both together are an error
	secret   bool   // the value is never shown
	verbatim bool   // the value may hold " #": it is no comment there, as in the original
	lenient  bool   // a value that will not do means the default, as in the original; else it is an error
	set      setter
}

// setter stores a value. The error says what would do; the note, if any, what was made of an accepted value.
type setter func(l *loader, value string) (note string, err error)

// Keys returns all options in the order of the example.
func Keys() []Key {
	rows := make([]Key, len(keys))
	for i, row := range keys {
		rows[i] = row.Key
	}
	return rows
}

// isKnown says whether any section has an option of the name.
func isKnown(name string) bool {
	for _, row := range keys {
		if row.Name == name {
			return true
		}
	}
	return false
}

// keys is the table of all options.
var keys = []key{
	{
		Key:      Key{accountSection, "cos_secretid", "", "SecretId of the API key that may use the bucket."},
		required: true, secret: true, verbatim: true, set: secret(func(a *Account) *Secret { return &a.SecretID }),
	}, {
		Key:      Key{accountSection, "cos_secretkey", "", "SecretKey of that API key."},
		required: true, secret: true, verbatim: true, set: secret(func(a *Account) *Secret { return &a.SecretKey }),
	}, {
		Key:    Key{accountSection, "cos_session_token", "", "Token of a temporary API key (STS), which lives no longer than the key."},
		secret: true, verbatim: true, set: setSessionToken,
	}, {
		Key:      Key{accountSection, "cos_bucket", "", "Bucket that the user works on, BUCKETNAME-APPID."},
		required: true, set: setBucket,
	}, {
		Key: Key{accountSection, "cos_region", "", "Region of the bucket, e.g. ap-guangzhou. Needed where cos_endpoint is not given."},
		set: setRegion,
	}, {
		Key: Key{accountSection, "cos_endpoint", "", "Host behind BUCKET., instead of the region's cos.REGION.myqcloud.com; may carry a :port."},
		set: setEndpoint,
	}, {
		Key: Key{accountSection, "cos_protocol", "https", "https or http, for talking to COS."},
		set: setProtocol,
	}, {
		Key: Key{accountSection, "cos_address", "", "host:port to connect to for this bucket, whatever its host name resolves to (private clouds, tests)."},
		set: setAddress,
	}, {
		Key:      Key{accountSection, "cos_prefix", "", "Directory of the bucket that is the user's root; the user sees and reaches nothing outside it."},
		verbatim: true, set: setPrefix,
	}, {
		Key:      Key{accountSection, "home_dir", "", "Existing local directory, one for each user; replies and log lines name it, no file is stored there."},
		required: true, verbatim: true, set: setHomeDir,
	}, {
		Key:      Key{accountSection, "ftp_login_user_name", "", "FTP user name, different for each account; anonymous lets in anybody, with any password, as anonymous or ftp."},
		required: true, verbatim: true, set: setUserName,
	}, {
		Key:      Key{accountSection, "ftp_login_user_password", "", "FTP password."},
		required: true, secret: true, verbatim: true, set: setPassword,
	}, {
		Key:     Key{accountSection, "ftp_login_user_password_hash", "", "Hash of the FTP password, in place of ftp_login_user_password: bcrypt ($2a$, $2b$, $2y$) or crypt ($5$, $6$)."},
		instead: "ftp_login_user_password", secret: true, set: setPasswordHash,
	}, {
		Key:      Key{accountSection, "authority", "", "Rights of the user: R (read), W (write) or RW."},
		required: true, set: setAuthority,
	}, {
		Key:     Key{accountSection, "perm", "", "Rights of the user one by one, in place of authority: letters of elradfmwMT."},
		instead: "authority", set: setPerm,
	}, {
		Key: Key{accountSection, "delete_enable", "true", "Whether the user may delete: true or false."},
		set: boolean(func(l *loader) *bool { return &l.account.DeleteEnable }),
	}, {
		Key: Key{accountSection, "filename_charset", "utf-8", "Character set of the names that the user's clients send and expect: utf-8 or gbk."},
		set: setCharset,
	}, {
		Key: Key{accountSection, "max_upload_rate", "0", "Bytes per second of the uploads of all the user's sessions together; 0 means no limit."},
		set: rate(func(l *loader) *int64 { return &l.account.MaxUploadRate }),
	}, {
		Key: Key{accountSection, "max_download_rate", "0", "Bytes per second of the downloads of all the user's sessions together; 0 means no limit."},
		set: rate(func(l *loader) *int64 { return &l.account.MaxDownloadRate }),
	}, {
		Key: Key{networkSection, "masquerade_address", "", "IPv4 address or host name to tell clients in passive mode, where the server is behind a gateway or NAT; or a list by the clients' network."},
		set: setMasquerade,
	}, {
		Key: Key{networkSection, "listen_port", "2121", "Port of the FTP server; the firewall must let it through."},
		set: setListenPort,
	}, {
		Key: Key{networkSection, "listen_address", "0.0.0.0", "Addresses to listen on, with commas between them; :: is all of IPv6, and that only."},
		set: setListenAddresses,
	}, {
		Key: Key{networkSection, "passive_port", "60000,65535", "First and last port for passive mode; the firewall must let them through."},
		set: setPassivePorts,
	}, {
		Key: Key{networkSection, "active_mode_enable", "true", "Whether clients may use active mode (PORT, EPRT): true or false."},
		set: boolean(func(l *loader) *bool { return &l.cfg.ActiveMode }),
	}, {
		Key: Key{networkSection, "active_source_port", "0", "Port from which active data connections are made (20 is usual, and needs the right to ports below 1024); 0 means any."},
		set: setActiveSourcePort,
	}, {
		Key: Key{networkSection, "permit_foreign_addresses", "passive", "Whether data connections may have another client address than the control connection: passive (only in passive mode), true (in active mode too, which lets users attack third hosts) or false."},
		set: oneOf(func(c *Config) *string { return &c.PermitForeign }, "passive", "true", "false"),
	}, {
		Key: Key{networkSection, "accept_timeout", "30", "Seconds that a client has to open a passive data connection."},
		set: seconds(func(c *Config) *time.Duration { return &c.AcceptTimeout }),
	}, {
		Key: Key{networkSection, "connect_timeout", "10", "Seconds to try an active data connection."},
		set: seconds(func(c *Config) *time.Duration { return &c.ConnectTimeout }),
	}, {
		Key: Key{networkSection, "idle_ctrl_timeout", "300", "Seconds without a command and without a transfer after which a session ends."},
		set: seconds(func(c *Config) *time.Duration { return &c.IdleCtrlTimeout }),
	}, {
		Key: Key{networkSection, "idle_data_timeout", "300", "Seconds without a byte after which a transfer ends."},
		set: seconds(func(c *Config) *time.Duration { return &c.IdleDataTimeout }),
	}, {
		Key: Key{networkSection, "max_conns_per_ip", "0", "Greatest number of sessions from one client address (of IPv6: from one /64); 0 means no limit."},
		set: limit(func(c *Config) *int { return &c.MaxConnsPerIP }),
	}, {
		Key: Key{networkSection, "max_conns_per_user", "0", "Greatest number of sessions of one FTP user; 0 means no limit."},
		set: limit(func(c *Config) *int { return &c.MaxConnsPerUser }),
	}, {
		Key: Key{networkSection, "ban_after", "0", "Failed logins from one client address within ban_window that ban it for ban_time, 1 to 100; 0 bans nobody."},
		set: setBanAfter,
	}, {
		Key: Key{networkSection, "ban_window", "600", "Seconds within which ban_after counts."},
		set: seconds(func(c *Config) *time.Duration { return &c.BanWindow }),
	}, {
		Key: Key{networkSection, "ban_time", "600", "Seconds for which an address is banned."},
		set: seconds(func(c *Config) *time.Duration { return &c.BanTime }),
	}, {
		Key: Key{networkSection, "tls_cert_file", "", "Certificate for FTPS with its chain (PEM), relative to this file; read anew when it changes. Without it there is no FTPS."},
		set: file(func(c *Config) *string { return &c.TLSCertFile }),
	}, {
		Key: Key{networkSection, "tls_key_file", "", "Private key of the certificate (PEM), where it is not in the same file."},
		set: file(func(c *Config) *string { return &c.TLSKeyFile }),
	}, {
		Key: Key{networkSection, "tls_required", "none", "What needs TLS: none, login (user name and password) or all (data connections, too)."},
		set: oneOf(func(c *Config) *string { return &c.TLSRequired }, "none", "login", "all"),
	}, {
		Key: Key{networkSection, "implicit_tls_port", "0", "Port for clients that speak TLS from the first byte (ftps://, 990 is usual); 0 means none."},
		set: setImplicitPort,
	}, {
		Key: Key{networkSection, "tls_require_reuse", "false", "Whether data connections must resume the control connection's TLS session, which only the same client can: true or false."},
		set: boolean(func(l *loader) *bool { return &l.cfg.TLSRequireReuse }),
	}, {
		Key: Key{networkSection, "tls_strict_close", "false", "Whether an upload over TLS is complete only where the client ends it by close_notify, which many do not send: true or false."},
		set: boolean(func(l *loader) *bool { return &l.cfg.TLSStrictClose }),
	}, {
		Key: Key{networkSection, "tls_client_ca_file", "", "Authorities (PEM) of which clients must have a certificate, so that logins need TLS; without it clients need none."},
		set: file(func(c *Config) *string { return &c.TLSClientCAFile }),
	}, {
		Key: Key{networkSection, "tls_client_user", "none", "What a client's certificate says of its user: none, or cn (its common name is the user who may log in with it)."},
		set: oneOf(func(c *Config) *string { return &c.TLSClientUser }, "none", "cn"),
	}, {
		Key: Key{fileSection, "single_file_max_size", "214748364800", "Greatest size of a file in bytes, at most 40000 GiB."},
		set: setMaxSize,
	}, {
		Key:     Key{optionalSection, "min_part_size", "2097152", "Least size in bytes of a part of a multipart upload, 1048576 to 5368709119; or default."},
		lenient: true, set: setMinPartSize,
	}, {
		Key:     Key{optionalSection, "upload_thread_num", "default", "Parts uploaded at once by the whole server, 1 to CPUs x 8; default is CPUs x 4."},
		lenient: true, set: setUploadThreads,
	}, {
		Key: Key{optionalSection, "download_thread_num", "default", "Ranges downloaded at once by the whole server, 1 to 1024; default is CPUs x 4."},
		set: setDownloadThreads,
	}, {
		Key: Key{optionalSection, "transfer_memory", "default", "Bytes of memory for the buffers of all transfers; default or 0 derives it from the machine."},
		set: setTransferMemory,
	}, {
		Key:     Key{optionalSection, "max_connection_num", "512", "Greatest number of connections, control and data together, the listening one included; 0 means no limit."},
		lenient: true, set: positive(func(c *Config) *int { return &c.MaxConnectionNum }, 512, 0),
	}, {
		Key:     Key{optionalSection, "max_list_file", "1000", "Entries after which a listing ends."},
		lenient: true, set: positive(func(c *Config) *int { return &c.MaxListFile }, 1000, 1),
	}, {
		Key: Key{optionalSection, "list_style", "original", "Form of the lines of LIST: original (as the Python tool, with tabs) or unix (as ls -l and vsftpd)."},
		set: oneOf(func(c *Config) *string { return &c.ListStyle }, "original", "unix"),
	}, {
		Key: Key{optionalSection, "list_metadata", "false", "Whether listings tell modification times and modes that were set for a file, for one more request to COS per file: true or false."},
		set: boolean(func(l *loader) *bool { return &l.cfg.ListMetadata }),
	}, {
		Key: Key{optionalSection, "extended_commands", "false", "Whether AVBL, CLNT, HASH, HOST, MD5, RANG, SITE UMASK, SITE UTIME, XCRC, XMD5, XSHA, XSHA1, XSHA256 and XSHA512 are known: true or false."},
		set: boolean(func(l *loader) *bool { return &l.cfg.ExtendedCommands }),
	}, {
		Key: Key{optionalSection, "rename_dir_limit", "10000", "Objects that a directory may hold to be renamed, at most 1000000; 0 refuses to rename directories."},
		set: setRenameDirLimit,
	}, {
		Key:     Key{optionalSection, "log_level", "INFO", "DEBUG, INFO or ERROR."},
		lenient: true, set: setLogLevel,
	}, {
		Key: Key{optionalSection, "log_dir", defaultLogDir, "Directory of the log, relative to the working directory; taken in lower case."},
		set: setLogDir,
	}, {
		Key:     Key{optionalSection, "log_rotate_enabled", "false", "Whether the log is rotated by time: true, yes or y."},
		lenient: true, set: setRotate,
	}, {
		Key:     Key{optionalSection, "log_rotate_when", "H", "Period of rotation: S (second), M (minute), H (hour) or D (day)."},
		lenient: true, set: setRotateWhen,
	}, {
		Key:     Key{optionalSection, "log_backup_count", "100", "Rotated logs that are kept."},
		lenient: true, set: positive(func(c *Config) *int { return &c.LogBackupCount }, 100, 1),
	}, {
		Key: Key{optionalSection, "config_check_enable", "true", "Whether the start checks memory, ports, log directory and buckets first: true or false."},
		set: boolean(func(l *loader) *bool { return &l.cfg.ConfigCheckEnable }),
	}, {
		Key: Key{optionalSection, "shutdown_grace", "10", "Seconds that running transfers get to finish when the server is stopped."},
		set: setGrace,
	}, {
		Key: Key{optionalSection, "run_as", "", "User that the server, started as root, becomes when its ports are open; log_dir must be writable and certificates readable for it."},
		set: setRunAs,
	}, {
		Key: Key{optionalSection, "incomplete_upload", "keep", "What an upload becomes that the client broke off: keep (what arrived becomes the file) or discard."},
		set: oneOf(func(c *Config) *string { return &c.IncompleteUpload }, "keep", "discard"),
	}, {
		Key: Key{optionalSection, "resume_upload", "proven", "What REST before STOR may go on with: proven (what an interrupted upload has left) or any (any file, as a disk does)."},
		set: oneOf(func(c *Config) *string { return &c.ResumeUpload }, "proven", "any"),
	}, {
		Key: Key{optionalSection, "storage_patience", "600", "Seconds for which a transfer waits for a COS that is overloaded or out of order, as long as its client does."},
		set: seconds(func(c *Config) *time.Duration { return &c.StoragePatience }),
	}, {
		Key: Key{optionalSection, "max_upload_rate", "0", "Bytes per second of the uploads of one session; 0 means no limit."},
		set: rate(func(l *loader) *int64 { return &l.cfg.MaxUploadRate }),
	}, {
		Key: Key{optionalSection, "max_download_rate", "0", "Bytes per second of the downloads of one session; 0 means no limit."},
		set: rate(func(l *loader) *int64 { return &l.cfg.MaxDownloadRate }),
	}, {
		Key: Key{optionalSection, "total_upload_rate", "0", "Bytes per second of all uploads of the server together; 0 means no limit."},
		set: rate(func(l *loader) *int64 { return &l.cfg.TotalUploadRate }),
	}, {
		Key: Key{optionalSection, "total_download_rate", "0", "Bytes per second of all downloads of the server together; 0 means no limit."},
		set: rate(func(l *loader) *int64 { return &l.cfg.TotalDownloadRate }),
	}, {
		Key:      Key{optionalSection, "banner", "Welcome to COS FTP Service", "Text of the greeting."},
		verbatim: true, set: setBanner,
	}, {
		Key: Key{optionalSection, "max_login_attempts", "3", "Refused logins after which a connection is closed, 1 to 100."},
		set: setLoginAttempts,
	},
}
