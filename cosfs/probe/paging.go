package probe

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// pagingThemes ask whether a listing in small pages shows all.
func pagingThemes() []theme {
	t := theme{ask: askPages}
	t.questions = append(t.questions, question{
		id: "list-levels", asks: "Does LIST without a delimiter show all levels?", means: []meaning{
			{seen: "yes", follows: "directories with directories in them can be renamed by copying"},
			{seen: "no", follows: "the bucket has metadata acceleration: directories are renamed in one step, not by copying"},
		},
	})
	for _, c := range pageCases {
		t.questions = append(t.questions, question{
			id: c.id(), asks: fmt.Sprintf("Does LIST with max-keys %d and %s show each name once and in order?", c.limit, c.with()),
			means:     []meaning{{seen: "yes"}},
			otherwise: "listings of directories with more than 1000 names lose names, repeat them or fail",
		})
	}
	return []theme{t}
}

type pageCase struct {
	delimiter string
	limit     int
}

var pageCases = []pageCase{{"", 1}, {"", 2}, {"/", 1}, {"/", 2}}

func (c pageCase) id() string {
	id := "list-pages-of-" + strconv.Itoa(c.limit)
	if c.delimiter != "" {
		id += "-delimiter"
	}
	return id
}

func (c pageCase) with() string {
	if c.delimiter == "" {
		return "no delimiter"
	}
	return "a delimiter"
}

var tree = []string{"a", "b/1", "b/2", "c d", "c+d", "e/1", "f"}

func askPages(ctx context.Context, s *sheet) error {
	for _, name := range tree {
		if _, err := s.need(ctx, "PUT", putRequest(s.key("tree/"+name), []byte(name))); err != nil {
			return err
		}
	}
	// A bucket with metadata acceleration lists one level: a name more below b/ and e/ for each prefix.
	all, listed, err := s.await(ctx, listRequest(s.key("tree/"), "", "", maxPage), time.Now(), func(p *page) bool {
		return len(p.Contents) == len(tree) || len(p.Prefixes) > 0 && len(p.names()) >= 6
	})
	if err != nil {
		return err
	}
	if !listed {
		return fmt.Errorf("after %v a listing shows %d of %d names", s.ListFor, len(all.names()), len(tree))
	}
	word := "yes"
	if len(all.Prefixes) > 0 {
		word = "no"
	}
	s.settle("list-levels", word, "", all.answer)
	for _, c := range pageCases {
		if err := s.askPaged(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// askPaged compares a listing in small pages with one in a single page.
func (s *sheet) askPaged(ctx context.Context, c pageCase) error {
	whole, err := s.list(ctx, listRequest(s.key("tree/"), c.delimiter, "", maxPage))
	if err != nil {
		return err
	}
	want := whole.names()
	slices.Sort(want)
	var got []string
	for marker := ""; ; {
		p, err := s.list(ctx, listRequest(s.key("tree/"), c.delimiter, marker, c.limit))
		if err != nil {
			return err
		}
		names := p.names()
		slices.Sort(names)
		got = append(got, names...)
		switch {
		case len(names) > c.limit:
			s.settle(c.id(), "too many", fmt.Sprintf("%d names in a page", len(names)), p.answer)
			return nil
		case p.IsTruncated && p.NextMarker == "":
			s.settle(c.id(), "no NextMarker", fmt.Sprintf("after %d of %d names", len(got), len(want)), p.answer)
			return nil
		case !p.IsTruncated || len(got) > len(want):
			word := "yes"
			if !slices.Equal(got, want) {
				word = "no"
			}
			s.settle(c.id(), word, fmt.Sprintf("%d names, %d expected", len(got), len(want)), p.answer)
			return nil
		}
		marker = p.NextMarker
	}
}
