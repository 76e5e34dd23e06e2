package ftpserver

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Charset is how the clients of an account write names, where that is not UTF-8. It is used by many sessions at
// once. ASCII means itself in it.
type Charset interface {
	// Decode turns what a client sent into UTF-8. The error says to the client what is wrong with it.
	Decode(name string) (string, error)
	// Encode turns UTF-8 into what the client understands. Line ends stay, none comes in.
	Encode(text string) string
}

// charset is what the session's names are written in, nil for UTF-8.
func (s *session) charset() Charset {
	if s.account == nil || s.utf8 {
		return nil
	}
	return s.account.Charset
}

// decodeName decodes the argument of a command with a file name. Without a Charset parse has done it.
func (s *session) decodeName(r *request) reply {
	charset := s.charset()
	if charset == nil || !r.cmd.named || isASCII(r.raw) {
		return reply{}
	}
	text, err := charset.Decode(r.raw)
	if err != nil {
		return answerf(553, "Requested action not taken: %v; OPTS UTF8 ON switches to UTF-8.", err)
	}
	r.arg = text
	return reply{}
}

// encoded is text as it is sent in a Charset, or as it is where that is nil.
func encoded(charset Charset, text []byte) []byte {
	if charset == nil || isASCII(text) {
		return text
	}
	return []byte(charset.Encode(string(text)))
}

func isASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// encodedWriter encodes what is written, whole characters each time.
type encodedWriter struct {
	dst     io.Writer
	charset Charset
}

func (w encodedWriter) Write(p []byte) (int, error) {
	if _, err := w.dst.Write(encoded(w.charset, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// optsUTF8 answers OPTS UTF8, which FEAT lists; the original refuses it all the same. The zero reply: not understood.
func (s *session) optsUTF8(value string) reply {
	switch strings.ToUpper(value) {
	case "", "ON":
		s.utf8 = true
		if s.account.Charset == nil {
			return answer(200, "Always in UTF8 mode.")
		}
		return answer(200, "UTF8 mode is on.")
	case "OFF":
		if s.account.Charset == nil {
			return reply{}
		}
		s.utf8 = false
		return answer(200, "UTF8 mode is off.")
	}
	return reply{}
}
