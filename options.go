package main

import (
	"io"
	"log/slog"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
	"github.com/tencentyun/cos-ftp-server/ftpserver/charset"
	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
	"github.com/tencentyun/cos-ftp-server/log"
)

// This file has one line for each option: it takes a Config's value into the room that uses it.

func logOptions(cfg *conf.Config, stderr io.Writer) log.Options {
	return log.Options{
		Level:   cfg.LogLevel,
		File:    cfg.LogFile(),
		Rotate:  cfg.LogRotateEnabled,
		When:    cfg.LogRotateWhen,
		Backups: cfg.LogBackupCount,
		Stderr:  stderr,
	}
}

func newEngine(cfg *conf.Config, memory int64) *cosfs.Engine {
	return cosfs.NewEngine(cosfs.EngineOptions{
		UploadThreads:   cfg.UploadThreadNum,
		DownloadThreads: cfg.DownloadThreadNum,
		Memory:          memory,
		Patience:        cfg.StoragePatience,
	})
}

func fsOptions(cfg *conf.Config, a *conf.Account, logger *slog.Logger) cosfs.Options {
	return cosfs.Options{
		SecretID:       a.SecretID.Reveal(),
		SecretKey:      a.SecretKey.Reveal(),
		SessionToken:   a.SessionToken.Reveal(),
		Bucket:         a.Bucket,
		Host:           a.Host(),
		Scheme:         a.Protocol,
		Address:        a.Address,
		Prefix:         a.Prefix,
		UserAgent:      "cos-ftp-server-" + version,
		PartSize:       cfg.PartSize(),
		MaxFileSize:    cfg.SingleFileMaxSize,
		MaxList:        cfg.MaxListFile,
		ListMetadata:   cfg.ListMetadata,
		RenameDirLimit: cfg.RenameDirLimit,
		ResumeAny:      cfg.ResumeUpload == "any",
		ClientOf:       ftpserver.ClientOf,
		Logger:         logger,
	}
}

func newServer(cfg *conf.Config, engine *cosfs.Engine, certificate *ftpserver.Certificate, logger *slog.Logger, stderr io.Writer) *ftpserver.Server {
	return ftpserver.New(ftpserver.Options{
		Login:          logins(cfg, engine, logger, stderr),
		Logger:         logger,
		Banner:         cfg.Banner,
		PassiveFirst:   cfg.PassiveFirst,
		PassiveLast:    cfg.PassiveLast,
		Masquerade:     ftpserver.Masquerade(cfg.MasqueradeAddress),
		MasqueradeFor:  masqueradeRoutes(cfg),
		SameHostOnly:   cfg.PermitForeign == "false",
		AnyHost:        cfg.PermitForeign == "true",
		NoActive:       !cfg.ActiveMode,
		AcceptTimeout:  cfg.AcceptTimeout,
		ConnectTimeout: cfg.ConnectTimeout,
		IdleTimeout:    cfg.IdleCtrlTimeout,
		DataTimeout:    cfg.IdleDataTimeout,
		MaxPerHost:     cfg.MaxConnsPerIP,
		MaxPerUser:     cfg.MaxConnsPerUser,
		BanAfter:       cfg.BanAfter,
		BanWindow:      cfg.BanWindow,
		BanTime:        cfg.BanTime,
		Certificate:    certificate,
		TLSRequired:    tlsRequirements[cfg.TLSRequired],

		CertificateUser: cfg.TLSClientUser == "cn",
		TLSRequireReuse: cfg.TLSRequireReuse,
		TLSStrictClose:  cfg.TLSStrictClose,

		MaxConnections: cfg.MaxConnectionNum,
		Extended:       cfg.ExtendedCommands,
		UnixListing:    cfg.ListStyle == "unix",
		KeepIncomplete: cfg.IncompleteUpload == "keep",

		MaxUploadRate:   cfg.MaxUploadRate,
		MaxDownloadRate: cfg.MaxDownloadRate,
		UploadRate:      limit.NewRate(cfg.TotalUploadRate),
		DownloadRate:    limit.NewRate(cfg.TotalDownloadRate),
		MaxLogins:       cfg.MaxLoginAttempts,

		ActiveSourcePort: cfg.ActiveSourcePort,
	})
}

// tlsRequirements are the words of tls_required.
var tlsRequirements = map[string]ftpserver.TLSRequirement{
	"none": ftpserver.TLSOptional, "login": ftpserver.TLSForLogin, "all": ftpserver.TLSForAll,
}

func masqueradeRoutes(cfg *conf.Config) []ftpserver.MasqueradeRoute {
	var routes []ftpserver.MasqueradeRoute
	for _, n := range cfg.MasqueradeNets {
		routes = append(routes, ftpserver.MasqueradeRoute{Clients: n.Clients, Address: ftpserver.Masquerade(n.Address)})
	}
	return routes
}

func accountOptions(a *conf.Account, fs *cosfs.FS) *ftpserver.Account {
	account := &ftpserver.Account{
		Name: a.UserName, Home: a.HomeDir, FS: fs,
		Perm: a.Perm, Delete: a.DeleteEnable,

		UploadRate:   limit.NewRate(a.MaxUploadRate),
		DownloadRate: limit.NewRate(a.MaxDownloadRate),
	}
	if a.Charset == "gbk" {
		account.Charset = charset.GBK{}
	}
	return account
}
