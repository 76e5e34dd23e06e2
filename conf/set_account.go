package conf

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// secret stores a value that must not be empty.
func secret(field func(*Account) *Secret) setter {
	return func(l *loader, value string) (string, error) {
		*field(l.account) = NewSecret(value)
		if value == "" {
			return "", errors.New("empty: want the API key that the COS console shows")
		}
		return "", nil
	}
}

// Legacy: the original refuses only what is shorter than two letters, and other accounts go on working beside one
// whose bucket cannot exist.
func setBucket(l *loader, value string) (string, error) {
	l.account.Bucket = value
	switch {
	case len(value) < 2:
		return "", errors.New("want BUCKETNAME-APPID, e.g. examplebucket-1250000000")
	case !bucketForm.MatchString(value):
		return "COS has no buckets of such a name, so this account cannot work: want BUCKETNAME-APPID of lower-case " +
			"letters, digits and -, e.g. examplebucket-1250000000", nil
	}
	return "", nil
}

func setRegion(l *loader, value string) (string, error) {
	l.account.Region = value
	if value != "" && !regionForm.MatchString(value) {
		return "", errors.New("want a region of letters, digits and -, e.g. ap-guangzhou")
	}
	return "", nil
}

func setEndpoint(l *loader, value string) (note string, err error) {
	if _, host, found := strings.Cut(value, "://"); found {
		value = strings.TrimSuffix(host, "/")
		note = "taken as " + printable(value) + ": http or https is said by cos_protocol"
	}
	l.account.Endpoint = value
	if value != "" && !endpointForm.MatchString(value) {
		return "", errors.New("want a host without bucket and path, e.g. cos.ap-guangzhou.myqcloud.com, or host:port")
	}
	return note, nil
}

func setProtocol(l *loader, value string) (string, error) {
	l.account.Protocol = lower(value)
	if l.account.Protocol != "https" && l.account.Protocol != "http" {
		return "", errors.New("want https or http")
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
	if value == "" {
		return "empty, so this user logs in without a password", nil
	}
	return "", nil
}

// Legacy: the value is searched for the capital letters; anything else in it is of no importance.
func setAuthority(l *loader, value string) (string, error) {
	l.account.Read, l.account.Write = strings.Contains(value, "R"), strings.Contains(value, "W")
	if !l.account.Read && !l.account.Write {
		return "no rights at all: want R, W or RW, in capital letters", nil
	}
	return "", nil
}
