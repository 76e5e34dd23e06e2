package ftpserver

import (
	"maps"
	"slices"
	"strings"
)

// command is one row of the table of commands.
type command struct {
	run func(*session, request) reply

	open     bool // allowed before login
	argument argumentRule
	perm     byte // pyftpdlib's permission letter, 0 for none
	deletes  bool // needs delete_enable
	named    bool // the argument is a file name: request.name is made from it
	// waits for a running transfer: the command needs the data connection, or would change who is logged in.
	waits bool
	makes bool // makes a file or directory of that name
	// transfers says the command is answered over a data connection.
	transfers bool
	// slow says that the command reads much of the storage: the session hears ABOR meanwhile.
	slow bool
	// turns says the command may change what the control connection is made of: the reader waits for its end.
	turns   bool
	logged  bool   // one INFO line per command, as the original
	feature string // what FEAT says of it
	help    string // behind "Syntax: "
}

type argumentRule uint8

const (
	argumentOptional argumentRule = iota
	argumentRequired
	argumentForbidden
)

// request is one command line, taken apart.
type request struct {
	verb string   // upper case; "SITE CHMOD" for a SITE command
	arg  string   // the argument as text, once the command's turn has come; PASS and USER take raw
	raw  string   // the argument's bytes
	name string   // absolute name, for commands with a file name
	wish listWish // of LIST, NLST and STAT
	cmd  *command
	// followed says that bytes came right behind the line, which a command that turns cannot have.
	followed bool
}

// commandTable is every command there is. HELP, FEAT and the gate in front of the handlers are made from it.
func commandTable(withTLS, extended bool) map[string]*command {
	table := map[string]*command{}
	for _, part := range []map[string]*command{
		loginCommands(), dataCommands(), transferCommands(), directoryCommands(), fileCommands(), infoCommands(),
	} {
		maps.Copy(table, part)
	}
	if extended {
		maps.Copy(table, hashCommands())
		maps.Copy(table, extendedCommands())
	}
	if withTLS {
		maps.Copy(table, tlsCommands())
	}
	return table
}

func loginCommands() map[string]*command {
	return map[string]*command{
		"USER": {run: (*session).cmdUser, open: true, argument: argumentRequired, waits: true,
			help: "USER <SP> user-name (set username)."},
		"PASS": {run: (*session).cmdPass, open: true, waits: true,
			help: "PASS [<SP> password] (set user password)."},
		"REIN": {run: (*session).cmdRein, argument: argumentForbidden, waits: true, logged: true,
			help: "REIN (flush account)."},
		"QUIT": {run: (*session).cmdQuit, open: true, argument: argumentForbidden,
			help: "QUIT (quit current session)."},
	}
}

func dataCommands() map[string]*command {
	return map[string]*command{
		"ABOR": {run: (*session).cmdAbor, argument: argumentForbidden,
			help: "ABOR (abort transfer)."},
		"EPRT": {run: (*session).cmdEprt, argument: argumentRequired, waits: true, feature: "EPRT",
			help: "EPRT <SP> |proto|ip|port| (extended active mode)."},
		"EPSV": {run: (*session).cmdEpsv, waits: true, feature: "EPSV",
			help: `EPSV [<SP> proto/"ALL"] (extended passive mode).`},
		"PASV": {run: (*session).cmdPasv, argument: argumentForbidden, waits: true,
			help: "PASV (open passive data connection)."},
		"PORT": {run: (*session).cmdPort, argument: argumentRequired, waits: true,
			help: "PORT <sp> h,h,h,h,p,p (open active data connection)."},
	}
}

func transferCommands() map[string]*command {
	return map[string]*command{
		"APPE": {run: (*session).cmdAppe, argument: argumentRequired, perm: 'a', named: true, makes: true, waits: true, transfers: true,
			help: "APPE <SP> file-name (append data to file)."},
		"LIST": {run: (*session).cmdList, perm: 'l', named: true, waits: true, transfers: true,
			help: "LIST [<SP> path] (list files)."},
		"MLSD": {run: (*session).cmdMlsd, perm: 'l', named: true, waits: true, transfers: true,
			help: "MLSD [<SP> path] (list directory)."},
		"NLST": {run: (*session).cmdNlst, perm: 'l', named: true, waits: true, transfers: true,
			help: "NLST [<SP> path] (list path in a compact form)."},
		"REST": {run: (*session).cmdRest, argument: argumentRequired, feature: "REST STREAM",
			help: "REST <SP> offset (set file offset)."},
		"RETR": {run: (*session).cmdRetr, argument: argumentRequired, perm: 'r', named: true, waits: true, transfers: true,
			help: "RETR <SP> file-name (retrieve a file)."},
		"STOR": {run: (*session).cmdStor, argument: argumentRequired, perm: 'w', named: true, makes: true, waits: true, transfers: true,
			help: "STOR <SP> file-name (store a file)."},
		"STOU": {run: (*session).cmdStou, perm: 'w', named: true, makes: true, waits: true, transfers: true,
			help: "STOU [<SP> name] (store a file with a unique name)."},
	}
}

func directoryCommands() map[string]*command {
	cdup := command{run: (*session).cmdCdup, argument: argumentForbidden, perm: 'e',
		help: "CDUP (go to parent directory)."}
	cwd := command{run: (*session).cmdCwd, perm: 'e', named: true, logged: true,
		help: "CWD [<SP> dir-name] (change working directory)."}
	mkd := command{run: (*session).cmdMkd, argument: argumentRequired, perm: 'm', named: true, makes: true, logged: true,
		help: "MKD <SP> path (create directory)."}
	pwd := command{run: (*session).cmdPwd, argument: argumentForbidden,
		help: "PWD (get current working directory)."}
	rmd := command{run: (*session).cmdRmd, argument: argumentRequired, perm: 'd', named: true, deletes: true, logged: true,
		help: "RMD <SP> dir-name (remove directory)."}
	return map[string]*command{
		"CDUP": &cdup, "CWD": &cwd, "MKD": &mkd, "PWD": &pwd, "RMD": &rmd,
		"XCUP": cdup.alias("XCUP (obsolete; go to parent directory)."),
		"XCWD": cwd.alias("XCWD [<SP> dir-name] (obsolete; change directory)."),
		"XMKD": mkd.alias("XMKD <SP> dir-name (obsolete; create directory)."),
		"XPWD": pwd.alias("XPWD (obsolete; get current dir)."),
		"XRMD": rmd.alias("XRMD <SP> dir-name (obsolete; remove directory)."),
	}
}

// alias is the same command under an old name.
func (c command) alias(help string) *command {
	c.help = help
	return &c
}

func fileCommands() map[string]*command {
	return map[string]*command{
		"DELE": {run: (*session).cmdDele, argument: argumentRequired, perm: 'd', named: true, deletes: true, logged: true,
			help: "DELE <SP> file-name (delete file)."},
		"MDTM": {run: (*session).cmdMdtm, argument: argumentRequired, perm: 'l', named: true, feature: "MDTM",
			help: "MDTM [<SP> path] (file last modification time)."},
		"MFMT": {run: (*session).cmdMfmt, argument: argumentRequired, perm: 'T', named: true, logged: true, feature: "MFMT",
			help: "MFMT <SP> timeval <SP> path (file update last modification time)."},
		"MLST": {run: (*session).cmdMlst, perm: 'l', named: true,
			help: "MLST [<SP> path] (show information about path)."},
		"RNFR": {run: (*session).cmdRnfr, argument: argumentRequired, perm: 'f', named: true, logged: true,
			help: "RNFR <SP> file-name (rename (source name))."},
		"RNTO": {run: (*session).cmdRnto, argument: argumentRequired, perm: 'f', named: true, makes: true, logged: true,
			help: "RNTO <SP> file-name (rename (destination name))."},
		"SITE CHMOD": {run: (*session).cmdChmod, argument: argumentRequired, perm: 'M', named: true, logged: true,
			help: "SITE CHMOD <SP> mode path (change file mode)."},
		"SIZE": {run: (*session).cmdSize, argument: argumentRequired, perm: 'l', named: true, feature: "SIZE",
			help: "SIZE <SP> file-name (get file size)."},
	}
}

func infoCommands() map[string]*command {
	return map[string]*command{
		"ALLO": {run: (*session).cmdAllo, argument: argumentRequired,
			help: "ALLO <SP> bytes (noop; allocate storage)."},
		"FEAT": {run: (*session).cmdFeat, open: true, argument: argumentForbidden,
			help: "FEAT (list all new features supported)."},
		"HELP": {run: (*session).cmdHelp, open: true,
			help: "HELP [<SP> cmd] (show help)."},
		"MODE": {run: (*session).cmdMode, argument: argumentRequired,
			help: "MODE <SP> mode (noop; set data transfer mode)."},
		"NOOP": {run: (*session).cmdNoop, open: true, argument: argumentForbidden,
			help: "NOOP (just do nothing)."},
		"OPTS": {run: (*session).cmdOpts, argument: argumentRequired,
			help: "OPTS <SP> cmd [<SP> option] (set option for command)."},
		// Never runs: alone it lacks its argument, with one it is another row.
		"SITE": {open: true, argument: argumentRequired,
			help: "SITE <SP> site-command (execute SITE command)."},
		"SITE HELP": {run: (*session).cmdSiteHelp, open: true,
			help: "SITE HELP [<SP> cmd] (show SITE command help)."},
		"STAT": {run: (*session).cmdStat, open: true, perm: 'l', named: true,
			help: "STAT [<SP> path name] (server stats [list files])."},
		"STRU": {run: (*session).cmdStru, argument: argumentRequired,
			help: "STRU <SP> type (noop; set file structure)."},
		"SYST": {run: (*session).cmdSyst, open: true, argument: argumentForbidden,
			help: "SYST (get operating system type)."},
		"TYPE": {run: (*session).cmdType, argument: argumentRequired,
			help: "TYPE <SP> [A | I] (set transfer type)."},
	}
}

// parse takes a line apart. SITE commands are looked up with their second word.
func (srv *Server) parse(line string) request {
	verb, raw, _ := strings.Cut(line, " ")
	r := request{verb: strings.ToUpper(decode(verb)), raw: raw}
	if r.verb == "SITE" && raw != "" {
		sub, rest, _ := strings.Cut(raw, " ")
		r.verb, r.raw = "SITE "+strings.ToUpper(decode(sub)), rest
	}
	r.cmd = srv.commands[r.verb]
	if r.cmd == nil {
		r.verb, r.cmd = srv.urgent(r.verb)
	}
	return r
}

// urgent recognises the commands that clients send behind Telnet's IAC IP IAC DM (RFC 959 4.1.3), bytes that
// arrive as characters that are not ASCII.
func (srv *Server) urgent(verb string) (string, *command) {
	plain := strings.TrimLeftFunc(verb, func(r rune) bool { return r >= 0x80 })
	if plain != verb && slices.Contains([]string{"ABOR", "STAT", "QUIT"}, plain) {
		return plain, srv.commands[plain]
	}
	return verb, nil
}
