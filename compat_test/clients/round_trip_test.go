package clients

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// tripSizes are those of the files that the clients of TestRoundTrips put and get: from nothing to eight parts.
var tripSizes = []int{0, 1, 5000, 1 << 20, 8 << 20}

// What a client may lack, besides a way of security.
const (
	activeMode = "active"
	ipv6Host   = "IPv6"
	downloads  = "downloads"
)

// tripClient puts the files of up into directory c.name and gets them back into down.
type tripClient struct {
	name    string
	lacks   map[string]string // what it cannot do by its own design, and why
	resumes bool              // data connections resume the control connection's TLS session, as tls_require_reuse wants
	makes   bool              // it makes the directory
	fetches bool              // it is made for downloads, of what is there already

	lacksActiveTLS bool // curl forgets TLS on data connections that it accepts, see TestPlainDataUnderProtP
	least          int  // the size of the smallest file that it can fetch
	needsUnix      bool // it does not read the lines of list_style = original
	run            func(c *trip) string
}

// trip is a client's session.
type trip struct {
	visit
	sizes       []int
	uploadsOnly bool
}

var tripClients = []tripClient{
	{
		name: "ruby", run: func(c *trip) string { return c.script("ruby", "round_trip.rb") },
		lacks: map[string]string{implicitTLS: "net-ftp 0.1 has no option for it"},
	},
	{name: "perl", run: func(c *trip) string { return c.script("perl", "round_trip.pl") }},
	{
		name: "php", run: func(c *trip) string { return c.script("php", "round_trip.php") },
		lacks: map[string]string{implicitTLS: "ftp_ssl_connect always sends AUTH TLS"},
	},
	{
		name: "netkit", run: (*trip).netkit, resumes: true,
		lacks: map[string]string{implicitTLS: "ftp-ssl always sends AUTH TLS"},
	},
	{
		name: "gio", run: (*trip).gio, resumes: true,
		lacks: map[string]string{activeMode: "gvfs sends PORT only where PASV and EPSV fail"},
	},
	{
		name: "rclone", run: (*trip).rclone, makes: true,
		lacks: map[string]string{activeMode: "it knows PASV and EPSV only"},
	},
	{
		name: "wput", run: (*trip).wput,
		lacks: map[string]string{
			implicitTLS: "--force-tls sends AUTH TLS", ipv6Host: "it looks up IPv4 addresses only", downloads: "it is made for uploads",
		},
	},
}

// tripSite is a gateway with its store.
type tripSite struct {
	store   *rig.Store
	session *tlsSession
}

// TestRoundTrips: files of all sizes come back as they were, in plain and over FTPS. The largest goes over IPv4 in
// passive mode only.
func TestRoundTrips(t *testing.T) {
	start := func(options ...string) (s tripSite) {
		change := map[string]string{"listen_address": "127.0.0.1, ::1"}
		for i := 0; i < len(options); i += 2 {
			change[options[i]] = options[i+1]
		}
		s.store, s.session = startFTPS(t, change)
		return s
	}
	plain, private, unix := start(), start("tls_required", "all"), start("list_style", "unix")
	resuming := start("tls_required", "all", "tls_require_reuse", "true")
	var mu sync.Mutex
	var done []string
	t.Run("cells", func(t *testing.T) {
		for _, client := range slices.Concat(tripClients, moreTripClients) {
			for _, way := range waysOf(client) {
				site := private
				if client.needsUnix {
					site = unix
				} else if way.secure == noTLS {
					site = plain
				} else if client.resumes {
					site = resuming
				}
				name := strings.Join([]string{client.name, way.secure, way.family, way.mode}, "-")
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					c := &trip{visit: visit{tlsSession: *site.session, secure: way.secure, name: name}, sizes: tripSizes}
					if way.family == ipv6Host || way.mode == activeMode {
						c.sizes = tripSizes[:len(tripSizes)-1]
					}
					c.sizes = slices.DeleteFunc(slices.Clone(c.sizes), func(size int) bool { return size < client.least })
					c.t, c.host, c.mode, c.uploadsOnly = t, way.host, way.mode, client.lacks[downloads] != ""
					if !client.makes {
						site.store.Put(rig.BucketName(0), name+"/", nil)
					}
					c.prepare()
					if client.fetches {
						c.seed(site.store)
					}
					c.check(site.store, client.run(c))
					mu.Lock()
					defer mu.Unlock()
					done = append(done, name)
				})
			}
		}
	})
	t.Logf("%d cells: %s", len(done), strings.Join(slices.Sorted(slices.Values(done)), " "))
}

// tripWay is one way to connect.
type tripWay struct{ secure, family, host, mode string }

// waysOf returns all ways but those that the client lacks.
func waysOf(client tripClient) (ways []tripWay) {
	for _, secure := range allTLS {
		for family, host := range map[string]string{"IPv4": "127.0.0.1", ipv6Host: "::1"} {
			for _, mode := range bothModes {
				if client.lacksActiveTLS && secure != noTLS && mode == activeMode {
					continue
				}
				if client.lacks[secure] == "" && client.lacks[family] == "" && client.lacks[mode] == "" {
					ways = append(ways, tripWay{secure, family, host, mode})
				}
			}
		}
	}
	return ways
}

// tripContent is that of the largest file; the others are its beginnings.
var tripContent = sync.OnceValue(func() []byte {
	content := make([]byte, slices.Max(tripSizes))
	rig.FillPattern(content)
	return content
})

// prepare makes the client's files.
func (c *trip) prepare() {
	c.t.Helper()
	c.dir = rig.LowerCaseDir(c.t) // its name is short: gvfs makes sockets in it
	for _, dir := range []string{"up", "down"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, size := range c.sizes {
		if err := os.WriteFile(filepath.Join(c.dir, "up", tripFile(size)), tripContent()[:size], 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
}

// seed stores what a client is to fetch.
func (c *trip) seed(store *rig.Store) {
	for _, size := range c.sizes {
		store.Put(rig.BucketName(0), c.name+"/"+tripFile(size), tripContent()[:size])
	}
}

func tripFile(size int) string { return strconv.Itoa(size) + ".bin" }

// check compares what is in the bucket and what came back with what was there.
func (c *trip) check(store *rig.Store, output string) {
	c.t.Helper()
	for _, size := range c.sizes {
		want := tripContent()[:size]
		stored, found := store.Get(rig.BucketName(0), c.name+"/"+tripFile(size))
		if !found || !bytes.Equal(stored.Data, want) {
			c.t.Errorf("%d bytes: found in the bucket %v, with %d bytes", size, found, len(stored.Data))
		}
		if c.uploadsOnly {
			continue
		}
		if got, err := os.ReadFile(filepath.Join(c.dir, "down", tripFile(size))); err != nil || !bytes.Equal(got, want) {
			c.t.Errorf("%d bytes: downloaded %d: %v", size, len(got), err)
		}
	}
	if c.t.Failed() {
		c.t.Logf("the client printed:\n%s", output)
	}
}

func (c *trip) portOf() string {
	if c.secure == implicitTLS {
		return c.implicit
	}
	return c.port
}

// file is the path of a client's script.
func (c *trip) file(name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", "clients", name))
	if err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *trip) script(interpreter, name string) string {
	return c.command("", rig.FindCommand(c.t, interpreter), c.file(name), c.secure, c.mode, c.host, c.portOf(), c.cert, c.name)
}

func (c *trip) netkit() string {
	args := []string{"-n", "-i", "-v", "-z", "nossl"}
	if c.secure != noTLS {
		args = []string{"-n", "-i", "-v", "-z", "secure", "-z", "verify=1", "-z", "cacert=" + c.cert}
	}
	if c.mode == "passive" {
		args = append(args, "-p")
	}
	return c.command(c.fill("round_trip_netkit.txt"), rig.FindCommand(c.t, "ftp-ssl"), append(args, c.host, c.port)...)
}

func (c *trip) gio() string {
	rig.FindCommand(c.t, "gio")
	scheme := map[string]string{noTLS: "ftp", explicitTLS: "ftps", implicitTLS: "ftpis"}[c.secure]
	return c.command("", "env", "GVFS_DISABLE_FUSE=1", "GIO_USE_VOLUME_MONITOR=unix", "XDG_RUNTIME_DIR="+c.dir,
		rig.FindCommand(c.t, "dbus-run-session"), "--", "sh", c.file("round_trip_gio.sh"), scheme+"://user0@"+c.at(), c.name)
}

// at is the address in a URL.
func (c *trip) at() string {
	if strings.Contains(c.host, ":") {
		return "[" + c.host + "]:" + c.portOf()
	}
	return c.host + ":" + c.portOf()
}

func (c *trip) rclone() string {
	rclone := rig.FindCommand(c.t, "rclone")
	hidden := strings.TrimSpace(c.command("", rclone, "obscure", "pass0"))
	host, _, _ := strings.Cut(c.at(), ":"+c.portOf())
	flags := []string{"--ftp-host", host, "--ftp-port", c.portOf(), "--ftp-user", "user0", "--ftp-pass", hidden}
	switch c.secure {
	case explicitTLS:
		flags = append(flags, "--ftp-explicit-tls")
	case implicitTLS:
		flags = append(flags, "--ftp-tls")
	}
	output := ""
	for _, args := range [][]string{{"copy", "up", ":ftp:" + c.name}, {"copy", ":ftp:" + c.name, "down"}} {
		output += c.command("", "env", slices.Concat([]string{"SSL_CERT_FILE=" + c.cert, rclone}, args, flags)...)
	}
	return output
}

// wput takes the session tickets of TLS 1.3 on the control connection for its end, so GnuTLS must not offer it.
func (c *trip) wput() string {
	settings := filepath.Join(c.dir, "gnutls.conf")
	if err := os.WriteFile(settings, []byte("[overrides]\ndisabled-version = tls1.3\n"), 0o644); err != nil {
		c.t.Fatal(err)
	}
	args := []string{"GNUTLS_SYSTEM_PRIORITY_FILE=" + settings, rig.FindCommand(c.t, "wput"), "-B", "-u", "-nc", "-t", "1", "--basename=up/"}
	args = append(args, map[string]string{noTLS: "--disable-tls", explicitTLS: "--force-tls"}[c.secure])
	if c.mode == activeMode {
		args = append(args, "--port-mode")
	}
	for _, size := range c.sizes {
		args = append(args, "up/"+tripFile(size))
	}
	return c.command("", "env", append(args, "ftp://user0:pass0@"+c.at()+"/"+c.name+"/")...)
}
