package probe

import "context"

// overwriteThemes ask whether x-cos-forbid-overwrite protects an object.
func overwriteThemes() []theme {
	var themes []theme
	for _, o := range []struct{ name, operation string }{{"put", "PUT"}, {"copy", "Copy"}, {"complete", "Complete"}} {
		themes = append(themes, theme{
			questions: []question{{
				id: "forbid-overwrite-" + o.name, asks: "Does " + o.operation + " with x-cos-forbid-overwrite refuse to replace an object?",
				means: []meaning{
					{seen: "409 FileAlreadyExists", follows: "what another writer stored meanwhile stays"},
					{seen: "ignored in a bucket with versions", follows: "what another writer stored meanwhile becomes an older version"},
					{seen: "ignored", follows: "a directory that is renamed, and a first upload, may replace what another writer stored", wrong: true},
				},
				otherwise: "the gateway does not know this answer and reports a failure where there is an object",
			}},
			ask: func(ctx context.Context, s *sheet) error { return askOverwrite(ctx, s, o.name) },
		})
	}
	return themes
}

func askOverwrite(ctx context.Context, s *sheet, name string) error {
	key := s.key("overwrite/" + name)
	// The first one shows that the operation works, so that what is answered to the second is about the header.
	first, err := s.replacing(ctx, key, name, "first")
	if err != nil {
		return err
	}
	if _, err := s.need(ctx, "the first "+name, first); err != nil {
		return err
	}
	second, err := s.replacing(ctx, key, name, "second")
	if err != nil {
		return err
	}
	second.header.Set(forbidOverwrite, "true")
	a, err := s.do(ctx, second)
	switch {
	case err != nil || a.denied() || a.status >= 500:
		return orRefusal("the second "+name, a, err)
	case !a.ok():
		s.settle("forbid-overwrite-"+name, a.String(), "", a)
		return nil
	}
	word := "ignored"
	if versioned, _, err := s.versioned(ctx); err == nil && versioned {
		word = "ignored in a bucket with versions"
	}
	s.seen("forbid-overwrite-"+name, word, a)
	return nil
}

// replacing is the request of that name that stores an object.
func (s *sheet) replacing(ctx context.Context, key, name, content string) (request, error) {
	switch name {
	case "copy":
		_, err := s.need(ctx, "PUT", putRequest(key+"-source", []byte(content)))
		return copyRequest(key, s.Host, key+"-source"), err
	case "complete":
		id, etags, err := s.uploaded(ctx, key, []byte(content))
		return completeRequest(key, id, etags...), err
	}
	return putRequest(key, []byte(content)), nil
}
