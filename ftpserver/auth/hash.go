package auth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"golang.org/x/crypto/bcrypt"
)

// longest is how many bytes of a password bcrypt takes into account.
const longest = 72

// Hash makes a bcrypt hash with a salt of its own. An empty password, and one of more than 72 bytes, of which bcrypt
// would ignore the end, are errors.
func Hash(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("the password is empty")
	case len(password) > longest:
		return "", fmt.Errorf("the password has %d bytes: bcrypt takes up to %d; use a shorter one, or make a $6$ hash with mkpasswd -m sha-512", len(password), longest)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

// Matches compares a password with a hash: bcrypt ($2a$, $2b$, $2y$) or crypt ($5$, $6$), in a time that does not
// depend on where they differ. A hash of another kind matches nothing. It takes the CPU for as long as the hash
// prescribes, some 50 ms by default.
func Matches(hash, password string) bool {
	switch {
	case strings.HasPrefix(hash, "$2"):
		return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	case strings.HasPrefix(hash, "$5$"), strings.HasPrefix(hash, "$6$"):
		digest, err := shacrypt.Decode(hash)
		return err == nil && digest.Match(password)
	}
	return false
}
