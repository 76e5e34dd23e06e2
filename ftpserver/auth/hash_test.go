package auth

import (
	"strings"
	"testing"
)

// Hashes made elsewhere: with OpenSSL, the third as in the SHA-crypt specification, and the test vectors of crypt_blowfish.
func TestMatches(t *testing.T) {
	for _, c := range []struct{ password, hash string }{
		{"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
		{"Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{"Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
		{"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
		{"U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
		{"U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
	} {
		if !Matches(c.hash, c.password) {
			t.Errorf("%q does not match %s", c.password, c.hash)
		}
		for _, wrong := range []string{"", c.password + " ", strings.ToLower(c.password), c.hash} {
			if Matches(c.hash, wrong) {
				t.Errorf("%q matches %s", wrong, c.hash)
			}
		}
	}
}

func TestMatchesNothingElse(t *testing.T) {
	for _, hash := range []string{"", "x", "$", "$1$abc$def", "$2a$", "$6$", "$6$salt$", "$7$a$b"} {
		if Matches(hash, hash) || Matches(hash, "") {
			t.Errorf("%q matches", hash)
		}
	}
}

func TestHash(t *testing.T) {
	long := strings.Repeat("x", longest)
	for _, password := range []string{"密码", long} {
		hash, err := Hash(password)
		if err != nil || !strings.HasPrefix(hash, "$2a$10$") || !Matches(hash, password) {
			t.Errorf("%q: %s, %v", password, hash, err)
		}
	}
	for _, password := range []string{"", long + "x"} {
		if hash, err := Hash(password); err == nil {
			t.Errorf("%q: %s", password, hash)
		}
	}
}
