package probe

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// lagThemes ask how long listings lag behind.
func lagThemes() []theme {
	means := []meaning{
		{seen: "at once"},
		{seen: "soon", follows: "the gateway bridges it for what it has done itself; other clients' files show late"},
		{seen: "late", follows: "the gateway bridges 30 seconds only: a file that was just stored or deleted may be listed wrongly", wrong: true},
	}
	return []theme{{
		questions: []question{
			{id: "list-after-create", asks: "When does LIST show a new object?", means: means},
			{id: "list-after-overwrite", asks: "When does LIST show the new size of an object that was replaced?", means: means},
			{id: "list-after-delete", asks: "When does LIST no longer show a deleted object?", means: means},
		},
		ask: askLag,
	}}
}

// askLag looks from a connection of its own: the one that wrote may be led to the machine that knows best.
func askLag(ctx context.Context, s *sheet) error {
	by := s.connection()
	defer by.CloseIdleConnections()
	l := &lag{s: s, dir: s.key("lag/")}
	l.list = listRequest(l.dir, "", "", maxPage)
	l.list.by = by
	names := []string{"created", "replaced", "deleted"}
	for _, name := range names {
		if _, err := s.need(ctx, "PUT", putRequest(l.dir+name, []byte("old"))); err != nil {
			return err
		}
	}
	all, err := l.watch(ctx, map[string]func(*page) bool{
		"list-after-create": func(p *page) bool {
			return !slices.ContainsFunc(names, func(name string) bool { _, there := p.find(l.dir + name); return !there })
		},
	})
	if err != nil || !all {
		return err // the others were never there
	}
	if _, err := s.need(ctx, "PUT", putRequest(l.dir+"replaced", []byte("newer"))); err != nil {
		return err
	}
	if _, err := s.need(ctx, "DELETE", deleteRequest(l.dir+"deleted")); err != nil {
		return err
	}
	_, err = l.watch(ctx, map[string]func(*page) bool{
		"list-after-overwrite": func(p *page) bool { e, _ := p.find(l.dir + "replaced"); return e.Size == int64(len("newer")) },
		"list-after-delete":    func(p *page) bool { _, there := p.find(l.dir + "deleted"); return !there },
	})
	return err
}

type lag struct {
	s    *sheet
	dir  string
	list request
}

// watch lists until all is shown, or for ListFor, and reports whether it is.
func (l *lag) watch(ctx context.Context, shows map[string]func(*page) bool) (all bool, err error) {
	began := time.Now()
	for look := 1; ; look++ {
		p, err := l.s.list(ctx, l.list)
		if err != nil {
			return false, err
		}
		took := time.Since(began)
		for id, shown := range shows {
			if !shown(p) {
				continue
			}
			delete(shows, id)
			word := "at once"
			switch {
			case look == 1:
			case took > l.s.ListFor/2:
				word = "late"
			default:
				word = "soon"
			}
			l.s.settle(id, word, fmt.Sprintf("after %v", took.Round(100*time.Millisecond)), p.answer)
		}
		if len(shows) == 0 {
			return true, nil
		}
		if took >= l.s.ListFor {
			for id := range shows {
				l.s.settle(id, "late", fmt.Sprintf("not within %v", l.s.ListFor), p.answer)
			}
			return false, nil
		}
		if err := sleep(ctx, l.s.ListEvery); err != nil {
			return false, err
		}
	}
}
