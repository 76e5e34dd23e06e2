package conf

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNoPrintingShowsASecret(t *testing.T) {
	secrets := []string{"AKIDverysecret", "keyverysecret", "passverysecret"}
	cfg := &Config{Accounts: []Account{{
		Section: "COS_ACCOUNT_0", SecretID: NewSecret(secrets[0]), SecretKey: NewSecret(secrets[1]), Password: NewSecret(secrets[2]),
	}}}
	dump, err := cfg.Dump()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{"Dump": string(dump)}
	wrapped := struct {
		account Account // fmt calls no methods here
		secret  Secret
	}{cfg.Accounts[0], cfg.Accounts[0].Password}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08b", "% x", "%p"} {
		for _, value := range []any{cfg, *cfg, cfg.Accounts, cfg.Accounts[0], &cfg.Accounts[0], cfg.Accounts[0].Password, &cfg.Accounts[0].Password, wrapped, &wrapped} {
			shown[fmt.Sprintf("%s of %T", verb, value)] = fmt.Sprintf(verb, value)
		}
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "xml": xml.Marshal} {
		text, err := marshal(cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		shown[name] = string(text)
	}
	var text, lines bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&lines, nil)} {
		slog.New(handler).Info("conf", "config", cfg, "account", cfg.Accounts[0], "secret", cfg.Accounts[0].Password, "wrapped", wrapped)
	}
	shown["slog text"], shown["slog JSON"] = text.String(), lines.String()
	for how, output := range shown {
		for _, secret := range secrets {
			if strings.Contains(output, secret) || strings.Contains(output, fmt.Sprintf("%x", secret)) || strings.Contains(output, fmt.Sprintf("%X", secret)) {
				t.Errorf("%s shows %s: %s", how, secret, output)
			}
		}
	}
	if got := fmt.Sprintf("%v %s", cfg.Accounts[0].Password, shown["json"]); !strings.Contains(got, hidden) {
		t.Errorf("%s nowhere in %s", hidden, got)
	}
}

func TestSecretEqual(t *testing.T) {
	s := NewSecret("pass0")
	if !s.Equal("pass0") || s.Equal("pass") || s.Equal("pass0 ") || s.Equal("") {
		t.Error("a secret equals its own text and no other")
	}
	if s.Reveal() != "pass0" {
		t.Errorf("revealed %q", s.Reveal())
	}
	var none Secret
	if none.Reveal() != "" || !none.Equal("") || none.Equal("x") {
		t.Error("the zero Secret is the empty text")
	}
}
