package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// setup is what one case needs: a store with some properties and a server on it.
type setup struct {
	store  []string // flags of cosd
	option string   // lines of [OPTIONAL]
	tls    bool     // FTPS too
}

// running is a store and a server of one case.
type running struct {
	dir           string
	store, server *exec.Cmd
	addr          string
	tls           *tls.Config // for clients, where the server has FTPS
}

func start(binaries string, s setup) (*running, error) {
	dir, err := os.MkdirTemp("", "ftpload")
	if err != nil {
		return nil, err
	}
	r := &running{dir: dir}
	storeAddr, err := r.startStore(binaries, s)
	if err == nil {
		err = r.startServer(binaries, s, storeAddr)
	}
	if err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

func (r *running) startStore(binaries string, s setup) (string, error) {
	args := append([]string{"-listen", "127.0.0.1:0", "-bucket", "load-1250000000", "-id", "id", "-key", "key"}, s.store...)
	r.store = exec.Command(filepath.Join(binaries, "cosd"), args...)
	r.store.Stderr = os.Stderr
	out, err := r.store.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := r.store.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if i := strings.Index(lines.Text(), "127.0.0.1:"); i >= 0 {
			addr, _, _ := strings.Cut(lines.Text()[i:], " ")
			go io.Copy(io.Discard, out)
			return addr, nil
		}
	}
	return "", errors.New("cosd told no address")
}

// confText is the sample of the Python tool's README where that says something: parts of 2 MiB.
const confText = `[COS_ACCOUNT_0]
cos_secretid = id
cos_secretkey = key
cos_bucket = load-1250000000
cos_region = ap-guangzhou
cos_protocol = http
cos_address = %[1]s
home_dir = %[2]s
ftp_login_user_name = user
ftp_login_user_password = password
authority = RW
[NETWORK]
listen_port = %[3]d
%[5]s
passive_port = 40000,59999
[FILE_OPTION]
single_file_max_size = 21474836480
[OPTIONAL]
log_dir = %[2]s/log
max_connection_num = 0
max_list_file = 1000000
config_check_enable = false
%[4]s
`

func (r *running) startServer(binaries string, s setup, store string) error {
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	conf := filepath.Join(r.dir, "vsftpd.conf")
	network := ""
	if s.tls {
		if network, err = r.certificate(); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(confText, store, strings.ToLower(r.dir), port, s.option, network)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	r.server = exec.Command(filepath.Join(binaries, "cos-ftp-server"), "-conf", conf)
	r.server.Stderr = os.Stderr
	if err := r.server.Start(); err != nil {
		return err
	}
	r.addr = fmt.Sprintf("127.0.0.1:%d", port)
	for range 500 {
		if c, err := connect(r.addr); err == nil {
			c.close()
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the server did not start")
}

// certificate makes one in the case's directory, and returns the line of [NETWORK] that names it.
func (r *running) certificate() (line string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	file := filepath.Join(r.dir, "server.pem")
	r.tls = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	return "tls_cert_file = " + file, os.WriteFile(file, text, 0o600)
}

func (r *running) stop() {
	for _, cmd := range []*exec.Cmd{r.server, r.store} {
		if cmd != nil && cmd.Process != nil {
			cmd.Process.Signal(os.Interrupt)
			cmd.Wait()
		}
	}
	os.RemoveAll(r.dir)
}

// cpu is the user and system time that a process has used, in seconds.
func cpu(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // USER_HZ
}

// memory is a line of /proc/PID/status in MiB: VmRSS or VmHWM.
func memory(pid int, line string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, line+":"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}
