package conf

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

func boolean(field func(*loader) *bool) setter {
	return func(l *loader, value string) (string, error) {
		b, ok := pythonBool(value)
		if !ok {
			return "", errors.New("want true or false (1, yes, on, 0, no and off will do)")
		}
		*field(l) = b
		return "", nil
	}
}

// positive stores a number of at least least; the word default stands for preset.
func positive(field func(*Config) *int, preset, least int64) setter {
	return func(l *loader, value string) (string, error) {
		n, err := wordOrInt(value, preset)
		if err != nil || n < least {
			return "", fmt.Errorf("want a whole number, at least %d", least)
		}
		*field(l.cfg) = int(min(n, math.MaxInt32))
		return "", nil
	}
}

// wordOrInt reads a number, or the word default, which the original's sample has.
func wordOrInt(value string, preset int64) (int64, error) {
	if lower(value) == "default" {
		return preset, nil
	}
	return pythonInt(value)
}

var (
	placeholderForm = regexp.MustCompile(`^[Xx]+(\.[Xx]+)+$`)
	hostForm        = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]*[A-Za-z_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.?$`)
)

// Legacy: the original ignores what is not an IPv4 address. A host name is documented, and works here.
func setMasquerade(l *loader, value string) (string, error) {
	l.cfg.MasqueradeAddress = ""
	switch {
	case hasNetwork(value):
		return "", setMasqueradeList(l, value)
	case value == "", isMasquerade(value):
		l.cfg.MasqueradeAddress = value
		return "", nil
	}
	return "ignored: want the IPv4 address or host name at which clients reach this server, or delete the line", nil
}

func isPort(text string, least int64) bool {
	n, err := pythonInt(text)
	return err == nil && n >= least && n <= math.MaxUint16
}

func setListenPort(l *loader, value string) (string, error) {
	if !isPort(value, 0) {
		return "", errors.New("want a port, 1 to 65535, or 0 for any that is free")
	}
	n, _ := pythonInt(value)
	l.cfg.ListenPort = int(n)
	return "", nil
}

// setPassivePorts reads "first,last"; a first port alone goes on to 65535. The original leaves the last port out,
// though its README counts it in, and ignores whatever follows a second comma.
func setPassivePorts(l *loader, value string) (note string, err error) {
	parts := strings.Split(value, ",")
	if len(parts) == 1 {
		parts = append(parts, "65535")
	}
	if len(parts) > 2 {
		note = "only the first two numbers count"
	}
	if !isPort(parts[0], 1) || !isPort(parts[1], 1) {
		if strings.Contains(strings.Trim(strip(value), "-"), "-") {
			return "", errors.New("want first,last with a comma between them, e.g. 60000,65535")
		}
		return "", errors.New("want first,last, both 1 to 65535, e.g. 60000,65535")
	}
	first, _ := pythonInt(parts[0])
	last, _ := pythonInt(parts[1])
	if first > last {
		return "", fmt.Errorf("the first port is above the last: want %d,%d", last, first)
	}
	l.cfg.PassiveFirst, l.cfg.PassiveLast = int(first), int(last)
	return note, nil
}

func setMaxSize(l *loader, value string) (string, error) {
	n, err := pythonInt(value)
	if err != nil {
		return "", errors.New("want a size in bytes, e.g. 214748364800 for 200 GiB")
	}
	l.cfg.SingleFileMaxSize = n // what is below 1 is settled when min_part_size is known
	return "", nil
}

// Legacy: the original accepts parts that COS refuses, and then loses every multipart upload.
func setMinPartSize(l *loader, value string) (string, error) {
	n, err := wordOrInt(value, 2*mib)
	if err != nil || n < 1 || n >= largestPart {
		return "", errors.New("want a size in bytes, 1048576 to 5368709119")
	}
	l.cfg.MinPartSize = max(n, smallestPart)
	if n < smallestPart {
		return "raised to 1048576: COS takes no smaller parts", nil
	}
	return "", nil
}

func setUploadThreads(l *loader, value string) (string, error) {
	most := int64(l.cpus) * 8
	n, err := wordOrInt(value, most/2)
	if err != nil || n < 1 || n > most {
		return "", fmt.Errorf("want 1 to %d on this machine, or default, which is %d", most, most/2)
	}
	l.cfg.UploadThreadNum = int(n)
	return "", nil
}

func setDownloadThreads(l *loader, value string) (string, error) {
	const most = 1024
	preset := min(int64(l.cpus)*4, most)
	n, err := wordOrInt(value, preset)
	if err != nil || n < 1 || n > most {
		return "", fmt.Errorf("want 1 to %d, or default, which is %d on this machine", most, preset)
	}
	l.cfg.DownloadThreadNum = int(n)
	return "", nil
}

func setTransferMemory(l *loader, value string) (string, error) {
	n, err := wordOrInt(value, 0)
	if err != nil || n < 0 {
		return "", errors.New("want a number of bytes, e.g. 268435456, or default")
	}
	l.cfg.TransferMemory = n
	return "", nil
}

func setRenameDirLimit(l *loader, value string) (string, error) {
	const preset, most = 10000, 1000000
	n, err := wordOrInt(value, preset)
	if err != nil || n < 0 || n > most {
		return "", fmt.Errorf("want a number of objects, 0 (no renaming of directories) to %d", most)
	}
	l.cfg.RenameDirLimit = int(n)
	return "", nil
}

func setLogLevel(l *loader, value string) (string, error) {
	switch lower(value) {
	case "debug":
		l.cfg.LogLevel = slog.LevelDebug
	case "info":
		l.cfg.LogLevel = slog.LevelInfo
	case "error":
		l.cfg.LogLevel = slog.LevelError
	default:
		return "", errors.New("want DEBUG, INFO or ERROR")
	}
	return "", nil
}

// Legacy: the original makes the whole path lower case, and that is where the logs of a deployment are.
func setLogDir(l *loader, value string) (string, error) {
	if value == "" || strings.ContainsRune(value, 0) {
		return "", errors.New("want a directory, e.g. log")
	}
	l.cfg.LogDir = lower(value)
	if l.cfg.LogDir != value {
		return "taken in lower case, as ever: the log is " + printable(l.cfg.LogFile()), nil
	}
	return "", nil
}

// Legacy: 1 and on, which mean yes elsewhere in the file, mean no here.
func setRotate(l *loader, value string) (string, error) {
	word := lower(value)
	l.cfg.LogRotateEnabled = slices.Contains([]string{"true", "yes", "y"}, word)
	if no, ok := pythonBool(word); l.cfg.LogRotateEnabled || ok && !no || word == "n" {
		return "", nil
	}
	return "", errors.New("want true or false")
}

// Legacy: m alone of the small letters is not known.
func setRotateWhen(l *loader, value string) (string, error) {
	if !slices.Contains([]string{"S", "s", "M", "H", "h", "D", "d"}, value) {
		return "", errors.New("want S, M, H or D")
	}
	l.cfg.LogRotateWhen = strings.ToUpper(value)
	return "", nil
}

func setGrace(l *loader, value string) (string, error) {
	const most = 24 * 60 * 60
	n, err := pythonInt(value)
	if err != nil || n < 0 || n > most {
		return "", fmt.Errorf("want seconds, 0 to %d", most)
	}
	l.cfg.ShutdownGrace = time.Duration(n) * time.Second
	return "", nil
}

// userForm is what useradd takes, and what others put in their user databases.
var userForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?$`)

func setRunAs(l *loader, value string) (string, error) {
	if value != "" && !userForm.MatchString(value) {
		return "", errors.New("want the name of a user of this machine, e.g. cos-ftp")
	}
	l.cfg.RunAs = value
	return "", nil
}

// rate stores bytes per second.
func rate(field func(*loader) *int64) setter {
	return func(l *loader, value string) (string, error) {
		n, err := pythonInt(value)
		if err != nil || n < 0 {
			return "", errors.New("want bytes per second, e.g. 1048576 for 1 MiB/s, or 0 for no limit")
		}
		*field(l) = n
		return "", nil
	}
}

func setBanner(l *loader, value string) (string, error) {
	const longest = 500
	if value == "" || len(value) > longest || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return "", fmt.Errorf("want one line of UTF-8, 1 to %d bytes", longest)
	}
	l.cfg.Banner = value
	return "", nil
}

func setLoginAttempts(l *loader, value string) (string, error) {
	const most = 100
	n, err := pythonInt(value)
	if err != nil || n < 1 || n > most {
		return "", fmt.Errorf("want a whole number, 1 to %d", most)
	}
	l.cfg.MaxLoginAttempts = int(n)
	return "", nil
}
