package probe

import (
	"context"
	"strings"
)

// rightThemes ask for each action in CAM that the gateway needs, and how COS answers about a name that is not there.
func rightThemes() []theme {
	var rights []question
	for _, o := range operations {
		q := question{id: rightID(o.action), asks: "May the account's key do cos:" + o.action + "?"}
		q.means = []meaning{
			{seen: "yes"},
			{seen: "no", follows: "without it " + o.without, wrong: !o.optional},
		}
		rights = append(rights, q)
	}
	return []theme{
		{questions: rights, ask: askRights},
		{
			questions: []question{{
				id: "head-missing", asks: "How is HEAD of a name that is not there answered?",
				means: []meaning{
					{seen: "404", follows: "new files are known to be new"},
					{seen: "403", follows: "new files are stored so that they replace nothing; grant cos:GetBucket and cos:HeadObject if it is not meant so"},
				},
				otherwise: "the gateway takes it for a failure, and new files cannot be uploaded",
			}},
			ask: askMissing,
		},
	}
}

func askRights(ctx context.Context, s *sheet) error {
	answers, err := s.operate(ctx, "rights", s.Host)
	for action, a := range answers {
		switch {
		case a.ok():
			s.seen(rightID(action), "yes", a)
		case a.denied() && strings.HasSuffix(action, "Copy") && (answers["GetObject"] == nil || answers["GetObject"].denied()):
			s.unknown(rightID(action), "cos:GetObject is missing, which it takes besides", a)
		case a.denied():
			s.seen(rightID(action), "no", a)
		default:
			s.unknown(rightID(action), a.String(), a)
		}
	}
	return err
}

func askMissing(ctx context.Context, s *sheet) error {
	a, err := s.do(ctx, headRequest(s.key("missing")))
	if err != nil {
		return err
	}
	s.settle("head-missing", a.String(), "", a)
	return nil
}

// deny answers the question about a right that the key does not have.
func (o *output) deny(id string, a *answer) {
	s := &sheet{out: o, questions: map[string]*question{}}
	for _, q := range o.order {
		s.questions[q.id] = q
	}
	s.seen(id, "no", a)
}
