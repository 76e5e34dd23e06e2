package rig

import "testing"

func TestContent(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`"a\r\n"`, "a\r\n"},
		{`"中 \xff"`, "中 \xff"},
		{`x:3`, "xxx"},
		{`bytes:3`, "\x00\x01\x02"},
		{`"a " + A:2 + "\r\n"`, "a AA\r\n"},
		{`x:5[1:3]`, "xx"},
		{`x:5[4:]`, "x"},
		{`x:0`, ""},
	} {
		got, err := ParseContent(c.expr)
		if err != nil || string(got) != c.want {
			t.Errorf("parseContent(%q) = %q, %v; want %q", c.expr, got, err, c.want)
		}
	}
	for _, expr := range []string{`"a`, `x`, `x:`, `x:-1`, `what:3`, `"a" "b"`, `x:3[2:9]`, ``} {
		if got, err := ParseContent(expr); err == nil {
			t.Errorf("parseContent(%q) = %q, want an error", expr, got)
		}
	}
}
