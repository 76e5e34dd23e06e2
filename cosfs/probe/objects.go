package probe

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// objectThemes ask about deletions and about objects that can be appended to.
func objectThemes() []theme {
	const unknown = "the gateway takes this for an answer of somebody else and asks again"
	const copied = "such a file, which another program made, can be renamed"
	const refused = "such a file, which another program made, cannot be "
	return []theme{
		{questions: []question{
			{id: "delete-status", asks: "With which status is DELETE answered?", means: []meaning{{seen: "204"}}, otherwise: unknown},
			{id: "delete-missing", asks: "With which status is DELETE of a name answered that is not there?", means: []meaning{
				{seen: "204", follows: "a deletion may be repeated"},
				{seen: "404 NoSuchKey", follows: "a deletion may be repeated: the gateway looks whether the object is gone"},
			}, otherwise: unknown},
		}, ask: askDelete},
		{questions: []question{
			{id: "append-new", asks: "Does the bucket take appendable objects?", means: []meaning{
				{seen: "yes", follows: "nothing: the gateway appends by multipart uploads"},
				{seen: "no", follows: "nothing: the gateway appends by multipart uploads"},
			}},
			{id: "append-copy", asks: "Can an appendable object be copied?", means: []meaning{
				{seen: "yes", follows: copied},
				{seen: "no", follows: refused + "renamed"},
			}},
			{id: "append-part-copy", asks: "Can an appendable object be copied as a part?", means: []meaning{
				{seen: "yes", follows: "APPE to such a file works"},
				{seen: "no", follows: refused + "appended to by APPE"},
			}},
			{id: "append-replaced", asks: "Does PUT make an ordinary object of an appendable one?", means: []meaning{
				{seen: "yes", follows: "a file that was stored anew can be renamed and appended to"},
				{seen: "no", follows: "delete such a file before you store it anew"},
			}},
		}, ask: askAppend},
	}
}

func askDelete(ctx context.Context, s *sheet) error {
	key := s.key("objects/deleted")
	if _, err := s.need(ctx, "PUT", putRequest(key, []byte("data"))); err != nil {
		return err
	}
	for _, id := range []string{"delete-status", "delete-missing"} {
		r := deleteRequest(key)
		r.once = true
		a, err := s.do(ctx, r)
		if err != nil || a.status >= 500 || a.denied() {
			return orRefusal("DELETE", a, err)
		}
		s.settle(id, a.String(), "", a)
	}
	return nil
}

func askAppend(ctx context.Context, s *sheet) error {
	key, body := s.key("objects/appendable"), data(9, s.source)
	made, err := s.do(ctx, request{
		method: http.MethodPost, key: key, body: body, once: true,
		query: url.Values{"append": {""}, "position": {"0"}},
	})
	if err != nil || made.status == http.StatusServiceUnavailable {
		return orRefusal("Append", made, err)
	}
	next := made.header.Get("x-cos-next-append-position")
	if !made.ok() || next != strconv.Itoa(len(body)) {
		s.seen("append-new", "no", made)
		for _, id := range []string{"append-copy", "append-part-copy", "append-replaced"} {
			s.skip(id, "there is no appendable object to ask about")
		}
		return nil
	}
	s.seen("append-new", "yes", made)
	a, err := s.do(ctx, copyRequest(s.key("objects/appendable-copy"), s.Host, key))
	if err := s.possible("append-copy", a, err); err != nil {
		return err
	}
	target := s.key("objects/appendable-parts")
	id, _, err := s.begin(ctx, target)
	if err != nil {
		return err
	}
	a, err = s.do(ctx, partCopyRequest(target, id, 1, s.Host, key))
	if err := s.possible("append-part-copy", a, err); err != nil {
		return err
	}
	return askReplaced(ctx, s, key)
}

// possible settles a question by whether a request succeeded.
func (s *sheet) possible(id string, a *answer, err error) error {
	switch {
	case err != nil || a.status >= 500 || a.denied():
		return orRefusal("the copy", a, err)
	case a.ok():
		s.seen(id, "yes", a)
	default:
		s.seen(id, "no", a)
	}
	return nil
}

func askReplaced(ctx context.Context, s *sheet, key string) error {
	if _, err := s.need(ctx, "PUT", putRequest(key, []byte("data"))); err != nil {
		return err
	}
	head, err := s.need(ctx, "HEAD", headRequest(key))
	if err != nil {
		return err
	}
	word := "yes"
	if head.header.Get("x-cos-object-type") == "appendable" {
		word = "no"
	}
	s.settle("append-replaced", word, "", head)
	return nil
}
