package ftpserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"syscall"
	"time"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// create begins an upload of name in the storage.
type create func(ctx context.Context, name string) (io.WriteCloser, error)

func (s *session) cmdStor(r request) reply {
	if r.until > 0 {
		return answer(450, "Can't STOR while RANG request is pending.")
	}
	if r.rest > 0 {
		return s.resume(r, r.rest)
	}
	return s.upload(r, s.account.FS.Create)
}

// resume answers REST and STOR: what is before offset stays, what comes replaces the rest.
func (s *session) resume(r request, offset int64) reply {
	resumer, ok := s.account.FS.(Resumer)
	if !ok {
		return answer(554, "Can't resume an upload here, send the whole file.")
	}
	create := func(ctx context.Context, name string) (io.WriteCloser, error) {
		return resumer.CreateAt(ctx, name, offset)
	}
	return s.uploadOr(r, create, func(r request, err error) reply {
		var past interface{ FileSize() int64 }
		switch {
		case errors.As(err, &past):
			return answerf(554, "REST position (%d) > file size (%d)", offset, past.FileSize())
		case isNotResumable(err):
			// Any 5xx but 500 and 502 makes lftp send the whole file by itself; the name stays out of the text, because
			// lftp looks for words in it.
			return answer(554, "Can't resume: no interrupted upload left this file. Send the whole file.")
		case errors.Is(err, fs.ErrNotExist):
			return s.failAs("RETR", r, err) // whose words the original uses here
		}
		return s.fail(r, err)
	})
}

func (s *session) cmdAppe(r request) reply {
	if r.rest > 0 || r.until > 0 {
		return answer(450, "Can't APPE while REST request is pending.")
	}
	appender, ok := s.account.FS.(Appender)
	if !ok {
		return answer(502, "APPE is not supported here.")
	}
	return s.uploadOr(r, appender.Append, func(r request, err error) reply {
		if isNotResumable(err) {
			return answer(550, "Can't append: the last upload of this file failed. Send the whole file.")
		}
		return s.fail(r, err)
	})
}

func isNotResumable(err error) bool {
	var no interface{ NotResumable() }
	return errors.As(err, &no)
}

func (s *session) cmdStou(r request) reply {
	if r.rest > 0 || r.until > 0 {
		return answer(450, "Can't STOU while REST request is pending.")
	}
	prefix := path.Join(r.name, "ftpd.")
	if r.raw != "" {
		prefix = r.name + "."
	}
	name, err := s.uniqueName(prefix)
	if err != nil {
		return s.fail(r, err)
	}
	if name == "" {
		return answer(450, "No usable unique file name found.")
	}
	r.name = name
	started := s.upload(r, s.account.FS.Create)
	if started.code < 200 {
		started.lines = []string{"FILE: " + path.Base(name)} // RFC 1123 4.1.2.9
	}
	return started
}

// uniqueName finds a name that is not used yet, "" if luck fails it.
func (s *session) uniqueName(prefix string) (string, error) {
	const tries = 5
	for range tries {
		name := prefix + rand.Text()[:6]
		_, err := s.account.FS.Stat(s.asking.ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// clientKey is the key of a context that holds whose upload it is for.
type clientKey struct{}

// ClientOf returns who an upload is for, as long as a client comes back: the user and the network of the address. ctx is
// that of Create, Append or CreateAt.
func ClientOf(ctx context.Context) string {
	client, _ := ctx.Value(clientKey{}).(string)
	return client
}

// upload begins an upload, which waits for its data connection.
func (s *session) upload(r request, create create) reply { return s.uploadOr(r, create, s.fail) }

// uploadOr is upload with the answer for when the storage refuses to begin one.
func (s *session) uploadOr(r request, create create, refuse func(request, error) reply) reply {
	if r.name == "/" {
		return s.fail(r, syscall.EISDIR)
	}
	t := s.newTransfer(r.verb, r.name)
	t.keep = s.srv.opts.KeepIncomplete
	w, err := create(context.WithValue(t.ctx, clientKey{}, s.user+"@"+limit.NetworkOf(s.remote.Addr()).String()), r.name)
	if err != nil {
		t.cancel(err)
		return refuse(r, err)
	}
	account, ascii := s.account, s.ascii
	failure := func(err error) reply { return failed(r.cmd.wording, err, names{name: r.name, account: account}) }
	t.waiter, _ = w.(Waiter)
	t.move = func(t *transfer) outcome { return t.receive(w, ascii, failure) }
	t.discard = func() { w.Close() }
	return s.begin(t)
}

// ending is what is to become of the bytes of an upload.
type ending uint8

const (
	nothing   ending = iota // they are dropped, and the old file stays
	beginning               // they are committed as the beginning of a file whose rest the client did not send
	whole                   // they are committed as the file
)

// receive moves an upload. What it becomes when it ends early is decided here and nowhere else: committed
// if the client ended it and the server is to keep such uploads, abandoned in every other case.
func (t *transfer) receive(w io.WriteCloser, ascii bool, failure func(error) reply) outcome {
	closed := false
	defer func() {
		if !closed { // a panic
			t.cancel(errUnwanted)
			closeQuietly(w)
		}
	}()
	src := io.Reader(t.data)
	if ascii {
		src = &asciiReader{src: t.data}
	}
	err := copyInto(w, src)
	end, becomes := t.judge(err, failure)
	switch partial, ok := w.(Partial); {
	case becomes == nothing:
		t.cancel(errUnwanted)
	case becomes == beginning && ok:
		partial.Interrupted(end.completed, false)
	}
	if err == nil || becomes != nothing {
		t.data.Close()
	} else {
		t.data.reset()
	}
	closed = true
	if partial, ok := w.(Partial); ok && t.keep && becomes == whole {
		ended := time.Now()
		defer t.session.whenGone(func() { partial.Interrupted(true, time.Since(ended) > deathLag+readerLag) })()
	}
	return t.committed(end, becomes, w.Close(), failure)
}

// whenGone calls f if the client ends the control connection without QUIT before stop is called. One that does so before
// its upload is answered may have died in the middle of the file: the end of the data was that of its process.
func (s *session) whenGone(f func()) (stop func()) {
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.readToEnd:
			if !s.quitSeen.Load() {
				f()
			}
		case <-over:
		}
	}()
	return func() {
		close(over)
		<-watched
	}
}

// committed is the outcome of an upload after the storage was asked to commit it; err says why it did not.
func (t *transfer) committed(end outcome, becomes ending, err error, failure func(error) reply) outcome {
	switch {
	case becomes == nothing || err == nil:
	case context.Cause(t.ctx) == errAborted: // while it was being stored
		return outcome{}
	case t.ctx.Err() != nil:
		return t.shutDown()
	case failureOf(err) == changed:
		if end.completed {
			return t.storageFault(err, failure)
		}
		t.tellDropped(err)
	case end.completed:
		return t.storageFault(err, failure)
	default: // the client has its 426 for another reason
		end.fault = err
	}
	return end
}

// judge decides what the end of an upload's bytes means.
func (t *transfer) judge(err error, failure func(error) reply) (end outcome, becomes ending) {
	aborted := !t.settle()
	ofStorage := err != nil && !t.data.failed(err)
	switch {
	case t.ctx.Err() != nil && context.Cause(t.ctx) != errAborted:
		return t.shutDown(), nothing
	case aborted && ofStorage:
		return outcome{}, nothing
	case aborted:
		return outcome{}, t.kept()
	case ofStorage:
		return t.storageFault(err, failure), nothing
	case t.data.isIdleForeigner() && !t.data.stalled():
		return outcome{reply: onlyForeign}, nothing
	case err != nil:
		return t.clientFault(), t.kept()
	case t.keep && t.session.isGone(0):
		return outcome{reply: complete, completed: true}, beginning
	case t.keep || !t.session.isGone(deathLag):
		return outcome{reply: complete, completed: true}, whole
	}
	return t.clientFault(), nothing
}

// kept is what becomes of an upload that its client has ended early.
func (t *transfer) kept() ending {
	if t.keep && !t.data.isIdleForeigner() {
		return beginning
	}
	return nothing
}

// storageFault is the outcome of an upload that the storage refused or lost.
func (t *transfer) storageFault(err error, failure func(error) reply) outcome {
	end := outcome{reply: failure(err)}
	switch kind := failureOf(err); {
	case kind == changed: // another client's doing, which no operator can mend
		t.tellDropped(err)
	case kind.worthLogging():
		end.fault = err
	}
	return end
}

// tellDropped writes why nothing of an upload is stored that met another one.
func (t *transfer) tellDropped(err error) {
	t.by.log.Info(printable(fmt.Sprintf("%s %s: nothing of this upload is stored: %v", t.verb, key(t.name), err)))
}

func closeQuietly(c io.Closer) {
	defer func() { recover() }()
	c.Close()
}

// copyBuffers are for storages whose files offer neither io.ReaderFrom nor io.WriterTo.
var copyBuffers = sync.Pool{New: func() any { return new([128 << 10]byte) }}

func copyInto(w io.Writer, src io.Reader) error {
	if direct, ok := w.(io.ReaderFrom); ok {
		_, err := direct.ReadFrom(src)
		return err
	}
	return copyBuffered(w, src)
}

func copyBuffered(w io.Writer, src io.Reader) error {
	buf := copyBuffers.Get().(*[128 << 10]byte)
	defer copyBuffers.Put(buf)
	// The wrappers keep io.CopyBuffer from finding methods that need a buffer of their own.
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{src}, buf[:])
	return err
}
