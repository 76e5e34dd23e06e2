package ftpserver

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"syscall"

	"github.com/tencentyun/cos-ftp-server/ftpserver/limit"
)

// hashAlgorithm is one of those of HASH, by its name in IANA's registry of hash function names.
type hashAlgorithm struct {
	name string
	make func() hash.Hash
}

// hashAlgorithms are what OPTS HASH may choose (draft-bryan-ftpext-hash-02); the first is the default.
var hashAlgorithms = []hashAlgorithm{
	{"SHA-256", sha256.New},
	{"SHA-512", sha512.New},
	{"SHA-1", sha1.New},
	{"MD5", md5.New},
	{"CRC32", newCRC32},
}

func newCRC32() hash.Hash { return crc32.NewIEEE() }

// hashFeature is HASH as FEAT shows it, the chosen algorithm starred.
func (s *session) hashFeature() string {
	text := "HASH "
	for i, a := range hashAlgorithms {
		if i > 0 {
			text += ";"
		}
		text += a.name
		if i == s.hashing {
			text += "*"
		}
	}
	return text
}

// optsHash answers OPTS HASH: without a value it tells the algorithm.
func (s *session) optsHash(value string) reply {
	for i, a := range hashAlgorithms {
		if strings.EqualFold(value, a.name) {
			s.hashing = i
			value = ""
		}
	}
	if value != "" {
		return answer(501, "Unknown algorithm, current selection not changed.")
	}
	return answer(200, hashAlgorithms[s.hashing].name)
}

func (s *session) cmdHash(r request) reply {
	first, end := r.rest, r.until
	if end == 0 {
		end = -1
	}
	a := hashAlgorithms[s.hashing]
	sum, end, err := s.digest(r.name, a.make(), first, end)
	if err != nil {
		return s.hashFailed(r, err)
	}
	return answerf(213, "%s %d-%d %s %s", a.name, first, max(end-1, first), hex.EncodeToString(sum), r.arg)
}

// cmdMD5 answers as draft-twine-ftpmd5-00 has it.
func (s *session) cmdMD5(r request) reply {
	sum, _, err := s.digest(r.name, md5.New(), 0, -1)
	if err != nil {
		return s.hashFailed(r, err)
	}
	name := r.arg
	if strings.ContainsAny(name, " ") {
		name = `"` + name + `"`
	}
	return answerf(251, "%s %s", name, strings.ToUpper(hex.EncodeToString(sum)))
}

// cmdXHash answers XCRC and its kin. They stand in no document; start and end are what ProFTPD's mod_digest takes them
// for: bytes from 0 on, the end excluded.
func (s *session) cmdXHash(r request) reply {
	name, first, end, ok := hashRange(r.arg)
	if !ok {
		return answer(501, "Syntax error: want a file name, and the first byte and the one behind the last.")
	}
	if name != r.arg && !strings.HasPrefix(r.arg, `"`) {
		// A name may end with numbers too.
		if info, err := s.account.FS.Stat(s.asking.ctx, r.name); err == nil && !info.IsDir() {
			name, first, end = r.arg, 0, -1
		}
	}
	r.name = absolute(s.cwd, name)
	sum, _, err := s.digest(r.name, r.cmd.hash(), first, end)
	if err != nil {
		return s.hashFailed(r, err)
	}
	return answer(250, strings.ToUpper(hex.EncodeToString(sum)))
}

// hashRange reads the argument of XCRC: a name, in quotes or not, and up to two numbers. An end of -1 is that of the
// file.
func hashRange(arg string) (name string, first, end int64, ok bool) {
	name, rest := arg, ""
	if quoted, isQuoted := strings.CutPrefix(arg, `"`); isQuoted {
		var closed bool
		if name, rest, closed = strings.Cut(quoted, `"`); !closed || name == "" {
			return "", 0, 0, false
		}
	} else {
		words := strings.Split(arg, " ")
		n := len(words)
		for n > 1 && len(words)-n < 2 && isNumber(words[n-1]) {
			n--
		}
		name, rest = strings.Join(words[:n], " "), strings.Join(words[n:], " ")
	}
	numbers := strings.Fields(rest)
	if len(numbers) > 2 {
		return "", 0, 0, false
	}
	end = -1
	for i, place := range []*int64{&first, &end}[:len(numbers)] {
		n, err := strconv.ParseInt(numbers[i], 10, 64)
		if err != nil || n < 0 {
			return "", 0, 0, false
		}
		*place = n
	}
	return name, first, end, true
}

func isNumber(word string) bool {
	_, err := strconv.ParseUint(word, 10, 63)
	return err == nil
}

// errNoSuchRange says that a file has not the bytes that were asked for.
var errNoSuchRange = errors.New("the file does not have these bytes")

// digest reads the bytes of a file from first up to but not including end, -1 for all, and answers their hash and
// where they ended. They count as a download.
func (s *session) digest(name string, h hash.Hash, first, end int64) (sum []byte, last int64, err error) {
	if name == "/" {
		return nil, 0, syscall.EISDIR
	}
	ctx := s.asking.ctx
	f, err := s.account.FS.Open(ctx, name, first)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if end < 0 {
		end = info.Size()
	}
	if first > end || end > info.Size() {
		return nil, 0, errNoSuchRange
	}
	slowly := limit.NewThrottle(ctx.Done(), s.downloadRates(s.login)...)
	defer slowly.Close()
	limited := slowly.Writer(h)
	if end == info.Size() {
		err = copyFrom(f, limited)
	} else {
		err = copyBuffered(limited, io.LimitReader(f, end-first))
	}
	return h.Sum(nil), end, err
}

func (s *session) hashFailed(r request, err error) reply {
	if errors.Is(err, errNoSuchRange) {
		return answer(554, "The file does not have these bytes.")
	}
	return s.fail(r, err)
}

// cmdRang sets the bytes that HASH and RETR are about, both ends included (draft-bryan-ftp-range-08); a first one
// behind the last means all.
func (s *session) cmdRang(r request) reply {
	if s.ascii {
		return answer(501, "Resuming transfers not allowed in ASCII mode.")
	}
	words := strings.Fields(r.arg)
	if len(words) != 2 || !isNumber(words[0]) || !isNumber(words[1]) {
		return answer(501, "Invalid parameter.")
	}
	first, _ := strconv.ParseInt(words[0], 10, 64)
	last, _ := strconv.ParseInt(words[1], 10, 64)
	if first > last {
		return answer(350, "Range is all of the file.")
	}
	if last+1 <= 0 {
		return answer(501, "Invalid parameter.")
	}
	s.rest, s.until = first, last+1
	return answerf(350, "Range starts at %d and ends at %d.", first, last)
}
