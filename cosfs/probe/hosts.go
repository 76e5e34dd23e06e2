package probe

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// hostThemes ask each operation of each host of the bucket.
func hostThemes() []theme {
	const all = "all that the gateway does works"
	some := meaning{seen: "some of it does not work", follows: "do not set cos_endpoint or cos_region to this host"}
	none := meaning{seen: "nothing works", follows: "the host is not for this bucket, or not turned on: do not set cos_endpoint or cos_region to it"}
	var themes []theme
	for _, h := range []struct {
		name, asks string
		use        string // what follows where it does
		configured bool
	}{
		{"configured", "Does all work on the host of the configuration?", "", true},
		{"regional", "Does all work on the host of the region?", "cos_region alone leads there", false},
		{"internal", "Does all work on the internal host, which only machines in Tencent Cloud reach?",
			"cos_endpoint = cos-internal.<region>.tencentcos.cn may be used on this machine", false},
		{"accelerate", "Does all work on the host of global acceleration?", "cos_endpoint = cos.accelerate.myqcloud.com may be used", false},
	} {
		q := question{id: "host-" + h.name, asks: h.asks, means: []meaning{{seen: all, follows: h.use}, some, none}}
		if h.configured { // where nothing works there, nothing is asked
			q.means = []meaning{{seen: all}, {seen: some.seen, follows: "choose another cos_endpoint or cos_region", wrong: true}}
		}
		themes = append(themes, theme{questions: []question{q}, ask: func(ctx context.Context, s *sheet) error {
			return askHost(ctx, s, h.name)
		}})
	}
	return themes
}

// plainRegion is a region as COS names it: neither a host nor a name of COS version 4.
var plainRegion = regexp.MustCompile(`^[a-z]+-[a-z]+(-[a-z0-9]+)*$`)

// hostOf is the bucket's host of that name; "" where it is not known.
func (c *client) hostOf(name string) string {
	switch {
	case name == "configured":
		return c.Host
	case name == "accelerate":
		return c.Bucket + ".cos.accelerate.myqcloud.com"
	case !plainRegion.MatchString(c.Region):
		return ""
	case name == "internal":
		return c.Bucket + ".cos-internal." + c.Region + ".tencentcos.cn"
	}
	return c.Bucket + ".cos." + c.Region + ".myqcloud.com"
}

func askHost(ctx context.Context, s *sheet, name string) error {
	id, host := "host-"+name, s.hostOf(name)
	switch {
	case host == "":
		s.skip(id, "cos_region names no region, so the host is not known")
		return nil
	case name != "configured" && host == s.Host:
		s.skip(id, "it is the host of the configuration")
		return nil
	}
	answers, err := s.operate(ctx, "host-"+name, host)
	if err != nil && len(answers) == 0 && ctx.Err() == nil && name != "configured" {
		s.skip(id, host+" cannot be reached from here: "+err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	s.settleHost(id, host, answers)
	return nil
}

// settleHost sums up the answers. What the key may not do says nothing about the host.
func (s *sheet) settleHost(id, host string, answers map[string]*answer) {
	var works, fails []string
	var by *answer
	for _, o := range operations {
		switch a := answers[o.action]; {
		case a == nil || a.denied() && (a.code == "" || a.code == "AccessDenied"):
		case a.ok():
			works = append(works, o.action)
			if by == nil {
				by = a
			}
		default:
			fails = append(fails, fmt.Sprintf("%s is answered %s", o.action, a))
			by = a
		}
	}
	word := "all that the gateway does works"
	switch {
	case len(works) == 0 && len(fails) == 0:
		s.unknown(id, "the key may do nothing there", by)
		return
	case len(works) == 0 && by.id == "":
		s.skip(id, "it is not COS that answers at "+host+": "+strings.Join(fails, "; "))
		return
	case len(works) == 0:
		word = "nothing works"
	case len(fails) > 0:
		word = "some of it does not work"
	}
	slices.Sort(fails)
	if s.Address != "" {
		host += " at cos_address"
	}
	s.settle(id, word, strings.Join(append([]string{host}, fails...), "; "), by)
}
