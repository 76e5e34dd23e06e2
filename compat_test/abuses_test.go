package compat_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// abuses are the defects that a review of the library found on the wire, and a few more of their kind.
var abuses = []abuse{
	{
		name:  "cut-off-command",
		fixes: "L0",
		files: map[string]string{"/b.txt": "keep", "/b.txt.bak": "delete"},
		run:   cutOffCommand,
	},
	{name: "cut-off-command-at-idle-timeout", fixes: "L0", limits: abuseLimits{idle: time.Second}, run: cutOffAtTimeout},
	{name: "byte-by-byte-forever", fixes: "L0", limits: abuseLimits{idle: time.Second}, run: dripForever},
	{name: "pipelined-errors-stay-in-order", fixes: "L1", run: pipelinedErrors},
	{name: "pipelined-list-and-abor", fixes: "L1", run: listThenAbor},
	{
		name:   "slow-rename-keeps-its-reply",
		fixes:  "L2",
		files:  map[string]string{"/a": "x"},
		limits: abuseLimits{idle: time.Second},
		hook:   func(m *memFS) { m.onRename = func() { <-time.After(1500 * time.Millisecond) } },
		run:    slowRename,
	},
	{name: "noop-in-a-long-upload-keeps-226", fixes: "L2", limits: abuseLimits{idle: time.Second}, run: noopInLongUpload},
	{name: "abor-after-noop-in-an-upload", fixes: "L3", run: aborAfterNoop},
	{name: "abor-before-the-data-connection", fixes: "L5", files: map[string]string{"/a": "x"}, run: aborBeforeData},
	{name: "control-loss-after-noop-is-noticed", fixes: "L3", run: lossAfterNoop},
	{
		name:   "passive-hijack",
		fixes:  "L4",
		files:  map[string]string{"/secret": "secret"},
		limits: abuseLimits{checkIP: true, accept: time.Second},
		run:    passiveHijack,
	},
	{name: "pasv-then-port-leaks-no-port", fixes: "L6", limits: abuseLimits{first: 61501, last: 61503}, run: pasvThenPort},
	{name: "no-free-port-is-425", fixes: "L11 O14", limits: abuseLimits{first: 61504, last: 61504}, run: noFreePort},
	{
		name:  "panic-in-storage",
		fixes: "L7",
		hook:  func(m *memFS) { m.onWrite = func(string) { panic("storage is broken") } },
		run:   panicInStorage,
	},
	{
		name:  "ascii-download-is-cheap",
		fixes: "L8",
		files: map[string]string{"/lines": strings.Repeat("123456789\n", 1<<20)},
		alone: true,
		run:   asciiDownload,
	},
	{name: "stalled-upload-ends", fixes: "L9", limits: abuseLimits{data: time.Second}, run: stalledUpload},
	{name: "missing-argument-is-not-the-directory", fixes: "L14", run: missingArgument},
	{name: "long-line-is-500", run: longLine},
	{name: "negative-rest", fixes: "L14", run: negativeRest},
	{name: "stat-of-a-directory", fixes: "L15", files: map[string]string{"/a": "x"}, run: statDirectory},
	{name: "port-to-a-stranger", limits: abuseLimits{checkIP: true}, run: portToStranger},
	{name: "stor-without-a-data-connection", files: map[string]string{"/old": "old"}, run: storWithoutData},
	{name: "stranger-spoils-no-transfer", fixes: "L4", files: map[string]string{"/a": "a"}, limits: abuseLimits{checkIP: true}, run: strangerComesFirst},
	{name: "many-passwords-in-one-packet", fixes: "L10", files: map[string]string{"/a": "a"}, limits: abuseLimits{never: true}, run: manyPasswords},
	{name: "slow-address-holds-up-nobody", fixes: "L12", limits: abuseLimits{listen: slowFirstAddress}, run: slowAddress},
	{name: "deflate-is-zlib-or-refused", fixes: "L13", files: map[string]string{"/a": "deflated"}, limits: abuseLimits{deflate: true}, run: deflated},
	{name: "user-ends-the-login", fixes: "L15", files: map[string]string{"/a": "a"}, run: userEndsLogin},
	{name: "port-is-no-name", fixes: "L15", limits: abuseLimits{}, run: portIsNoName},
	{name: "stat-before-login", fixes: "L15", run: statBeforeLogin},
}

// readToEnd reads until the server closes the control connection.
func readToEnd(p *peer, within time.Duration) error {
	p.control.SetReadDeadline(time.Now().Add(within))
	_, err := io.Copy(io.Discard, p.in)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the session still lives after %v", within)
	}
	return nil
}

func cutOffCommand(a *abused) error {
	p := a.login()
	if err := p.send([]byte("DELE /b.txt")); err != nil {
		return err
	}
	if err := p.control.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	if err := readToEnd(p, abuseTime); err != nil {
		return err
	}
	if !a.files.has("/b.txt") {
		return errors.New("DELE /b.txt of a cut off DELE /b.txt.bak was executed")
	}
	return nil
}

func cutOffAtTimeout(a *abused) error {
	p := a.login()
	if err := p.send([]byte("MKD /part")); err != nil {
		return err
	}
	if err := readToEnd(p, abuseTime); err != nil {
		return err
	}
	if a.files.has("/part") {
		return errors.New("a line without its end was executed at the idle timeout")
	}
	return nil
}

// abuseTime is how long to wait for what must come. It is shorter than replyTime because the library that is compared
// keeps it waiting.
const abuseTime = 15 * time.Second

func dripForever(a *abused) error {
	p := a.login()
	deadline := time.Now().Add(abuseTime)
	for time.Now().Before(deadline) {
		p.control.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := p.in.ReadByte(); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil // a 421 or the end
		}
		if err := p.send([]byte("x")); err != nil {
			return nil
		}
	}
	return errors.New("a client that never completes a line is never cut")
}

func pipelinedErrors(a *abused) error {
	p := a.login()
	for range 30 {
		if err := p.send([]byte("SIZE /missing\r\n" + strings.Repeat("RETR /missing\r\nFOO\r\nBAR\r\n", 4) + "NOOP\r\n")); err != nil {
			return err
		}
		want := append([]string{"550"}, strings.Fields(strings.Repeat("550 500 500 ", 4))...)
		for i, code := range append(want, "200") {
			if reply := p.reply(abuseTime); !strings.HasPrefix(reply, code+" ") || strings.Contains(reply, "\n") {
				return fmt.Errorf("reply %d is %q, want %s", i+1, reply, code)
			}
		}
	}
	return nil
}

func listThenAbor(a *abused) error {
	p := a.login()
	if err := p.pasv(); err != nil {
		return err
	}
	if err := p.send([]byte("LIST\r\nABOR\r\nNOOP\r\n")); err != nil {
		return err
	}
	listing, abor := 0, 0
	for {
		reply := p.reply(abuseTime)
		switch {
		case strings.HasPrefix(reply, "200"):
			if listing < 1 || abor != 1 {
				return fmt.Errorf("LIST has %d replies and ABOR %d", listing, abor)
			}
			return nil
		case listing > 0 && (strings.HasPrefix(reply, "225") || strings.HasPrefix(reply, "226 ABOR")):
			abor++
		case strings.HasPrefix(reply, "("):
			return fmt.Errorf("no reply to NOOP: %s", reply)
		default:
			listing++
		}
	}
}

func slowRename(a *abused) error {
	p := a.login()
	if err := p.want("350", "RNFR /a"); err != nil {
		return err
	}
	if err := p.want("250", "RNTO /b"); err != nil {
		return fmt.Errorf("a rename longer than the idle timeout: %w", err)
	}
	return p.want("200", "NOOP")
}

func noopInLongUpload(a *abused) error {
	p, err := a.transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.send([]byte("NOOP\r\n")); err != nil {
		return err
	}
	for range 8 {
		if err := p.write([]byte("x")); err != nil {
			return err
		}
		<-time.After(200 * time.Millisecond)
	}
	p.dropData()
	replies := p.reply(replyTime) + " " + p.reply(replyTime)
	if !strings.Contains(replies, "226") || !strings.Contains(replies, "200") {
		return fmt.Errorf("NOOP and the upload are answered %q", replies)
	}
	return nil
}

func aborAfterNoop(a *abused) error {
	p, err := a.transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.write([]byte("x")); err != nil {
		return err
	}
	if err := p.send([]byte("NOOP\r\nABOR\r\n")); err != nil {
		return err
	}
	for _, code := range []string{"200", "426", "226"} {
		if reply := p.reply(abuseTime); !strings.HasPrefix(reply, code) {
			return fmt.Errorf("got %q, want %s", reply, code)
		}
	}
	return nil
}

func aborBeforeData(a *abused) error {
	p := a.login()
	if err := p.want("227", "PASV"); err != nil {
		return err
	}
	if err := p.send([]byte("RETR /a\r\nABOR\r\n")); err != nil {
		return err
	}
	for reply := ""; !strings.HasPrefix(reply, "22"); {
		if reply = p.reply(abuseTime); strings.HasPrefix(reply, "(") {
			return fmt.Errorf("ABOR of a RETR whose data connection never came: %s", reply)
		}
	}
	return p.want("200", "NOOP")
}

func lossAfterNoop(a *abused) error {
	p, err := a.transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.write([]byte("x")); err != nil {
		return err
	}
	if err := p.send([]byte("NOOP\r\n")); err != nil {
		return err
	}
	if err := reset(p.control); err != nil {
		return err
	}
	p.data.SetReadDeadline(time.Now().Add(abuseTime))
	if _, err := p.data.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the data connection outlives its control connection")
	}
	return nil
}

// passiveHijack lets a stranger come first to a passive port. Whether the first transfer may be theirs is the
// engine's rule; a second one, without a new PASV, never is.
func passiveHijack(a *abused) error {
	p := a.login()
	if err := p.want("227", "PASV"); err != nil {
		return err
	}
	stranger := &peer{addr: p.addr, passive: p.passive}
	defer stranger.close()
	if err := stranger.open("127.0.0.2"); err != nil {
		return err
	}
	if err := p.send([]byte("RETR /secret\r\n")); err != nil {
		return err
	}
	for reply := "1"; strings.HasPrefix(reply, "1"); {
		reply = p.reply(replyTime)
	}
	stranger.data.SetReadDeadline(time.Now().Add(quietTime))
	if _, err := io.ReadAll(stranger.data); err == nil {
		return secondTransfer(p, stranger)
	}
	if err := p.send([]byte("RETR /secret\r\n")); err != nil {
		return err
	}
	if got, _ := stranger.download(quietTime); len(got) > 0 {
		return fmt.Errorf("a refused stranger received %q from the next transfer", got)
	}
	return nil
}

// secondTransfer: the stranger's first connection was taken and is finished.
func secondTransfer(p, stranger *peer) error {
	if err := p.send([]byte("RETR /secret\r\n")); err != nil {
		return err
	}
	if err := stranger.open("127.0.0.2"); err != nil {
		return nil
	}
	if got, _ := stranger.download(quietTime); len(got) > 0 {
		return fmt.Errorf("a stranger received %q from a transfer without PASV", got)
	}
	return nil
}

func pasvThenPort(a *abused) error {
	p := a.login()
	if err := p.listen(); err != nil {
		return err
	}
	port, _ := p.ports()
	for range 12 {
		if err := p.want("227", "PASV"); err != nil {
			return err
		}
		if err := p.want("200", "PORT 127,0,0,1,%s", port); err != nil {
			return err
		}
	}
	return nil
}

func noFreePort(a *abused) error {
	first, second := a.login(), a.login()
	if err := first.want("227", "PASV"); err != nil {
		return err
	}
	if err := second.want("425", "PASV"); err != nil {
		return err
	}
	return second.want("200", "NOOP")
}

func panicInStorage(a *abused) error {
	p, err := a.transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.write([]byte("x")); err != nil {
		return err
	}
	if reply := p.reply(abuseTime); reply[0] != '4' && reply[0] != '5' {
		return fmt.Errorf("the client hears %q", reply)
	}
	p.data.SetReadDeadline(time.Now().Add(abuseTime))
	if _, err := io.Copy(io.Discard, p.data); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the data connection stays open")
	}
	return a.login().want("200", "NOOP")
}

func asciiDownload(a *abused) error {
	p := a.login()
	if err := p.want("200", "TYPE A"); err != nil {
		return err
	}
	if err := p.pasv(); err != nil {
		return err
	}
	before := processCPU()
	if err := p.want("1", "RETR /lines"); err != nil {
		return err
	}
	got, err := p.download(time.Minute)
	if err != nil {
		return err
	}
	if want := 11 << 20; len(got) != want {
		return fmt.Errorf("received %d bytes, want %d", len(got), want)
	}
	limit := 600 * time.Millisecond
	if raceEnabled {
		limit *= 4
	}
	if used := processCPU() - before; used > limit {
		return fmt.Errorf("10 MiB of short lines took %v of CPU, want at most %v", used, limit)
	}
	return p.wantReply("226")
}

func processCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func stalledUpload(a *abused) error {
	p, err := a.transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.write([]byte("x")); err != nil {
		return err
	}
	if reply := p.reply(abuseTime); reply == "(silent)" {
		return errors.New("a transfer on which nothing moves lasts for ever")
	}
	return nil
}

func missingArgument(a *abused) error {
	p := a.login()
	if err := p.want("257", "MKD /dir"); err != nil {
		return err
	}
	if err := p.want("250", "CWD /dir"); err != nil {
		return err
	}
	if err := p.want("501", "RMD"); err != nil {
		return err
	}
	if !a.files.has("/dir") {
		return errors.New("RMD without a name removed the current directory")
	}
	return nil
}

func longLine(a *abused) error {
	p := a.login()
	if err := p.want("500", "CWD %s", strings.Repeat("A", 5000)); err != nil {
		return err
	}
	for reply := ""; !strings.HasPrefix(reply, "200"); {
		if reply = p.command("NOOP"); strings.HasPrefix(reply, "(") {
			return fmt.Errorf("after a long line NOOP is answered %q", reply)
		}
	}
	return nil
}

func negativeRest(a *abused) error { return a.login().want("501", "REST -1") }

func statDirectory(a *abused) error {
	if reply := a.login().command("STAT /"); strings.Contains(reply, "%s") || !strings.Contains(reply, "a") {
		return fmt.Errorf("STAT of a directory says %q", reply)
	}
	return nil
}

func portToStranger(a *abused) error { return a.login().want("5", "PORT 127,0,0,9,200,10") }

func storWithoutData(a *abused) error {
	p := a.login()
	if err := p.send([]byte("STOR /old\r\n")); err != nil {
		return err
	}
	p.reply(quietTime)
	p.close()
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if got := a.files.content("/old"); got != "old" {
			return fmt.Errorf("STOR without a data connection made %q of the old file", got)
		}
	}
	return nil
}

// strangerComesFirst: a foreign connection to the passive port is dropped, and the client's own still gets the file.
func strangerComesFirst(a *abused) error {
	p := a.login()
	if err := p.want("227", "PASV"); err != nil {
		return err
	}
	stranger := &peer{addr: p.addr, passive: p.passive}
	defer stranger.close()
	if err := stranger.open("127.0.0.2"); err != nil {
		return err
	}
	if err := p.send([]byte("RETR /a\r\n")); err != nil {
		return err
	}
	if reply := p.reply(quietTime); !strings.HasPrefix(reply, "1") && reply != "(silent)" {
		return fmt.Errorf("a stranger's connection makes of the transfer %q", reply)
	}
	if err := p.open(""); err != nil {
		return err
	}
	if got, err := p.download(replyTime); err != nil || string(got) != "a" {
		return fmt.Errorf("the client gets %q, %v", got, err)
	}
	return nil
}

// manyPasswords: of many guesses in one packet only so many are tried as over time, and what follows them is not run.
func manyPasswords(a *abused) error {
	p := &peer{addr: a.addr}
	if err := p.connect(); err != nil {
		return err
	}
	defer p.close()
	guesses := strings.Repeat("USER user\r\nPASS wrong\r\n", 10)
	if err := p.send([]byte(guesses + "USER user\r\nPASS pass\r\nDELE /a\r\n")); err != nil {
		return err
	}
	if err := readToEnd(p, abuseTime); err != nil {
		return err
	}
	if !a.files.has("/a") {
		return errors.New("the eleventh password was tried, and DELE behind it run")
	}
	return nil
}

// lateAddress is a connection whose address is known late, as behind a proxy's header.
type lateAddress struct {
	net.Conn
	known <-chan time.Time
}

func (c lateAddress) RemoteAddr() net.Addr {
	<-c.known
	return c.Conn.RemoteAddr()
}

type lateListener struct {
	net.Listener
	accepted int
}

func (l *lateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if l.accepted++; err != nil || l.accepted > 1 {
		return conn, err
	}
	known := make(chan time.Time)
	time.AfterFunc(9*time.Second, func() { close(known) })
	return lateAddress{conn, known}, nil
}

func slowFirstAddress(l net.Listener) net.Listener { return &lateListener{Listener: l} }

func slowAddress(a *abused) error {
	slow, quick := &peer{addr: a.addr}, &peer{addr: a.addr}
	defer slow.close()
	defer quick.close()
	for _, p := range []*peer{slow, quick} {
		if err := p.connect(); err != nil {
			return err
		}
	}
	if reply := quick.reply(8 * time.Second); !strings.HasPrefix(reply, "220") {
		return fmt.Errorf("while one client's address is unknown another hears %q", reply)
	}
	return nil
}

// deflated: clients take MODE Z for zlib's format (RFC 1950), as draft-preston-ftpext-deflate has it.
func deflated(a *abused) error {
	p := a.login()
	if reply := p.command("MODE Z"); strings.HasPrefix(reply, "5") {
		return nil
	}
	got, reply, err := p.fetch("RETR /a")
	if err != nil {
		return err
	}
	r, err := zlib.NewReader(bytes.NewReader(got))
	if err != nil {
		return fmt.Errorf("a download in MODE Z of %d bytes, %q: %w", len(got), reply, err)
	}
	text, err := io.ReadAll(r)
	if string(text) != "deflated" {
		return fmt.Errorf("a download in MODE Z is %q, %w", text, err)
	}
	return nil
}

// userEndsLogin: once another user is named, nothing is done with the rights of the one before.
func userEndsLogin(a *abused) error {
	p := a.login()
	if err := p.expect("USER other", "331", "DELE /a", "530"); err != nil {
		return err
	}
	if !a.files.has("/a") {
		return errors.New("the file was deleted")
	}
	return nil
}

// portIsNoName: what is no address is refused, not looked up.
func portIsNoName(a *abused) error {
	return a.login().expect("PORT 999,0,0,1,200,10", "5", "PORT localhost,0,0,1,200,10", "5", "EPRT |1|localhost|50000|", "5")
}

// statBeforeLogin: RFC 959 has STAT among the commands that need no login (6), and clients ask so.
func statBeforeLogin(a *abused) error {
	p := &peer{addr: a.addr}
	if err := p.connect(); err != nil {
		return err
	}
	defer p.close()
	if err := p.wantReply("220"); err != nil {
		return err
	}
	return p.want("211", "STAT")
}
