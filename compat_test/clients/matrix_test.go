package clients

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// The ways in which a client of the matrix may speak.
const (
	noTLS       = "plain"
	explicitTLS = "explicit"
	implicitTLS = "implicit"
)

// visit is one client's session in one of those ways.
type visit struct {
	tlsSession
	secure   string // noTLS, explicitTLS or implicitTLS
	name     string // of its directory
	noResume bool
}

// matrixClient does, in directory c.name: make and remove a directory, put files, one with a wildcard, append, continue
// an upload and a download, list, get files with a wildcard, rename, delete, set and ask a time.
type matrixClient struct {
	name     string
	secure   []string
	hosts    []string
	noResume bool // it cannot continue an upload
	run      func(c *visit) string
}

var (
	allTLS    = []string{noTLS, explicitTLS, implicitTLS}
	plainOnly = []string{noTLS}
	bothHosts = []string{"127.0.0.1", "::1"}
)

var matrixClients = []matrixClient{
	{name: "curl", secure: allTLS, hosts: bothHosts, run: (*visit).curl},
	{name: "lftp", secure: allTLS, hosts: bothHosts, run: (*visit).lftp},
	{name: "ftplib", secure: allTLS, hosts: bothHosts, run: (*visit).ftplib},
	{name: "tnftp", secure: plainOnly, hosts: bothHosts, run: (*visit).tnftp},
	{name: "ncftp", secure: plainOnly, hosts: bothHosts[:1], noResume: true, run: (*visit).ncftp}, // knows no IPv6
}

const (
	keptBytes   = 700000 // of big.bin, that an upload and a download continue from
	datedTime   = "20200102030405"
	datedSecond = "1577934245"
)

// TestClientMatrix: what users do, by real clients, in active and passive mode, over IPv4 and IPv6, in plain and with
// explicit and implicit FTPS.
func TestClientMatrix(t *testing.T) {
	store, s := startFTPS(t, map[string]string{"listen_address": "127.0.0.1, ::1", "resume_upload": "any"})
	var mu sync.Mutex
	var done []string
	t.Run("cells", func(t *testing.T) {
		for _, client := range matrixClients {
			for _, secure := range client.secure {
				for _, host := range client.hosts {
					for _, mode := range bothModes {
						if client.name == "curl" && secure != noTLS && mode == "active" {
							continue // curl 7.88 forgets TLS on data connections that it accepts, see TestPlainDataUnderProtP
						}
						family := map[string]string{"127.0.0.1": "IPv4", "::1": "IPv6"}[host]
						name := strings.Join([]string{client.name, secure, family, mode}, "-")
						t.Run(name, func(t *testing.T) {
							t.Parallel()
							c := &visit{tlsSession: *s, secure: secure, name: name, noResume: client.noResume}
							c.t, c.host, c.mode = t, host, mode
							c.prepare(store)
							c.check(store, client.run(c))
							mu.Lock()
							defer mu.Unlock()
							done = append(done, name)
						})
					}
				}
			}
		}
	})
	t.Logf("%d cells: %s", len(done), strings.Join(slices.Sorted(slices.Values(done)), " "))
}

// prepare makes the client's files, and the beginnings that it is to continue.
func (c *visit) prepare(store *rig.Store) {
	c.dir = clientFiles(c.t)
	big := make([]byte, bigSize)
	rig.FillPattern(big)
	store.Put(rig.BucketName(0), c.name+"/", nil)
	if !c.noResume {
		store.Put(rig.BucketName(0), c.name+"/resumed.bin", big[:keptBytes])
	}
	for name, content := range map[string]string{
		"one.log": "one\n", "two.log": "second\n", "both.log": "one\nsecond\n", "dated.dat": "dated\n", "out/part.bin": string(big[:keptBytes]),
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	at, err := time.Parse("20060102150405", datedTime)
	if err == nil {
		err = os.Chtimes(filepath.Join(c.dir, "dated.dat"), at, at)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// check compares what the client left in the bucket and on its own disk.
func (c *visit) check(store *rig.Store, output string) {
	c.t.Helper()
	big := make([]byte, bigSize)
	rig.FillPattern(big)
	want := map[string]string{
		"": "", "big.bin": string(big), "resumed.bin": string(big), "added.log": "one\nsecond\n", "dated.dat": "dated\n",
		"新 名.txt": clientTexts["a b.txt"],
	}
	if c.noResume {
		delete(want, "resumed.bin")
	}
	for _, o := range store.Objects(rig.BucketName(0)) {
		name, mine := strings.CutPrefix(o.Key, c.name+"/")
		if !mine {
			continue
		}
		content, there := want[name]
		if !there || content != string(o.Data) {
			c.t.Errorf("the bucket holds %q with %s", o.Key, rig.Describe(o.Data))
		}
		if name == "dated.dat" && o.Meta["mtime"] != datedSecond {
			c.t.Errorf("the time of %q is %q, want %s", name, o.Meta["mtime"], datedSecond)
		}
		delete(want, name)
	}
	for name := range want {
		c.t.Errorf("the bucket lacks %q", name)
	}
	for name, text := range map[string]string{
		"part.bin": string(big), "a b.txt": clientTexts["a b.txt"], "中文 文件.txt": clientTexts["中文 文件.txt"],
	} {
		got, err := os.ReadFile(filepath.Join(c.dir, "out", name))
		if err != nil || string(got) != text {
			c.t.Errorf("downloaded %q: %v, %s", name, err, rig.Describe(got))
		}
	}
	for _, word := range []string{"a b.txt", "中文 文件.txt", "big.bin", fmt.Sprint(bigSize), datedTime} {
		if !strings.Contains(output, word) {
			c.t.Errorf("the client never showed %q", word)
		}
	}
	if c.t.Failed() {
		c.t.Logf("the client printed:\n%s", output)
	}
}

// fill puts the session into a script.
func (c *visit) fill(file string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "clients", file))
	if err != nil {
		c.t.Fatal(err)
	}
	onOff := map[string]string{"passive": "on", "active": "off"}[c.mode]
	scheme, port, force := "ftp", c.port, "no"
	if c.secure != noTLS {
		force = "yes"
	}
	if c.secure == implicitTLS {
		scheme, port = "ftps", c.implicit
	}
	host := c.host
	if file == "matrix_lftp.txt" && strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return strings.NewReplacer("{HOST}", host, "{PORT}", port, "{PASSIVE}", onOff, "{SCHEME}", scheme, "{TLS}", force,
		"{CERT}", c.cert, "{DIR}", c.name, "{KEPT}", fmt.Sprint(keptBytes), "{TIME}", datedTime).Replace(string(text))
}

func (c *visit) lftp() string {
	return c.command(c.fill("matrix_lftp.txt"), rig.FindCommand(c.t, "lftp"))
}

func (c *visit) tnftp() string {
	return c.command(c.fill("matrix_tnftp.txt"), rig.FindCommand(c.t, "tnftp"), "-n", "-v")
}

func (c *visit) ncftp() string {
	return c.command(c.fill("matrix_ncftp.txt"), rig.FindCommand(c.t, "ncftp"), "-u", "user0", "-p", "pass0", "-P", c.port, c.host)
}

func (c *visit) ftplib() string {
	return c.command(c.fill("matrix_ftplib.py"), rig.FindCommand(c.t, "python3"), "-")
}

func (c *visit) curl() string {
	curl := rig.FindCommand(c.t, "curl")
	base := "ftp://user0:pass0@" + net.JoinHostPort(c.host, c.port) + "/"
	if c.secure == implicitTLS {
		base = "ftps://user0:pass0@" + net.JoinHostPort(c.host, c.implicit) + "/"
	}
	dir, in := base+c.name+"/", "CWD /"+c.name
	flags := []string{"-sS"}
	if c.secure != noTLS {
		flags = append(flags, "--ssl-reqd", "--cacert", c.cert)
	}
	if c.mode == "active" {
		flags = append(flags, "--ftp-port", "-")
	}
	output := ""
	for _, args := range [][]string{
		{"-g", "-Q", "MKD " + c.name + "/sub", base},
		{"-g", "-Q", "RMD " + c.name + "/sub", base},
		{"-g", "-T", "big.bin", dir},
		{"-g", "-T", "texts/a b.txt", dir + "a%20b.txt"},
		{"-g", "-T", "texts/中文 文件.txt", dir},
		{"-g", "-T", "one.log", dir + "added.log"},
		{"-g", "-a", "-T", "two.log", dir + "added.log"},
		{"-g", "-C", "-", "-T", "big.bin", dir + "resumed.bin"},
		{"-g", "-C", "-", dir + "big.bin", "-o", "out/part.bin"},
		{"-g", dir},
		{"-g", "-X", "NLST *.txt", dir},
		{"-g", "-T", "dated.dat", dir, "-Q", "-MFMT " + datedTime + " dated.dat"},
		{"-g", "-v", "-Q", in, "-Q", "MDTM dated.dat", base},
		{"-g", dir + "a%20b.txt", "-o", "out/a b.txt", dir + "%E4%B8%AD%E6%96%87%20%E6%96%87%E4%BB%B6.txt", "-o", "out/中文 文件.txt"},
		{"-g", "-Q", in, "-Q", "RNFR a b.txt", "-Q", "RNTO 新 名.txt", base},
		{"-g", "-Q", "DELE /" + c.name + "/中文 文件.txt", base},
	} {
		output += c.command("", curl, append(slices.Clip(flags), args...)...)
	}
	return output
}
