package charset

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestGBK(t *testing.T) {
	for text, encoded := range map[string]string{
		"":        "",
		"a b.txt": "a b.txt",
		"中文.jpg":  "\xd6\xd0\xce\xc4.jpg",
		"镕":       "\xe9\x46",
		"丂\\":     "\x81\x40\\",
	} {
		if got := (GBK{}).Encode(text); got != encoded {
			t.Errorf("Encode(%q) = %q, want %q", text, got, encoded)
		}
		if got, err := (GBK{}).Decode(encoded); got != text || err != nil {
			t.Errorf("Decode(%q) = %q, %v, want %q", encoded, got, err, text)
		}
	}
}

func TestWhatGBKLacksIsNotLost(t *testing.T) {
	for _, text := range []string{"🎉", "中🎉文.txt", "ü中", "€", "һ"} {
		encoded := GBK{}.Encode(text)
		if back, err := (GBK{}).Decode(encoded); back != text || err != nil {
			t.Errorf("%q becomes %q, and that %q, %v", text, encoded, back, err)
		}
	}
}

func TestInvalidUTF8BecomesTheReplacementCharacter(t *testing.T) {
	if got := (GBK{}).Encode("a\xffb\r\n"); got != "a\x84\x31\xa4\x37b\r\n" {
		t.Errorf("%q", got)
	}
}

func TestBytesThatAreNoGBK(t *testing.T) {
	for _, name := range []string{"\xff", "\xd6", "a\x81", "\x81\x20", "\xd6\xd0\xff.txt", "\x81\x7f", "\xfe\xfe\xff"} {
		if text, err := (GBK{}).Decode(name); err == nil {
			t.Errorf("Decode(%q) = %q", name, text)
		}
	}
}

// TestEveryCharacterComesBackAsItself: two names never become one, and none becomes a path. Characters for private
// use are left out: they mean nothing without an agreement, and the tables of GB 18030 mix some of them up.
func TestEveryCharacterComesBackAsItself(t *testing.T) {
	seen := map[string]rune{}
	for r := rune(0x80); r <= utf8.MaxRune; r++ {
		text := string(r)
		if !utf8.ValidRune(r) || r == utf8.RuneError || unicode.Is(unicode.Co, r) {
			continue
		}
		encoded := (GBK{}).Encode(text)
		if other, twice := seen[encoded]; twice {
			t.Fatalf("%q and %q are both %q", r, other, encoded)
		}
		seen[encoded] = r
		if strings.ContainsAny(encoded, "/\r\n\x00") {
			t.Errorf("%q becomes %q", r, encoded)
		}
		if back, err := (GBK{}).Decode(encoded); back != text || err != nil {
			t.Errorf("%q becomes %q, and that %q, %v", r, encoded, back, err)
		}
	}
}
