package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// question is a row of the table. What is seen is one of its meanings; any other answer is wrong where otherwise says
// what follows from it, and else settles nothing.
type question struct {
	id        string
	asks      string // in plain words
	means     []meaning
	otherwise string
}

// meaning is one answer and what follows from it for the gateway or the operator.
type meaning struct {
	seen, follows string
	wrong         bool
}

func (q *question) expected() string {
	var words []string
	for _, m := range q.means {
		if !m.wrong {
			words = append(words, m.seen)
		}
	}
	return strings.Join(words, ", or ")
}

// judge gives the verdict on what was seen.
func (q *question) judge(seen string) (Verdict, string) {
	for _, m := range q.means {
		switch {
		case m.seen != seen:
		case m.wrong:
			return Wrong, m.follows
		default:
			return OK, cmp.Or(m.follows, "nothing: it is as the gateway takes it to be")
		}
	}
	if q.otherwise != "" {
		return Wrong, q.otherwise
	}
	return Unknown, ""
}

// theme is questions that one course of requests answers.
type theme struct {
	questions []question
	ask       func(ctx context.Context, s *sheet) error
}

// sheet is where a theme writes its answers, and by what it asks.
type sheet struct {
	*client
	out       *output
	questions map[string]*question
}

// run asks the questions of a theme. The error is that of a crash.
func (t *theme) run(ctx context.Context, c *client, out *output) (crash error) {
	s := &sheet{client: c, out: out, questions: map[string]*question{}}
	for i := range t.questions {
		s.questions[t.questions[i].id] = &t.questions[i]
	}
	defer func() {
		if p := recover(); p != nil {
			crash = fmt.Errorf("%s and what belongs to it: panic: %v", t.questions[0].id, p)
			s.giveUp(Unknown, crash)
		}
	}()
	err := t.ask(ctx, s)
	switch {
	case ctx.Err() != nil:
		s.giveUp(Skipped, errInterrupted)
	case err != nil:
		s.giveUp(Unknown, err)
	default:
		s.giveUp(Unknown, errors.New("what it depends on was not seen"))
	}
	return nil
}

var errInterrupted = errors.New("interrupted")

// settle answers a question: what was seen, in the words of one of its meanings, details of it, and the answers of COS
// that showed it.
func (s *sheet) settle(id, seen, detail string, by ...*answer) {
	q := s.questions[id]
	verdict, follows := q.judge(seen)
	if detail != "" {
		seen += " (" + detail + ")"
	}
	s.out.put(s.result(q, seen, verdict, follows, by))
}

// seen answers a question by how COS answered a request.
func (s *sheet) seen(id, word string, by *answer) { s.settle(id, word, by.String(), by) }

// unknown says why a question could not be answered.
func (s *sheet) unknown(id, why string, by ...*answer) {
	s.out.put(s.result(s.questions[id], why, Unknown, "", by))
}

// skip says why a question was not asked.
func (s *sheet) skip(id, why string) { s.out.put(s.result(s.questions[id], why, Skipped, "", nil)) }

// giveUp answers the open questions of the sheet.
func (s *sheet) giveUp(verdict Verdict, why error) {
	var by []*answer
	if refused := new(refusal); errors.As(why, &refused) {
		by = []*answer{refused.answer}
	}
	for _, q := range s.questions {
		s.out.put(s.result(q, why.Error(), verdict, "", by))
	}
}

func (s *sheet) result(q *question, seen string, verdict Verdict, follows string, by []*answer) Result {
	r := Result{ID: q.id, Question: q.asks, Expected: q.expected(), Seen: seen, Verdict: verdict, Follows: follows}
	r.Requests = []string{} // an empty list in JSON
	for _, a := range by {
		if a != nil && a.id != "" {
			r.Requests = append(r.Requests, a.id)
		}
	}
	return r
}

// output puts results in the order of the table.
type output struct {
	emit func(Result)

	mu    sync.Mutex
	order []*question
	known map[string]Result
	next  int
}

func newOutput(all []theme, emit func(Result)) *output {
	o := &output{emit: emit, known: map[string]Result{}}
	for _, t := range all {
		for i := range t.questions {
			o.order = append(o.order, &t.questions[i])
		}
	}
	return o
}

// put takes the answer to a question, of which the first counts, and emits what is next.
func (o *output) put(r Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, already := o.known[r.ID]; already {
		return
	}
	o.known[r.ID] = r
	for o.next < len(o.order) {
		r, known := o.known[o.order[o.next].id]
		if !known {
			return
		}
		o.next++
		o.emit(r)
	}
}

// flush answers the questions that nobody asked.
func (o *output) flush(ctx context.Context) {
	why := "not asked"
	if ctx.Err() != nil {
		why = errInterrupted.Error()
	}
	s := &sheet{out: o}
	for _, q := range o.order {
		o.put(s.result(q, why, Skipped, "", nil))
	}
}
