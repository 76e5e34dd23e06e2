// Package charset turns file names into GBK and back, for FTP clients that know no UTF-8.
package charset

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// GBK is GBK in its extension GB 18030: the same two bytes for each Chinese character, and four for every character
// that GBK lacks. A client that knows only GBK shows such a name oddly, but what it sends back is the same name; in
// any other writing two names could look like one. It is safe for concurrent use.
type GBK struct{}

var errNotGBK = errors.New("the name is not valid GBK")

// Decode turns GBK into UTF-8. Bytes that are no GBK are an error.
func (GBK) Decode(name string) (string, error) {
	text, err := simplifiedchinese.GB18030.NewDecoder().String(name)
	if err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return "", errNotGBK
	}
	return text, nil
}

// Encode turns UTF-8 into GBK.
func (GBK) Encode(text string) string {
	encoded, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		return text
	}
	return encoded
}
