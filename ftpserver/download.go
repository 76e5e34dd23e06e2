package ftpserver

import (
	"io"
	"io/fs"
	"strconv"
	"syscall"
	"time"
)

func (s *session) cmdRest(r request) reply {
	if s.ascii {
		return answer(501, "Resuming transfers not allowed in ASCII mode.")
	}
	offset, err := strconv.ParseInt(r.arg, 10, 64)
	if err != nil || offset < 0 {
		return answer(501, "Invalid parameter.")
	}
	s.rest = offset
	return answerf(350, "Restarting at position %d.", offset)
}

func (s *session) cmdRetr(r request) reply {
	offset, until := r.rest, r.until
	if r.name == "/" {
		return s.fail(r, syscall.EISDIR)
	}
	t := s.newTransfer(r.verb, r.name)
	f, err := s.account.FS.Open(t.ctx, r.name, offset)
	if err != nil {
		t.cancel(err)
		return s.fail(r, err)
	}
	if offset > 0 {
		if refused := s.beyond(f, offset, r); !refused.isNone() {
			t.cancel(errUnwanted)
			f.Close()
			return refused
		}
	}
	t.waiter, _ = f.(Waiter)
	if until > 0 {
		f = &ranged{File: f, left: until - offset}
	}
	ascii := s.ascii
	t.move = func(t *transfer) outcome { return t.deliver(f, ascii) }
	t.discard = func() { f.Close() }
	return s.begin(t)
}

// ranged is a file of which only some bytes are sent.
type ranged struct {
	fs.File
	left int64
}

func (f *ranged) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, io.EOF
	}
	n, err := f.File.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	return n, err
}

// beyond refuses an offset past the end of a file (RFC 1123 4.1.3.4).
func (s *session) beyond(f fs.File, offset int64, r request) reply {
	info, err := f.Stat()
	if err != nil {
		return s.fail(r, err)
	}
	if offset > info.Size() {
		return answerf(554, "REST position (%d) > file size (%d)", offset, info.Size())
	}
	return reply{}
}

// readWait is how long the 226 of a download waits for the client to end its side of the data connection, as it does when
// it has read all. aria2 reads the 125 and then waits a minute for a 226 that has come in the same packet. Other clients
// lose nothing, since they read the 226 after that end; who keeps the data connection open is waited for once in a session.
const readWait = time.Second

// deliver moves a download.
func (t *transfer) deliver(f fs.File, ascii bool) outcome {
	defer f.Close()
	return t.sent(t.deliverBytes(f, ascii), t.readWait, func(err error) outcome {
		end := t.internalError(err)
		t.by.log.Warn(end.reply.text())
		return end
	})
}

// sent ends the data connection behind a download or listing and returns its outcome. The client has some time to read to
// the end; fault gives the outcome where err is the storage's.
func (t *transfer) sent(err error, wait time.Duration, fault func(error) outcome) outcome {
	switch {
	case !t.settle(): // ABOR
		t.data.Close()
		return outcome{}
	case err == nil:
		took := time.Since(t.data.opened)
		return outcome{reply: complete, completed: true, took: took, unended: !t.data.closeWhenRead(wait)}
	}
	t.data.reset() // an orderly end would make the client believe that it has all
	if t.data.failed(err) {
		return t.clientFault()
	}
	return fault(err)
}

func (t *transfer) deliverBytes(f fs.File, ascii bool) error {
	if !ascii {
		return copyFrom(f, t.data)
	}
	lines := &asciiWriter{dst: t.data}
	if err := copyFrom(f, lines); err != nil {
		return err
	}
	return lines.Flush()
}

func copyFrom(f fs.File, w io.Writer) error {
	if direct, ok := f.(io.WriterTo); ok {
		_, err := direct.WriteTo(w)
		return err
	}
	return copyBuffered(w, f)
}
