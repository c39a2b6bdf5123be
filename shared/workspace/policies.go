package workspace

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	maxCaps = 20
	// remembered is how far back it is known what was sent to a person: no cap can
	// count over more.
	remembered = 31 * 24 * time.Hour
)

func (p *parser) policies(n *yaml.Node) Policies {
	var all Policies
	if n == nil || empty(n) {
		return all
	}
	f, ok := p.fields(n, n, "policies", "quiet_hours", "caps", "duplicates", "attribution")
	if !ok {
		return all
	}
	if n := f.node("quiet_hours"); n != nil {
		all.Quiet = p.quiet(n)
	}
	for _, n := range f.elements("caps", maxCaps) {
		c := p.limit(n)
		if i := slices.IndexFunc(all.Caps, func(o Cap) bool {
			return o.Channel == c.Channel && o.purpose() == c.purpose() && o.Within == c.Within
		}); i >= 0 {
			p.at(n, "policies: this cap is over the same messages and span as number %d; keep the one that you mean", i+1)
		}
		all.Caps = append(all.Caps, c)
	}
	all.Duplicates = f.duration("duplicates", remembered)
	if n := f.node("attribution"); n != nil {
		all.Attribution = p.attribution(n)
	}
	return all
}

func (c Cap) purpose() Purpose {
	if c.Purpose == "" {
		return Marketing
	}
	return c.Purpose
}

func (p *parser) quiet(n *yaml.Node) *Quiet {
	f, ok := p.fields(n, n, "policies: quiet_hours", "from", "to")
	if !ok {
		return nil
	}
	f.need("from", `from: "21:00"`)
	f.need("to", `to: "08:00"`)
	q := Quiet{From: f.clock("from"), To: f.clock("to")}
	if q.From != "" && q.From == q.To {
		p.at(f.node("to"), "policies: quiet hours from %s to %s would be none or all; write two different times", q.From, q.To)
	}
	return &q
}

func (p *parser) limit(n *yaml.Node) Cap {
	f, ok := p.fields(n, n, "policies: a cap", "channel", "purpose", "at_most", "within")
	if !ok {
		return Cap{}
	}
	f.need("at_most", "at_most: 3")
	f.need("within", "within: 7d")
	return Cap{
		Channel: f.name("channel"), Purpose: Purpose(f.word("purpose", purposes()...)),
		AtMost: f.number("at_most", 1, 100), Within: f.duration("within", remembered),
	}
}

func purposes() []string {
	return []string{string(Marketing), string(Transactional), string(Confirmation)}
}

func (p *parser) attribution(n *yaml.Node) Attribution {
	var a Attribution
	f, ok := p.fields(n, n, "policies: attribution", "click", "voucher")
	if !ok {
		return a
	}
	p.each(f.node("click"), "click", func(key, v *yaml.Node) {
		if empty(v) {
			p.at(key, "policies: attribution of %s lacks its span; write for example: %s: 5d", quote(key.Value), key.Value)
			return
		}
		if a.Click == nil {
			a.Click = map[string]time.Duration{}
		}
		a.Click[key.Value] = f.span(v, fmt.Sprintf("click of %s", key.Value), longest)
	})
	a.Voucher = f.duration("voucher", longest)
	return a
}
