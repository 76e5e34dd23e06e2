package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
)

// loadCertificate reads what FTPS needs; nil where tls_cert_file is not given. An expired certificate is told, and used.
func loadCertificate(cfg *conf.Config, logger *slog.Logger, stderr io.Writer) (*ftpserver.Certificate, error) {
	if cfg.TLSCertFile == "" {
		return nil, nil
	}
	certificate, err := ftpserver.LoadCertificate(cfg.TLSCertFile, cfg.TLSKeyFile, cfg.TLSClientCAFile, logger)
	if err != nil {
		return nil, forUser(cfg, fmt.Errorf("[NETWORK] tls_cert_file: %w; want a PEM certificate and its key, or delete the line to go without FTPS", err))
	}
	if err := certificate.Dates(); err != nil {
		fmt.Fprintln(stderr, "cos-ftp-server: warning:", err)
		logger.Error(err.Error())
	}
	return certificate, nil
}
