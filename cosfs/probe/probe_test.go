package probe

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// seenOnce are the answers that the variants have shown, as "id: word".
type seenOnce struct {
	mu    sync.Mutex
	words map[string]Verdict
}

// TestEveryAnswer: each meaning of each question is seen on a store that behaves so, no other question turns wrong there,
// and nothing stays in the store.
func TestEveryAnswer(t *testing.T) {
	usual, err := probe(t, t.Context(), variant{}.start(t).options)
	if err != nil {
		t.Fatal(err)
	}
	seen := &seenOnce{words: map[string]Verdict{}}
	t.Run("variants", func(t *testing.T) {
		for _, v := range variants() {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				v.check(t, usual, seen)
			})
		}
	})
	for _, q := range allQuestions() {
		seen.check(t, q)
	}
}

func (v variant) check(t *testing.T, usual map[string]Result, seen *seenOnce) {
	r := v.start(t)
	results, err := probe(t, t.Context(), r.options)
	if err != nil && v.fails == "" || v.fails != "" && !strings.Contains(fmt.Sprint(err), v.fails) {
		t.Errorf("Run: %v", err)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left in the store: %q", left)
	}
	for id, result := range results {
		want, turns := v.turns[id]
		switch {
		case turns && want == "":
			if result.Verdict == OK || result.Verdict == Wrong {
				t.Errorf("want no answer: %v", result)
			}
		case turns && word(result) != want:
			t.Errorf("want %q: %v", want, result)
		case !turns && result.Verdict == Wrong,
			!turns && !v.others && word(result) != word(usual[id]):
			t.Errorf("turns unasked: %v", result)
		}
		if result.Verdict == OK || result.Verdict == Wrong {
			seen.add(id, word(result), result.Verdict)
		}
	}
}

func (s *seenOnce) add(id, word string, verdict Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words[id+": "+word] = verdict
}

// check finds what no variant has shown of a question.
func (s *seenOnce) check(t *testing.T, q *question) {
	known := map[string]bool{}
	for _, m := range q.means {
		known[q.id+": "+m.seen] = true
		if _, shown := s.words[q.id+": "+m.seen]; !shown {
			t.Errorf("%s: no variant shows %q", q.id, m.seen)
		}
	}
	shown := 0
	for word := range s.words {
		if strings.HasPrefix(word, q.id+": ") {
			shown++
			known["otherwise"] = known["otherwise"] || !known[word]
		}
	}
	if q.otherwise != "" && !known["otherwise"] {
		t.Errorf("%s: no variant shows another answer than %s", q.id, q.expected())
	}
	if shown < 2 {
		t.Errorf("%s: is seen one way only", q.id)
	}
}

func allQuestions() (all []*question) {
	for _, t := range themes() {
		for i := range t.questions {
			all = append(all, &t.questions[i])
		}
	}
	return all
}

// TestTable: questions have names of their own, and the results come in the order of the table.
func TestTable(t *testing.T) {
	var want, got []string
	for _, q := range allQuestions() {
		if slices.Contains(want, q.id) {
			t.Errorf("two questions are called %s", q.id)
		}
		want = append(want, q.id)
		if q.asks == "" || len(q.means) == 0 || !strings.HasSuffix(q.asks, "?") {
			t.Errorf("%s is no whole question", q.id)
		}
		for _, m := range q.means {
			if m.wrong && m.follows == "" {
				t.Errorf("%s: nothing follows from %q", q.id, m.seen)
			}
		}
	}
	r := variant{}.start(t)
	if err := Run(t.Context(), r.options, func(result Result) { got = append(got, result.ID) }); err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("results of %q, want %q", got, want)
	}
}

// TestDocs: the table of docs/buckets.md has, in both languages, every question, and no others.
func TestDocs(t *testing.T) {
	pattern := regexp.MustCompile("`([a-z]+(?:-[a-z]+)*(?:-\\*)?)`")
	for _, name := range []string{"buckets.md", "buckets.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		var patterns []string
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "| `") && strings.Contains(line, "-*`") {
				first, _, _ := strings.Cut(line[2:], "|")
				for _, m := range pattern.FindAllStringSubmatch(first, -1) {
					patterns = append(patterns, m[1])
				}
			}
		}
		used := map[string]bool{}
		for _, q := range allQuestions() {
			i := slices.IndexFunc(patterns, func(p string) bool { ok, _ := path.Match(p, q.id); return ok })
			if i < 0 {
				t.Errorf("%s has no line for %s", name, q.id)
				continue
			}
			used[patterns[i]] = true
		}
		for _, p := range patterns {
			if !used[p] {
				t.Errorf("%s: no question is called %s", name, p)
			}
		}
	}
}
