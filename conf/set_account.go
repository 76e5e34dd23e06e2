package conf

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// secret stores a value that must not be empty.
func secret(field func(*Account) *Secret) setter {
	return func(l *loader, value string) (string, error) {
		*field(l.account) = NewSecret(value)
		switch value {
		case "":
			return "", tolerated("empty: want the API key that the COS console shows")
		case "COS_SECRETID", "COS_SECRETKEY":
			return "", tolerated("this is the example's word: want the API key that the COS console shows")
		}
		return "", nil
	}
}

// Legacy: the original refuses only what is shorter than two letters.
func setBucket(l *loader, value string) (string, error) {
	l.account.Bucket = value
	switch {
	case len(value) < 2:
		return "", errors.New("want BUCKETNAME-APPID, e.g. examplebucket-1250000000")
	case !bucketForm.MatchString(value):
		return "", tolerated("COS has no buckets of such a name, so this account cannot work: want BUCKETNAME-APPID of lower-case " +
			"letters, digits and -, e.g. examplebucket-1250000000")
	}
	return "", nil
}

func setRegion(l *loader, value string) (string, error) {
	l.account.Region = value
	if value != "" && !regionForm.MatchString(value) {
		if endpoint, _, _ := l.values.get(l.account.Section, "cos_endpoint"); endpoint != "" {
			return "no region of COS, and not needed: cos_endpoint goes before it", nil
		}
		return "", tolerated("want a region of lower-case letters, digits and -, e.g. ap-guangzhou")
	}
	return "", nil
}

func setEndpoint(l *loader, value string) (note string, err error) {
	if _, host, found := strings.Cut(value, "://"); found {
		value = strings.TrimSuffix(host, "/")
		note = "taken as " + printable(value) + ": http or https is said by cos_protocol"
	}
	l.account.Endpoint = value
	switch {
	case value != "" && value != strings.Trim(value, `"'`):
		return "", tolerated("the quotes belong to the value: want it without them, e.g. cos.ap-guangzhou.myqcloud.com")
	case value != "" && !endpointForm.MatchString(value):
		return "", tolerated("want a host without bucket and path, e.g. cos.ap-guangzhou.myqcloud.com, or host:port")
	}
	return note, nil
}

func setProtocol(l *loader, value string) (string, error) {
	l.account.Protocol = lower(value)
	if l.account.Protocol != "https" && l.account.Protocol != "http" {
		return "", tolerated("want https or http")
	}
	return "", nil
}

func setAddress(l *loader, value string) (string, error) {
	l.account.Address = value
	if value == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil || host == "" || strings.ContainsFunc(host, isSpaceRune) || !isPort(port, 1) {
		return "", errors.New("want host:port, e.g. 10.0.0.8:80")
	}
	return "", nil
}

// setHomeDir takes what the original would not use although it accepts it: a symbolic link, "..", more than one
// slash at the end, a relative path.
func setHomeDir(l *loader, value string) (string, error) {
	wanted := errors.New("no such directory: want an existing local directory; make it with mkdir -p")
	if value == "" || strings.ContainsRune(value, 0) {
		return "", wanted
	}
	path, err := filepath.Abs(value)
	if err != nil {
		return "", err
	}
	l.account.HomeDir = path
	if info, err := os.Stat(value); err != nil || !info.IsDir() {
		return "", wanted
	}
	return "", nil
}

func setUserName(l *loader, value string) (string, error) {
	l.account.UserName = value
	if value == "" {
		return "empty, so nobody can log in to this account", nil
	}
	return "", nil
}

func setPassword(l *loader, value string) (string, error) {
	l.account.Password = NewSecret(value)
	switch {
	case l.account.Anonymous():
		return "not asked for: anybody gets in as anonymous, with any password", nil
	case value == "":
		return "empty, so this user logs in without a password", nil
	}
	return "", nil
}

// Legacy: the value is searched for the capital letters; anything else in it is of no importance.
func setAuthority(l *loader, value string) (string, error) {
	l.account.Perm = ""
	if strings.Contains(value, "R") {
		l.account.Perm += readPerm
	}
	if strings.Contains(value, "W") {
		l.account.Perm += writePerm
	}
	if l.account.Perm == "" {
		return "no rights at all: want R, W or RW, in capital letters", nil
	}
	return "", nil
}

// allPerm are the letters of perm.
const allPerm = readPerm + writePerm

func setPerm(l *loader, value string) (string, error) {
	if value == "" || strings.Trim(value, allPerm) != "" {
		return "", errors.New("want letters of " + allPerm + ": e change directory, l list, r read, a append, d delete, " +
			"f rename, m make directories, w write, M change modes, T change times")
	}
	l.account.Perm = value
	return "", nil
}

func setSessionToken(l *loader, value string) (string, error) {
	l.account.SessionToken = NewSecret(value)
	if value != "" && strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("want the token that came with the temporary key, without white space")
	}
	return "", nil
}

// longestPrefix leaves names of at least 450 bytes below it: COS keys have up to 850.
const longestPrefix = 400

func setPrefix(l *loader, value string) (string, error) {
	l.account.Prefix = ""
	clean := strings.Trim(value, "/")
	if value == "" {
		return "", nil
	}
	bad := clean == "" || len(clean) > longestPrefix || clean[0] == '\\' || !utf8.ValidString(clean) ||
		strings.ContainsFunc(clean, unicode.IsControl)
	for element := range strings.SplitSeq(clean, "/") {
		bad = bad || element == "" || element == "." || element == ".."
	}
	if bad {
		return "", fmt.Errorf("want a directory of the bucket in UTF-8, e.g. team/photos, without empty, . or .. elements, "+
			"up to %d bytes", longestPrefix)
	}
	l.account.Prefix = clean + "/"
	return "", nil
}

var (
	bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	cryptForm  = regexp.MustCompile(`^\$(?:5\$(?:rounds=([0-9]+)\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}|6\$(?:rounds=([0-9]+)\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86})$`)
)

// What a hash may cost: more would take a second of CPU and more for each login, of which anybody may try many.
const (
	leastBcryptCost, mostBcryptCost = 4, 14
	leastRounds, mostRounds         = 1000, 2000000
)

func setPasswordHash(l *loader, value string) (string, error) {
	l.account.PasswordHash = NewSecret(value)
	if form := bcryptForm.FindStringSubmatch(value); form != nil {
		if cost, _ := strconv.Atoi(form[1]); cost < leastBcryptCost || cost > mostBcryptCost {
			return "", fmt.Errorf("want a bcrypt cost of %d to %d", leastBcryptCost, mostBcryptCost)
		}
		return "", nil
	}
	form := cryptForm.FindStringSubmatch(value)
	if form == nil {
		return "", errors.New("want a hash that begins with $2a$, $2b$, $2y$, $5$ or $6$; cos-ftp-server -hash-password makes one")
	}
	if given := form[1] + form[2]; given != "" {
		if rounds, err := strconv.Atoi(given); err != nil || rounds < leastRounds || rounds > mostRounds {
			return "", fmt.Errorf("want rounds=%d to rounds=%d", leastRounds, mostRounds)
		}
	}
	return "", nil
}

func setCharset(l *loader, value string) (string, error) {
	switch lower(value) {
	case "utf-8", "utf8":
		l.account.Charset = "utf-8"
	case "gbk":
		l.account.Charset = "gbk"
	default:
		return "", errors.New("want utf-8 or gbk")
	}
	return "", nil
}
