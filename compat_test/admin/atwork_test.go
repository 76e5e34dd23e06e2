package admin

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// optionAtWork is an option, set to a value that the other tests do not use, and what must come of it in the whole
// program.
type optionAtWork struct {
	option string
	change map[string]string // options of the server
	edit   [2]string         // in the text of the conf, old and new
	check  func(w *working) error
}

// working is the program with the option set.
type working struct {
	*rig.Gateway
	*rig.Peer
	store *rig.Store
}

var optionsAtWork = []optionAtWork{
	{option: "cos_secretid", edit: [2]string{"cos_secretid = test-id", "cos_secretid = no-such-id"},
		check: func(w *working) error { return w.refusedByCOS() }},
	{option: "cos_secretkey", edit: [2]string{"cos_secretkey = test-key", "cos_secretkey = no-such-key"},
		check: func(w *working) error { return w.refusedByCOS() }},
	{option: "cos_session_token", edit: [2]string{"cos_region", "cos_session_token = a-token\ncos_region"},
		check: func(w *working) error {
			return w.requests(func(r costest.Request) bool { return r.Header.Get("x-cos-security-token") == "a-token" })
		}},
	{option: "cos_bucket", edit: [2]string{rig.BucketName(0), rig.BucketName(3)},
		check: func(w *working) error {
			return w.requests(func(r costest.Request) bool { return r.Bucket == rig.BucketName(3) })
		}},
	{option: "cos_region", edit: [2]string{"cos_region = ap-test", "cos_region = ap-elsewhere"},
		check: func(w *working) error { return w.host(rig.BucketName(0) + ".cos.ap-elsewhere.myqcloud.com") }},
	{option: "cos_endpoint", edit: [2]string{"cos_region", "cos_endpoint = cos.example.com\ncos_region"},
		check: func(w *working) error { return w.host(rig.BucketName(0) + ".cos.example.com") }},
	{option: "cos_protocol", edit: [2]string{"cos_protocol = http\n", "cos_protocol = https\n"},
		check: func(w *working) error {
			if err := w.requests(func(costest.Request) bool { return false }); err != errNoRequest {
				return fmt.Errorf("a store without TLS got a request: %w", err)
			}
			return nil
		}},
	// The host of the bucket has no address here.
	{option: "cos_address", check: func(w *working) error { return w.host(rig.BucketName(0) + ".cos.ap-test.myqcloud.com") }},
	{option: "home_dir", edit: [2]string{"/user0\n", "\n"}, check: func(w *working) error {
		return w.talk("MKD new", `257 "/new" directory created.`, "MKD new", "550 "+w.Home+"/new is a directory.")
	}},
	{option: "authority", edit: [2]string{"authority = RW", "authority = R"}, check: func(w *working) error {
		return w.talk("DELE file", "550 Not enough privileges.", "SIZE file", "213 4")
	}},
	{option: "delete_enable", edit: [2]string{"delete_enable = true", "delete_enable = false"}, check: func(w *working) error {
		return w.talk("DELE file", "550 Current user is not allowed to delete", "MKD new", "257 ")
	}},
	{option: "listen_port", check: func(w *working) error { return w.talk("NOOP", "200 ") }},
	{option: "passive_port", change: map[string]string{"passive_port": "61777,61777"}, check: func(w *working) error {
		return w.talk("EPSV", "229 Entering extended passive mode (|||61777|).")
	}},
	{option: "active_source_port", change: map[string]string{"active_source_port": "61778"}, check: func(w *working) error {
		return w.activeFrom(61778)
	}},
	{option: "ban_after", change: map[string]string{"ban_after": "1"}, check: func(w *working) error {
		return errors.Join(w.guess(), w.greeted("421"))
	}},
	{option: "ban_window", change: map[string]string{"ban_after": "2", "ban_window": "1"}, check: func(w *working) error {
		// Each refusal takes 3 s.
		return errors.Join(w.guess(), w.guess(), w.greeted("220"))
	}},
	{option: "ban_time", change: map[string]string{"ban_after": "1", "ban_time": "1"}, check: func(w *working) error {
		return errors.Join(w.guess(), w.greeted("220"))
	}},
	{option: "single_file_max_size", change: map[string]string{"single_file_max_size": "5"}, check: func(w *working) error {
		return errors.Join(w.put("five", 5, "226"), w.put("six", 6, "552"), w.stored("six", -1))
	}},
	{option: "min_part_size", change: map[string]string{"min_part_size": "3145728"}, check: func(w *working) error {
		return errors.Join(w.put("parts", 7*rig.MiB, "226"), w.parts(3*rig.MiB, 3*rig.MiB, rig.MiB))
	}},
	{option: "upload_thread_num", change: map[string]string{"upload_thread_num": "2"}, check: func(w *working) error {
		w.store.Inject(costest.Fault{Op: "UploadPart", Delay: slowRequest})
		return w.atOnce(2, func() error { return w.put("parts", 8*rig.MiB, "226") })
	}},
	{option: "download_thread_num", change: map[string]string{"download_thread_num": "2"}, check: func(w *working) error {
		w.store.Put(rig.BucketName(0), "big", make([]byte, 64*rig.MiB))
		w.store.Inject(costest.Fault{Op: "GetObject", Delay: slowRequest})
		return w.atOnce(2, func() error { return w.get("big", 64*rig.MiB) })
	}},
	{option: "max_list_file", change: map[string]string{"max_list_file": "1"}, check: func(w *working) error {
		for i := range 2500 {
			w.store.Put(rig.BucketName(0), fmt.Sprintf("many/%04d", i), nil)
		}
		w.Command("PASV")
		w.Command("NLST many")
		if err := w.Open(""); err != nil {
			return err
		}
		names, err := w.Download(rig.ReplyTime)
		if n := bytes.Count(names, []byte("\n")); err == nil && n != 1000 {
			err = fmt.Errorf("%d names, want the first page of 1000", n)
		}
		return err
	}},
	{option: "list_style", change: map[string]string{"list_style": "unix"}, check: func(w *working) error {
		listing := w.Command("STAT file")
		if !strings.Contains(listing, "\n-rw-r--r-- ") || strings.Contains(listing, "\t") {
			return fmt.Errorf("listing %q", listing)
		}
		return nil
	}},
	{option: "extended_commands", change: map[string]string{"extended_commands": "true"}, check: func(w *working) error {
		return w.talk("XMD5 file", "250 8D777F385D3DFEC8815D20F7496026DC")
	}},
	{option: "rename_dir_limit", change: map[string]string{"rename_dir_limit": "1"}, check: func(w *working) error {
		w.store.Put(rig.BucketName(0), "two/a", nil)
		w.store.Put(rig.BucketName(0), "two/b", nil)
		w.store.Put(rig.BucketName(0), "one/a", nil)
		return w.talk("RNFR one", "350 ", "RNTO uno", "250 ", "RNFR two", "350 ", "RNTO due", "550 ")
	}},
	{option: "incomplete_upload", change: map[string]string{"incomplete_upload": "discard"}, check: func(w *working) error {
		err := w.beginUpload("half")
		if err == nil {
			err = errors.Join(w.Write([]byte("1234")), w.Settle(), w.talk("ABOR", "426 "), w.stored("half", -1))
		}
		return err
	}},
	{option: "resume_upload", change: map[string]string{"resume_upload": "any"}, check: func(w *working) error {
		w.store.Put(rig.BucketName(0), "log", []byte("line 1\n"))
		return errors.Join(w.talk("REST 7", "350 "), w.put("log", 7, "226"), w.stored("log", 14))
	}},
	{option: "storage_patience", change: map[string]string{"storage_patience": "1"}, check: func(w *working) error {
		w.store.Inject(costest.Fault{Op: "PutObject", Status: 503, Code: "SlowDown"})
		began := time.Now()
		err := w.put("patient", 7, "451")
		if tries := w.store.Count("PutObject"); err == nil && (time.Since(began) > 15*time.Second || tries < 2) {
			err = fmt.Errorf("given up after %v and %d tries, want some tries in about a second", time.Since(began), tries)
		}
		return err
	}},
	{option: "config_check_enable", change: map[string]string{"config_check_enable": "false"}, check: func(w *working) error {
		if n := w.store.Count("HeadBucket"); n > 0 {
			return fmt.Errorf("%d buckets are checked", n)
		}
		return nil
	}},
	{option: "log_level", change: map[string]string{"log_level": "ERROR"}, check: func(w *working) error {
		return w.logHolds("", "logged in")
	}},
	{option: "log_dir", edit: [2]string{"/log\n", "/elsewhere\n"}, check: func(w *working) error {
		_, err := os.Stat(filepath.Join(w.Home, "elsewhere", "cos_v5.log"))
		return err
	}},
	{option: "log_rotate_enabled", change: map[string]string{"log_rotate_enabled": "true", "log_rotate_when": "S"},
		check: func(w *working) error { return w.rotatesBySecond(100) }},
	{option: "log_rotate_when", change: map[string]string{"log_rotate_enabled": "true", "log_rotate_when": "D"},
		check: func(w *working) error { return w.rotatesBySecond(0) }},
	{option: "log_backup_count", change: map[string]string{"log_rotate_enabled": "true", "log_rotate_when": "S", "log_backup_count": "1"},
		check: func(w *working) error { return w.rotatesBySecond(1) }},
}

// TestOptionsAtWork: each option does in the whole program what the tables of README say, as far as no test of its
// own holds it.
func TestOptionsAtWork(t *testing.T) {
	for _, c := range optionsAtWork {
		t.Run(c.option, func(t *testing.T) {
			t.Parallel()
			store := rig.NewStore(t)
			store.Put(rig.BucketName(0), "file", []byte("data"))
			gate := rig.StartEdited(t, store, c.change, func(text string) string {
				edited := strings.Replace(text, c.edit[0], c.edit[1], 1)
				if edited == text && c.edit[0] != "" {
					t.Fatalf("the conf has no %q", c.edit[0])
				}
				return edited
			})
			a := &rig.Abused{T: t, Addr: gate.Addr}
			w := &working{Gateway: gate, Peer: a.LoginAs("user0", "pass0"), store: store}
			if err := c.check(w); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClientCertificateAtWork: tls_client_ca_file asks all who log in for a certificate, also those who would do without
// TLS, and tls_client_user = cn for that of the user.
func TestClientCertificateAtWork(t *testing.T) {
	t.Parallel()
	serverCert, serverKey := rig.Certificate(t, time.Now().Add(time.Hour))
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := rig.CertificateNamed(t, "user0", private, time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for clientUser, other := range map[string]string{"none": "331", "cn": "530"} {
		gate := rig.StartGateway(t, rig.NewStore(t), map[string]string{
			"tls_cert_file": serverCert, "tls_key_file": serverKey, "tls_client_ca_file": cert, "tls_client_user": clientUser,
		})
		for _, own := range [][]tls.Certificate{nil, {pair}} {
			p := &rig.Peer{Addr: gate.Addr}
			t.Cleanup(p.Close)
			if err := p.Connect(); err != nil {
				t.Fatal(err)
			}
			p.Reply(rig.ReplyTime)
			if err := errors.Join(p.Want("530", "USER user0"), p.Want("530", "PASS pass0"), p.Want("234", "AUTH TLS")); err != nil {
				t.Fatal(err)
			}
			secure := tls.Client(p.Control, &tls.Config{InsecureSkipVerify: true, Certificates: own})
			secure.SetDeadline(time.Now().Add(rig.ReplyTime))
			in := bufio.NewReader(secure)
			for command, want := range map[string]string{"USER user1": other, "USER user0": "331"} {
				reply := ""
				_, err := io.WriteString(secure, command+"\r\n")
				if err == nil { // The refusal of a certificate comes behind the handshake.
					reply, err = in.ReadString('\n')
				}
				if (err == nil) != (own != nil) || own != nil && !strings.HasPrefix(reply, want) {
					t.Errorf("%s, with %d certificates: %s: %q, %v", clientUser, len(own), command, reply, err)
				}
			}
		}
	}
}

// slowRequest is how long requests take where they are to overlap, also on a busy machine.
const slowRequest = 500 * time.Millisecond

// talk sends commands and compares the beginnings of their replies.
func (w *working) talk(commandsAndReplies ...string) error {
	var errs []error
	for pair := range slices.Chunk(commandsAndReplies, 2) {
		errs = append(errs, w.Want(pair[1], "%s", pair[0]))
	}
	return errors.Join(errs...)
}

// requests makes the program ask COS for user0 and fails where a request is not as it should be. HeadBucket is the
// check of all accounts at the start.
func (w *working) requests(right func(costest.Request) bool) error {
	w.Command("CWD somewhere")
	seen := slices.DeleteFunc(w.store.Requests(), func(r costest.Request) bool { return r.Op == "HeadBucket" })
	for _, r := range seen {
		if !right(r) {
			return fmt.Errorf("request %+v", r)
		}
	}
	if len(seen) == 0 {
		return errNoRequest
	}
	return nil
}

var errNoRequest = errors.New("no request came")

func (w *working) host(want string) error {
	return w.requests(func(r costest.Request) bool { return r.Host == want })
}

// refusedByCOS says that COS refuses what a key or its secret signed.
func (w *working) refusedByCOS() error {
	return errors.Join(w.requests(func(r costest.Request) bool { return r.Status == http.StatusForbidden }), w.Want("550", "SIZE file"))
}

// guess tries a wrong password on a connection of its own.
func (w *working) guess() error {
	p := &rig.Peer{Addr: w.Gateway.Addr}
	defer p.Close()
	return errors.Join(p.Connect(), p.WantReply("220"), p.Want("331", "USER user0"), p.Want("530", "PASS wrong"))
}

// greeted checks how a new connection is greeted.
func (w *working) greeted(code string) error {
	p := &rig.Peer{Addr: w.Gateway.Addr}
	defer p.Close()
	return errors.Join(p.Connect(), p.WantReply(code))
}

func (w *working) beginUpload(name string) error {
	return errors.Join(w.Want("200", "TYPE I"), w.PASV(), w.Want("1", "STOR %s", name))
}

// put uploads as many bytes and checks the code of the final reply.
func (w *working) put(name string, size int, code string) error {
	if err := w.beginUpload(name); err != nil {
		return err
	}
	// An upload that is refused ends before all of it is written.
	if err := w.Upload(make([]byte, size)); err != nil && code == "226" {
		return err
	}
	return w.WantReply(code)
}

func (w *working) get(name string, size int) error {
	if err := errors.Join(w.Want("200", "TYPE I"), w.PASV(), w.Want("1", "RETR %s", name)); err != nil {
		return err
	}
	content, err := w.Download(rig.ReplyTime)
	if err == nil && len(content) != size {
		err = fmt.Errorf("%d bytes, want %d", len(content), size)
	}
	return errors.Join(err, w.WantReply("226"))
}

// activeFrom checks from which port an active data connection comes.
func (w *working) activeFrom(port int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	own := listener.Addr().(*net.TCPAddr).Port
	if err := w.Want("200", "PORT 127,0,0,1,%d,%d", own>>8, own&0xff); err != nil {
		return err
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if from := conn.RemoteAddr().(*net.TCPAddr).Port; from != port {
		return fmt.Errorf("a data connection from port %d, want %d", from, port)
	}
	return nil
}

// stored checks the size of an object; -1 is none.
func (w *working) stored(key string, size int) error {
	o, there := w.store.Get(rig.BucketName(0), key)
	if got := len(o.Data); there != (size >= 0) || there && got != size {
		return fmt.Errorf("object %q: there %v with %d bytes, want %d", key, there, got, size)
	}
	return nil
}

// parts checks the sizes of the parts that were sent.
func (w *working) parts(want ...int64) error {
	var got []int64
	for _, r := range w.store.Requests() {
		if r.Op == "UploadPart" {
			got = append(got, r.In)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("parts of %d bytes, want %d", got, want)
	}
	return nil
}

// atOnce runs a transfer and checks how many requests the store served at once, at most.
func (w *working) atOnce(want int, transfer func() error) error {
	done := make(chan error)
	go func() { done <- transfer() }()
	most := 0
	for {
		most = max(most, w.store.Running())
		select {
		case err := <-done:
			if most != want {
				err = errors.Join(err, fmt.Errorf("%d requests at once, want %d", most, want))
			}
			return err
		case <-time.After(slowRequest / 50):
		}
	}
}

// logHolds waits for a text in the log, after making the program write lines, and fails where it holds another.
func (w *working) logHolds(want, never string) error {
	w.talk("MKD new", "257", "MKD new", "550", "RMD new", "250")
	w.Proc.Cmd.Process.Signal(syscall.SIGTERM)
	w.Proc.Wait(rig.ReplyTime)
	text, err := os.ReadFile(filepath.Join(w.Gateway.Home, "log", "cos_v5.log"))
	if err == nil && (!strings.Contains(string(text), want) || strings.Contains(string(text), never)) {
		err = fmt.Errorf("want %q and not %q in the log: %s", want, never, text)
	}
	return err
}

// rotatesBySecond writes lines in three seconds and counts the rotated files: one or more, but as many at most.
func (w *working) rotatesBySecond(most int) error {
	for second := time.Now().Unix(); time.Now().Unix() < second+3; <-time.After(50 * time.Millisecond) {
		w.Command("CWD somewhere")
	}
	rotated, err := filepath.Glob(filepath.Join(w.Gateway.Home, "log", "cos_v5.log.*"))
	if err == nil && (len(rotated) > most || len(rotated) < min(1, most)) {
		err = fmt.Errorf("%d rotated files, want at least one and at most %d", len(rotated), most)
	}
	return err
}
