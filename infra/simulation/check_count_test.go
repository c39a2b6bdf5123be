package simulation

import (
	"maps"
	"slices"

	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// countersAreRecounted: what messages and journeys brought is what counting everything anew gives.
func (c *checking) countersAreRecounted() {
	told := map[string][]events.Fact{}
	for _, f := range c.now.Facts {
		if f.Kind == events.Engagement {
			told[f.Record] = append(told[f.Record], f)
		}
	}
	var all []attribution.Profile
	for _, group := range c.persons() {
		all = append(all, c.counted(ids(group), told))
	}
	want, is := attribution.Recount(all, attribution.WindowsOf(c.Workspace)), c.now.Counters
	for k := range maps.Keys(merged(want, is)) {
		if want[k] != is[k] {
			c.wrong(2, "the counter %v shows %d; counted anew it is %d", k, is[k], want[k])
		}
	}
}

func merged(a, b attribution.Counts) attribution.Counts {
	m := maps.Clone(a)
	if m == nil {
		m = attribution.Counts{}
	}
	maps.Copy(m, b)
	return m
}

// counted is everything of a profile that counts.
func (c *checking) counted(members []profile.ID, told map[string][]events.Fact) (p attribution.Profile) {
	for _, m := range c.messages() {
		if !slices.Contains(members, m.Fragment) || !m.Is(message.Sent) && !m.Is(message.Unknown) {
			continue
		}
		sent := attribution.Sent{ID: m.ID, Fragment: m.Fragment, Journey: m.Journey, Variant: m.Variant, Template: m.Template,
			Connection: m.Connection, At: m.Claimed, Voucher: m.Voucher.Code, Unknown: m.Is(message.Unknown)}
		became := attribution.Fold(told[string(m.Fragment)+"."+m.ID])
		p.Messages = append(p.Messages, attribution.Message{Sent: sent, Engagement: became})
	}
	for _, e := range c.now.Entries {
		if slices.Contains(members, e.Fragment) {
			p.Entries = append(p.Entries, attribution.Entry{ID: e.ID, Fragment: e.Fragment, Journey: e.Journey, Variant: e.Variant(),
				At: e.Began, Goal: e.Goal})
		}
	}
	since, any := p.Since()
	if !any {
		return p
	}
	for _, id := range members {
		orders := slices.AppendSeq(slices.Clone(c.now.Profiles.Fragments[id].State.Recent), maps.Values(c.now.Profiles.Older[id]))
		for _, o := range orders {
			if o.At >= since {
				p.Orders = append(p.Orders, attribution.OrderOf(o))
			}
		}
	}
	for _, code := range p.Codes() {
		if i := c.now.Issued[code]; i.To.At > 0 && slices.Contains(members, i.To.Fragment) {
			p.Issues = append(p.Issues, attribution.Issue{Code: code, Fragment: i.To.Fragment, Journey: i.To.Journey,
				Variant: i.To.Variant, At: i.To.At})
		}
	}
	return p
}
