package journey

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"loophub/shared/profile"
	"loophub/shared/segment"
)

// person is a profile as it was read.
type person struct {
	members   []profile.ID
	fragments []profile.Fragment
	view      segment.View
	segments  []string // that it is in
}

// person reads the profile that a fragment belongs to. ok is false where there is
// no such fragment.
func (w *work) person(ctx context.Context, id profile.ID) (p person, ok bool, err error) {
	first, err := w.hub.Fragments(ctx, []profile.ID{id})
	if err != nil {
		return p, false, fmt.Errorf("reading fragment: %w", err)
	}
	if len(first) == 0 || first[0].Version == 0 {
		return p, false, nil
	}
	members := first[0].Profile()
	if len(members) > 1 {
		if first, err = w.hub.Fragments(ctx, members); err != nil {
			return p, false, fmt.Errorf("reading fragments: %w", err)
		}
	}
	claims := map[string]bool{}
	for _, f := range first {
		if f.Version == 0 {
			continue
		}
		p.members, p.fragments = append(p.members, f.ID), append(p.fragments, f)
		for c := range f.State.Claims {
			claims[c] = true
		}
	}
	if len(p.members) == 0 {
		return p, false, nil
	}
	slices.Sort(p.members)
	var identities map[string]profile.Identity
	if len(claims) > 0 {
		if identities, err = w.hub.Identities(ctx, slices.Sorted(maps.Keys(claims))); err != nil {
			return p, false, fmt.Errorf("reading identities: %w", err)
		}
	}
	kept, err := w.hub.Memberships(ctx, p.members)
	if err != nil {
		return p, false, fmt.Errorf("reading memberships: %w", err)
	}
	p.segments = profile.InSegments(kept)
	p.view = segment.Combine(p.fragments, identities, profile.DefaultLimits)
	return p, true, nil
}

// older reads the orders that a rule asks for into the view.
func (w *work) older(ctx context.Context, p *person, since time.Time) error {
	var l []profile.Order
	for _, f := range p.fragments {
		if f.State.Orders == int64(len(f.State.Recent)) {
			continue
		}
		more, err := w.hub.OlderOrders(ctx, f.ID, since)
		if err != nil {
			return fmt.Errorf("reading older orders: %w", err)
		}
		l = append(l, more...)
	}
	p.view = p.view.With(l, since)
	return nil
}
