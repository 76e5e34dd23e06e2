package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

const (
	mega = 1000 * 1000
	mebi = 1 << 20
)

// partThemes ask about uploads in parts.
func partThemes() []theme {
	const looks = "the gateway looks whether its object is there"
	again := []meaning{
		{seen: "404 NoSuchUpload", follows: looks},
		{seen: "409", follows: looks},
		{seen: "400 InvalidPart", follows: looks},
		{seen: "200 NoSuchUpload", follows: looks},
		{seen: "200", follows: "a Complete whose answer was lost may be repeated"},
	}
	const strange = "the gateway takes this for a failure: an upload whose Complete was answered too late is told to the client as failed"
	twice := []meaning{
		{seen: "200", follows: "a part whose answer was lost may be sent again"},
		{seen: "409", follows: "a part whose answer was lost cannot be sent again: the upload fails, and the client must repeat it", wrong: true},
	}
	atOnce := []meaning{
		{seen: "200", follows: "a part that a proxy sends twice does no harm"},
		{seen: "409", follows: "the gateway sends the part again a little later"},
	}
	const badPart = "an upload whose part was answered too late fails"
	return []theme{
		{questions: []question{
			{id: "complete-crc", asks: "Which CRC does Complete answer?", means: crcMeanings("an upload in parts"), otherwise: badCRC},
			{id: "complete-crc-head", asks: "Which CRC does HEAD answer after Complete?", means: crcMeanings("an upload in parts"), otherwise: badCRC},
			{id: "complete-repeated", asks: "How is a second Complete of the same upload answered?", means: again, otherwise: strange},
		}, ask: askComplete},
		{questions: []question{
			{id: "complete-at-once", asks: "How is the other of two Completes at once answered?", means: again, otherwise: strange},
		}, ask: askCompleteAtOnce},
		{questions: []question{
			{id: "part-twice", asks: "How is the same part answered that is sent again?", means: twice, otherwise: badPart},
			{id: "part-twice-at-once", asks: "How is the same part answered that is sent twice at once?", means: atOnce, otherwise: badPart},
		}, ask: askPartTwice},
		{questions: []question{
			{id: "abort-status", asks: "With which status is Abort answered?", means: []meaning{{seen: "204"}},
				otherwise: "the gateway takes this for an answer of somebody else and aborts again"},
			{id: "part-after-abort", asks: "Is a part taken that comes after Abort?", means: []meaning{{seen: "no"}},
				otherwise: "a part that is late stays behind, and is billed: set a lifecycle rule for unfinished uploads"},
			{id: "abort-repeated", asks: "With which status is Abort answered where there is no upload any more?", means: []meaning{
				{seen: "404 NoSuchUpload"}, {seen: "204"},
			}, otherwise: "the gateway goes on trying to abort"},
		}, ask: askAbort},
		{questions: []question{
			{id: "part-1000000", asks: "May a part that is not the last have 1,000,000 bytes?", means: []meaning{
				{seen: "yes", follows: "nothing: the parts of the gateway have 1,048,576 bytes or more"},
				{seen: "400 EntityTooSmall", follows: "nothing: the parts of the gateway have 1,048,576 bytes or more"},
			}},
		}, ask: func(ctx context.Context, s *sheet) error { return askPartSize(ctx, s, mega) }},
		{questions: []question{
			{id: "part-1048576", asks: "May a part that is not the last have 1,048,576 bytes?", means: []meaning{{seen: "yes"}},
				otherwise: "uploads in small parts fail: set min_part_size to what COS takes"},
		}, ask: func(ctx context.Context, s *sheet) error { return askPartSize(ctx, s, mebi) }},
		{questions: []question{
			{id: "part-copy-crc", asks: "Which CRC does UploadPartCopy answer for a range?", means: crcMeanings("a copy in parts"),
				otherwise: "copies of more than 5 GiB, and appended files, are refused as damaged"},
		}, ask: askPartCopyCRC},
	}
}

const badCRC = "the gateway takes the upload for damaged, and refuses it"

// crcMeanings are what a CRC may be that of.
func crcMeanings(what string) []meaning {
	return []meaning{
		{seen: "that of the data", follows: what + " is proven whole"},
		{seen: "none", follows: what + " is compared by size and number of parts only"},
	}
}

// crcWord says of what an answer has the CRC.
func crcWord(a *answer, body []byte) string {
	switch a.crc() {
	case "":
		return "none"
	case crcOf(body):
		return "that of the data"
	}
	return "another one"
}

func askComplete(ctx context.Context, s *sheet) error {
	key, body := s.key("parts/complete"), data(3, 100_000)
	id, etags, err := s.uploaded(ctx, key, body)
	if err != nil {
		return err
	}
	complete := completeRequest(key, id, etags...)
	a, err := s.need(ctx, "Complete", complete)
	if err != nil {
		return err
	}
	s.settle("complete-crc", crcWord(a, body), "", a)
	head, err := s.need(ctx, "HEAD", headRequest(key))
	if err != nil {
		return err
	}
	s.settle("complete-crc-head", crcWord(head, body), "", head)
	a, err = s.do(ctx, complete)
	if err != nil || a.status >= 500 {
		return orRefusal("Complete", a, err)
	}
	s.settle("complete-repeated", conflict(a), a.String(), a)
	return nil
}

// conflict is the word for the answer to a repetition: of 409 the code does not matter.
func conflict(a *answer) string {
	if a.status == http.StatusConflict {
		return "409"
	}
	return a.String()
}

// orRefusal is err, or the refusal that an answer is.
func orRefusal(what string, a *answer, err error) error {
	if err != nil {
		return err
	}
	return &refusal{what, a}
}

// twice sends two requests at once.
func (s *sheet) twice(ctx context.Context, r request) (answers [2]*answer, err error) {
	r.once = true
	var errs [2]error
	var running sync.WaitGroup
	for i := range answers {
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil { // here it would end the process, and nothing would be removed
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			answers[i], errs[i] = s.do(ctx, r)
		})
	}
	running.Wait()
	for i, a := range answers {
		if errs[i] != nil || a.status >= 500 {
			return answers, orRefusal("one of two requests at once", a, errs[i])
		}
	}
	return answers, nil
}

// settleTwice settles a question by how the less successful of two requests was answered.
func (s *sheet) settleTwice(id string, answers [2]*answer) {
	first, other := answers[0], answers[1]
	if !first.ok() {
		first, other = other, first
	}
	if first.denied() {
		s.unknown(id, (&refusal{"the request", first}).Error(), first, other)
		return
	}
	if !first.ok() {
		s.settle(id, "neither succeeds", fmt.Sprintf("%s and %s", first, other), first, other)
		return
	}
	s.settle(id, conflict(other), other.String(), first, other)
}

func askCompleteAtOnce(ctx context.Context, s *sheet) error {
	key := s.key("parts/complete-at-once")
	id, etags, err := s.uploaded(ctx, key, data(4, 100_000))
	if err != nil {
		return err
	}
	answers, err := s.twice(ctx, completeRequest(key, id, etags...))
	if err != nil {
		return err
	}
	s.settleTwice("complete-at-once", answers)
	return nil
}

func askPartTwice(ctx context.Context, s *sheet) error {
	key := s.key("parts/twice")
	id, _, err := s.uploaded(ctx, key, data(5, 100_000))
	if err != nil {
		return err
	}
	r := partRequest(key, id, 1, data(5, 100_000))
	r.once = true
	a, err := s.do(ctx, r)
	if err != nil || a.status >= 500 {
		return orRefusal("UploadPart", a, err)
	}
	s.settle("part-twice", conflict(a), a.String(), a)
	answers, err := s.twice(ctx, partRequest(key, id, 2, data(6, 100_000)))
	if err != nil {
		return err
	}
	s.settleTwice("part-twice-at-once", answers)
	return nil
}

func askAbort(ctx context.Context, s *sheet) error {
	key := s.key("parts/abort")
	id, _, err := s.uploaded(ctx, key, []byte("part"))
	if err != nil {
		return err
	}
	abort := abortRequest(key, id)
	abort.once = true
	a, err := s.do(ctx, abort)
	if err != nil || a.status >= 500 {
		return orRefusal("Abort", a, err)
	}
	s.settle("abort-status", a.String(), "", a)
	late, err := s.do(ctx, partRequest(key, id, 1, []byte("late")))
	if err != nil {
		return err
	}
	word := "no"
	if late.ok() {
		word = "yes"
	}
	s.seen("part-after-abort", word, late)
	if late.ok() {
		if _, err := s.do(ctx, abort); err != nil {
			return err
		}
	}
	if a, err = s.do(ctx, abort); err != nil || a.status >= 500 {
		return orRefusal("Abort", a, err)
	}
	s.settle("abort-repeated", a.String(), "", a)
	return nil
}

// askPartSize completes an upload with a part of that size and one of some bytes.
func askPartSize(ctx context.Context, s *sheet, size int) error {
	name := "part-" + strconv.Itoa(size)
	key := s.key("parts/" + name)
	id, etags, err := s.uploaded(ctx, key, data(7, size), []byte("last"))
	if refused := new(refusal); errors.As(err, &refused) && !refused.answer.denied() && refused.what == "UploadPart" {
		s.settle(name, refused.answer.String(), "", refused.answer)
		return nil
	}
	if err != nil {
		return err
	}
	a, err := s.do(ctx, completeRequest(key, id, etags...))
	switch {
	case err != nil || a.status >= 500 || a.denied():
		return orRefusal("Complete", a, err)
	case a.ok():
		s.settle(name, "yes", "", a)
	default:
		s.settle(name, a.String(), "", a)
	}
	return nil
}

func askPartCopyCRC(ctx context.Context, s *sheet) error {
	key, source, body := s.key("parts/copied"), s.key("parts/source"), data(8, 2*s.source)
	if _, err := s.need(ctx, "PUT", putRequest(source, body)); err != nil {
		return err
	}
	id, _, err := s.begin(ctx, key)
	if err != nil {
		return err
	}
	a, err := s.need(ctx, "UploadPartCopy", partCopyRequest(key, id, 1, s.Host, source,
		"x-cos-copy-source-range", fmt.Sprintf("bytes=0-%d", s.source-1)))
	if err != nil {
		return err
	}
	s.settle("part-copy-crc", crcWord(a, body[:s.source]), "", a)
	return nil
}
