package conf

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
)

// key is one row of the table: what the option is, and how its text becomes a field.
type key struct {
	Key
	required bool // in every section of its kind
	secret   bool // the value is never shown
	verbatim bool // the value may hold " #": it is no comment there, as in the original
	lenient  bool // a value that will not do means the default, as in the original; else it is an error
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
		Key:      Key{accountSection, "home_dir", "", "Existing local directory, one for each user; replies and log lines name it, no file is stored there."},
		required: true, verbatim: true, set: setHomeDir,
	}, {
		Key:      Key{accountSection, "ftp_login_user_name", "", "FTP user name, different for each account."},
		required: true, verbatim: true, set: setUserName,
	}, {
		Key:      Key{accountSection, "ftp_login_user_password", "", "FTP password."},
		required: true, secret: true, verbatim: true, set: setPassword,
	}, {
		Key:      Key{accountSection, "authority", "", "Rights of the user: R (read), W (write) or RW."},
		required: true, set: setAuthority,
	}, {
		Key: Key{accountSection, "delete_enable", "true", "Whether the user may delete: true or false."},
		set: boolean(func(l *loader) *bool { return &l.account.DeleteEnable }),
	}, {
		Key: Key{networkSection, "masquerade_address", "", "IPv4 address or host name to tell clients in passive mode, where the server is behind a gateway or NAT."},
		set: setMasquerade,
	}, {
		Key: Key{networkSection, "listen_port", "2121", "Port of the FTP server; the firewall must let it through."},
		set: setListenPort,
	}, {
		Key: Key{networkSection, "passive_port", "60000,65535", "First and last port for passive mode; the firewall must let them through."},
		set: setPassivePorts,
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
		Key: Key{optionalSection, "rename_dir_limit", "10000", "Objects that a directory may hold to be renamed, at most 1000000; 0 refuses to rename directories."},
		set: setRenameDirLimit,
	}, {
		Key:     Key{optionalSection, "log_level", "INFO", "DEBUG, INFO or ERROR."},
		lenient: true, set: setLogLevel,
	}, {
		Key: Key{optionalSection, "log_dir", "log", "Directory of the log, relative to the working directory; taken in lower case."},
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
		Key: Key{optionalSection, "incomplete_upload", "keep", "What an upload becomes that the client broke off: keep (what arrived becomes the file) or discard."},
		set: setIncomplete,
	},
}
