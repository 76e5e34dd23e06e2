package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const longestKey = 850 // bytes, as the gateway has it from document 436/13324

// oddKey is a key that COS, or something on the way to it, may change.
type oddKey struct {
	id, what string
	name     string // of the key, below a directory of its own
	length   int    // of the whole key, which is filled up; 0 for that of the name
	means    []meaning
	bad      string // what follows from any other answer; "" where the gateway never sends such keys
}

func oddKeys() []oddKey {
	kept := []meaning{{seen: "kept as it is"}}
	never := []meaning{
		{seen: "kept as it is", follows: "the gateway never makes such a key; files that others store so cannot be reached by FTP"},
		{seen: "refused", follows: "nothing: the gateway never makes such a key"},
		{seen: "changed", follows: "nothing: the gateway never makes such a key"},
	}
	const lost = "a file of such a name is lost, or is another file: do not use such names"
	const control = "a file of such a name cannot be stored: the client is told so"
	return []oddKey{
		{"key-plus", "a +", "a+b", 0, kept, lost},
		{"key-blank", "a blank", "a b", 0, kept, lost},
		{"key-percent-2f", "%2F", "a%2Fb", 0, kept, lost},
		{"key-double-slash", "a//b", "a//b", 0, never, ""},
		{"key-dot-dot", "a/../b", "a/../b", 0, never, ""},
		{"key-control", "a control character", "a\x01b", 0, append(kept, meaning{seen: "refused", follows: control}), lost},
		{"key-850", "850 bytes", "k", longestKey, kept, lost},
		{"key-851", "851 bytes", "k", longestKey + 1, []meaning{
			{seen: "refused", follows: "nothing: the gateway refuses longer names itself"},
			{seen: "kept as it is", follows: "COS takes longer names than the gateway lets clients use"},
		}, "a longer key is cut: the gateway refuses such names itself"},
	}
}

// keyThemes ask what becomes of odd keys.
func keyThemes() []theme {
	t := theme{ask: askKeys}
	for _, k := range oddKeys() {
		t.questions = append(t.questions, question{
			id: k.id, asks: "What becomes of a key with " + k.what + "?", means: k.means, otherwise: k.bad,
		})
	}
	return []theme{t}
}

// askKeys stores all the keys, and then looks for each: listings lag, and one after the other would take long.
func askKeys(ctx context.Context, s *sheet) error {
	stored := map[string]*answer{}
	for _, k := range oddKeys() {
		a, err := s.do(ctx, putRequest(s.odd(k), []byte(k.id)))
		switch {
		case err != nil:
			s.unknown(k.id, err.Error())
		case a.ok():
			stored[k.id] = a
		case a.status/100 == 4 && !a.denied():
			s.seen(k.id, "refused", a)
		default:
			s.unknown(k.id, a.String(), a)
		}
	}
	began := time.Now()
	for _, k := range oddKeys() {
		if stored[k.id] == nil {
			continue
		}
		if err := s.findKey(ctx, k, began); err != nil {
			return err
		}
	}
	return nil
}

// odd is the whole key.
func (s *sheet) odd(k oddKey) string {
	key := s.key("keys/" + k.id + "/" + k.name)
	return key + strings.Repeat("k", max(0, k.length-len(key)))
}

// findKey looks under which key the object is, until ListFor after began.
func (s *sheet) findKey(ctx context.Context, k oddKey, began time.Time) error {
	key := s.odd(k)
	head, err := s.do(ctx, headRequest(key))
	if err != nil {
		return err
	}
	if head.denied() || head.status >= 500 {
		return &refusal{"HEAD", head}
	}
	dir := s.key("keys/" + k.id + "/")
	below := func(p *page) []string { // a bucket with metadata acceleration lists the directory too
		return slices.DeleteFunc(p.names(), func(name string) bool { return name == dir })
	}
	p, listed, err := s.await(ctx, listRequest(dir, "", "", 10), began, func(p *page) bool { return len(below(p)) > 0 })
	if err != nil {
		return err
	}
	if !listed {
		s.unknown(k.id, fmt.Sprintf("HEAD is answered %s, and no listing shows it", head), head, p.answer)
		return nil
	}
	found := below(p)[0]
	if head.ok() && (found == key || strings.HasSuffix(found, "/") && strings.HasPrefix(key, found)) {
		s.settle(k.id, "kept as it is", "", head, p.answer)
		return nil
	}
	s.settle(k.id, "changed", fmt.Sprintf("HEAD is answered %s, and listed is %q", head, strings.TrimPrefix(found, dir)), head, p.answer)
	return nil
}
