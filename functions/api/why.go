package api

import (
	"context"
	"fmt"
	"time"

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
	At      string     `json:"at"`
	In      bool       `json:"in"`
	Next    *string    `json:"next"`
	Clauses []clause   `json:"clauses"`
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
}

// why decides now whether a profile is in a segment of the definition that
// counts, and says what each clause of the rule saw; or says what became of a message.
func (h *handling) why(ctx context.Context) (any, error) {
	q, err := h.query("segment", "journey", "message")
	if err != nil {
		return nil, err
	}
	if len(q) != 1 {
		return nil, badRequest("name a segment of the workspace's definition as ?segment=, a journey as ?journey=, or a message of the profile as ?message=")
	}
	if name := q["journey"]; name != "" {
		return h.whyJourney(ctx, name)
	}
	if q["message"] != "" {
		return h.whyMessage(ctx, q["message"])
	}
	d, ok := h.workspace.Segments[q["segment"]]
	if !ok {
		return nil, notFound("there is no such segment in the workspace's definition")
	}
	s, err := compile(d, h.workspace.Zone)
	if err != nil {
		return nil, err
	}
	members, err := h.one(ctx)
	if err != nil {
		return nil, err
	}
	identities, err := h.identities(ctx, members)
	if err != nil {
		return nil, err
	}
	v := segment.Combine(members, identities, h.rules.Limits)
	r, err := h.evaluate(ctx, s, v, members)
	if err != nil {
		return nil, fmt.Errorf("deciding segment %s: %w", s.Name, err)
	}
	return whyOf(s, v.ID, h.now, r), nil
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
func (h *handling) evaluate(ctx context.Context, s segment.Segment, v segment.View, members []profile.Fragment) (segment.Result, error) {
	r, err := segment.Evaluate(s, v, h.now)
	if err != nil || r.Older.IsZero() {
		return r, err
	}
	if v, err = h.withOlder(ctx, v, members, r.Older); err != nil {
		return r, err
	}
	return segment.Evaluate(s, v, h.now)
}

func whyOf(s segment.Segment, id profile.ID, now time.Time, r segment.Result) why {
	w := why{Profile: id, Segment: s.Name, About: s.About, When: s.When, At: stamp(now.UnixMilli()), In: r.In}
	if !r.Next.IsZero() {
		next := stamp(r.Next.UnixMilli())
		w.Next = &next
	}
	w.Clauses = clausesOf(r.Why)
	return w
}

func clausesOf(l []segment.Clause) []clause {
	out := []clause{}
	for _, c := range l {
		one := clause{Text: c.Text, Value: c.Value, Decided: c.Decided, Saw: []saw{}}
		for _, x := range c.Saw {
			records := x.Records
			if records == nil {
				records = []string{}
			}
			one.Saw = append(one.Saw, saw{x.Text, x.Value, records})
		}
		out = append(out, one)
	}
	return out
}
