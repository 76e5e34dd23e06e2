package conf

import (
	"errors"
	"math"
	"strings"
)

var errNoNumber = errors.New("not a whole number")

// pythonInt is Python 2's int() for a text: white space around it, a sign with blanks behind it, decimal digits.
// What an int64 cannot hold becomes the nearest one it can: Python's int has no bounds.
func pythonInt(text string) (int64, error) {
	text = strip(text)
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = strings.TrimLeftFunc(text[1:], isSpaceRune)
	}
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, errNoNumber
	}
	var n int64
	for _, digit := range []byte(text) {
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			break
		}
		n = n*10 + int64(digit-'0')
	}
	if negative {
		n = -n
	}
	return n, nil
}

// pythonBool is RawConfigParser.getboolean.
func pythonBool(text string) (value, ok bool) {
	switch lower(text) {
	case "1", "yes", "true", "on":
		return true, true
	case "0", "no", "false", "off":
		return false, true
	}
	return false, false
}
