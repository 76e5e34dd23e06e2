package ftpserver

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

// featured is what FEAT lists, taken apart into the name and what is behind it.
func (c *client) featured() map[string]string {
	c.t.Helper()
	c.ask("FEAT", "211-Features supported:")
	features := map[string]string{}
	for line := c.line(); line != "211 End FEAT."; line = c.line() {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, " "), " ")
		features[name] = rest
	}
	return features
}

const featText = "0123456789abcdef"

// exercises use each feature that FEAT may list, as its document has it. rest is what FEAT says behind the name.
var exercises = map[string]func(c *client, rest string){
	"AUTH": func(c *client, rest string) {
		fresh := c.ts.connect(c.t)
		fresh.want("220 *")
		for mechanism := range strings.SplitSeq(rest, ";") {
			fresh.ask("AUTH "+mechanism, "234 *")
		}
		fresh.handshake(&tls.Config{InsecureSkipVerify: true})
		fresh.login("user0")
	},
	"AVBL": func(c *client, _ string) { c.ask("AVBL", "213 *") },
	"CCC": func(c *client, _ string) {
		fresh := c.ts.connect(c.t)
		fresh.want("220 *")
		fresh.secure(&tls.Config{InsecureSkipVerify: true})
		fresh.login("user0")
		fresh.ask("CCC", "200 *")
		fresh.clear()
		fresh.ask("NOOP", "200 *")
	},
	"CLNT": func(c *client, _ string) { c.ask("CLNT test", "200 *") },
	"EPRT": func(c *client, _ string) {
		c.openActive("EPRT")
		c.ask("RETR dir/f.txt", "125 *")
		c.wantData(featText)
	},
	"EPSV": func(c *client, _ string) {
		c.open("EPSV")
		c.ask("RETR dir/f.txt", "1*")
		c.wantData(featText)
	},
	"HASH": func(c *client, rest string) {
		chosen := 0
		for algorithm := range strings.SplitSeq(rest, ";") {
			algorithm, isChosen := strings.CutSuffix(algorithm, "*")
			if isChosen {
				chosen++
				c.ask("OPTS HASH", "200 "+algorithm)
			}
			c.ask("OPTS HASH "+algorithm, "200 "+algorithm)
			c.ask("HASH dir/f.txt", "213 "+algorithm+" 0-15 * dir/f.txt")
		}
		if chosen != 1 {
			c.t.Errorf("HASH: %d chosen in %q", chosen, rest)
		}
		c.ask("OPTS HASH SHA-256", "200 *")
		c.ask("HASH dir/f.txt", fmt.Sprintf("213 SHA-256 0-15 %x dir/f.txt", sha256.Sum256([]byte(featText))))
	},
	"HOST": func(c *client, _ string) {
		fresh := c.ts.connect(c.t)
		fresh.want("220 *")
		fresh.ask("HOST ftp.example.com", "220 *")
		fresh.login("user0")
	},
	"MD5": func(c *client, _ string) {
		c.ask("MD5 dir/f.txt", fmt.Sprintf("251 dir/f.txt %X", md5.Sum([]byte(featText))))
	},
	"MDTM": func(c *client, _ string) { c.ask("MDTM dir/f.txt", "213 20*") },
	"MFMT": func(c *client, _ string) {
		c.ask("MFMT 20200102030405 dir/f.txt", "213 Modify=20200102030405; *")
		c.ask("MDTM dir/f.txt", "213 20200102030405")
	},
	"MLST": func(c *client, rest string) {
		for fact := range strings.SplitSeq(strings.TrimSuffix(rest, ";"), ";") {
			name, _ := strings.CutSuffix(fact, "*")
			c.ask("OPTS MLST "+name+";", "200 MLST OPTS "+name+";")
			if after := c.featured()["MLST"]; strings.Count(after, "*") != 1 || !strings.Contains(after, name+"*;") {
				c.t.Errorf("FEAT has %q when only %s is chosen", after, name)
			}
			c.ask("MLST dir/f.txt", "250-*", " "+name+"=*; /dir/f.txt", "250 *")
			if got := c.retr("MLSD dir"); !matches(name+"=*; f.txt\r\n"+name+"=*; sub\r\n", got) {
				c.t.Errorf("MLSD with %s: %q", name, got)
			}
		}
	},
	"PBSZ": func(c *client, _ string) { c.overTLS(func(s *client) { s.ask("PBSZ 0", "200 *") }) },
	"PROT": func(c *client, _ string) {
		c.overTLS(func(s *client) {
			s.ask("PBSZ 0", "200 *")
			s.ask("PROT P", "200 *")
			if got := s.fetch("RETR dir/f.txt", &tls.Config{InsecureSkipVerify: true}); got != featText {
				s.t.Errorf("RETR under PROT P: %q", got)
			}
			s.ask("PROT C", "200 *")
			if got := s.retr("RETR dir/f.txt"); got != featText {
				s.t.Errorf("RETR under PROT C: %q", got)
			}
		})
	},
	"RANG": func(c *client, rest string) {
		if rest != "STREAM" {
			c.t.Errorf("RANG %s", rest)
		}
		c.ask("RANG 2 5", "350 *")
		if got := c.retr("RETR dir/f.txt"); got != featText[2:6] {
			c.t.Errorf("RETR behind RANG 2 5: %q", got)
		}
	},
	"REST": func(c *client, rest string) {
		if rest != "STREAM" {
			c.t.Errorf("REST %s", rest)
		}
		c.ask("REST 10", "350 *")
		if got := c.retr("RETR dir/f.txt"); got != featText[10:] {
			c.t.Errorf("RETR behind REST 10: %q", got)
		}
		c.ask("REST 4", "350 *")
		if got := c.stor("STOR rest.txt", "NEW"); got != "226 Transfer complete." {
			c.t.Errorf("STOR behind REST 4: %s", got)
		}
		c.wantObject("/rest.txt", "restNEW")
	},
	"SIZE": func(c *client, _ string) { c.ask("SIZE dir/f.txt", "213 16") },
	"TVFS": func(c *client, _ string) { // RFC 3659 6: paths with slashes, from the root or from here, with ".."
		c.ask("CWD /dir/sub", "250 *")
		for _, name := range []string{"../f.txt", "/dir/f.txt", "./../f.txt"} {
			if got := c.retr("RETR " + name); got != featText {
				c.t.Errorf("RETR %s: %q", name, got)
			}
		}
		c.ask("CWD /", "250 *")
	},
	"UTF8": func(c *client, _ string) {
		c.ask("OPTS UTF8 ON", "200 *")
		c.ask("MKD 目录", `257 "/目录" *`)
		if got := c.retr("NLST"); !strings.Contains(got, "目录\r\n") {
			c.t.Errorf("NLST: %q", got)
		}
		c.ask("RMD 目录", "250 *")
	},
	"XCRC": func(c *client, rest string) {
		c.ask("XCRC dir/f.txt", fmt.Sprintf("250 %08X", crc32.ChecksumIEEE([]byte(featText))))
		c.ask("XCRC dir/f.txt 2 5", fmt.Sprintf("250 %08X", crc32.ChecksumIEEE([]byte(featText[2:5]))))
	},
	"XMD5":    exerciseXHash("XMD5"),
	"XSHA":    exerciseXHash("XSHA"),
	"XSHA1":   exerciseXHash("XSHA1"),
	"XSHA256": exerciseXHash("XSHA256"),
	"XSHA512": exerciseXHash("XSHA512"),
}

func exerciseXHash(verb string) func(c *client, rest string) {
	return func(c *client, rest string) {
		if rest != "filename;start;end" {
			c.t.Errorf("%s %s", verb, rest)
		}
		for arg, part := range map[string]string{"dir/f.txt": featText, "dir/f.txt 2 5": featText[2:5], `"dir/f.txt" 3`: featText[3:]} {
			h := c.ts.commands[verb].hash()
			io.WriteString(h, part)
			c.ask(verb+" "+arg, fmt.Sprintf("250 %X", h.Sum(nil)))
		}
	}
}

// overTLS runs something on a session of its own over TLS.
func (c *client) overTLS(run func(*client)) {
	c.t.Helper()
	fresh := c.ts.connect(c.t)
	fresh.want("220 *")
	fresh.secure(&tls.Config{InsecureSkipVerify: true})
	fresh.login("user0")
	fresh.ask("TYPE I", "200 *")
	run(fresh)
}

func (c *client) wantData(want string) {
	c.t.Helper()
	if got := c.receive(); got != want {
		c.t.Errorf("got data %q, want %q", got, want)
	}
	c.want("226 *")
}

// featServers are the kinds of server of which FEAT and HELP must tell the truth.
var featServers = map[string]func(*Options){
	"as the original": func(*Options) {},
	"extended":        func(o *Options) { o.Extended = true },
	"no active mode":  func(o *Options) { o.NoActive = true },
	"TLS, extended":   nil, // with a certificate
}

func startFeat(t *testing.T, change func(*Options)) *testServer {
	files := map[string]string{"/dir/f.txt": featText, "/dir/sub/": "", "/rest.txt": "rest is old"}
	if change != nil {
		return start(t, files, change)
	}
	ts, _ := startTLS(t, files, func(o *Options) { o.Extended = true })
	return ts
}

// TestFeatTellsTheTruth: what FEAT lists works, tried as its document has it; and what a client can only find out by
// FEAT and works is listed.
func TestFeatTellsTheTruth(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for name, change := range featServers {
		ts := startFeat(t, change)
		c := ts.user(t)
		features := c.featured()
		for _, feature := range slices.Sorted(maps.Keys(features)) {
			exercise := exercises[feature]
			if exercise == nil {
				t.Errorf("%s: nobody knows how to try the feature %s %s", name, feature, features[feature])
				continue
			}
			exercise(c, features[feature])
			tried[feature] = true
		}
		t.Logf("%s: %d features tried", name, len(features))
		for verb := range c.commandsOf("HELP") {
			if _, listed := features[verb]; !listed && !basicVerbs[verb] {
				t.Errorf("%s: HELP lists %s, FEAT does not", name, verb)
			}
		}
		for feature := range features {
			if verbs := c.commandsOf("HELP"); !verbs[feature] && feature != "TVFS" && feature != "UTF8" {
				t.Errorf("%s: FEAT lists %s, HELP does not", name, feature)
			}
		}
	}
	for feature := range exercises {
		if !tried[feature] {
			t.Errorf("no server lists the feature %s", feature)
		}
	}
}

// basicVerbs are those that a client may try without asking FEAT: of RFC 959, RFC 775 and RFC 2389, and MLSD, of which
// MLST tells.
var basicVerbs = func() map[string]bool {
	verbs := map[string]bool{}
	for _, verb := range strings.Fields("ABOR ALLO APPE CDUP CWD DELE FEAT HELP LIST MKD MLSD MODE NLST NOOP OPTS PASS PASV " +
		"PORT PWD QUIT REIN RETR RMD RNFR RNTO SITE STAT STOR STOU STRU SYST TYPE USER XCUP XCWD XMKD XPWD XRMD") {
		verbs[verb] = true
	}
	return verbs
}()

// commandsOf is what HELP or SITE HELP lists.
func (c *client) commandsOf(command string) map[string]bool {
	c.t.Helper()
	c.ask(command, "214-*")
	verbs := map[string]bool{}
	for line := c.line(); !strings.HasPrefix(line, "214 "); line = c.line() {
		for verb := range strings.FieldsSeq(line) {
			verbs[verb] = true
		}
	}
	return verbs
}

// knownVerbs are the verbs of FTP's documents and of the servers that are around.
const knownVerbs = "ABOR ACCT ADAT ALGS ALLO APPE AUTH AVBL CCC CDUP CLNT COMB CONF CSID CWD DELE DSIZ ENC EPRT EPSV ESTA ESTP " +
	"FEAT HASH HELP HOST LANG LIST LPRT LPSV MAIL MD5 MDTM MFCT MFF MFMT MIC MKD MLSD MLST MMD5 MODE MRCP MRSQ MSAM MSND " +
	"MSOM NLST NOOP OPTS PASS PASV PBSZ PORT PROT PWD QUIT RANG REIN REST RETR RMD RMDA RNFR RNTO SITE SIZE SMNT SPSV STAT " +
	"STOR STOU STRU SYST THMB TYPE USER XCRC XCUP XCWD XMD5 XMKD XPWD XRCP XRMD XRSQ XSEM XSEN XSHA XSHA1 XSHA256 XSHA512"

// TestHelpTellsTheTruth: each command that HELP or SITE HELP lists has a text and is answered as one that is known,
// with an argument or without; every other verb is unknown.
func TestHelpTellsTheTruth(t *testing.T) {
	t.Parallel()
	for name, change := range featServers {
		ts := startFeat(t, change)
		user := ts.user(t)
		listed := map[string]bool{}
		for verb := range user.commandsOf("HELP") {
			listed[verb] = true
			user.ask("HELP "+verb, "214 Syntax: "+verb+"*")
		}
		for verb := range user.commandsOf("SITE HELP") {
			listed["SITE "+verb] = true
			user.ask("SITE HELP SITE "+verb, "214 Syntax: SITE "+verb+"*")
		}
		for _, verb := range strings.Fields(knownVerbs + " NONSENSE") {
			if !listed[verb] {
				refusal := "500 *"
				if change != nil && (verb == "PORT" || verb == "EPRT") {
					refusal = "502 *" // active_mode_enable = false
				}
				user.ask(verb+" x", refusal)
				user.ask("HELP "+verb, map[bool]string{true: "214 *", false: "501 Unrecognized command."}[refusal == "502 *"])
			}
		}
		for _, verb := range slices.Sorted(maps.Keys(listed)) {
			arguments := []string{"", " x"}
			if verb == "SITE" {
				arguments = []string{"", " HELP"}
			}
			for _, arg := range arguments {
				c := ts.user(t) // some commands end or change the session
				c.send(verb + arg)
				if got := c.line(); strings.HasPrefix(got, "500") || strings.HasPrefix(got, "502") || got == "(closed)" {
					t.Errorf("%s: HELP lists %s, %q is answered %q", name, verb, verb+arg, got)
				}
				c.close()
			}
		}
		t.Logf("%s: %d commands listed and tried", name, len(listed))
	}
}
