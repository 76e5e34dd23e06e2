package ftpserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// TLSRequirement says what a client may do in plain.
type TLSRequirement uint8

const (
	TLSOptional TLSRequirement = iota // all
	TLSForLogin                       // all but USER and PASS
	TLSForAll                         // nothing that shows a password, a name of a file or a file
)

// protection is what a control connection agreed on with its client.
type protection struct {
	config  *tls.Config // with the session's ticket keys; nil before the first handshake
	client  tls.ConnectionState
	control bool   // the control connection is TLS now
	cleared bool   // it was, until CCC
	first   []byte // what came behind CCC and the reader has not seen
}

// authMethods are the arguments of AUTH, and whether they imply PROT P (draft-murray-auth-ftp-ssl-07; TLS and TLS-C
// do not, RFC 4217 17).
var authMethods = map[string]bool{"TLS": false, "TLS-C": false, "SSL": true, "TLS-P": true}

// cmdAuth makes the control connection TLS. Who was logged in is not any more: what was said in plain may have been
// said by anybody.
func (s *session) cmdAuth(r request) reply {
	method := strings.ToUpper(r.arg)
	private, known := authMethods[method]
	switch {
	case s.tls.control:
		return answer(503, "Already using TLS.")
	case !known:
		return answer(504, "Unrecognized encryption type (use TLS or SSL).")
	case s.refusal != nil || s.xfer.isRunning():
		return answer(503, "AUTH is not allowed while another command is under way.")
	case r.followed:
		s.log.Warn("Commands sent in plain behind AUTH.")
		s.send(answer(421, "Commands behind AUTH must wait for its reply, closing control connection."))
		s.over = true
		return reply{}
	}
	s.flush()
	s.send(answerf(234, "AUTH %s successful.", method))
	s.handshake()
	s.sized, s.private = false, private
	return reply{}
}

// handshake makes the control connection TLS. Where it fails the session is over: neither side knows what the other
// would read.
func (s *session) handshake() {
	conn := tls.Server(&recordConn{Conn: s.raw}, s.sessionConfig())
	ctx, cancel := context.WithTimeout(s.ctx, s.srv.opts.HandshakeTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- caught(func() error { return conn.HandshakeContext(ctx) }) }()
	var err error
	select {
	case err = <-done:
	case <-s.srv.stopping:
		cancel()
		err = <-done
	}
	if err != nil {
		s.over = true // first: a panic is not answered either
		passOn(err)
		s.log.Warn("TLS handshake failed: " + printable(shortened(err.Error(), longestWhy)))
		return
	}
	s.conn = conn
	s.tls.control, s.tls.cleared = true, false
	s.tls.client = conn.ConnectionState()
	s.log.Info("Control connection is " + tls.VersionName(s.tls.client.Version) + ", " + tls.CipherSuiteName(s.tls.client.CipherSuite))
}

// sessionConfig is the certificate's configuration with ticket keys of the session's own: a data connection that
// resumes a TLS session with them can only be of the client that has the control connection.
func (s *session) sessionConfig() *tls.Config {
	s.tls.config = s.srv.opts.Certificate.config().Clone()
	var key [32]byte
	rand.Read(key[:])
	s.tls.config.SetSessionTicketKeys([][32]byte{key})
	return s.tls.config
}

// dataTLS begins TLS on a data connection, with the control connection's configuration. One that did not resume gets
// no ticket that is worth anything, or a stranger's second try would succeed.
func dataTLS(conn net.Conn, control *tls.Config) *tls.Conn {
	late := &lateTicket{Conn: conn}
	data := control.Clone()
	data.NextProtos = append([]string{"ftp-data"}, data.NextProtos...)
	data.WrapSession = func(conn tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		late.comes = conn.Version == tls.VersionTLS13
		if !conn.DidResume {
			worthless := make([]byte, 32)
			rand.Read(worthless)
			return worthless, nil
		}
		return data.EncryptTicket(conn, session)
	}
	return tls.Server(late, data)
}

// cmdCcc goes on in plain (RFC 4217 12.3), for firewalls that must read PORT and PASV.
func (s *session) cmdCcc(r request) reply {
	conn, ok := s.conn.(*tls.Conn)
	switch {
	case !ok:
		return answer(533, "CCC not allowed on insecure control connection.")
	case s.srv.opts.TLSRequired == TLSForAll:
		return answer(534, "CCC not allowed: this server requires TLS.")
	case r.followed:
		s.send(answer(421, "Commands behind CCC must wait for its reply, closing control connection."))
		s.over = true
		return reply{}
	}
	s.send(answer(200, "CCC command successful, control connection is clear."))
	if !s.over {
		s.awaitFarewell()
		conn.CloseWrite()
	}
	s.conn = s.raw
	s.tls.control, s.tls.cleared = false, true
	return reply{}
}

// farewellPatience is how long a client may take to say TLS's farewell before the server does. Some clients take the
// server's, where it comes first, for the end of the connection; others wait for it.
const farewellPatience = 500 * time.Millisecond

// awaitFarewell waits for the first byte behind the reply to CCC, and keeps it for the reader.
func (s *session) awaitFarewell() {
	first := make([]byte, 1)
	s.raw.SetReadDeadline(time.Now().Add(farewellPatience))
	n, _ := s.raw.Read(first) // an error will come again
	s.raw.SetReadDeadline(time.Time{})
	s.tls.first = first[:n]
}

// letReaderGoOn is called when a command that may switch TLS was answered.
func (s *session) letReaderGoOn() {
	if s.tls.cleared {
		s.switched <- &plainAgain{src: io.MultiReader(bytes.NewReader(s.tls.first), s.raw)}
		s.tls.first = nil
		return
	}
	s.switched <- s.conn
}

// cmdPbsz knows one size: TLS needs no buffer (RFC 4217 9).
func (s *session) cmdPbsz(r request) reply {
	if s.tls.config == nil {
		return answer(503, "PBSZ not allowed on insecure control connection.")
	}
	if _, err := strconv.ParseUint(r.arg, 10, 32); err != nil {
		return answer(501, "Invalid parameter.")
	}
	s.sized = true
	return answer(200, "PBSZ=0 successful.")
}

func (s *session) cmdProt(r request) reply {
	level := strings.ToUpper(r.arg)
	switch {
	case s.tls.config == nil:
		return answer(503, "PROT not allowed on insecure control connection.")
	case !s.sized:
		return answer(503, "You must issue the PBSZ command prior to PROT.")
	}
	switch level {
	case "C":
		if s.srv.opts.TLSRequired == TLSForAll {
			return answer(534, "PROT C not allowed: this server requires TLS.")
		}
		s.private = false
		return answer(200, "Protection set to Clear")
	case "P":
		s.private = true
		return answer(200, "Protection set to Private")
	case "S", "E":
		return answerf(536, "PROT %s unsupported (use C or P).", level)
	}
	return answer(504, "Unrecognized PROT type (use C or P).")
}

// unprotected refuses what tls_required forbids.
func (s *session) unprotected(r *request) reply {
	switch required := s.srv.opts.TLSRequired; {
	case required == TLSOptional:
	case !s.tls.control && r.cmd.credentials:
		return answer(530, "This server requires TLS: send AUTH TLS first.")
	case required == TLSForAll && r.cmd.transfers && !s.private:
		return answer(521, "Data connection cannot be opened with this PROT setting: send PBSZ 0 and PROT P first.")
	}
	return reply{}
}

// otherCertificate refuses a user whose name is not that of the client's certificate.
func (s *session) otherCertificate(user string) reply {
	if !s.srv.opts.CertificateUser {
		return reply{}
	}
	owner := ""
	if chain := s.tls.client.PeerCertificates; len(chain) > 0 {
		owner = chain[0].Subject.CommonName
	}
	if user == owner {
		return reply{}
	}
	s.log.Warn(fmt.Sprintf("USER '%s' refused: the client certificate is for '%s'.",
		printable(shortened(user, longestName)), printable(shortened(owner, longestName))))
	return answer(530, "This client certificate is for another user.")
}

// Why a data connection was not made TLS.
var errNotResumed = errors.New("the data connection did not resume the control connection's TLS session")

// secure makes a data connection TLS, with the control connection's certificate and tickets.
func (d *dataConn) secure(control protection, opts *Options) error {
	if err := d.extend(opts.HandshakeTimeout); err != nil {
		return d.fail(err)
	}
	raw := &tcpEnd{Conn: d.conn}
	conn := dataTLS(ownDeadlines{raw}, control.config)
	if err := conn.Handshake(); err != nil {
		return d.fail(fmt.Errorf("TLS handshake of the data connection: %w", err))
	}
	state := conn.ConnectionState()
	switch {
	case opts.TLSRequireReuse && !state.DidResume:
		return d.fail(errNotResumed)
	case !sameClient(state, control.client):
		return d.fail(errors.New("the data connection has another client certificate than the control connection"))
	}
	d.foreign = d.foreign && !state.DidResume && len(state.PeerCertificates) == 0
	d.stream = conn
	if opts.TLSStrictClose {
		d.strict = raw
	}
	d.armed = time.Time{}
	return nil
}

// secureData makes the transfer's data connection TLS where PROT P holds. When that fails nothing was moved.
func (t *transfer) secureData() (failed outcome, ok bool) {
	if !t.private {
		return outcome{}, true
	}
	err := t.data.secure(t.tls, &t.session.srv.opts)
	if err == nil {
		return outcome{}, true
	}
	ended, aborted := t.ctx.Err() != nil, !t.settle()
	t.drop()
	t.data.reset()
	switch {
	case ended:
		return t.shutDown(), false
	case aborted:
		return outcome{}, false
	}
	t.by.log.Warn(printable(shortened(err.Error(), longestWhy)))
	if errors.Is(err, errNotResumed) {
		return outcome{reply: answer(522, "TLS session of the control connection must be resumed on data connections.")}, false
	}
	return outcome{reply: answer(425, "Can't open data connection: TLS handshake failed.")}, false
}

// beginTLS is the handshake before the greeting of implicit FTPS; false: it failed.
func (s *session) beginTLS() bool {
	s.handshake()
	return !s.over
}
