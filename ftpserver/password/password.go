// Package password makes and checks hashes of passwords: bcrypt, and the SHA-2 hashes of crypt(3).
package password

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"
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

// Checker checks passwords, a few at a time: guessing them must not take the CPU from transfers.
type Checker struct {
	turns chan struct{}
}

// NewChecker makes a checker that uses up to half of the machine's CPUs.
func NewChecker() *Checker { return newChecker(max(1, runtime.GOMAXPROCS(0)/2)) }

func newChecker(atOnce int) *Checker { return &Checker{turns: make(chan struct{}, atOnce)} }

// Matches is the function Matches when its turn comes; first come, first served. It answers false if ctx ends
// before.
func (c *Checker) Matches(ctx context.Context, hash, password string) bool {
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
		return ctx.Err() == nil && Matches(hash, password)
	case <-ctx.Done():
		return false
	}
}

// Read reads a password: from a terminal without showing it, twice, asking on prompt; from anything else the first
// line.
func Read(in *os.File, prompt io.Writer) (string, error) {
	fd := int(in.Fd())
	if !term.IsTerminal(fd) {
		return readLine(in)
	}
	var typed [2]string
	for i, question := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(prompt, question)
		text, err := term.ReadPassword(fd)
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ")
	}
	return typed[0], nil
}

func readLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}
