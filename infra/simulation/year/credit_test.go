package year

import (
	"maps"
	"slices"

	"loophub/shared/attribution"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// settle does what the attribution stage does: step by step to what should be.
func (y *year) settle(p *person) {
	for range 1_000 {
		stored, kept := make([]attribution.Credits, len(p.members)), make([]attribution.Credits, len(p.members))
		var whole attribution.Profile
		for n, id := range p.members {
			stored[n] = p.credits[id]
			stored[n].Fragment = id
			stored[n] = stored[n].Named()
			kept[n] = stored[n].Remember(p.reported(id))
			whole.Messages, whole.Entries = append(whole.Messages, kept[n].Messages...), append(whole.Entries, kept[n].Entries...)
		}
		whole.Issues = p.issues
		for _, record := range slices.Sorted(maps.Keys(p.orders)) {
			whole.Orders = append(whole.Orders, attribution.OrderOf(p.orders[record]))
		}
		if len(p.members) == 0 {
			return
		}
		counts, outcome := attribution.Count(whole, y.windows)
		s := attribution.Plan(stored, kept, counts, outcome, 40, false)
		if s.Empty() {
			return
		}
		for _, m := range s.Members {
			m.Version++
			p.credits[m.Fragment] = m
		}
		y.counters.Merge(s.Add)
	}
	y.tb.Fatal("attribution never comes to an end")
}

// reported are messages and entries that lie under a fragment.
func (p *person) reported(id profile.ID) (messages []attribution.Message, entries []attribution.Entry) {
	for _, m := range p.messages {
		if m.Fragment == id && (m.Is(message.Sent) || m.Is(message.Unknown)) {
			messages = append(messages, attribution.Message{Engagement: attribution.Fold(p.engaged[m.ID]), Sent: attribution.Sent{ID: m.ID, Fragment: id,
				Journey: m.Journey, Variant: m.Variant, Template: m.Template, Connection: m.Connection, At: m.Claimed, Voucher: m.Voucher.Code,
				Unknown: m.Is(message.Unknown)}})
		}
	}
	for _, e := range p.entries {
		if e.Fragment == id {
			entries = append(entries, attribution.Entry{ID: e.ID, Fragment: id, Journey: e.Journey, Variant: e.Variant(), Holdout: e.Held, At: e.Began, Goal: e.Goal})
		}
	}
	return messages, entries
}
