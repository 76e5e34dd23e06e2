package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/tencentyun/cos-ftp-server/conf"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
	"github.com/tencentyun/cos-ftp-server/ftpserver/auth"
)

// logins opens one FS per account and returns the function that checks a login against them. An account that no
// client can be made for (the original starts with it and answers 550 to everything) cannot log in; the others can.
func logins(cfg *conf.Config, engine *cosfs.Engine, logger *slog.Logger, stderr io.Writer) func(context.Context, ftpserver.Attempt) *ftpserver.Account {
	accounts, entries := map[string]*ftpserver.Account{}, map[string]auth.Entry{}
	for i := range cfg.Accounts {
		a := &cfg.Accounts[i]
		if a.Unusable != nil {
			continue // told with the warnings
		}
		fs, err := cosfs.New(fsOptions(cfg, a, logger), engine)
		if err != nil {
			logger.Error("this account cannot log in", "section", a.Section, "error", err)
			fmt.Fprintf(stderr, "cos-ftp-server: %s: [%s] cannot log in: %v\n", cfg.File, a.Section, err)
			continue
		}
		accounts[a.UserName] = accountOptions(a, fs)
		entries[a.UserName] = auth.Entry{Password: a.Password.Reveal(), Hash: a.PasswordHash.Reveal(), Open: a.Anonymous()}
	}
	if anonymous, open := accounts["anonymous"]; open && accounts["ftp"] == nil {
		accounts["ftp"], entries["ftp"] = anonymous, entries["anonymous"] // the other name by which RFC 1635 has it
	}
	book := auth.NewBook(entries)
	return func(ctx context.Context, a ftpserver.Attempt) *ftpserver.Account {
		if !book.Admits(ctx, auth.Attempt(a)) {
			return nil
		}
		return accounts[a.User]
	}
}

// hashPassword prints the hash of a password that it reads.
func hashPassword(in *os.File, stdout, stderr io.Writer) error {
	text, err := auth.ReadPassword(in, stderr)
	if err != nil {
		return err
	}
	hash, err := auth.Hash(text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, hash)
	return err
}
