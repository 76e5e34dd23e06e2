package abuse

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
	"github.com/tencentyun/cos-ftp-server/ftpserver"
)

// listers are two servers in the test's own process, one for each style of LIST, on one store.
type listers struct {
	store    *costest.Server
	original *rig.Peer
	unix     *rig.Peer
	runs     int
}

func newListers(f *testing.F) *listers {
	f.Helper()
	bucket := rig.BucketName(0)
	store := costest.New(costest.WithBucket(bucket), costest.WithCredentials("test-id", "test-key"))
	wire := httptest.NewServer(store)
	f.Cleanup(wire.Close)
	engine := cosfs.NewEngine(cosfs.EngineOptions{})
	f.Cleanup(engine.Close)
	tree, err := cosfs.New(cosfs.Options{
		SecretID: "test-id", SecretKey: "test-key", Bucket: bucket, Host: costest.Host(bucket), Scheme: "http",
		Address: wire.Listener.Addr().String(),
	}, engine)
	if err != nil {
		f.Fatal(err)
	}
	account := &ftpserver.Account{Name: "user0", FS: tree, Perm: "elradfmwMT", Delete: true}
	serve := func(unix bool) *rig.Peer {
		server := ftpserver.New(ftpserver.Options{
			UnixListing: unix, Login: func(context.Context, ftpserver.Attempt) *ftpserver.Account { return account },
		})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			f.Fatal(err)
		}
		go server.Serve(listener)
		f.Cleanup(func() { server.Shutdown(context.Background()) })
		return &rig.Peer{Addr: listener.Addr().String()}
	}
	l := &listers{store: store, original: serve(false), unix: serve(true)}
	for _, p := range []*rig.Peer{l.original, l.unix} {
		if err := p.Connect(); err != nil {
			f.Fatal(err)
		}
		f.Cleanup(p.Close)
		p.Reply(rig.ReplyTime)
		p.Command("USER user0")
		p.Command("PASS pass0")
	}
	return l
}

// FuzzListingNames: whatever keys a bucket holds, each listing has exactly one well-formed line for each name that may
// be listed, none for any other, and the replies behind it are those of the server.
func FuzzListingNames(f *testing.F) {
	for _, seed := range [][3]string{
		{"a", "b c", "中文/文件"},
		{"nl\r\ndrwxrwxrwx\t1\tx\ty\t0\tJan 01 1970\tfake", "\r\n213 End of status.", "\n226 Transfer complete.\r\n"},
		{"213 End of status.", "250 End MLST.", "-r-xr-xr-x\t1\towner\tgroup\t0\tNov 20 01:02\tx"},
		{"a\u2028b", "a\u0085b", "\x1b]0;title\x07"},
		{"tab\tin", " ", "  lead and trail  "},
		{"type=file;size=1; x", ";", "=; ="},
		{"same", "same/below", "same/"},
		{"..", "./x", "a//b"},
		{"\xff\xfe", "\xe4\xb8", "\x00"},
		{"*", "[x]", "-la"},
		{"dir:", "./dir:", "dir/sub:/x"},
		{"\\", "a\\b", "%0d%0a"},
		{"\u202egpj.exe", "\ufeff", "\u200b"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	l := newListers(f)
	f.Fuzz(func(t *testing.T, first, second, third string) {
		dir := fmt.Sprintf("n%d", l.runs)
		l.runs++
		want := map[string]bool{} // the kind, d or -, and the name
		for _, name := range []string{first, second, third, "always"} {
			key := dir + "/" + name
			if len(key) > 850 {
				continue
			}
			l.store.Put(rig.BucketName(0), key, nil)
			defer l.store.Remove(rig.BucketName(0), key)
			element, _, isDir := strings.Cut(name, "/")
			if kind := map[bool]string{false: "-", true: "d"}[isDir]; mayBeListed(element) {
				want[kind+element] = true
			}
		}
		l.check(t, "/"+dir, want)
	})
}

// mayBeListed is the rule, written a second time.
func mayBeListed(name string) bool {
	if name == "" || name == "." || name == ".." || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if r != '\t' && (r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029) {
			return false
		}
	}
	return true
}

var (
	originalLine = regexp.MustCompile(`^([-d])[-rwx]{9}\t1\towner\tgroup\t\d+\t[A-Z][a-z]{2} \d\d (?:\d\d:\d\d|\d{4})\t(.+)$`)
	unixLine     = regexp.MustCompile(`^([-d])[-rwx]{9}    1 owner    group    +\d+ [A-Z][a-z]{2} \d\d (?:\d\d:\d\d| \d{4}) (.+)$`)
	factsLine    = regexp.MustCompile(`^type=(file|dir);size=\d+;perm=[acdeflmprw]*;modify=\d{14};unique=[0-9a-f]+; (.+)$`)
	anyName      = regexp.MustCompile(`^()(.+)$`)
)

func (l *listers) check(t *testing.T, dir string, want map[string]bool) {
	entries := slices.Sorted(func(yield func(string) bool) {
		for entry := range want {
			if !yield(entry) {
				return
			}
		}
	})
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry[1:]
	}
	slices.Sort(names)
	for _, listing := range []struct {
		p       *rig.Peer
		command string
		line    *regexp.Regexp
		want    []string
	}{
		{l.original, "LIST", originalLine, entries},
		{l.unix, "LIST", unixLine, entries},
		{l.original, "MLSD", factsLine, entries},
		{l.original, "NLST", anyName, names},
		{l.original, "LIST -1", anyName, names},
		{l.original, "LIST -t", originalLine, entries},
		{l.unix, "STAT", unixLine, entries},
		{l.original, "STAT", originalLine, entries},
	} {
		var text string
		if listing.command == "STAT" {
			reply := listing.p.Command("STAT %s", dir)
			body, begins := strings.CutPrefix(reply, "213-Status of \""+dir+"\":\n")
			body, ends := strings.CutSuffix(body, "213 End of status.")
			if !begins || !ends {
				t.Fatalf("STAT: %q", reply)
			}
			text = strings.ReplaceAll(body, "\n", "\r\n")
		} else {
			text = listing.p.Retrieved(t, listing.command+" "+dir)
		}
		var got []string
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
			m := listing.line.FindStringSubmatch(line)
			if m == nil || strings.ContainsAny(line, "\r\n") {
				t.Fatalf("%s: the line %q of %q", listing.command, line, text)
			}
			kind := map[string]string{"file": "-", "dir": "d"}[m[1]]
			got = append(got, kind+strings.TrimPrefix(m[1], map[bool]string{true: m[1]}[kind != ""])+m[2])
		}
		slices.Sort(got)
		if !slices.Equal(got, listing.want) {
			t.Fatalf("%s: got %q, want %q", listing.command, got, listing.want)
		}
		if reply := listing.p.Command("NOOP"); reply != "200 I successfully did nothing'." {
			t.Fatalf("NOOP behind %s: %q", listing.command, reply)
		}
	}
	for _, entry := range entries {
		reply := l.original.Command("MLST %s/%s", dir, entry[1:])
		lines := strings.Split(reply, "\n")
		if len(lines) != 3 || lines[2] != "250 End MLST." || !factsLine.MatchString(strings.TrimPrefix(lines[1], " ")) {
			t.Fatalf("MLST %q: %q", entry, reply)
		}
	}
}
