package probe

import (
	"context"
	"net/http"
	"time"
)

// timeThemes ask which time an object has that was uploaded in parts.
func timeThemes() []theme {
	means := []meaning{
		{seen: "that of Complete", follows: "MDTM shows when the upload ended"},
		{seen: "that of the part", follows: "MDTM shows when the last part came"},
		{seen: "that of Initiate", follows: "MDTM shows when the upload began: tools that look for newer files may miss one that took long"},
	}
	const before = "the gateway takes an object that it has just stored for an older one"
	return []theme{{
		questions: []question{
			{id: "multipart-time-head", asks: "Which Last-Modified has an object uploaded in parts, in HEAD?", means: means, otherwise: before},
			{id: "multipart-time-list", asks: "Which LastModified has an object uploaded in parts, in LIST?", means: means, otherwise: before},
		},
		ask: askTimes,
	}}
}

func askTimes(ctx context.Context, s *sheet) error {
	key := s.key("times/object")
	id, begun, err := s.begin(ctx, key)
	if err != nil {
		return err
	}
	if err := sleep(ctx, s.Apart); err != nil {
		return err
	}
	part, err := s.need(ctx, "UploadPart", partRequest(key, id, 1, []byte("part")))
	if err != nil {
		return err
	}
	if err := sleep(ctx, s.Apart); err != nil {
		return err
	}
	done, err := s.need(ctx, "Complete", completeRequest(key, id, part.etag()))
	if err != nil {
		return err
	}
	if err := sleep(ctx, s.Apart); err != nil { // so that the time of HEAD is yet another one
		return err
	}
	head, err := s.need(ctx, "HEAD", headRequest(key))
	if err != nil {
		return err
	}
	moments := []moment{
		{"that of Complete", done.at()}, {"that of the part", part.at()}, {"that of Initiate", begun.at()},
	}
	modified, err := http.ParseTime(head.header.Get("Last-Modified"))
	if err != nil {
		return err
	}
	s.settleTime("multipart-time-head", modified, moments, head)
	var listed entry
	p, there, err := s.await(ctx, listRequest(key, "", "", 1), time.Now(), func(p *page) (found bool) {
		listed, found = p.find(key)
		return found
	})
	switch {
	case err != nil:
		return err
	case !there:
		s.unknown("multipart-time-list", "no listing shows the object", p.answer)
	default:
		s.settleTime("multipart-time-list", listed.LastModified, moments, p.answer)
	}
	return nil
}

type moment struct {
	name string
	at   time.Time
}

// settleTime settles a question by the moment that a time is nearest to.
func (s *sheet) settleTime(id string, t time.Time, moments []moment, by *answer) {
	gap := moments[0].at.Sub(moments[len(moments)-1].at)
	if gap < 2*time.Second {
		s.unknown(id, "COS tells the same time of all requests", by)
		return
	}
	nearest := moments[0]
	for _, m := range moments[1:] {
		if m.at.Sub(t).Abs() < nearest.at.Sub(t).Abs() {
			nearest = m
		}
	}
	word := nearest.name
	if nearest.at.Sub(t).Abs() > gap/4+time.Second {
		word = "another one"
	}
	s.settle(id, word, t.UTC().Format(time.RFC3339)+", Initiate "+moments[2].at.UTC().Format(time.RFC3339), by)
}
