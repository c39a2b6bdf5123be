package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"loophub/events"
	"loophub/shared/profile"
)

// What a profile was is reckoned from all that its records say. That is for people
// who ask about one customer, and bounded.
const (
	maxRecords = 2_000
	maxRead    = 10_000 // facts
)

func tooMuch() error {
	return &problem{status: http.StatusUnprocessableEntity, code: "too_large", message: fmt.Sprintf(
		"the profile has more than %d records or %d facts: too many to reckon what it was; ask without at, or page through its timeline", maxRecords, maxRead)}
}

// recall fills in a person as far as his facts had been received by the moment.
// Members of whom nothing had been are left out.
func (h *handling) recall(ctx context.Context, p *person) error {
	all, err := h.recorded(ctx, p.today)
	if err != nil {
		return err
	}
	var ever, then []events.Fact
	for record, facts := range all {
		p.facts[record] = slices.DeleteFunc(slices.Clone(facts), func(f events.Fact) bool { return f.Received > p.at.UnixMilli() })
		ever, then = append(ever, facts...), append(then, p.facts[record]...)
	}
	fragments, was := h.rules.Rebuild(then)
	for _, f := range p.today {
		if before, known := fragments[f.ID]; known {
			p.members = append(p.members, before)
		}
	}
	_, is := h.rules.Rebuild(ever)
	p.identities, err = h.identities(ctx, p.today)
	for id, i := range p.identities {
		i.Stops = stopsBy(p.at.UnixMilli(), i.Stops, is[id].Stops, was[id].Stops)
		p.identities[id] = i
	}
	return err
}

// recorded reads all records that may concern members, with their facts.
func (h *handling) recorded(ctx context.Context, members []profile.Fragment) (map[string][]events.Fact, error) {
	s, err := h.scroll(ctx, members, Indexed{}, maxLimit)
	if err != nil {
		return nil, err
	}
	all, read := map[string][]events.Fact{}, 0
	for {
		r, ok, err := s.next(ctx)
		if err != nil || !ok {
			return all, err
		}
		if _, twice := all[r.Record]; twice {
			continue
		}
		if len(all) == maxRecords {
			return nil, tooMuch()
		}
		facts, own := s.facts[r.Record]
		if !own {
			if facts, err = h.hub.Facts(ctx, r.Record); err != nil {
				return nil, fmt.Errorf("reading facts: %w", err)
			}
		}
		if read += len(facts); read > maxRead {
			return nil, tooMuch()
		}
		all[r.Record] = facts
	}
}

// stopsBy are the withdrawals that lay on an address by a moment: those that the
// profile's own facts had put there by then, and such as only somebody else's facts
// can have put there, by when they are said to have happened.
func stopsBy(at int64, stored, own, ownThen map[string]profile.Consent) map[string]profile.Consent {
	l := maps.Clone(ownThen)
	if l == nil {
		l = map[string]profile.Consent{}
	}
	for subject, c := range stored {
		if c.Withdrawn > own[subject].Withdrawn && c.Withdrawn <= at {
			l[subject] = l[subject].Join(c)
		}
	}
	return l
}
