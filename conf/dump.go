package conf

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"
)

// dumped is a Config as Dump shows it: keys as in the conf file, then what follows from them.
type dumped struct {
	File     string          `json:"file"`
	Accounts []dumpedAccount `json:"accounts"`

	MasqueradeAddress string `json:"masquerade_address"`
	ListenPort        int    `json:"listen_port"`

	ListenAddress   []netip.Addr `json:"listen_address"`
	ActiveMode      bool         `json:"active_mode_enable"`
	ActiveSource    int          `json:"active_source_port"`
	PermitForeign   string       `json:"permit_foreign_addresses"`
	AcceptTimeout   int64        `json:"accept_timeout"`
	ConnectTimeout  int64        `json:"connect_timeout"`
	IdleCtrlTimeout int64        `json:"idle_ctrl_timeout"`
	IdleDataTimeout int64        `json:"idle_data_timeout"`
	MaxConnsPerIP   int          `json:"max_conns_per_ip"`
	MaxConnsPerUser int          `json:"max_conns_per_user"`
	BanAfter        int          `json:"ban_after"`
	BanWindow       int64        `json:"ban_window"`
	BanTime         int64        `json:"ban_time"`
	TLSCertFile     string       `json:"tls_cert_file"`
	TLSKeyFile      string       `json:"tls_key_file"`
	TLSClientCAFile string       `json:"tls_client_ca_file"`
	TLSClientUser   string       `json:"tls_client_user"`
	TLSRequired     string       `json:"tls_required"`
	TLSRequireReuse bool         `json:"tls_require_reuse"`
	TLSStrictClose  bool         `json:"tls_strict_close"`
	ImplicitTLSPort int          `json:"implicit_tls_port"`

	SingleFileMaxSize int64 `json:"single_file_max_size"`

	MinPartSize       int64  `json:"min_part_size"`
	UploadThreadNum   int    `json:"upload_thread_num"`
	DownloadThreadNum int    `json:"download_thread_num"`
	TransferMemory    int64  `json:"transfer_memory"`
	MaxConnectionNum  int    `json:"max_connection_num"`
	MaxListFile       int    `json:"max_list_file"`
	ListStyle         string `json:"list_style"`
	ListMetadata      bool   `json:"list_metadata"`
	ExtendedCommands  bool   `json:"extended_commands"`
	RenameDirLimit    int    `json:"rename_dir_limit"`
	LogLevel          string `json:"log_level"`
	LogDir            string `json:"log_dir"`
	LogRotateEnabled  bool   `json:"log_rotate_enabled"`
	LogRotateWhen     string `json:"log_rotate_when"`
	LogBackupCount    int    `json:"log_backup_count"`
	ConfigCheckEnable bool   `json:"config_check_enable"`
	ShutdownGrace     int64  `json:"shutdown_grace"`
	RunAs             string `json:"run_as"`
	IncompleteUpload  string `json:"incomplete_upload"`
	ResumeUpload      string `json:"resume_upload"`
	StoragePatience   int64  `json:"storage_patience"`
	MaxUploadRate     int64  `json:"max_upload_rate"`
	MaxDownloadRate   int64  `json:"max_download_rate"`
	TotalUploadRate   int64  `json:"total_upload_rate"`
	TotalDownloadRate int64  `json:"total_download_rate"`
	Banner            string `json:"banner"`
	MaxLoginAttempts  int    `json:"max_login_attempts"`

	PassivePort   [2]int `json:"passive_port"`
	PassivePorts  [2]int `json:"passive_ports"`
	PartSize      int64  `json:"part_size"`
	UploadThreads int    `json:"upload_threads"`
	MaxClients    int    `json:"max_clients"`
	LogFile       string `json:"log_file"`
}

type dumpedAccount struct {
	Section      string `json:"section"`
	SecretID     Secret `json:"cos_secretid"`
	SecretKey    Secret `json:"cos_secretkey"`
	SessionToken Secret `json:"cos_session_token"`
	Bucket       string `json:"cos_bucket"`
	Region       string `json:"cos_region"`
	Endpoint     string `json:"cos_endpoint"`
	Protocol     string `json:"cos_protocol"`
	Address      string `json:"cos_address"`
	Prefix       string `json:"cos_prefix"`
	HomeDir      string `json:"home_dir"`
	UserName     string `json:"ftp_login_user_name"`
	Password     Secret `json:"ftp_login_user_password"`
	PasswordHash Secret `json:"ftp_login_user_password_hash"`
	Authority    string `json:"authority"`
	Perm         string `json:"perm"`
	DeleteEnable bool   `json:"delete_enable"`
	Charset      string `json:"filename_charset"`

	MaxUploadRate   int64 `json:"max_upload_rate"`
	MaxDownloadRate int64 `json:"max_download_rate"`

	Host     string   `json:"cos_host"`
	Unusable []string `json:"unusable,omitempty"`
}

// Dump shows the effective configuration as indented JSON, without secrets. Every key of the conf file is there
// under its own name (passive_port as [first, last], both included; shutdown_grace in seconds; transfer_memory 0
// where the machine decides; max_connection_num 0 for no limit), and what follows from them: passive_ports,
// part_size in bytes, upload_threads, max_clients as of [Config.MaxClients], log_file, and per account cos_host and what
// keeps it from working.
func (c *Config) Dump() ([]byte, error) {
	d := dumped{
		File:     c.File,
		Accounts: make([]dumpedAccount, len(c.Accounts)),

		MasqueradeAddress: c.masqueradeText(),
		ListenPort:        c.ListenPort,
		ListenAddress:     c.ListenAddresses,
		ActiveMode:        c.ActiveMode,
		ActiveSource:      c.ActiveSourcePort,
		PermitForeign:     c.PermitForeign,
		AcceptTimeout:     int64(c.AcceptTimeout / time.Second),
		ConnectTimeout:    int64(c.ConnectTimeout / time.Second),
		IdleCtrlTimeout:   int64(c.IdleCtrlTimeout / time.Second),
		IdleDataTimeout:   int64(c.IdleDataTimeout / time.Second),
		MaxConnsPerIP:     c.MaxConnsPerIP,
		MaxConnsPerUser:   c.MaxConnsPerUser,
		BanAfter:          c.BanAfter,
		BanWindow:         int64(c.BanWindow / time.Second),
		BanTime:           int64(c.BanTime / time.Second),
		TLSCertFile:       c.TLSCertFile,
		TLSKeyFile:        c.TLSKeyFile,
		TLSClientCAFile:   c.TLSClientCAFile,
		TLSClientUser:     c.TLSClientUser,
		TLSRequired:       c.TLSRequired,
		TLSRequireReuse:   c.TLSRequireReuse,
		TLSStrictClose:    c.TLSStrictClose,
		ImplicitTLSPort:   c.ImplicitTLSPort,

		SingleFileMaxSize: c.SingleFileMaxSize,
		MinPartSize:       c.MinPartSize,
		UploadThreadNum:   c.UploadThreadNum,
		DownloadThreadNum: c.DownloadThreadNum,
		TransferMemory:    c.TransferMemory,
		MaxConnectionNum:  c.MaxConnectionNum,
		MaxListFile:       c.MaxListFile,
		ListStyle:         c.ListStyle,
		ListMetadata:      c.ListMetadata,
		ExtendedCommands:  c.ExtendedCommands,
		RenameDirLimit:    c.RenameDirLimit,
		LogLevel:          c.LogLevel.String(),
		LogDir:            c.LogDir,
		LogRotateEnabled:  c.LogRotateEnabled,
		LogRotateWhen:     c.LogRotateWhen,
		LogBackupCount:    c.LogBackupCount,
		ConfigCheckEnable: c.ConfigCheckEnable,
		ShutdownGrace:     int64(c.ShutdownGrace / time.Second),
		RunAs:             c.RunAs,
		IncompleteUpload:  c.IncompleteUpload,
		ResumeUpload:      c.ResumeUpload,
		StoragePatience:   int64(c.StoragePatience / time.Second),
		MaxUploadRate:     c.MaxUploadRate,
		MaxDownloadRate:   c.MaxDownloadRate,
		TotalUploadRate:   c.TotalUploadRate,
		TotalDownloadRate: c.TotalDownloadRate,
		Banner:            c.Banner,
		MaxLoginAttempts:  c.MaxLoginAttempts,

		PassivePort:   [2]int{c.PassiveFirst, c.PassiveLast},
		PassivePorts:  [2]int{c.PassiveFirst, c.PassiveLast},
		PartSize:      c.PartSize(),
		UploadThreads: c.UploadThreadNum,
		MaxClients:    c.MaxClients(),
		LogFile:       c.LogFile(),
	}
	for i := range c.Accounts {
		d.Accounts[i] = dumpAccount(&c.Accounts[i])
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(d)
	return []byte(strings.TrimSuffix(text.String(), "\n")), err
}

func dumpAccount(a *Account) dumpedAccount {
	return dumpedAccount{
		Section:      a.Section,
		SecretID:     a.SecretID,
		SecretKey:    a.SecretKey,
		SessionToken: a.SessionToken,
		Bucket:       a.Bucket,
		Region:       a.Region,
		Endpoint:     a.Endpoint,
		Protocol:     a.Protocol,
		Address:      a.Address,
		Prefix:       a.Prefix,
		HomeDir:      a.HomeDir,
		UserName:     a.UserName,
		Password:     a.Password,
		PasswordHash: a.PasswordHash,
		Authority:    a.Authority(),
		Perm:         a.Perm,
		DeleteEnable: a.DeleteEnable,
		Charset:      a.Charset,

		MaxUploadRate:   a.MaxUploadRate,
		MaxDownloadRate: a.MaxDownloadRate,

		Host:     a.Host(),
		Unusable: a.Unusable,
	}
}
