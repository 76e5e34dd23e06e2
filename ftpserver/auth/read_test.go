package auth

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadTakesTheFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", " a b \nmore\n": " a b ", "": "", "\n": "",
	} {
		path := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadPassword(in, nil)
		in.Close()
		if got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
