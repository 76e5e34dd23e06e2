package probe

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

var signedAhead = []time.Duration{30 * time.Second, 60 * time.Second, 300 * time.Second}

func aheadID(d time.Duration) string { return fmt.Sprintf("signature-in-%ds", int(d.Seconds())) }

// signingThemes ask how far a clock may be ahead of COS's.
func signingThemes() []theme {
	t := theme{ask: askSigning}
	for _, d := range signedAhead {
		total := d + clockAhead
		t.questions = append(t.questions, question{
			id: aheadID(d), asks: fmt.Sprintf("Is a signature taken that begins in %v by COS's clock?", d), means: []meaning{
				{seen: "yes", follows: fmt.Sprintf("the clock of the gateway's machine may be %v ahead, as it signs from a minute ago", total)},
				{seen: "no", follows: fmt.Sprintf("a machine whose clock is %v ahead is refused once; the gateway signs by COS's clock then", total)},
			},
		})
	}
	return []theme{t}
}

func askSigning(ctx context.Context, s *sheet) error {
	for _, d := range signedAhead {
		// COS's time, and not this machine's: what is asked is COS's tolerance.
		now, err := s.do(ctx, request{method: http.MethodHead})
		if err != nil {
			return err
		}
		start := now.at()
		if start.IsZero() {
			return fmt.Errorf("COS does not tell its time: %w", &refusal{"HEAD Bucket", now})
		}
		r := listRequest(s.base, "/", "", 1)
		proof, err := s.need(ctx, "LIST", r)
		if err != nil {
			return err
		}
		r.signed = start.Add(d)
		a, err := s.do(ctx, r)
		switch {
		case err != nil || a.status >= 500:
			return orRefusal("LIST", a, err)
		case a.ok():
			s.seen(aheadID(d), "yes", a)
		case a.denied():
			s.seen(aheadID(d), "no", a)
		default:
			s.unknown(aheadID(d), a.String(), proof, a)
		}
	}
	return nil
}
