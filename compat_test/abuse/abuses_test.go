package abuse

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

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// abuses are the defects that a review of the library found on the wire, and a few more of their kind.
var abuses = []abuse{
	{
		name:  "cut-off-command",
		fixes: "L0",
		files: map[string]string{"/b.txt": "keep", "/b.txt.bak": "delete"},
		run:   cutOffCommand,
	},
	{name: "cut-off-command-at-idle-timeout", fixes: "L0", limits: rig.AbuseLimits{Idle: time.Second}, run: cutOffAtTimeout},
	{name: "byte-by-byte-forever", fixes: "L0", limits: rig.AbuseLimits{Idle: time.Second}, run: dripForever},
	{name: "pipelined-errors-stay-in-order", fixes: "L1", run: pipelinedErrors},
	{name: "pipelined-list-and-abor", fixes: "L1", run: listThenAbor},
	{
		name:   "slow-rename-keeps-its-reply",
		fixes:  "L2",
		files:  map[string]string{"/a": "x"},
		limits: rig.AbuseLimits{Idle: time.Second},
		hook:   func(m *rig.MemFS) { m.OnRename = func() { <-time.After(1500 * time.Millisecond) } },
		run:    slowRename,
	},
	{name: "noop-in-a-long-upload-keeps-226", fixes: "L2", limits: rig.AbuseLimits{Idle: time.Second}, run: noopInLongUpload},
	{name: "abor-after-noop-in-an-upload", fixes: "L3", run: aborAfterNoop},
	{name: "abor-before-the-data-connection", fixes: "L5", files: map[string]string{"/a": "x"}, run: aborBeforeData},
	{name: "control-loss-after-noop-is-noticed", fixes: "L3", run: lossAfterNoop},
	{
		name:   "passive-hijack",
		fixes:  "L4",
		files:  map[string]string{"/secret": "secret"},
		limits: rig.AbuseLimits{CheckIP: true, Accept: time.Second},
		run:    passiveHijack,
	},
	{name: "pasv-then-port-leaks-no-port", fixes: "L6", limits: rig.AbuseLimits{First: 61501, Last: 61503}, run: pasvThenPort},
	{name: "no-free-port-is-425", fixes: "L11 O14", limits: rig.AbuseLimits{First: 61504, Last: 61504}, run: noFreePort},
	{
		name:  "panic-in-storage",
		fixes: "L7",
		hook:  func(m *rig.MemFS) { m.OnWrite = func(string) { panic("storage is broken") } },
		run:   panicInStorage,
	},
	{
		name:  "ascii-download-is-cheap",
		fixes: "L8",
		files: map[string]string{"/lines": strings.Repeat("123456789\n", 1<<20)},
		alone: true,
		run:   asciiDownload,
	},
	{name: "stalled-upload-ends", fixes: "L9", limits: rig.AbuseLimits{Data: time.Second}, run: stalledUpload},
	{name: "missing-argument-is-not-the-directory", fixes: "L14", run: missingArgument},
	{name: "long-line-is-500", run: longLine},
	{name: "negative-rest", fixes: "L14", run: negativeRest},
	{name: "stat-of-a-directory", fixes: "L15", files: map[string]string{"/a": "x"}, run: statDirectory},
	{name: "port-to-a-stranger", limits: rig.AbuseLimits{CheckIP: true}, run: portToStranger},
	{name: "stor-without-a-data-connection", files: map[string]string{"/old": "old"}, run: storWithoutData},
	{name: "stranger-spoils-no-transfer", fixes: "L4", files: map[string]string{"/a": "a"}, limits: rig.AbuseLimits{CheckIP: true}, run: strangerComesFirst},
	{name: "many-passwords-in-one-packet", fixes: "L10", files: map[string]string{"/a": "a"}, limits: rig.AbuseLimits{Never: true}, run: manyPasswords},
	{name: "slow-address-holds-up-nobody", fixes: "L12", limits: rig.AbuseLimits{Listen: slowFirstAddress}, run: slowAddress},
	{name: "deflate-is-zlib-or-refused", fixes: "L13", files: map[string]string{"/a": "deflated"}, limits: rig.AbuseLimits{Deflate: true}, run: deflated},
	{name: "user-ends-the-login", fixes: "L15", files: map[string]string{"/a": "a"}, run: userEndsLogin},
	{name: "port-is-no-name", fixes: "L15", limits: rig.AbuseLimits{}, run: portIsNoName},
	{name: "stat-before-login", fixes: "L15", run: statBeforeLogin},
}

// readToEnd reads until the server closes the control connection.
func readToEnd(p *rig.Peer, within time.Duration) error {
	p.Control.SetReadDeadline(time.Now().Add(within))
	_, err := io.Copy(io.Discard, p.In)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the session still lives after %v", within)
	}
	return nil
}

func cutOffCommand(a *rig.Abused) error {
	p := a.Login()
	if err := p.Send([]byte("DELE /b.txt")); err != nil {
		return err
	}
	if err := p.Control.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	if err := readToEnd(p, rig.PatientTime); err != nil {
		return err
	}
	if !a.Files.Has("/b.txt") {
		return errors.New("DELE /b.txt of a cut off DELE /b.txt.bak was executed")
	}
	return nil
}

func cutOffAtTimeout(a *rig.Abused) error {
	p := a.Login()
	if err := p.Send([]byte("MKD /part")); err != nil {
		return err
	}
	if err := readToEnd(p, rig.PatientTime); err != nil {
		return err
	}
	if a.Files.Has("/part") {
		return errors.New("a line without its end was executed at the idle timeout")
	}
	return nil
}

func dripForever(a *rig.Abused) error {
	p := a.Login()
	deadline := time.Now().Add(rig.PatientTime)
	for time.Now().Before(deadline) {
		p.Control.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := p.In.ReadByte(); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil // a 421 or the end
		}
		if err := p.Send([]byte("x")); err != nil {
			return nil
		}
	}
	return errors.New("a client that never completes a line is never cut")
}

func pipelinedErrors(a *rig.Abused) error {
	p := a.Login()
	for range 30 {
		if err := p.Send([]byte("SIZE /missing\r\n" + strings.Repeat("RETR /missing\r\nFOO\r\nBAR\r\n", 4) + "NOOP\r\n")); err != nil {
			return err
		}
		want := append([]string{"550"}, strings.Fields(strings.Repeat("550 500 500 ", 4))...)
		for i, code := range append(want, "200") {
			if reply := p.Reply(rig.PatientTime); !strings.HasPrefix(reply, code+" ") || strings.Contains(reply, "\n") {
				return fmt.Errorf("reply %d is %q, want %s", i+1, reply, code)
			}
		}
	}
	return nil
}

func listThenAbor(a *rig.Abused) error {
	p := a.Login()
	if err := p.PASV(); err != nil {
		return err
	}
	if err := p.Send([]byte("LIST\r\nABOR\r\nNOOP\r\n")); err != nil {
		return err
	}
	listing, abor := 0, 0
	for {
		reply := p.Reply(rig.PatientTime)
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

func slowRename(a *rig.Abused) error {
	p := a.Login()
	if err := p.Want("350", "RNFR /a"); err != nil {
		return err
	}
	if err := p.Want("250", "RNTO /b"); err != nil {
		return fmt.Errorf("a rename longer than the idle timeout: %w", err)
	}
	return p.Want("200", "NOOP")
}

func noopInLongUpload(a *rig.Abused) error {
	p, err := a.Transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.Send([]byte("NOOP\r\n")); err != nil {
		return err
	}
	for range 8 {
		if err := p.Write([]byte("x")); err != nil {
			return err
		}
		<-time.After(200 * time.Millisecond)
	}
	p.DropData()
	replies := p.Reply(rig.ReplyTime) + " " + p.Reply(rig.ReplyTime)
	if !strings.Contains(replies, "226") || !strings.Contains(replies, "200") {
		return fmt.Errorf("NOOP and the upload are answered %q", replies)
	}
	return nil
}

func aborAfterNoop(a *rig.Abused) error {
	p, err := a.Transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.Write([]byte("x")); err != nil {
		return err
	}
	if err := p.Send([]byte("NOOP\r\nABOR\r\n")); err != nil {
		return err
	}
	for _, code := range []string{"200", "426", "226"} {
		if reply := p.Reply(rig.PatientTime); !strings.HasPrefix(reply, code) {
			return fmt.Errorf("got %q, want %s", reply, code)
		}
	}
	return nil
}

func aborBeforeData(a *rig.Abused) error {
	p := a.Login()
	if err := p.Want("227", "PASV"); err != nil {
		return err
	}
	if err := p.Send([]byte("RETR /a\r\nABOR\r\n")); err != nil {
		return err
	}
	for reply := ""; !strings.HasPrefix(reply, "22"); {
		if reply = p.Reply(rig.PatientTime); strings.HasPrefix(reply, "(") {
			return fmt.Errorf("ABOR of a RETR whose data connection never came: %s", reply)
		}
	}
	return p.Want("200", "NOOP")
}

func lossAfterNoop(a *rig.Abused) error {
	p, err := a.Transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.Write([]byte("x")); err != nil {
		return err
	}
	if err := p.Send([]byte("NOOP\r\n")); err != nil {
		return err
	}
	if err := rig.Reset(p.Control); err != nil {
		return err
	}
	p.Data.SetReadDeadline(time.Now().Add(rig.PatientTime))
	if _, err := p.Data.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the data connection outlives its control connection")
	}
	return nil
}

// passiveHijack lets a stranger come first to a passive port. Whether the first transfer may be theirs is the
// engine's rule; a second one, without a new PASV, never is.
func passiveHijack(a *rig.Abused) error {
	p := a.Login()
	if err := p.Want("227", "PASV"); err != nil {
		return err
	}
	stranger := &rig.Peer{Addr: p.Addr, Passive: p.Passive}
	defer stranger.Close()
	if err := stranger.Open("127.0.0.2"); err != nil {
		return err
	}
	if err := p.Send([]byte("RETR /secret\r\n")); err != nil {
		return err
	}
	for reply := "1"; strings.HasPrefix(reply, "1"); {
		reply = p.Reply(rig.ReplyTime)
	}
	stranger.Data.SetReadDeadline(time.Now().Add(rig.QuietTime))
	if _, err := io.ReadAll(stranger.Data); err == nil {
		return secondTransfer(p, stranger)
	}
	if err := p.Send([]byte("RETR /secret\r\n")); err != nil {
		return err
	}
	if got, _ := stranger.Download(rig.QuietTime); len(got) > 0 {
		return fmt.Errorf("a refused stranger received %q from the next transfer", got)
	}
	return nil
}

// secondTransfer: the stranger's first connection was taken and is finished.
func secondTransfer(p, stranger *rig.Peer) error {
	if err := p.Send([]byte("RETR /secret\r\n")); err != nil {
		return err
	}
	if err := stranger.Open("127.0.0.2"); err != nil {
		return nil
	}
	if got, _ := stranger.Download(rig.QuietTime); len(got) > 0 {
		return fmt.Errorf("a stranger received %q from a transfer without PASV", got)
	}
	return nil
}

func pasvThenPort(a *rig.Abused) error {
	p := a.Login()
	if err := p.Listen(); err != nil {
		return err
	}
	port, _ := p.Ports()
	for range 12 {
		if err := p.Want("227", "PASV"); err != nil {
			return err
		}
		if err := p.Want("200", "PORT 127,0,0,1,%s", port); err != nil {
			return err
		}
	}
	return nil
}

func noFreePort(a *rig.Abused) error {
	first, second := a.Login(), a.Login()
	if err := first.Want("227", "PASV"); err != nil {
		return err
	}
	if err := second.Want("425", "PASV"); err != nil {
		return err
	}
	return second.Want("200", "NOOP")
}

func panicInStorage(a *rig.Abused) error {
	p, err := a.Transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.Write([]byte("x")); err != nil {
		return err
	}
	if reply := p.Reply(rig.PatientTime); reply[0] != '4' && reply[0] != '5' {
		return fmt.Errorf("the client hears %q", reply)
	}
	p.Data.SetReadDeadline(time.Now().Add(rig.PatientTime))
	if _, err := io.Copy(io.Discard, p.Data); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the data connection stays open")
	}
	return a.Login().Want("200", "NOOP")
}

func asciiDownload(a *rig.Abused) error {
	p := a.Login()
	if err := p.Want("200", "TYPE A"); err != nil {
		return err
	}
	if err := p.PASV(); err != nil {
		return err
	}
	before := processCPU()
	if err := p.Want("1", "RETR /lines"); err != nil {
		return err
	}
	got, err := p.Download(time.Minute)
	if err != nil {
		return err
	}
	if want := 11 << 20; len(got) != want {
		return fmt.Errorf("received %d bytes, want %d", len(got), want)
	}
	limit := 600 * time.Millisecond
	if rig.RaceEnabled {
		limit *= 4
	}
	if used := processCPU() - before; used > limit {
		return fmt.Errorf("10 MiB of short lines took %v of CPU, want at most %v", used, limit)
	}
	return p.WantReply("226")
}

func processCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func stalledUpload(a *rig.Abused) error {
	p, err := a.Transfer("STOR /up")
	if err != nil {
		return err
	}
	if err := p.Write([]byte("x")); err != nil {
		return err
	}
	if reply := p.Reply(rig.PatientTime); reply == "(silent)" {
		return errors.New("a transfer on which nothing moves lasts for ever")
	}
	return nil
}

func missingArgument(a *rig.Abused) error {
	p := a.Login()
	if err := p.Want("257", "MKD /dir"); err != nil {
		return err
	}
	if err := p.Want("250", "CWD /dir"); err != nil {
		return err
	}
	if err := p.Want("501", "RMD"); err != nil {
		return err
	}
	if !a.Files.Has("/dir") {
		return errors.New("RMD without a name removed the current directory")
	}
	return nil
}

func longLine(a *rig.Abused) error {
	p := a.Login()
	if err := p.Want("500", "CWD %s", strings.Repeat("A", 5000)); err != nil {
		return err
	}
	for reply := ""; !strings.HasPrefix(reply, "200"); {
		if reply = p.Command("NOOP"); strings.HasPrefix(reply, "(") {
			return fmt.Errorf("after a long line NOOP is answered %q", reply)
		}
	}
	return nil
}

func negativeRest(a *rig.Abused) error { return a.Login().Want("501", "REST -1") }

func statDirectory(a *rig.Abused) error {
	if reply := a.Login().Command("STAT /"); strings.Contains(reply, "%s") || !strings.Contains(reply, "a") {
		return fmt.Errorf("STAT of a directory says %q", reply)
	}
	return nil
}

func portToStranger(a *rig.Abused) error { return a.Login().Want("5", "PORT 127,0,0,9,200,10") }

func storWithoutData(a *rig.Abused) error {
	p := a.Login()
	if err := p.Send([]byte("STOR /old\r\n")); err != nil {
		return err
	}
	p.Reply(rig.QuietTime)
	p.Close()
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if got := a.Files.Content("/old"); got != "old" {
			return fmt.Errorf("STOR without a data connection made %q of the old file", got)
		}
	}
	return nil
}

// strangerComesFirst: a foreign connection to the passive port is dropped, and the client's own still gets the file.
func strangerComesFirst(a *rig.Abused) error {
	p := a.Login()
	if err := p.Want("227", "PASV"); err != nil {
		return err
	}
	stranger := &rig.Peer{Addr: p.Addr, Passive: p.Passive}
	defer stranger.Close()
	if err := stranger.Open("127.0.0.2"); err != nil {
		return err
	}
	if err := p.Send([]byte("RETR /a\r\n")); err != nil {
		return err
	}
	if reply := p.Reply(rig.QuietTime); !strings.HasPrefix(reply, "1") && reply != "(silent)" {
		return fmt.Errorf("a stranger's connection makes of the transfer %q", reply)
	}
	if err := p.Open(""); err != nil {
		return err
	}
	if got, err := p.Download(rig.ReplyTime); err != nil || string(got) != "a" {
		return fmt.Errorf("the client gets %q, %v", got, err)
	}
	return nil
}

// manyPasswords: of many guesses in one packet only so many are tried as over time, and what follows them is not run.
func manyPasswords(a *rig.Abused) error {
	p := &rig.Peer{Addr: a.Addr}
	if err := p.Connect(); err != nil {
		return err
	}
	defer p.Close()
	guesses := strings.Repeat("USER user\r\nPASS wrong\r\n", 10)
	if err := p.Send([]byte(guesses + "USER user\r\nPASS pass\r\nDELE /a\r\n")); err != nil {
		return err
	}
	if err := readToEnd(p, rig.PatientTime); err != nil {
		return err
	}
	if !a.Files.Has("/a") {
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

func slowAddress(a *rig.Abused) error {
	slow, quick := &rig.Peer{Addr: a.Addr}, &rig.Peer{Addr: a.Addr}
	defer slow.Close()
	defer quick.Close()
	for _, p := range []*rig.Peer{slow, quick} {
		if err := p.Connect(); err != nil {
			return err
		}
	}
	if reply := quick.Reply(8 * time.Second); !strings.HasPrefix(reply, "220") {
		return fmt.Errorf("while one client's address is unknown another hears %q", reply)
	}
	return nil
}

// deflated: clients take MODE Z for zlib's format (RFC 1950), as draft-preston-ftpext-deflate has it.
func deflated(a *rig.Abused) error {
	p := a.Login()
	if reply := p.Command("MODE Z"); strings.HasPrefix(reply, "5") {
		return nil
	}
	got, reply, err := p.Fetch("RETR /a")
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
func userEndsLogin(a *rig.Abused) error {
	p := a.Login()
	if err := p.Expect("USER other", "331", "DELE /a", "530"); err != nil {
		return err
	}
	if !a.Files.Has("/a") {
		return errors.New("the file was deleted")
	}
	return nil
}

// portIsNoName: what is no address is refused, not looked up.
func portIsNoName(a *rig.Abused) error {
	return a.Login().Expect("PORT 999,0,0,1,200,10", "5", "PORT localhost,0,0,1,200,10", "5", "EPRT |1|localhost|50000|", "5")
}

// statBeforeLogin: RFC 959 has STAT among the commands that need no login (6), and clients ask so.
func statBeforeLogin(a *rig.Abused) error {
	p := &rig.Peer{Addr: a.Addr}
	if err := p.Connect(); err != nil {
		return err
	}
	defer p.Close()
	if err := p.WantReply("220"); err != nil {
		return err
	}
	return p.Want("211", "STAT")
}
