package faults

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
	"github.com/tencentyun/cos-ftp-server/cosfs/costest"
)

// faultKind is one way in which COS fails.
type faultKind struct {
	name  string
	fault costest.Fault
	ops   []string // to which it applies, nil for all
	cures bool     // another try helps, so that the command succeeds unless every try fails
	lost  bool     // the operation may have taken effect in spite of the failure
	gate  string   // "refused" or "stale": of the connection, not of an operation
}

var (
	uploadIDOps = []string{"UploadPart", "UploadPartCopy", "CompleteMultipartUpload"}
	answerOps   = []string{"ListObjects", "InitiateMultipartUpload", "CompleteMultipartUpload", "CopyObject",
		"UploadPartCopy", "DeleteMultipleObjects", "ListMultipartUploads"}
	copyOps = []string{"CompleteMultipartUpload", "CopyObject", "UploadPartCopy"}
)

var faultKinds = []faultKind{
	{name: "500", fault: costest.Fault{Status: 500, Code: "InternalError"}, cures: true},
	{name: "500 late", fault: costest.Fault{Status: 500, Code: "InternalError", ReadBody: true}, cures: true},
	{name: "501", fault: costest.Fault{Status: 501, Code: "NotImplemented"}},
	{name: "502", fault: costest.Fault{Status: 502}, cures: true},
	{name: "503", fault: costest.Fault{Status: 503, Code: "ServiceUnavailable"}, cures: true},
	{name: "503 SlowDown", fault: costest.Fault{Status: 503, Code: "SlowDown"}, cures: true},
	{name: "504", fault: costest.Fault{Status: 504}, cures: true},
	{name: "509", fault: costest.Fault{Status: 509, Code: "BandwidthLimitExceeded"}, cures: true},
	{name: "429", fault: costest.Fault{Status: 429, Code: "RequestLimitExceeded"}, cures: true},
	{name: "429 Retry-After", fault: costest.Fault{Status: 429, Code: "RequestLimitExceeded", RetryAfter: time.Second}, cures: true},
	{name: "503 Retry-After", fault: costest.Fault{Status: 503, Code: "SlowDown", RetryAfter: time.Second}, cures: true},
	{name: "409", fault: costest.Fault{Status: 409}, cures: true},
	{name: "409 UploadConflict", fault: costest.Fault{Status: 409, Code: "UploadConflict"}, cures: true},
	{name: "403", fault: costest.Fault{Status: 403, Code: "AccessDenied"}},
	{name: "clock skew", fault: costest.Fault{Status: 403, Code: "RequestTimeTooSkewed"}},
	{name: "expired signature", fault: costest.Fault{Status: 403, Code: "Request has expired"}},
	{name: "expired key", fault: costest.Fault{Status: 403, Code: "InvalidAccessKeyId"}},
	{name: "404 NoSuchUpload", fault: costest.Fault{Status: 404, Code: "NoSuchUpload"}, ops: uploadIDOps},
	{name: "404 NoSuchBucket", fault: costest.Fault{Status: 404, Code: "NoSuchBucket"}, ops: answerOps},
	{name: "redirect", fault: costest.Fault{Status: 307}},
	{name: "moved", fault: costest.Fault{Status: 301, Code: "PermanentRedirect"}},
	{name: "reset before", fault: costest.Fault{Drop: "before"}, cures: true},
	{name: "reset during", fault: costest.Fault{Drop: "during"}, cures: true, lost: true},
	{name: "reset after", fault: costest.Fault{Drop: "after"}, cures: true, lost: true},
	{name: "cut body", fault: costest.Fault{CutBody: true, CutAt: -1}, ops: []string{"GetObject"}, cures: true},
	{name: "cut answer", fault: costest.Fault{CutBody: true, CutAt: 100}, ops: answerOps, cures: true, lost: true},
	{name: "stall in the body", fault: costest.Fault{CutBody: true, CutAt: -1, Hang: true}, ops: []string{"GetObject"}, cures: true},
	{name: "stall in the answer", fault: costest.Fault{CutBody: true, CutAt: 100, Hang: true}, ops: answerOps, cures: true, lost: true},
	{name: "200 with 500", fault: costest.Fault{BodyAs200: true, Code: "InternalError"}, cures: true},
	{name: "200 with 403", fault: costest.Fault{BodyAs200: true, Code: "AccessDenied"}, ops: copyOps},
	{name: "200 empty", fault: costest.Fault{EmptyBody: true}, cures: true},
	{name: "wrong CRC", fault: costest.Fault{WrongCRC: true}, lost: true},
	{name: "wrong ETag", fault: costest.Fault{WrongETag: true}, lost: true},
	{name: "stall", fault: costest.Fault{Hang: true}, cures: true},
	{name: "trickle", fault: costest.Fault{BytesPerSecond: 8 << 20}, cures: true},
	{name: "starved answer", fault: costest.Fault{BytesPerSecond: 20}, ops: answerOps, cures: true, lost: true},
	{name: "refused", gate: "refused"},
	{name: "stale connection", gate: "stale", cures: true},
}

// faultTimings are the attempts that fail.
var faultTimings = []struct {
	name        string
	from, times int
}{{"first", 1, 1}, {"second", 2, 1}, {"first two", 1, 2}, {"every", 1, 0}}

// site is where one cell takes place: a directory of its own, and the client.
type site struct {
	*faultRig
	p   *rig.Peer
	dir string // with slash
}

func (s *site) put(name string, data []byte) { s.victim.Put(faultBuckets, s.dir+name, data) }

// holds says whether an object is there with that data.
func (s *site) holds(name string, data []byte) bool {
	o, ok := s.victim.Get(faultBuckets, s.dir+name)
	return ok && bytes.Equal(o.Data, data)
}

// has says whether there is an object.
func (s *site) has(name string) bool {
	_, ok := s.victim.Get(faultBuckets, s.dir+name)
	return ok
}

// end is how a command ended.
type end struct {
	final string // reply
	got   []byte
	ok    bool // the command succeeded
	lost  bool // what failed may have taken effect
	op    string
}

// faultCommand is one use of an FTP command.
type faultCommand struct {
	name    string
	ops     []string        // that it uses; those that a clean run makes must be among them
	also    []costest.Fault // which make it use others
	success string          // beginning of the reply when all is well
	prepare func(s *site) error
	send    []byte // nil for a download
	data    bool   // it has a data connection
	line    string // {} stands for the directory
	check   func(s *site, e end) error
}

var (
	smallOld = rig.Pattern(1, 5000)
	smallNew = rig.Pattern(2, 6000)
	bigOld   = rig.Pattern(3, 5<<20+77)
	bigNew   = rig.Pattern(4, 5*faultPart/2)
	added    = rig.Pattern(5, 3000)
)

func objects(seeds map[string][]byte) func(*site) error {
	return func(s *site) error {
		for name, data := range seeds {
			s.put(name, data)
		}
		return nil
	}
}

// becomes checks a file that a command replaces: the new one if it succeeded, else the old one (nil for none), or the
// new one where the answer may have been lost.
func becomes(name string, old, new []byte) func(*site, end) error {
	return func(s *site, e end) error {
		untouched := old == nil && !s.has(name) || old != nil && s.holds(name, old)
		switch {
		case e.ok && !s.holds(name, new):
			return fmt.Errorf("%s is not the new file", name)
		case !e.ok && !untouched && !(e.lost && s.holds(name, new)):
			return fmt.Errorf("%s is not the old file any more", name)
		}
		return nil
	}
}

// tells checks a command that changes nothing.
func tells(want func(e end) bool) func(*site, end) error {
	return func(_ *site, e end) error {
		if e.ok && !want(e) {
			return fmt.Errorf("%q with %d bytes of data is wrong", e.final, len(e.got))
		}
		return nil
	}
}

func gets(want []byte) func(*site, end) error {
	return func(_ *site, e end) error {
		if e.ok && !bytes.Equal(e.got, want) || !e.ok && !bytes.HasPrefix(want, e.got) {
			return fmt.Errorf("%d bytes came that are not those of the file", len(e.got))
		}
		return nil
	}
}

// bigTree has a file that is copied in parts.
var bigTree = map[string][]byte{"d/1": {1}, "d/big": bigNew}

var treeFiles = map[string][]byte{"d/1": {1}, "d/2": {1, 2}, "d/3": {1, 2, 3}, "d/sub/x": {4}}

// shows checks a listing: each name on a line of its own.
func shows(e end) bool {
	lines := strings.Split(strings.TrimSuffix(string(e.got), "\r\n"), "\r\n")
	for _, name := range []string{"1", "2", "3", "sub"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(l, name) }) {
			return false
		}
	}
	return len(lines) == 4
}

var (
	putParts  = []string{"ListObjects", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
	copyParts = []string{"HeadObject", "InitiateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload", "DeleteObject",
		"ListObjects"}
	moveDir = []string{"HeadObject", "ListObjects", "CopyObject", "DeleteObject"}

	moveBigDir = []string{"HeadObject", "ListObjects", "CopyObject", "InitiateMultipartUpload", "UploadPartCopy",
		"CompleteMultipartUpload", "DeleteObject"}
	refused = costest.Fault{Status: 403, Code: "AccessDenied"}
)

// refusing is a fault that makes an operation fail for good.
func refusing(op string) []costest.Fault {
	f := refused
	f.Op = op
	return []costest.Fault{f}
}

var faultCommands = []faultCommand{
	{name: "STOR new", line: "STOR {}f", success: "226", data: true, send: smallNew,
		ops: []string{"ListObjects", "PutObject"}, check: becomes("f", nil, smallNew)},
	{name: "STOR empty", line: "STOR {}f", success: "226", data: true, send: []byte{},
		ops: []string{"ListObjects", "PutObject"}, prepare: objects(map[string][]byte{"f": smallOld}),
		check: becomes("f", smallOld, []byte{})},
	{name: "STOR over", line: "STOR {}f", success: "226", data: true, send: smallNew,
		ops: []string{"ListObjects", "PutObject"}, prepare: objects(map[string][]byte{"f": smallOld}),
		check: becomes("f", smallOld, smallNew)},
	{name: "STOR multipart", line: "STOR {}f", success: "226", data: true, send: bigNew, ops: putParts,
		prepare: objects(map[string][]byte{"f": smallOld}), check: becomes("f", smallOld, bigNew)},
	{name: "STOR multipart given up", line: "STOR {}f", success: "226", data: true, send: bigNew,
		ops: []string{"AbortMultipartUpload"}, also: refusing("UploadPart"),
		prepare: objects(map[string][]byte{"f": smallOld}), check: becomes("f", smallOld, bigNew)},
	{name: "APPE small", line: "APPE {}f", success: "226", data: true, send: added,
		ops: []string{"HeadObject", "GetObject", "PutObject"}, prepare: objects(map[string][]byte{"f": smallOld}),
		check: becomes("f", smallOld, slices.Concat(smallOld, added))},
	{name: "APPE big", line: "APPE {}f", success: "226", data: true, send: added,
		ops:     []string{"HeadObject", "InitiateMultipartUpload", "UploadPartCopy", "UploadPart", "CompleteMultipartUpload"},
		prepare: objects(map[string][]byte{"f": bigOld}), check: becomes("f", bigOld, slices.Concat(bigOld, added))},
	{name: "APPE big given up", line: "APPE {}f", success: "226", data: true, send: added,
		ops: []string{"AbortMultipartUpload"}, also: refusing("UploadPartCopy"),
		prepare: objects(map[string][]byte{"f": bigOld}), check: becomes("f", bigOld, slices.Concat(bigOld, added))},
	{name: "APPE missing", line: "APPE {}f", success: "226", data: true, send: added,
		ops: []string{"HeadObject", "ListObjects", "PutObject"}, check: becomes("f", nil, added)},
	{name: "STOR after REST", line: "STOR {}f", success: "226", data: true, send: added,
		ops: []string{"HeadObject", "GetObject", "PutObject"}, prepare: resting("2000", "f", smallOld),
		check: becomes("f", smallOld, slices.Concat(smallOld[:2000], added))},
	{name: "STOR after REST, big", line: "STOR {}f", success: "226", data: true, send: added,
		ops:     []string{"HeadObject", "InitiateMultipartUpload", "UploadPartCopy", "UploadPart", "CompleteMultipartUpload"},
		prepare: resting("5242880", "f", bigOld), check: becomes("f", bigOld, slices.Concat(bigOld[:5<<20], added))},
	{name: "STOU", line: "STOU {}u", success: "226", data: true, send: smallNew,
		ops: []string{"HeadObject", "ListObjects", "PutObject"}, check: isNew(smallNew)},
	{name: "RETR small", line: "RETR {}f", success: "226", data: true, ops: []string{"GetObject"},
		prepare: objects(map[string][]byte{"f": smallOld}), check: gets(smallOld)},
	{name: "RETR big", line: "RETR {}f", success: "226", data: true, ops: []string{"GetObject"},
		prepare: objects(map[string][]byte{"f": bigOld}), check: gets(bigOld)},
	{name: "RETR after REST", line: "RETR {}f", success: "226", data: true, ops: []string{"GetObject"},
		prepare: resting("3000000", "f", bigOld), check: gets(bigOld[3000000:])},
	{name: "RETR missing", line: "RETR {}f", success: "550 Failed to open", data: true,
		ops: []string{"GetObject", "ListObjects"}},
	{name: "LIST", line: "LIST {}d", success: "226", data: true, ops: []string{"ListObjects"},
		prepare: objects(treeFiles), check: tells(shows)},
	{name: "NLST", line: "NLST {}d", success: "226", data: true, ops: []string{"ListObjects"},
		prepare: objects(treeFiles), check: tells(shows)},
	{name: "MLSD", line: "MLSD {}d", success: "226", data: true, ops: []string{"ListObjects"},
		prepare: objects(treeFiles), check: tells(shows)},
	{name: "LIST of a file", line: "LIST {}f", success: "226", data: true, ops: []string{"ListObjects", "HeadObject"},
		prepare: objects(map[string][]byte{"f": smallOld}),
		check:   tells(func(e end) bool { return bytes.Count(e.got, []byte("\t5000\t")) == 1 })},
	{name: "NLST of a pattern", line: "NLST {}d/[1-9s]*", success: "226", data: true, ops: []string{"ListObjects", "HeadObject"},
		prepare: objects(treeFiles), check: tells(shows)},
	{name: "STAT", line: "STAT {}d", success: "213", ops: []string{"ListObjects"}, prepare: objects(treeFiles),
		check: tells(func(e end) bool {
			return strings.Count(e.final, "\n") == 5 && strings.HasSuffix(e.final, "\n213 End of status.")
		})},
	{name: "LIST of two pages", line: "LIST /pages", success: "226", data: true, ops: []string{"ListObjects"},
		check: tells(func(e end) bool { return bytes.Count(e.got, []byte("\r\n")) == pagedEntries })},
	{name: "LIST missing", line: "LIST {}none", success: "550 No such", data: true, ops: []string{"ListObjects", "HeadObject"}},
	{name: "MLST", line: "MLST {}f", success: "250", ops: []string{"HeadObject"},
		prepare: objects(map[string][]byte{"f": smallOld}),
		check:   tells(func(e end) bool { return strings.Contains(e.final, "size=5000;") })},
	{name: "MLST of a directory", line: "MLST {}d", success: "250", ops: []string{"HeadObject", "ListObjects"},
		prepare: objects(treeFiles), check: tells(func(e end) bool { return strings.Contains(e.final, "type=dir;") })},
	{name: "HASH", line: "HASH {}f", success: "213", ops: []string{"GetObject"},
		prepare: objects(map[string][]byte{"f": bigOld}),
		check:   tells(func(e end) bool { return strings.Contains(e.final, fmt.Sprintf(" %x ", sha256.Sum256(bigOld))) })},
	{name: "XCRC", line: "XCRC {}f", success: "250", ops: []string{"GetObject"},
		prepare: objects(map[string][]byte{"f": smallOld}),
		check:   tells(func(e end) bool { return e.final == fmt.Sprintf("250 %08X", crc32.ChecksumIEEE(smallOld)) })},
	{name: "AVBL", line: "AVBL {}d", success: "213", ops: []string{"ListObjects"}, prepare: objects(treeFiles),
		check: tells(func(e end) bool { return e.final == "213 1125899906842624" })},
	{name: "SIZE", line: "SIZE {}f", success: "213", ops: []string{"HeadObject"},
		prepare: objects(map[string][]byte{"f": smallOld}),
		check:   tells(func(e end) bool { return e.final == "213 5000" })},
	{name: "SIZE missing", line: "SIZE {}f", success: "550 {}f is not", ops: []string{"HeadObject", "ListObjects"}},
	{name: "MDTM", line: "MDTM {}f", success: "213", ops: []string{"HeadObject"},
		prepare: objects(map[string][]byte{"f": smallOld}),
		check:   tells(func(e end) bool { return len(e.final) == len("213 20261121000000") && e.final[4:6] == "20" })},
	{name: "CWD", line: "CWD {}d", success: "250", ops: []string{"ListObjects"}, prepare: objects(treeFiles), check: changesDir},
	{name: "CDUP", line: "CDUP", success: "250", ops: []string{"ListObjects"},
		prepare: func(s *site) error {
			return cmp.Or(objects(treeFiles)(s), s.want("250", "CWD {}d/sub"))
		}, check: goesUp},
	{name: "CWD missing", line: "CWD {}none", success: "550 No such", ops: []string{"ListObjects"}},
	{name: "MKD", line: "MKD {}new", success: "257", ops: []string{"ListObjects", "PutObject"},
		check: becomes("new/", nil, []byte{})},
	{name: "RMD", line: "RMD {}old", success: "250", ops: []string{"ListObjects", "DeleteObject"},
		prepare: objects(map[string][]byte{"old/": {}}), check: goes("old/", nil)},
	{name: "RMD missing", line: "RMD {}old", success: "550 No such", ops: []string{"ListObjects", "HeadObject"}},
	{name: "DELE missing", line: "DELE {}f", success: "550 No such", ops: []string{"HeadObject", "ListObjects"}},
	{name: "DELE", line: "DELE {}f", success: "250", ops: []string{"HeadObject", "DeleteObject"},
		prepare: objects(map[string][]byte{"f": smallOld}), check: goes("f", smallOld)},
	{name: "RNFR", line: "RNFR {}f", success: "350", ops: []string{"HeadObject"},
		prepare: objects(map[string][]byte{"f": smallOld}), check: tells(func(end) bool { return true })},
	{name: "RNFR of a directory", line: "RNFR {}d", success: "350", ops: []string{"HeadObject", "ListObjects"},
		prepare: objects(treeFiles), check: tells(func(end) bool { return true })},
	{name: "RNTO file", line: "RNTO {}g", success: "250", ops: []string{"HeadObject", "ListObjects", "CopyObject", "DeleteObject"},
		prepare: renaming("f", map[string][]byte{"f": smallNew, "g": smallOld}), check: moves(smallNew, smallOld)},
	{name: "RNTO big", line: "RNTO {}g", success: "250", ops: copyParts,
		prepare: renaming("f", map[string][]byte{"f": bigNew, "g": smallOld}), check: moves(bigNew, smallOld)},
	{name: "RNTO big given up", line: "RNTO {}g", success: "250", ops: []string{"AbortMultipartUpload"},
		also:    refusing("UploadPartCopy"),
		prepare: renaming("f", map[string][]byte{"f": bigNew, "g": smallOld}), check: moves(bigNew, smallOld)},
	{name: "RNTO directory with a big file", line: "RNTO {}e", success: "250", ops: moveBigDir,
		prepare: renaming("d", bigTree), check: movesDir(bigTree)},
	{name: "RNTO directory", line: "RNTO {}e", success: "250", ops: moveDir,
		prepare: renaming("d", treeFiles, "d/"), check: movesDir(treeFiles)},
	{name: "SITE CHMOD", line: "SITE CHMOD 640 {}f", success: "200", ops: []string{"HeadObject", "CopyObject"},
		prepare: objects(map[string][]byte{"f": smallOld}), check: hasMeta("mode", "33184")},
	{name: "SITE UTIME", line: "SITE UTIME 20200102030405 {}f", success: "200", ops: []string{"HeadObject", "CopyObject"},
		prepare: objects(map[string][]byte{"f": smallOld}), check: hasMeta("mtime", "1577934245")},
	{name: "MFMT", line: "MFMT 20200102030405 {}f", success: "213", ops: []string{"HeadObject", "CopyObject"},
		prepare: objects(map[string][]byte{"f": smallOld}), check: hasMeta("mtime", "1577934245")},
}

func changesDir(s *site, e end) error {
	want := `"/"`
	if e.ok {
		want = `"/` + s.dir + `d"`
	}
	if reply := s.p.Command("PWD"); !strings.Contains(reply, want) {
		return fmt.Errorf("after %q: %s, want %s", e.final, reply, want)
	}
	return s.want("250", "CWD /")
}

func goesUp(s *site, e end) error {
	want := s.dir + "d/sub"
	if e.ok {
		want = s.dir + "d"
	}
	if reply := s.p.Command("PWD"); !strings.Contains(reply, `"/`+want+`"`) {
		return fmt.Errorf("after %q: %s, want /%s", e.final, reply, want)
	}
	return nil
}

// isNew checks a file of a name that the gateway chose.
func isNew(data []byte) func(*site, end) error {
	return func(s *site, e end) error {
		whole, others := 0, 0
		for _, o := range s.victim.Objects(faultBuckets) {
			switch {
			case !strings.HasPrefix(o.Key, s.dir):
			case bytes.Equal(o.Data, data):
				whole++
			default:
				others++
			}
		}
		if others > 0 || whole > 1 || whole == 0 && e.ok || whole == 1 && !e.ok && !e.lost {
			return fmt.Errorf("%d whole and %d other files are there", whole, others)
		}
		return nil
	}
}

// goes checks a deletion.
func goes(name string, old []byte) func(*site, end) error {
	return func(s *site, e end) error {
		switch there := s.has(name); {
		case e.ok && there:
			return fmt.Errorf("%s is still there", name)
		case !e.ok && !there && !e.lost:
			return fmt.Errorf("%s is gone", name)
		case there && !s.holds(name, old) && len(old) > 0:
			return fmt.Errorf("%s is not what it was", name)
		}
		return nil
	}
}

// resting puts a file there and tells the offset of the next transfer.
func resting(offset, name string, data []byte) func(*site) error {
	return func(s *site) error {
		s.put(name, data)
		return s.want("350", "REST "+offset)
	}
}

func renaming(from string, seeds map[string][]byte, markers ...string) func(*site) error {
	return func(s *site) error {
		for _, name := range markers {
			s.put(name, nil)
		}
		if err := objects(seeds)(s); err != nil {
			return err
		}
		return s.want("350", "RNFR {}"+from)
	}
}

// moves checks the rename of f to g. When only the deletion fails, or the look at f before it, both stay, which the
// reply's failure tells.
func moves(source, target []byte) func(*site, end) error {
	return func(s *site, e end) error {
		copied := s.holds("g", source)
		switch {
		case e.ok && (!copied || s.has("f")):
			return fmt.Errorf("f is there: %v, g is f: %v", s.has("f"), copied)
		case e.ok:
		case !s.holds("f", source) && !(e.lost && copied):
			return fmt.Errorf("f is damaged, g is f: %v", copied)
		case !s.holds("g", target) && !(copied && (e.lost || e.op == "DeleteObject" || e.op == "HeadObject")):
			return fmt.Errorf("g is not what it was; it is f: %v", copied)
		}
		return nil
	}
}

// movesDir checks the rename of the directory d with these files to e.
func movesDir(files map[string][]byte) func(*site, end) error {
	return func(s *site, e end) error { return s.isMoved(files, e) }
}

func (s *site) isMoved(files map[string][]byte, e end) error {
	old, moved, extra := 0, 0, 0
	for name, data := range files {
		target := "e/" + strings.TrimPrefix(name, "d/")
		if s.holds(name, data) {
			old++
		}
		if s.holds(target, data) {
			moved++
		} else if s.has(target) {
			extra++
		}
	}
	switch {
	case extra > 0:
		return fmt.Errorf("%d files are damaged in the new directory", extra)
	case e.ok && (moved != len(files) || old != 0 || s.has("d/")):
		return fmt.Errorf("%d files are in the new directory, %d in the old one", moved, old)
	case !e.ok && old != len(files) && moved != len(files):
		return fmt.Errorf("neither directory is whole: %d files are in the old one, %d in the new one", old, moved)
	}
	return nil
}

// hasMeta checks a command that changes one x-cos-meta-* of f.
func hasMeta(name, value string) func(*site, end) error {
	return func(s *site, e end) error {
		o, ok := s.victim.Get(faultBuckets, s.dir+"f")
		if !ok || !bytes.Equal(o.Data, smallOld) {
			return fmt.Errorf("f is damaged")
		}
		set := o.Meta[name] == value
		if set != e.ok && !(set && e.lost) {
			return fmt.Errorf("%s is set: %v (%v)", name, set, o.Meta)
		}
		return nil
	}
}
