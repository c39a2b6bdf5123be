package api

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"loophub/events"
	"loophub/shared/profile"
)

// entry is one record in a timeline.
type entry struct {
	At         string      `json:"at"`
	Connection string      `json:"connection"`
	Kind       events.Kind `json:"kind"`
	Record     string      `json:"record"`
	Summary    summary     `json:"summary"`
	FactsCount int         `json:"facts_count"`
	Facts      []fact      `json:"facts"`
}

// fact is what one delivery said.
type fact struct {
	ID         string         `json:"id"`
	At         string         `json:"at"`
	ReceivedAt string         `json:"received_at"`
	Version    int64          `json:"version"`
	Fields     map[string]any `json:"fields"`
}

// summary is what the record says now, from all its facts: of each kind the fields
// that a person wants to see first.
type summary struct {
	Number    string       `json:"number,omitempty"`
	Counted   *bool        `json:"counted,omitempty"` // the order counts for this profile
	OrderedAt string       `json:"ordered_at,omitempty"`
	Total     *int64       `json:"total,omitempty"`
	Refunded  *int64       `json:"refunded,omitempty"`
	Net       *int64       `json:"net,omitempty"`
	Currency  string       `json:"currency,omitempty"`
	Financial string       `json:"financial_status,omitempty"`
	Fulfilled string       `json:"fulfillment_status,omitempty"`
	Cancelled string       `json:"cancelled_at,omitempty"`
	Started   string       `json:"started_at,omitempty"`
	Completed string       `json:"completed_at,omitempty"`
	Form      string       `json:"form,omitempty"`
	Name      string       `json:"name,omitempty"`
	Message   string       `json:"message,omitempty"`
	Page      string       `json:"page,omitempty"`
	Op        string       `json:"op,omitempty"`
	Fragments []profile.ID `json:"fragments,omitempty"`
	By        string       `json:"by,omitempty"`
	Request   string       `json:"request,omitempty"`
	Test      bool         `json:"test,omitempty"`
	Deleted   bool         `json:"deleted,omitempty"`
}

const (
	maxFacts = 50        // of one record, newest first
	maxEntry = 256 << 10 // bytes of fields in one record's facts
)

func (s *scroll) entryOf(r Indexed, facts []events.Fact) entry {
	f := facts[0]
	e := entry{
		At: stamp(r.At), Connection: f.Connection, Kind: f.Kind, Record: f.Record,
		Summary: s.summary(facts), FactsCount: len(facts), Facts: []fact{},
	}
	facts = slices.SortedFunc(slices.Values(facts), func(a, b events.Fact) int {
		return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(b.Time(), a.Time()), cmp.Compare(a.ID(), b.ID()))
	})
	size := 0
	for _, f := range facts[:min(len(facts), maxFacts)] {
		one := fact{f.ID(), stamp(f.Time()), stamp(f.Received), f.Version, map[string]any{}}
		for name, v := range f.Fields {
			one.Fields[name] = plain(f.Kind, name, v)
			size += len(name) + len(v.String())
		}
		if len(e.Facts) > 0 && size > maxEntry {
			break
		}
		e.Facts = append(e.Facts, one)
	}
	return e
}

func (s *scroll) summary(facts []events.Fact) summary {
	state := profile.Join(facts...)
	text := func(field string) string { return state[field].Value.String() }
	date := func(field string) string {
		if ms, ok := number(state, field); ok {
			return stamp(ms)
		}
		return ""
	}
	out := summary{
		Number: text("number"), OrderedAt: date("ordered_at"), Currency: text("currency"), Financial: text("financial_status"),
		Fulfilled: text("fulfillment_status"), Cancelled: date("cancelled_at"), Started: date("started_at"), Completed: date("completed_at"),
		Form: text("form"), Name: text("name"), Message: text("message"), Page: text("page"), Request: text("request"), Test: text("test") == "true", Deleted: text("deleted") == "true",
	}
	if total, ok := number(state, "total"); ok {
		out.Total = &total
	}
	switch facts[0].Kind {
	case events.Order:
		at, _, counts := s.rules.Contribution(facts)
		out.Counted = new(counts && s.members[at])
		out.Refunded = new(refunded(state))
		if out.Total != nil {
			out.Net = new(*out.Total - *out.Refunded)
		}
	case events.Decision:
		out.Op, out.By = text("op"), text("by")
		if pair, _, ok := s.rules.Decision(latest(facts)); ok {
			out.Fragments = pair[:]
		}
	}
	return out
}

func number(state profile.Record, field string) (int64, bool) {
	n, err := strconv.ParseInt(state[field].Value.String(), 10, 64)
	return n, err == nil
}

func refunded(state profile.Record) int64 {
	sum := int64(0)
	for field := range state {
		if strings.HasPrefix(field, "refund:") {
			n, _ := number(state, field)
			sum += n
		}
	}
	return sum
}

func latest(facts []events.Fact) events.Fact {
	return slices.MaxFunc(facts, func(a, b events.Fact) int { return cmp.Compare(a.Version, b.Version) })
}
