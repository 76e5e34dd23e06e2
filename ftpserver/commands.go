package ftpserver

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"maps"
	"strings"
)

// command is one row of the table of commands. It says all that sets a command apart: no other file compares verbs.
type command struct {
	run func(*session, request) reply

	// What the gate in front of the handler asks.
	argument argumentRule
	open     bool // allowed before login
	// alone says that the command without an argument is about the session: it is open then, and needs no right.
	alone       bool
	credentials bool // tells who logs in: one attempt at a time, and maybe only over TLS
	perm        byte // pyftpdlib's permission letter, 0 for none
	deletes     bool // needs delete_enable
	named       bool // the argument is a file name: request.name is made from it, and the storage is asked
	makes       bool // makes a file or directory of that name
	active      bool // of active mode, which a server need not offer
	old         bool // not allowed after EPSV ALL
	// split takes the file name out of an argument that has more words; nil: all of it is the name.
	split func(*session, *request) (name string, refused reply)

	// Its order among other commands.
	transfers   bool // is answered over a data connection; waits, too
	waits       bool // for a running transfer
	urgent      bool // goes before the commands that wait
	synch       bool // is known behind Telnet's Synch
	ends        bool // ends the session
	switchesTLS bool // may switch TLS on or off: the reader waits for its reply
	slow        bool // may take long without the storage: the client is heard meanwhile, as where that is asked
	lasts       bool // goes on when its client has left: a change that is under way
	web         bool // of HTTP: ends a session without a login, and is unknown behind one

	// What REST, RANG and RNFR said: what the command takes, and what it leaves for the next one. All else ends with
	// it, whatever its reply.
	takes, keeps pieces

	// Its words.
	hash    func() hash.Hash // the algorithm that it is named after
	secret  bool             // the argument is not for the log
	logged  bool             // one INFO line per command, as the original
	feature string           // what FEAT says of it
	help    string           // behind "Syntax: "; "" for what HELP does not know
	wording string           // its row in the table of failures; "" for the verb
}

type argumentRule uint8

const (
	argumentOptional argumentRule = iota
	argumentRequired
	argumentForbidden
)

// commandTable is every command there is. HELP, FEAT and the gate in front of the handlers are made from it.
func commandTable(withTLS, extended bool) map[string]*command {
	table := map[string]*command{}
	for _, part := range []map[string]*command{
		loginCommands(), dataCommands(), transferCommands(), directoryCommands(), fileCommands(), infoCommands(), webCommands(),
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
	for verb, c := range table {
		if c.wording == "" {
			c.wording = verb
		}
	}
	return table
}

func loginCommands() map[string]*command {
	return map[string]*command{
		"USER": {run: (*session).cmdUser, open: true, argument: argumentRequired, credentials: true,
			help: "USER <SP> user-name (set username)."},
		"PASS": {run: (*session).cmdPass, open: true, credentials: true, secret: true, slow: true,
			help: "PASS [<SP> password] (set user password)."},
		"REIN": {run: (*session).cmdRein, argument: argumentForbidden, logged: true,
			help: "REIN (flush account)."},
		"QUIT": {run: (*session).cmdQuit, open: true, argument: argumentForbidden, ends: true, synch: true,
			help: "QUIT (quit current session)."},
	}
}

func dataCommands() map[string]*command {
	return map[string]*command{
		"ABOR": {run: (*session).cmdAbor, argument: argumentForbidden, urgent: true, synch: true,
			help: "ABOR (abort transfer)."},
		"EPRT": {run: (*session).cmdEprt, argument: argumentRequired, active: true, old: true, waits: true, keeps: restart, feature: "EPRT",
			help: "EPRT <SP> |proto|ip|port| (extended active mode)."},
		"EPSV": {run: (*session).cmdEpsv, waits: true, keeps: restart, feature: "EPSV",
			help: `EPSV [<SP> proto/"ALL"] (extended passive mode).`},
		"PASV": {run: (*session).cmdPasv, argument: argumentForbidden, old: true, waits: true, keeps: restart,
			help: "PASV (open passive data connection)."},
		"PORT": {run: (*session).cmdPort, argument: argumentRequired, active: true, old: true, waits: true, keeps: restart,
			help: "PORT <sp> h,h,h,h,p,p (open active data connection)."},
	}
}

func transferCommands() map[string]*command {
	return map[string]*command{
		"APPE": {run: (*session).cmdAppe, argument: argumentRequired, perm: 'a', named: true, makes: true, transfers: true,
			takes: restart, wording: "STOR", help: "APPE <SP> file-name (append data to file)."},
		"LIST": {run: (*session).cmdList, perm: 'l', named: true, split: splitList, transfers: true,
			help: "LIST [<SP> path] (list files)."},
		"MLSD": {run: (*session).cmdMlsd, perm: 'l', named: true, transfers: true,
			help: "MLSD [<SP> path] (list directory)."},
		"NLST": {run: (*session).cmdNlst, perm: 'l', named: true, split: splitList, transfers: true, wording: "LIST",
			help: "NLST [<SP> path] (list path in a compact form)."},
		"REST": {run: (*session).cmdRest, argument: argumentRequired, feature: "REST STREAM",
			help: "REST <SP> offset (set file offset)."},
		"RETR": {run: (*session).cmdRetr, argument: argumentRequired, perm: 'r', named: true, transfers: true,
			takes: restart, help: "RETR <SP> file-name (retrieve a file)."},
		"STOR": {run: (*session).cmdStor, argument: argumentRequired, perm: 'w', named: true, makes: true, transfers: true,
			takes: restart, help: "STOR <SP> file-name (store a file)."},
		"STOU": {run: (*session).cmdStou, perm: 'w', named: true, makes: true, transfers: true,
			takes: restart, wording: "STOR", help: "STOU [<SP> name] (store a file with a unique name)."},
	}
}

func directoryCommands() map[string]*command {
	cdup := command{run: (*session).cmdCwd, argument: argumentForbidden, perm: 'e', named: true, split: splitParent, wording: "CWD",
		help: "CDUP (go to parent directory)."}
	cwd := command{run: (*session).cmdCwd, perm: 'e', named: true, split: splitRoot, logged: true, wording: "CWD",
		help: "CWD [<SP> dir-name] (change working directory)."}
	mkd := command{run: (*session).cmdMkd, argument: argumentRequired, lasts: true, perm: 'm', named: true, makes: true, logged: true, wording: "MKD",
		help: "MKD <SP> path (create directory)."}
	pwd := command{run: (*session).cmdPwd, argument: argumentForbidden,
		help: "PWD (get current working directory)."}
	rmd := command{run: (*session).cmdRmd, argument: argumentRequired, lasts: true, perm: 'd', named: true, deletes: true, logged: true, wording: "RMD",
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
		"DELE": {run: (*session).cmdDele, argument: argumentRequired, lasts: true, perm: 'd', named: true, deletes: true, logged: true,
			help: "DELE <SP> file-name (delete file)."},
		"MDTM": {run: (*session).cmdMdtm, argument: argumentRequired, perm: 'l', named: true, feature: "MDTM",
			help: "MDTM [<SP> path] (file last modification time)."},
		"MFMT": {run: (*session).cmdMfmt, argument: argumentRequired, lasts: true, perm: 'T', named: true, split: splitTwo, logged: true, feature: "MFMT",
			help: "MFMT <SP> timeval <SP> path (file update last modification time)."},
		"MLST": {run: (*session).cmdMlst, perm: 'l', named: true, wording: "RNFR",
			help: "MLST [<SP> path] (show information about path)."},
		"RNFR": {run: (*session).cmdRnfr, argument: argumentRequired, perm: 'f', named: true, logged: true,
			help: "RNFR <SP> file-name (rename (source name))."},
		"RNTO": {run: (*session).cmdRnto, argument: argumentRequired, lasts: true, perm: 'f', named: true, makes: true, logged: true,
			takes: rename, help: "RNTO <SP> file-name (rename (destination name))."},
		"SITE CHMOD": {run: (*session).cmdChmod, argument: argumentRequired, lasts: true, perm: 'M', named: true, split: splitTwo, logged: true,
			help: "SITE CHMOD <SP> mode path (change file mode)."},
		"SIZE": {run: (*session).cmdSize, argument: argumentRequired, perm: 'l', named: true, feature: "SIZE",
			help: "SIZE <SP> file-name (get file size)."},
	}
}

func infoCommands() map[string]*command {
	return map[string]*command{
		"ALLO": {run: (*session).cmdAllo, argument: argumentRequired, keeps: restart,
			help: "ALLO <SP> bytes (noop; allocate storage)."},
		"FEAT": {run: (*session).cmdFeat, open: true, argument: argumentForbidden, keeps: restart,
			help: "FEAT (list all new features supported)."},
		"HELP": {run: (*session).cmdHelp, open: true,
			help: "HELP [<SP> cmd] (show help)."},
		"MODE": {run: (*session).cmdMode, argument: argumentRequired, keeps: restart,
			help: "MODE <SP> mode (noop; set data transfer mode)."},
		"NOOP": {run: (*session).cmdNoop, open: true, argument: argumentForbidden, keeps: restart | rename,
			help: "NOOP (just do nothing)."},
		"OPTS": {run: (*session).cmdOpts, argument: argumentRequired, keeps: restart,
			help: "OPTS <SP> cmd [<SP> option] (set option for command)."},
		// Never runs: alone it lacks its argument, with one it is another row.
		"SITE": {open: true, argument: argumentRequired,
			help: "SITE <SP> site-command (execute SITE command)."},
		"SITE HELP": {run: (*session).cmdSiteHelp, open: true,
			help: "SITE HELP [<SP> cmd] (show SITE command help)."},
		"STAT": {run: (*session).cmdStat, alone: true, perm: 'l', named: true, split: splitList, synch: true, keeps: restart | rename,
			wording: "LIST", help: "STAT [<SP> path name] (server stats [list files])."},
		"STRU": {run: (*session).cmdStru, argument: argumentRequired, keeps: restart,
			help: "STRU <SP> type (noop; set file structure)."},
		"SYST": {run: (*session).cmdSyst, open: true, argument: argumentForbidden,
			help: "SYST (get operating system type)."},
		"TYPE": {run: (*session).cmdType, argument: argumentRequired, keeps: restart,
			help: "TYPE <SP> [A | I] (set transfer type)."},
	}
}

// webCommands are the methods of HTTP (RFC 9110 9, RFC 5789), none of which is a command of FTP. A web page can make its
// visitors' browsers send a request to any port, also over TLS, and its body may hold commands.
func webCommands() map[string]*command {
	table := map[string]*command{}
	for _, method := range []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"} {
		table[method] = otherProtocol.alias("")
	}
	return table
}

// tlsCommands are the commands of RFC 4217. A server without a certificate does not know them, as the original.
func tlsCommands() map[string]*command {
	return map[string]*command{
		"AUTH": {run: (*session).cmdAuth, open: true, argument: argumentRequired, switchesTLS: true, feature: "AUTH TLS",
			help: "AUTH <SP> TLS|SSL (set up secure control channel)."},
		"CCC": {run: (*session).cmdCcc, argument: argumentForbidden, switchesTLS: true, feature: "CCC",
			help: "CCC (clear the command channel)."},
		"PBSZ": {run: (*session).cmdPbsz, open: true, argument: argumentRequired, keeps: restart, feature: "PBSZ",
			help: "PBSZ <SP> 0 (set size of buffer for TLS)."},
		"PROT": {run: (*session).cmdProt, open: true, argument: argumentRequired, keeps: restart, feature: "PROT",
			help: "PROT <SP> [C|P] (set up un/secure data channel)."},
	}
}

// extendedCommands are those that the original does not know, and that Options.Extended adds.
func extendedCommands() map[string]*command {
	return map[string]*command{
		"AVBL": {run: (*session).cmdAvbl, perm: 'l', named: true, feature: "AVBL", wording: "CWD",
			help: "AVBL [<SP> dir-name] (bytes that can be stored)."},
		"CLNT": {run: (*session).cmdClnt, open: true, argument: argumentRequired, feature: "CLNT",
			help: "CLNT <SP> client-name (noop; tell who asks)."},
		"HOST": {run: (*session).cmdHost, open: true, argument: argumentRequired, feature: "HOST",
			help: "HOST <SP> host-name (noop; tell which host is meant)."},
		"RANG": {run: (*session).cmdRang, argument: argumentRequired, feature: "RANG STREAM",
			help: "RANG <SP> first last (set bytes, both included, for HASH and RETR; 1 0 for all)."},
		"SITE UMASK": {run: (*session).cmdUmask,
			help: "SITE UMASK [<SP> mask] (noop; has no effect)."},
		"SITE UTIME": {run: (*session).cmdUtime, argument: argumentRequired, lasts: true, perm: 'T', named: true, split: splitUtime, logged: true,
			wording: "MFMT", help: "SITE UTIME <SP> YYYYMMDDhhmm[ss] path (change file modification time)."},
	}
}

// hashCommands are part of those. They read whole files, so they wait for a transfer to end.
func hashCommands() map[string]*command {
	table := map[string]*command{
		"HASH": {run: (*session).cmdHash, takes: restart,
			help: "HASH <SP> file-name (hash of a file, or of its RANG)."},
		"MD5": {run: (*session).cmdMD5, feature: "MD5",
			help: "MD5 <SP> file-name (MD5 hash of a file)."},
	}
	for verb, algorithm := range map[string]func() hash.Hash{
		"XCRC": newCRC32, "XMD5": md5.New, "XSHA": sha1.New, "XSHA1": sha1.New, "XSHA256": sha256.New, "XSHA512": sha512.New,
	} {
		table[verb] = &command{run: (*session).cmdXHash, hash: algorithm, feature: verb + " filename;start;end",
			help: verb + ` <SP> file-name or "file-name" [<SP> start [<SP> end]] (hash of a file, end excluded).`}
	}
	for _, c := range table {
		c.argument, c.perm, c.named, c.waits, c.wording = argumentRequired, 'r', true, true, "HASH"
	}
	return table
}

// request is one command line, taken apart.
type request struct {
	verb string   // upper case; "SITE CHMOD" for a SITE command
	arg  string   // the argument as text, once the command's turn has come; PASS and USER take raw
	raw  string   // the argument's bytes
	name string   // absolute name, for commands with a file name
	wish listWish // of LIST, NLST and STAT
	cmd  *command // nil: there is no such command
	// followed says that bytes came right behind the line, which a command that switches TLS cannot have.
	followed bool
	jumped   bool // went before commands that wait; what is armed belongs to them
	armed         // what it takes of what was armed
}

// jumpsQueue reports whether the command goes before those that wait.
func (r *request) jumpsQueue() bool { return r.cmd != nil && r.cmd.urgent && r.raw == "" }

// aboutSession reports whether the command is the form without an argument that needs no login.
func (r *request) aboutSession() bool { return r.cmd.alone && r.raw == "" }

// claims returns which pieces of what is armed the command takes, and which it leaves.
func (r *request) claims() (takes, keeps pieces) {
	switch {
	case r.jumped:
		return 0, restart | rename
	case r.cmd == nil || r.cmd.alone && r.raw != "":
		return 0, 0
	}
	return r.cmd.takes, r.cmd.keeps
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
		r.verb, r.cmd = srv.behindSynch(r.verb)
	}
	if r.cmd == nil && isOtherProtocol(line) {
		r.cmd = otherProtocol
	}
	return r
}

// otherProtocol stands for the first line of what speaks another protocol than FTP.
var otherProtocol = &command{run: (*session).cmdWeb, open: true, web: true, secret: true}

// isOtherProtocol recognises a request line of HTTP (RFC 9112 3) of whatever method, the beginning of SSH (RFC 4253 4.2),
// and a record of TLS, in which a browser carries what a web page has chosen: a session ID with whole lines in it.
func isOtherProtocol(line string) bool {
	const tlsHandshake = "\x16\x03"
	_, version, _ := strings.Cut(line[strings.LastIndexByte(line, ' ')+1:], "HTTP/")
	return version != "" && strings.Trim(version, "0123456789.") == "" ||
		strings.HasPrefix(line, tlsHandshake) || strings.HasPrefix(line, "SSH-")
}

// behindSynch recognises the commands that clients send behind Telnet's IAC IP IAC DM (RFC 959 4.1.3), bytes that
// arrive as characters that are not ASCII.
func (srv *Server) behindSynch(verb string) (string, *command) {
	plain := strings.TrimLeftFunc(verb, func(r rune) bool { return r >= 0x80 })
	if c := srv.commands[plain]; plain != verb && c != nil && c.synch {
		return plain, c
	}
	return verb, nil
}
