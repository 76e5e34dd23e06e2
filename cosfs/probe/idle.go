package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"time"
)

// idleThemes ask how long COS keeps a connection that nobody uses, one connection for each time, side by side.
func idleThemes() []theme {
	var themes []theme
	for i, nominal := range []string{"25s", "35s", "65s"} {
		means := []meaning{
			{seen: "open", follows: "nothing: the gateway closes it after 30 s"},
			{seen: "closed", follows: "nothing: the gateway closes it after 30 s"},
		}
		if i == 0 {
			means = []meaning{
				{seen: "open"},
				{seen: "closed", follows: "the gateway keeps connections for 30 s, so some requests meet a closed one and are repeated", wrong: true},
			}
		}
		themes = append(themes, theme{
			questions: []question{{id: "idle-" + nominal, asks: "Is a connection still open that was idle for " + nominal + "?", means: means}},
			ask:       func(ctx context.Context, s *sheet) error { return askIdle(ctx, s, "idle-"+nominal, s.Idle[i]) },
		})
	}
	return themes
}

func askIdle(ctx context.Context, s *sheet, id string, rest time.Duration) error {
	by := s.connection()
	defer by.CloseIdleConnections()
	r := request{method: http.MethodHead, by: by}
	if _, err := s.do(ctx, r); err != nil {
		return err
	}
	if err := sleep(ctx, rest); err != nil {
		return err
	}
	reused := false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	})
	r.once = true
	a, err := s.do(traced, r)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("the request after it: %w", err)
	case a.status >= 500:
		return errors.New("the request after it is answered " + a.String())
	case reused:
		s.settle(id, "open", "", a)
	default:
		s.settle(id, "closed", "", a)
	}
	return nil
}
