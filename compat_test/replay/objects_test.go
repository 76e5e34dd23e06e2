package replay

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tencentyun/cos-ftp-server/compat_test/rig"
)

// findings is what the objects at the end are like.
type findings struct {
	equal, purpose int
	wrong          []string
}

// checkObjects compares the store with what the dialogue says of the end. An upload whose client went away may
// still be on its way, so it looks again for a while.
func (r *replay) checkObjects() {
	deadline := time.Now().Add(rig.PatientTime)
	found := r.compareObjects()
	for len(found.wrong) > 0 && time.Now().Before(deadline) {
		<-time.After(20 * time.Millisecond)
		found = r.compareObjects()
	}
	r.score.objects = tally{found.equal, found.purpose, len(found.wrong)}
	for _, wrong := range found.wrong {
		r.wrong("%s", wrong)
	}
}

func (r *replay) compareObjects() (f findings) {
	there := r.thereNow()
	for _, a := range r.d.objectsAfter() {
		place := "after " + a.name()
		content, exists := there[a.name()]
		delete(there, a.name())
		recorded := "there"
		if !a.upload {
			recorded = a.content
		}
		want, x := recorded, r.diffs.find(r.d.name, place)
		if x != nil {
			x.used = true
			want = strings.Join(x.ours, "")
		}
		if err := compareObject(want, content, exists); err != nil {
			ours := "absent"
			if exists {
				ours = rig.Describe(content)
			}
			f.wrong = append(f.wrong, fmt.Sprintf("%s: %v\n%s", place, err, proposal(r.d.name, place, []string{recorded}, []string{ours})))
		} else if x != nil {
			f.purpose++
		} else {
			f.equal++
		}
	}
	for name, content := range there {
		if x := r.findExtra("after " + name); x != nil {
			x.used = true
			if err := compareObject(strings.Join(x.ours, ""), content, true); err == nil {
				f.purpose++
				continue
			}
		}
		f.wrong = append(f.wrong, "not in the original's bucket:\n"+
			proposal(r.d.name, "after "+name, []string{"absent"}, []string{rig.Describe(content)}))
	}
	return f
}

// thereNow is every object, by the name that an after line would give it, and every unfinished upload.
func (r *replay) thereNow() map[string][]byte {
	there := map[string][]byte{}
	for n := range rig.AccountCount {
		for _, o := range r.store.Objects(rig.BucketName(n)) {
			there[afterLine{bucket: n, key: o.Key}.name()] = o.Data
		}
		for _, u := range r.store.Parts(n) {
			there[afterLine{bucket: n, key: u.Key, upload: true}.name()] = nil
		}
	}
	return there
}

// compareObject compares with a content expression, or with "there" and "absent".
func compareObject(want string, content []byte, exists bool) error {
	switch {
	case want == "absent" && exists:
		return fmt.Errorf("is there, with %s", rig.Describe(content))
	case want == "absent":
		return nil
	case !exists:
		return fmt.Errorf("is not there, want %s", want)
	case want == "there":
		return nil
	}
	wanted, err := rig.ParseContent(want)
	if err == nil && !bytes.Equal(wanted, content) {
		err = fmt.Errorf("has %s, want %s", rig.Describe(content), want)
	}
	return err
}

// findExtra looks for an object that only ours makes; its name may vary where the list has a *.
func (r *replay) findExtra(place string) *difference {
	i := slices.IndexFunc(r.diffs.list, func(x *difference) bool {
		if x.scenario != r.d.name || !slices.Equal(x.original, []string{"absent"}) {
			return false
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(x.place), `\*`, `.*`)
		return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(place)
	})
	if i < 0 {
		return nil
	}
	return r.diffs.list[i]
}
