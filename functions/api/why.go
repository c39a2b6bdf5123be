package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// The shapes of openapi.yaml.

type why struct {
	Profile profile.ID `json:"profile"`
	Segment string     `json:"segment"`
	About   string     `json:"about"`
	When    string     `json:"when"`
	grounds
	In      bool     `json:"in"`
	Next    *string  `json:"next"`
	Clauses []clause `json:"clauses"`
}

type clause struct {
	Text    string `json:"text"`
	Value   bool   `json:"value"`
	Decided bool   `json:"decided"`
	Saw     []saw  `json:"saw"`
}

type saw struct {
	Text    string   `json:"text"`
	Value   string   `json:"value"`
	Records []string `json:"records"`
	Facts   []string `json:"facts"`
}

// why decides whether a profile is or was in a segment of the definition that
// counts, and says what each clause of the rule saw; or says what a journey did
// with it, or what became of a message.
func (h *handling) why(ctx context.Context) (any, error) {
	q, err := h.query("segment", "journey", "message", "at")
	if err != nil {
		return nil, err
	}
	at, err := h.asOf(q["at"])
	if err != nil {
		return nil, err
	}
	delete(q, "at")
	if len(q) != 1 {
		return nil, badRequest("name a segment of the workspace's definition as ?segment=, a journey as ?journey=, or a message of the profile as ?message=")
	}
	if name := q["journey"]; name != "" {
		return h.whyJourney(ctx, name, at)
	}
	if q["message"] != "" {
		return h.whyMessage(ctx, q["message"], at)
	}
	return h.whySegment(ctx, q["segment"], at)
}

func (h *handling) whySegment(ctx context.Context, name string, at asOf) (any, error) {
	d, ok := h.workspace.Segments[name]
	if !ok {
		return nil, notFound("there is no such segment in the workspace's definition")
	}
	s, err := compile(d, h.workspace.Zone)
	if err != nil {
		return nil, err
	}
	p, err := h.person(ctx, at)
	if err != nil {
		return nil, err
	}
	w := why{Profile: p.id(), Segment: s.Name, About: s.About, When: s.When, grounds: p.grounds(), Clauses: []clause{}}
	if !p.known() {
		return w, nil // nobody was there to be in it, whatever the rule says of who has nothing
	}
	r, err := h.evaluate(ctx, s, p)
	if err != nil {
		return nil, fmt.Errorf("deciding segment %s: %w", s.Name, err)
	}
	w.In = r.In
	if !r.Next.IsZero() {
		w.Next = new(stamp(r.Next.UnixMilli()))
	}
	w.Clauses, err = h.clauses(ctx, p, r.Why)
	return w, err
}

func compile(d workspace.Segment, zone string) (segment.Segment, error) {
	z, err := time.LoadLocation(zone)
	if err != nil {
		return segment.Segment{}, fmt.Errorf("loading the workspace's zone: %w", err)
	}
	s, err := segment.Compile(d.Name, segment.Definition{About: d.About, When: d.When}, z)
	if err != nil { // it was checked when it was applied: by another version
		return s, fmt.Errorf("reading the rule of segment %s: %w", d.Name, err)
	}
	return s, nil
}

// evaluate decides, and once more with older orders where the rule reaches beyond
// those that fragments carry.
func (h *handling) evaluate(ctx context.Context, s segment.Segment, p *person) (segment.Result, error) {
	r, err := segment.Evaluate(s, p.view, p.at)
	if err != nil || r.Older.IsZero() {
		return r, err
	}
	v, err := h.withOlder(ctx, p.view, p.members, r.Older)
	if err != nil {
		return r, err
	}
	return segment.Evaluate(s, v, p.at)
}

// clauses writes what clauses saw, and the facts that it came from.
func (h *handling) clauses(ctx context.Context, p *person, l []segment.Clause) ([]clause, error) {
	out := []clause{}
	for _, c := range l {
		one := clause{Text: c.Text, Value: c.Value, Decided: c.Decided, Saw: []saw{}}
		for _, x := range c.Saw {
			s := saw{x.Text, x.Value, append([]string{}, x.Records...), []string{}}
			for _, record := range x.Records {
				facts, err := h.said(ctx, p, record)
				if err != nil {
					return nil, err
				}
				for _, f := range holding(facts) {
					s.Facts = append(s.Facts, f.ID())
				}
			}
			one.Saw = append(one.Saw, s)
		}
		out = append(out, one)
	}
	return out, nil
}

// maxSaid bounds how many records are read to name their facts.
const maxSaid = 100

// said are the facts of a record that are or were known; none where too many
// records were read for the answer already.
func (h *handling) said(ctx context.Context, p *person, record string) ([]events.Fact, error) {
	facts, read := p.facts[record]
	if read || len(p.facts) >= maxSaid {
		return facts, nil
	}
	facts, err := h.hub.Facts(ctx, record)
	if err != nil {
		return nil, fmt.Errorf("reading facts: %w", err)
	}
	p.facts[record] = facts
	return facts, nil
}

// maxHolding is how many facts of one record are named.
const maxHolding = 4

// holding are the facts by which a record says what it says: those of which a
// field still counts, newest first.
func holding(facts []events.Fact) []events.Fact {
	state := profile.Join(facts...)
	l := slices.DeleteFunc(slices.Clone(facts), func(f events.Fact) bool {
		for name, v := range f.Fields {
			if state[name] == (profile.Register{Version: f.Version, At: f.At, Rank: f.Rank, Value: v}) {
				return false
			}
		}
		return true
	})
	slices.SortFunc(l, func(a, b events.Fact) int {
		return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(b.Received, a.Received), cmp.Compare(a.ID(), b.ID()))
	})
	return l[:min(len(l), maxHolding)]
}
