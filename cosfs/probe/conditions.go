package probe

import (
	"context"
	"net/http"
)

// conditionThemes ask which ETags COS takes as conditions.
func conditionThemes() []theme {
	return []theme{
		{questions: copyQuestions("copy-if-match", "Copy", "renames"), ask: func(ctx context.Context, s *sheet) error {
			return s.askCopies(ctx, "copy-if-match", func(etag string) request {
				return copyRequest(s.key("conditions/copy"), s.Host, s.key("conditions/source"), "x-cos-copy-source-If-Match", etag)
			}, "conditions/source")
		}},
		{questions: copyQuestions("part-copy-if-match", "UploadPartCopy", "appending, resumed uploads and renames of more than 5 GiB"), ask: askPartCopies},
		{
			questions: []question{
				{id: "get-if-match-quoted", asks: "Does GET take the quoted ETag in If-Match?", means: []meaning{
					{seen: "taken", follows: "a download that breaks off is resumed"},
				}, otherwise: "downloads that break off are not resumed"},
				{id: "get-if-match-wrong", asks: "Does GET refuse another ETag in If-Match?", means: []meaning{
					{seen: "refused"},
				}, otherwise: "a download may be resumed with the bytes of a newer object"},
			},
			ask: askGets,
		},
	}
}

// copyQuestions are those about the condition of a kind of copy.
func copyQuestions(id, operation, use string) []question {
	const header = " in x-cos-copy-source-If-Match?"
	return []question{
		{id: id + "-quoted", asks: "Does " + operation + " take the quoted ETag of its source" + header, means: []meaning{
			{seen: "taken", follows: "it is what the gateway tries first"},
			{seen: "refused", follows: "the gateway tries the unquoted one then, and remembers it"},
		}},
		{id: id + "-unquoted", asks: "Does " + operation + " take the unquoted ETag of its source" + header, means: []meaning{
			{seen: "taken", follows: "nothing: the gateway tries it only where the quoted one is refused"},
			{seen: "refused", follows: "nothing: the quoted one is taken"},
			{seen: "refused as the quoted one is", follows: use + " fail", wrong: true},
		}},
		{id: id + "-wrong", asks: "Does " + operation + " refuse another ETag" + header, means: []meaning{
			{seen: "refused"},
		}, otherwise: use + " may take a newer source for the one that was looked at"},
	}
}

const wrongETag = "0123456789abcdef0123456789abcdef"

// taken is the word for how COS answered a request with a condition; "" where it says nothing about the condition.
func taken(a *answer) string {
	switch {
	case a.ok():
		return "taken"
	case a.status == http.StatusPreconditionFailed:
		return "refused"
	}
	return ""
}

// askCopies makes a source and copies it under each of the three conditions.
func (s *sheet) askCopies(ctx context.Context, id string, copying func(condition string) request, source string) error {
	made, err := s.need(ctx, "PUT", putRequest(s.key(source), data(2, s.source)))
	if err != nil {
		return err
	}
	seen := map[string]string{}
	for _, c := range []struct{ form, condition string }{
		{"-quoted", `"` + made.etag() + `"`}, {"-unquoted", made.etag()}, {"-wrong", `"` + wrongETag + `"`},
	} {
		a, err := s.do(ctx, copying(c.condition))
		if err != nil {
			return err
		}
		word := taken(a)
		if word == "" {
			return &refusal{"the copy", a}
		}
		if seen[c.form] = word; c.form == "-unquoted" && word == "refused" && seen["-quoted"] == word {
			word = "refused as the quoted one is"
		}
		s.seen(id+c.form, word, a)
	}
	return nil
}

func askPartCopies(ctx context.Context, s *sheet) error {
	key := s.key("conditions/parts")
	id, _, err := s.begin(ctx, key)
	if err != nil {
		return err
	}
	const source = "conditions/part-source"
	number := 0
	return s.askCopies(ctx, "part-copy-if-match", func(etag string) request {
		number++ // the same one twice is another question
		return partCopyRequest(key, id, number, s.Host, s.key(source), "x-cos-copy-source-If-Match", etag)
	}, source)
}

func askGets(ctx context.Context, s *sheet) error {
	key := s.key("conditions/get")
	made, err := s.need(ctx, "PUT", putRequest(key, []byte("0123456789")))
	if err != nil {
		return err
	}
	for id, etag := range map[string]string{"get-if-match-quoted": made.etag(), "get-if-match-wrong": wrongETag} {
		a, err := s.do(ctx, getRequest(key, "If-Match", `"`+etag+`"`, "Range", "bytes=5-"))
		if err != nil {
			return err
		}
		word := taken(a)
		if word == "" {
			return &refusal{"GET", a}
		}
		s.seen(id, word, a)
	}
	return nil
}
